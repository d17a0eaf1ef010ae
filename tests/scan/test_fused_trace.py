"""What can be generated, what cannot and how that is said, and that no cell is taken for another."""

import inspect
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from seqmodels.layers import Recurrent
from seqmodels.scan import choose, scan
from tests.scan.fused_cells import LeakyCell, agrees, cell_with, close, results

Update = Callable[..., Tensor]


def branch(cell: Any, u: Tensor, r: Tensor, h: Tensor) -> Tensor:
    if h[0, 0] > 0:
        return h
    return u.chunk(2, -1)[0]


def branch_on_block(cell: Any, u: Tensor, r: Tensor, h: Tensor) -> Tensor:
    if (h > 0).all():
        return h
    return u.chunk(2, -1)[0]


REFUSED: dict[str, tuple[Update, str]] = {
    "branch on one value": (branch, "select"),
    "branch on values": (branch_on_block, "all"),
    "item": (lambda c, u, r, h: h * c.single.item(), "item"),
    "sum of all": (lambda c, u, r, h: h * h.sum(), "sum"),
    "in place": (lambda c, u, r, h: u.chunk(2, -1)[0].add(1).mul_(2), "mul_"),
    "matmul": (lambda c, u, r, h: h @ c.matrix, "mm"),
    "linear": (lambda c, u, r, h: functional.linear(h, c.matrix), "operation t |mm"),
    "dropout": (lambda c, u, r, h: functional.dropout(h), "dropout|bernoulli|empty_like"),
    "random": (lambda c, u, r, h: h + torch.randn_like(h), "randn_like"),
    "one unit": (lambda c, u, r, h: h * u[:, 3:4], "piece of 3"),
    "one unit's column": (lambda c, u, r, h: h * u[:, 3].unsqueeze(-1), "select"),
    "every second unit": (lambda c, u, r, h: u[:, ::2], "single units"),
    "row": (lambda c, u, r, h: h + u[0, :5], "select"),
    "a tensor made here": (lambda c, u, r, h: h * torch.tensor(0.5), "no attribute of the cell|lift_fresh"),
    "another precision": (lambda c, u, r, h: h.float().double(), "_to_copy"),
    "softmax": (lambda c, u, r, h: torch.softmax(h, -1), "_softmax"),
    "flipped": (lambda c, u, r, h: h.flip(-1), "flip"),
    "sorted": (lambda c, u, r, h: h.sort(-1)[0], "sort"),
    "running sum": (lambda c, u, r, h: h.cumsum(-1), "cumsum"),
    "sum over rows": (lambda c, u, r, h: h + h.sum(0, keepdim=True), "last axis"),
    "whole number": (lambda c, u, r, h: h * (u.chunk(2, -1)[0] // 1), "floor_divide"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_the_operation_and_the_line(name: str) -> None:
    update, operation = REFUSED[name]
    cell = cell_with(update)
    cell.single = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
    cell.matrix = nn.Parameter(torch.eye(5, dtype=torch.float64))
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    lines, first = inspect.getsourcelines(update)
    numbers = "|".join(str(first + index) for index in range(len(lines)))
    said = rf"(?s)engine='fused' cannot run this: .*(?:{operation}).* at .*{__name__.split('.')[-1]}\.py:(?:{numbers}) "
    with pytest.raises(ValueError, match=said):
        scan(cell, x, engine="fused")
    engine, reason = choose(cell, x)
    assert engine == "reference"
    assert f"{__name__.split('.')[-1]}.py" in reason
    explained = Recurrent(cell).explain(x)
    assert "reference" in explained
    assert f"{__name__.split('.')[-1]}.py" in explained
    torch.manual_seed(0)
    y, _ = scan(cell, x)
    torch.manual_seed(0)
    assert torch.equal(y, scan(cell, x, engine="reference")[0])


def test_the_reason_is_said_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqmodels.scan.dispatch._reported", set())
    cell = cell_with(lambda c, u, r, h: torch.softmax(h, -1))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            scan(cell, torch.randn(2, 4, 3, dtype=torch.float64))
    said = [record.message for record in caplog.records if "_softmax" in record.message]
    assert len(said) == 1
    assert "reference" in said[0]


def parts(u: Tensor, r: Tensor) -> tuple[Tensor, ...]:
    return (u + r).chunk(2, -1)


#: Forms that torch allows and that are either generated rightly or refused, never wrong and never a crash.
ODD: dict[str, Update] = {
    "last units": lambda c, u, r, h: torch.tanh((u + r)[..., -5:]),
    "all but the last": lambda c, u, r, h: torch.tanh((u + r)[:, :-5]),
    "first row for all": lambda c, u, r, h: torch.tanh((u + r)[:1, :5] + h),
    "first row, spread": lambda c, u, r, h: torch.tanh((u + r)[:1, :5].expand_as(h)),
    "first half of a vector": lambda c, u, r, h: torch.tanh(parts(u, r)[0] * c.double_vector[:5]),
    "second half of a vector": lambda c, u, r, h: torch.tanh(parts(u, r)[0] * c.double_vector[5:]),
    "first rows of a table": lambda c, u, r, h: torch.tanh(((u + r).view(-1, 2, 5) * c.table[:2])[:, 1]),
    "last row of a table": lambda c, u, r, h: torch.tanh(parts(u, r)[0] * c.table[-1]),
    "sum of sums": lambda c, u, r, h: torch.tanh(h + parts(u, r)[0].sum(-1, True).sum(-1, True)),
    "spread and summed": lambda c, u, r, h: torch.tanh(
        h + parts(u, r)[0].mean(-1, True).expand_as(h).sum(-1, True) / 5
    ),
    "piece of a constant": lambda c, u, r, h: torch.tanh(parts(u, r)[0] + torch.ones_like(u).chunk(2, -1)[1]),
    "sum of a constant": lambda c, u, r, h: torch.tanh(parts(u, r)[0] + torch.ones_like(u).sum(-1, True)),
    "joined with a constant": lambda c, u, r, h: torch.tanh(torch.cat([torch.zeros_like(u), u + r], -1)[:, 10:15]),
    "either of two conditions": lambda c, u, r, h: torch.tanh(parts(u, r)[0] * ((u[:, :5] > 0) + (u[:, 5:] > 0))),
    "both of two conditions": lambda c, u, r, h: torch.tanh(parts(u, r)[0] * ((u[:, :5] > 0) * (u[:, 5:] > 0))),
    "a constant of doubles": lambda c, u, r, h: torch.tanh(parts(u, r)[0] * torch.ones(5, dtype=torch.float64)),
    "units and gates exchanged": lambda c, u, r, h: torch.tanh((u + r).view(-1, 5, 2)[..., 0]),
    "gates in a table": lambda c, u, r, h: torch.tanh((u + r).view(-1, 2, 5).sum(1)),
    "gates in a table, mean of units": lambda c, u, r, h: torch.tanh((u + r).view(-1, 2, 5).mean(-1, True)[:, 0] + h),
    "row's number without an axis": lambda c, u, r, h: torch.tanh(h + (u + r).mean(-1).unsqueeze(-1)),
    "turned": lambda c, u, r, h: torch.tanh((u + r).t().t()[:, :5]),
    "one value for all": lambda c, u, r, h: torch.tanh(parts(u, r)[0] * c.single),
    "doubled": lambda c, u, r, h: torch.tanh((parts(u, r)[0].repeat(1, 2) + u).chunk(2, -1)[1]),
    "bounds from tensors": lambda c, u, r, h: parts(u, r)[0].clamp(-c.double_vector[5:].abs(), c.single.abs()),
    "bound from above": lambda c, u, r, h: parts(u, r)[0].clamp_max(0.1),
    "power 0": lambda c, u, r, h: torch.tanh(parts(u, r)[0] ** 0 * h + u[:, 5:]),
    "cube of 0": lambda c, u, r, h: torch.tanh(parts(u, r)[0] + h**3),
    "a root of a square": lambda c, u, r, h: torch.tanh((parts(u, r)[0] ** 2 + 0.1) ** 0.5 - h),
    "state handed on": lambda c, u, r, h: h,
    "input handed on": lambda c, u, r, h: u[:, 5:],
    "product handed on": lambda c, u, r, h: r[:, :5],
    "a constant": lambda c, u, r, h: torch.full_like(h, 0.3) + 0 * u[:, :5],
    "a vector": lambda c, u, r, h: c.double_vector[5:].expand_as(h),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_forms_are_right_or_refused(name: str) -> None:
    cell = cell_with(ODD[name])
    cell.double_vector = nn.Parameter(torch.linspace(-1, 2, 10, dtype=torch.float64))
    cell.table = nn.Parameter(torch.linspace(-1, 2, 15, dtype=torch.float64).view(3, 5))
    cell.single = nn.Parameter(torch.tensor([0.7], dtype=torch.float64))
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    if choose(cell, x)[0] == "fused":
        agrees(cell, x)
    scan(cell, x)  # and otherwise by an engine that can


@pytest.mark.parametrize("gates", [1, 7, 13, 26])
def test_any_number_of_gates_is_right_or_refused(gates: int) -> None:
    def update(cell: Any, u: Tensor, r: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(sum((u + r).chunk(gates, -1)) / gates)  # type: ignore[arg-type]

    cell = cell_with(update, [f"g{index}" for index in range(gates)])
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    if choose(cell, x)[0] == "fused":
        agrees(cell, x)


class Settings:
    def __init__(self, rate: float) -> None:
        self.rate = rate


def scaled_by(read: Callable[[Any], Any]) -> Update:
    return lambda c, u, r, h: torch.tanh(parts(u, r)[0] * read(c) + 0.1 * h)


#: What a cell may hold, and how it is changed between two calls: (the reading, first value, second value).
CHANGES: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
    "number": (lambda c: c.own, 0.5, 0.25),
    "number of a private name": (lambda c: c._own, 0.5, 0.25),
    "text": (lambda c: 0.5 if c.own == "half" else 2.0, "half", "double"),
    "list": (lambda c: c.own[0], [0.5], [0.25]),
    "list in a tuple": (lambda c: c.own[0][0], ([0.5],), ([0.25],)),
    "dictionary": (lambda c: c.own["rate"], {"rate": 0.5}, {"rate": 0.25}),
    "long list": (lambda c: c.own[2000], [0.5] * 4000, [0.5] * 2000 + [0.25] * 2000),
    "namespace": (lambda c: c.own.rate, SimpleNamespace(rate=0.5), SimpleNamespace(rate=0.25)),
    "object": (lambda c: c.own.rate, Settings(0.5), Settings(0.25)),
    "function": (lambda c: c.own(), lambda: 0.5, lambda: 0.25),
    "tensor": (lambda c: c.own, torch.tensor(0.5).double(), torch.tensor(0.25).double()),
    "tensor of a private name": (lambda c: c._own, torch.tensor(0.5).double(), torch.tensor(0.25).double()),
    "tensor of another shape": (lambda c: c.own, torch.ones(5).double(), torch.tensor(0.25).double()),
    "tensor per row": (lambda c: c.own, torch.rand(3, 5).double(), torch.rand(3, 1).double()),
    "tensor, then number": (lambda c: c.own, torch.ones(5).double(), 0.25),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_attribute_changes_the_result(name: str) -> None:
    read, first, second = CHANGES[name]
    cell = cell_with(scaled_by(read))
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    for value in (first, second, first):
        setattr(cell, "_own" if "private" in name else "own", value)
        torch.testing.assert_close(scan(cell, x)[0], scan(cell, x, engine="reference")[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("leads_back", [False, True])
def test_an_object_changed_inside_changes_the_result(leads_back: bool) -> None:
    cell = cell_with(scaled_by(lambda c: c.own.rate))
    cell.own = Settings(0.5)
    if leads_back:
        cell.own.owner = cell.own.itself = cell.own
        cell.own.cells = [cell, cell.own]
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    for rate in (0.5, 0.25):
        cell.own.rate = rate
        torch.testing.assert_close(scan(cell, x)[0], scan(cell, x, engine="reference")[0], rtol=1e-10, atol=1e-10)


def test_an_update_written_anew_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook, where the class stays and its function changes."""
    cell = cell_with(scaled_by(lambda c: 0.5))
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    scan(cell, x)
    other = type(cell_with(scaled_by(lambda c: 0.25)))
    monkeypatch.setattr(type(cell), "update", other.update)
    torch.testing.assert_close(scan(cell, x)[0], scan(cell, x, engine="reference")[0], rtol=1e-10, atol=1e-10)


def test_gradients_follow_requires_grad() -> None:
    cell = cell_with(scaled_by(lambda c: c.rate))
    cell.rate = torch.full((5,), 0.5, dtype=torch.float64)
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    for wanted in (False, True, False):
        cell.rate = cell.rate.detach().clone().requires_grad_(wanted)
        y = [scan(cell, x, engine=engine)[0] for engine in ("fused", "reference")]
        tensors = [cell.rate, *cell.parameters()] if wanted else list(cell.parameters())
        close(*(torch.autograd.grad(one.sin().sum(), tensors) for one in y), tolerance=1e-10)
    for parameter in cell.parameters():
        parameter.requires_grad_(False)
    cell.weight_hh.requires_grad_()
    y = [scan(cell, x, engine=engine)[0] for engine in ("fused", "reference")]
    close(*(torch.autograd.grad(one.sin().sum(), [cell.weight_hh]) for one in y), tolerance=1e-10)


@pytest.mark.parametrize("shape", [(3, 5), (3, 1), (3, 10)])
def test_captures_per_row_have_gradients(shape: tuple[int, int]) -> None:
    cell = cell_with(
        lambda c, u, r, h: (
            torch.tanh(((u + r) * c.own if c.own.shape[1] == 10 else u * c.own[:, :1])[:, :5] + c.shift)
            if c.own.shape[1] == 10
            else torch.tanh(parts(u, r)[0] * c.own + c.shift)
        )
    )
    cell.shift = nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64))
    cell.own = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    y = [scan(cell, x, lengths=torch.tensor([4, 2, 0]), engine=engine)[0] for engine in ("fused", "reference")]
    tensors = [cell.own, *cell.parameters()]
    close(*([one, *torch.autograd.grad(one.sin().sum(), tensors)] for one in y), tolerance=1e-10)


def test_a_cell_bound_to_other_tensors_uses_them() -> None:
    cell = LeakyCell(3, 5).double()
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    other = {name: torch.randn_like(tensor).requires_grad_() for name, tensor in cell._parameters.items()}
    bound = cell.bind(other)
    y = [scan(bound, x, engine=engine)[0] for engine in ("fused", "reference")]
    close(*([one, *torch.autograd.grad(one.sin().sum(), list(other.values()))] for one in y), tolerance=1e-10)


def test_functional_call_uses_the_tensors_it_is_given() -> None:
    layer = Recurrent(LeakyCell(3, 5).double(), engine="fused")
    plain = Recurrent(layer.cell, engine="reference")
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    other = {name: torch.randn_like(tensor).requires_grad_() for name, tensor in layer.named_parameters()}
    y = [functional_call(one, other, (x,))[0] for one in (layer, plain)]
    close(*([one, *torch.autograd.grad(one.sin().sum(), list(other.values()))] for one in y), tolerance=1e-10)


def test_tied_parameters_get_the_sum_of_their_gradients() -> None:
    cell = cell_with(lambda c, u, r, h: torch.tanh(parts(u, r)[0] * c.one + parts(u, r)[1] * c.other))
    cell.one = nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64))
    cell.other = cell.one
    agrees(cell, torch.randn(3, 4, 3, dtype=torch.float64))
    cell.other = nn.Parameter(torch.linspace(0, 1, 5, dtype=torch.float64))  # and apart again
    agrees(cell, torch.randn(3, 4, 3, dtype=torch.float64))


def test_biases_tied_to_each_other_or_to_a_vector() -> None:
    cell = cell_with(lambda c, u, r, h: torch.tanh(parts(u, r)[0] + c.own.chunk(2)[0]))
    cell.bias_hh = cell.bias_ih
    cell.own = cell.bias_ih
    agrees(cell, torch.randn(3, 4, 3, dtype=torch.float64))


def test_parts_within_parts() -> None:
    cell = cell_with(lambda c, u, r, h: torch.tanh(c.part(parts(u, r)[0]) + c.norm(h)))
    cell.part = nn.Sequential(nn.LayerNorm(5), nn.Softplus(), nn.LayerNorm(5, elementwise_affine=False)).double()
    cell.norm = nn.LayerNorm(5, bias=False).double()
    agrees(cell, torch.randn(3, 4, 3, dtype=torch.float64), torch.tensor([4, 2, 0]))
    cell.part[0] = nn.Identity()
    agrees(cell, torch.randn(3, 4, 3, dtype=torch.float64))


def test_training_and_evaluation_are_kept_apart() -> None:
    cell = cell_with(lambda c, u, r, h: functional.dropout(torch.tanh(parts(u, r)[0]), 0.5, c.training))
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    assert choose(cell, x)[0] == "reference"
    cell.eval()
    assert choose(cell, x)[0] == "fused"
    agrees(cell, x)
    cell.train()
    assert choose(cell, x)[0] == "reference"


def test_a_trace_changes_nothing() -> None:
    """Neither random numbers nor the cell's tensors, nor what a step does afterwards."""
    cell = LeakyCell(3, 5).double()
    before, seed = {name: tensor.clone() for name, tensor in cell.state_dict().items()}, torch.get_rng_state()
    x = torch.ones(3, 4, 3, dtype=torch.float64)
    results(cell, x, cell.initial_state(3, x))
    assert torch.equal(seed, torch.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in cell.state_dict().items())


def test_a_trace_that_fails_draws_no_random_numbers() -> None:
    cell = cell_with(lambda c, u, r, h: torch.tanh(parts(u, r)[0]) + torch.randn_like(h))
    x = torch.randn(3, 4, 3, dtype=torch.float64)
    y = []
    for engine in ("auto", "reference"):
        torch.manual_seed(0)
        y.append(scan(cell, x, engine=engine)[0])
    assert torch.equal(*y)


@pytest.mark.parametrize("name", ['";system("true");//', "weiß", "int", "a b\n#define real int", "*/ x /*"])
def test_no_name_of_the_users_reaches_the_generated_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqmodels.scan.fused import compiler, kernel

    texts = []
    monkeypatch.setattr(kernel, "_kernels", {})
    load = compiler.load
    monkeypatch.setattr(compiler, "load", lambda source: texts.append(source) or load(source))
    cell = cell_with(lambda c, u, r, h: torch.tanh(parts(u, r)[0] * getattr(c, name)), [name, "b"])
    setattr(cell, name, torch.linspace(-1, 1, 5, dtype=torch.float64))
    type(cell).__name__ = type(cell).__qualname__ = name
    agrees(cell, torch.randn(3, 4, 3, dtype=torch.float64))
    same = cell_with(lambda c, u, r, h: torch.tanh(parts(u, r)[0] * c.plain))
    same.plain = torch.linspace(-1, 1, 5, dtype=torch.float64)
    agrees(same, torch.randn(3, 4, 3, dtype=torch.float64))
    assert len(texts) == 2
    assert texts[0] == texts[1]
