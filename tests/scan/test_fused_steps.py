"""A step without gradients by compiled code is the step that is written, whatever has changed since the one before."""

import copy
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from seqmodels.cells import LSTMCell
from seqmodels.cells.gated.base import prepared
from seqmodels.state import leaves, map_state
from tests.scan.fused_cells import RandomCell, cell_with

SIZES = (3, 16)


def steps_agree(cell: Any, dtype: torch.dtype = torch.float64, u: Tensor | None = None) -> None:
    """That the quick step and the written one give the same, twice."""
    u = torch.randn(1, len(cell.gates) * cell.hidden_size, dtype=dtype) if u is None else u
    state = map_state(torch.randn_like, cell.initial_state(1, u))
    expected_y, expected = cell.step(u, state)  # with gradients, so as it is written
    for _ in range(2):
        with torch.no_grad():
            y, after = cell.step(u, state)
        tolerance = 1e-10 if dtype == torch.float64 else 1e-5
        for one, other in zip([y, *leaves(after)], [expected_y, *leaves(expected)], strict=True):
            torch.testing.assert_close(one, other.detach(), rtol=tolerance, atol=tolerance)


def cell_reading(read: Callable[[Any], Any]) -> Any:
    return cell_with(lambda c, u, r, h: torch.tanh((u + r).chunk(2, -1)[0] * read(c) + 0.1 * h), sizes=SIZES)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_random_cells(seed: int, dtype: torch.dtype) -> None:
    for units in (16, 7):
        steps_agree(RandomCell(3, units, seed).to(dtype), dtype)


def exchange_parameters(cell: Any) -> None:
    for name, parameter in list(cell._parameters.items()):
        setattr(cell, name, nn.Parameter(torch.randn_like(parameter)))


def test_another_precision_and_back() -> None:
    cell = LSTMCell(*SIZES).double()
    for dtype in (torch.float64, torch.float32, torch.float64):
        steps_agree(cell.to(dtype), dtype)


@pytest.mark.parametrize("of", [copy.deepcopy, copy.copy, lambda cell: pickle.loads(pickle.dumps(cell))])
def test_a_copy_has_its_own_weights(of: Any) -> None:
    cell = LSTMCell(*SIZES).double()
    steps_agree(cell)
    other = of(cell)
    exchange_parameters(other)
    steps_agree(other)
    steps_agree(cell)


def test_bound_cells_use_their_tensors() -> None:
    cell = LSTMCell(*SIZES).double()
    steps_agree(cell)
    steps_agree(cell.bind({"weight_hh": cell.weight_hh * 2}))
    u, state = torch.ones(1, 64, dtype=torch.float64), cell.initial_state(1, torch.ones((), dtype=torch.float64))
    state = map_state(lambda leaf: leaf + 0.5, state)
    other = {name: tensor.detach() * 2 for name, tensor in cell.named_parameters()}

    class Stepped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = cell

        def forward(self) -> Tensor:
            y: Tensor = self.cell.step(u, state)[0]
            return y

    given = {f"cell.{name}": tensor for name, tensor in other.items()}
    expected = functional_call(Stepped(), given)
    with torch.no_grad():
        torch.testing.assert_close(functional_call(Stepped(), given), expected.detach(), rtol=1e-10, atol=1e-10)
    steps_agree(cell)


#: What a cell reads, and how it changes without being set anew.
WITHIN: dict[str, tuple[Callable[[Any], Any], Any, Callable[[Any], None]]] = {
    "list": (lambda c: c.own[0], [0.5], lambda own: own.__setitem__(0, 0.25)),
    "dictionary": (lambda c: c.own["a"], {"a": 0.5}, lambda own: own.update(a=0.25)),
    "object": (lambda c: c.own.rate, SimpleNamespace(rate=0.5), lambda own: setattr(own, "rate", 0.25)),
    "tensor": (lambda c: c.own, torch.full((16,), 0.5).double(), lambda own: own.fill_(0.25)),
    "tensor's data": (
        lambda c: c.own,
        torch.full((16,), 0.5).double(),
        lambda own: setattr(own, "data", torch.full((16,), 0.25).double()),
    ),
}


@pytest.mark.parametrize("name", WITHIN)
def test_what_changes_within_an_attribute_is_seen(name: str) -> None:
    read, value, change = WITHIN[name]
    cell = cell_reading(read)
    cell.own = copy.deepcopy(value)
    steps_agree(cell)
    change(cell.own)
    steps_agree(cell)


def test_an_update_written_anew_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = cell_reading(lambda c: 0.5)
    steps_agree(cell)
    monkeypatch.setattr(type(cell), "update", type(cell_reading(lambda c: 0.25)).update)
    steps_agree(cell)


def test_inputs_and_states_in_any_form() -> None:
    cell = LSTMCell(*SIZES).double()
    steps_agree(cell)
    wide = torch.randn(1, 128, dtype=torch.float64)
    for u in (wide[:, ::2], wide[:, 1:65], wide[:, :1].expand(1, 64), wide[:, :64].t().contiguous().t()):
        steps_agree(cell, u=u)
    u = wide[:, :64]
    state = map_state(lambda leaf: torch.randn(1, 32, dtype=leaf.dtype)[:, ::2], cell.initial_state(1, u))
    expected = cell.step(u, state)[0]
    with torch.no_grad():
        torch.testing.assert_close(cell.step(u, state)[0], expected.detach(), rtol=1e-10, atol=1e-10)


def test_the_state_before_a_step_is_left_as_it_is() -> None:
    cell = LSTMCell(*SIZES).double()
    u = torch.randn(1, 64, dtype=torch.float64)
    with torch.no_grad():
        state = map_state(torch.randn_like, cell.initial_state(1, u))
        kept = map_state(torch.clone, state)
        _, first = cell.step(u, state)
        saved = map_state(torch.clone, first)
        _, second = cell.step(u, first)
    for one, other in ((state, kept), (first, saved)):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_step_draws_no_random_numbers() -> None:
    cell = cell_reading(lambda c: 0.5)
    before = torch.get_rng_state()
    steps_agree(cell, u=torch.ones(1, 32, dtype=torch.float64))
    torch.set_rng_state(before)
    torch.randn(1, 16, dtype=torch.float64)  # the state of the call above
    after = torch.get_rng_state()
    torch.set_rng_state(before)
    steps_agree(cell, u=torch.ones(1, 32, dtype=torch.float64))
    assert torch.equal(torch.get_rng_state(), after)


def test_rows_that_come_together_first_and_one_by_one_later() -> None:
    """A batch says nothing of single rows: they are still taken by compiled code."""
    cell = LSTMCell(*SIZES)
    with torch.no_grad():
        cell(torch.randn(4, SIZES[0]), cell.initial_state(4, torch.ones(1)))
        assert False not in prepared.get(cell, {})
        cell(torch.randn(1, SIZES[0]), cell.initial_state(1, torch.ones(1)))
    assert callable(prepared[cell][False])
    assert type(prepared[cell][False]).__name__ == "_Single"


def test_kernels_of_options_that_keep_changing_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    from seqmodels.scan.fused import kernel

    monkeypatch.setattr(kernel, "_kernels", {})
    monkeypatch.setattr(kernel, "_MOST_KERNELS", 3)
    cell = cell_with(lambda c, u, r, h: torch.tanh((u + r).chunk(2, -1)[0] * c.rate + 0.1 * h), sizes=SIZES)
    for step in range(8):
        cell.rate = 0.1 + step
        kernel.kernel_for(cell, torch.float64, False)
    assert len(kernel._kernels) == 3
