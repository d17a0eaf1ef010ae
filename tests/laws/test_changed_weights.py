"""Weights changed between two calls, in every way that torch knows, count at once: every cell, on every path."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune

from seqmodels.cells import Cell, GatedCell
from seqmodels.cells.gated.base import plain_steps
from seqmodels.layers import LSTM, RNN
from seqmodels.scan import engines_for, scan
from seqmodels.state import leaves, map_state
from tests.laws.catalogue import MakeCell, cells

H = 8  # a whole number of vectors in every precision, so that quick steps are taken


def weights(cell: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in cell.parameters() if parameter.dim() > 0]


def other(weight: Tensor) -> Tensor:
    return torch.randn_like(weight) / 2


def turned(weight: Tensor) -> Tensor:
    """The same memory, read otherwise where the shape allows it."""
    data = weight.data
    return data.t() if data.dim() == 2 and data.shape[0] == data.shape[1] else data.flip(0)


def strided(weight: Tensor) -> Tensor:
    wide = torch.randn(*weight.shape[:-1], 2 * weight.shape[-1], dtype=weight.dtype)
    return wide[..., ::2]


def by_each(change: Callable[[nn.Parameter], Any]) -> Callable[[Cell], None]:
    def all_of_them(cell: Cell) -> None:
        for weight in weights(cell):
            change(weight)

    return all_of_them


def set_data(make: Callable[[Tensor], Tensor]) -> Callable[[Cell], None]:
    return by_each(lambda weight: setattr(weight, "data", make(weight)))


def without_gradient(change: Callable[[Tensor], Any]) -> Callable[[Cell], None]:
    return by_each(lambda weight: torch.no_grad()(change)(weight))


def swap(cell: Cell) -> None:
    for weight in weights(cell):
        torch.utils.swap_tensors(weight, nn.Parameter(other(weight)))


def replace(cell: Cell, register: bool) -> None:
    for module in cell.modules():
        for name, weight in list(module._parameters.items()):
            if weight is not None:
                new = nn.Parameter(turned(weight))
                if register:
                    delattr(module, name)
                    module.register_parameter(name, new)
                else:
                    module._parameters[name] = new


def tie(cell: Cell) -> None:
    """Weights of one shape become one."""
    known: dict[torch.Size, nn.Parameter] = {}
    for module in cell.modules():
        for name, weight in list(module._parameters.items()):
            if weight is not None:
                module._parameters[name] = known.setdefault(weight.shape, weight)


def step_once(cell: Cell) -> None:
    optimiser = torch.optim.Adam(cell.parameters(), lr=0.1)
    scan(cell, torch.ones(2, 3, 3, dtype=torch.float64))[0].sum().backward()
    optimiser.step()


class Halved(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2


def parametrised(cell: Cell) -> None:
    module, name = next((m, n) for m in cell.modules() for n, w in m._parameters.items() if w is not None)
    parametrize.register_parametrization(module, name, Halved())


def pruned(cell: Cell) -> None:
    module, name = next((m, n) for m in cell.modules() for n, w in m._parameters.items() if w is not None)
    prune.l1_unstructured(module, name, amount=0.5)


def loaded(cell: Cell, assign: bool) -> None:
    cell.load_state_dict({name: other(weight) for name, weight in cell.state_dict().items()}, assign=assign)


def hooked(cell: Cell) -> None:
    """The weights change at the very call."""

    def change(module: nn.Module, inputs: Any) -> None:
        for weight in weights(module):
            weight.data = torch.full_like(weight, 0.1).expand_as(weight)

    cell.register_forward_pre_hook(change)
    change(cell, None)


CHANGES: dict[str, Callable[[Cell], None]] = {
    "data": set_data(other),
    "data turned": set_data(turned),
    "data strided": set_data(strided),
    "data expanded": set_data(lambda weight: other(weight)[..., :1].expand_as(weight)),
    "data negated by a bit": set_data(lambda weight: torch._neg_view(weight.data)),
    "copy_": without_gradient(lambda weight: weight.copy_(other(weight))),
    "set_": without_gradient(lambda weight: weight.set_(turned(weight))),
    "added in place": without_gradient(lambda weight: weight.add_(0.1)),
    "filled behind autograd's back": by_each(lambda weight: weight.data.mul_(0.5)),
    "swap_tensors": swap,
    "loaded": lambda cell: loaded(cell, assign=False),
    "loaded by assignment": lambda cell: loaded(cell, assign=True),
    "optimised": step_once,
    "replaced": lambda cell: replace(cell, register=False),
    "registered anew": lambda cell: replace(cell, register=True),
    "tied": tie,
    "parametrised": parametrised,
    "pruned": pruned,
    "changed by a hook": hooked,
    "evaluated": lambda cell: cell.eval(),
    "drawn afresh": lambda cell: [
        part.reset_parameters() for part in cell.modules() if hasattr(part, "reset_parameters")
    ],
    "a bias taken away": lambda cell: hasattr(cell, "bias_hh") and setattr(cell, "bias_hh", None),
    "another precision": lambda cell: cell.float(),
    "through the meta device": lambda cell: (
        cell.to_empty(device="meta")
        .to_empty(device="cpu")
        .load_state_dict({name: torch.randn(weight.shape) for name, weight in cell.state_dict().items()})
    ),
}


def agree(cell: Cell) -> None:
    """That every path gives what the plain loop gives with the weights as they are."""
    dtype = next(cell.parameters()).dtype
    x = torch.randn(3, 4, 3, dtype=dtype)
    state = map_state(torch.randn_like, cell.initial_state(3, x))
    expected = scan(cell, x, state, engine="reference")
    for engine in engines_for(cell):
        for mode in (torch.enable_grad, torch.no_grad):
            with mode():
                y, last = scan(cell, x, state, engine=engine)
            close([y, *leaves(last)], [expected[0], *leaves(expected[1])])
    for rows in (1, 3):
        one, before = x[:rows, 0], map_state(lambda leaf, rows=rows: leaf[:rows].contiguous(), state)
        with torch.no_grad(), plain_steps():
            u = cell.project(one)
            y_written, written = cell.step(u, before)
        for step, given in ((cell, one), (cell.step, u)):
            for mode in (torch.enable_grad, torch.no_grad, torch.no_grad):
                with mode():
                    y, after = step(given, before)
                close([y, *leaves(after)], [y_written, *leaves(written)])


def close(actual: list[Tensor], expected: list[Tensor]) -> None:
    tolerance = 1e-9 if expected[0].dtype == torch.float64 else 1e-4
    for one, two in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=title, marks=pytest.mark.slow if "-" in title and title != "lstm-peephole" else [])
        for title, make in cells().items()
    ],
)
def test_changed_weights_count_at_once(make: MakeCell) -> None:
    cell = make(3, H).double()
    agree(cell)
    for name, change in CHANGES.items():
        changed = copy.deepcopy(cell)
        agree(changed)
        try:
            change(changed)
            agree(changed)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


@pytest.mark.parametrize("layer", [RNN(H, H, batch_first=True), LSTM(H, H, num_layers=2, batch_first=True)])
def test_a_drop_in_sees_its_weights_turned(layer: Any) -> None:
    x = torch.randn(1, 1, H)
    with torch.no_grad():
        for _ in range(2):
            y, state = layer(x)
            y, state = layer(x, state)
            layer.engine = "reference"
            expected = layer(x, layer(x)[1])[0]
            layer.engine = "auto"
            torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
            for weight in layer.parameters():
                weight.data = turned(weight)


def test_conversion_by_swapping() -> None:
    """torch's own switch, under which ``.to`` exchanges what is in a parameter for something else."""
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        cell = cells()["lstm"](3, H)
        for convert in (cell.double, cell.float):
            agree(cell)
            scan(cell, torch.ones(2, 3, 3, dtype=next(cell.parameters()).dtype))[0].sum().backward()
            convert()
        agree(cell)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


def test_nothing_is_kept_on_a_cell() -> None:
    """What steps prepare is no attribute: a compiler would see it appear, and a copy would take it along."""
    cell = cells()["lstm"](3, H)
    assert isinstance(cell, GatedCell)
    names = set(vars(cell))
    agree(cell)
    assert set(vars(cell)) == names
