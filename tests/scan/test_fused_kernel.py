"""The compiled code gives what the plain loop gives: random cells and sizes, threads, and everything autograd does."""

import copy
import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from seqmodels.cells import GatedCell, HiddenState, LSTMCell
from seqmodels.layers import Recurrent
from seqmodels.scan import choose, scan
from seqmodels.scan.fused import layout
from tests.scan.fused_cells import LeakyCell, RandomCell, agrees, close, results

FEW_CELLS, MORE_CELLS = range(4), range(4, 40)


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """So many threads, also for work that is too small to be worth it."""
    monkeypatch.setattr(layout, "_SMALL_WORK", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def random_run(draw: random.Random, rows: int, steps: int, features: int, dtype: torch.dtype) -> dict[str, Any]:
    """Inputs, and sometimes lengths and resets."""
    lengths = torch.randint(0, steps + 1, (rows,)) if draw.random() < 0.6 else None
    reset = torch.rand(rows, steps) < 0.3 if draw.random() < 0.5 else None
    return {"inputs": torch.randn(rows, steps, features, dtype=dtype), "lengths": lengths, "reset": reset}


def check_random_cell(seed: int, threads: int, sizes: list[tuple[int, int, int, int]], dtype: torch.dtype) -> None:
    draw = random.Random(1000 * seed + threads)
    torch.manual_seed(seed)
    for H, B, T, F in draw.sample(sizes, 6):
        cell = RandomCell(F, H, seed, heads=1 if seed % 3 else draw.choice([n for n in (1, 3, 7, H) if H % n == 0]))
        # Every size of one seed is the same generated code, but for the cells whose units see only themselves.
        run = random_run(draw, B, T, F, dtype)
        agrees(cell.to(dtype), **run, tolerance=1e-10 if dtype == torch.float64 else 1e-5)


SIZES = list(itertools.product((1, 7, 33, 64), (1, 3, 13), (1, 9), (1, 5)))


@pytest.mark.parametrize("seed", [*FEW_CELLS, *(pytest.param(seed, marks=pytest.mark.slow) for seed in MORE_CELLS)])
def test_random_cells_agree_with_the_plain_loop(seed: int, threads: int) -> None:
    check_random_cell(seed, threads, SIZES, torch.float64)


@pytest.mark.slow
@pytest.mark.parametrize("seed", MORE_CELLS[::3])
def test_random_cells_agree_in_float32(seed: int, threads: int) -> None:
    # Layer norm of one unit is 0, and else rounding made large.
    check_random_cell(seed, threads, [size for size in SIZES if size[0] > 1], torch.float32)


@pytest.mark.parametrize("seed", [3, *(pytest.param(seed, marks=pytest.mark.slow) for seed in MORE_CELLS[:12])])
def test_units_shared_among_threads(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_SMALL_WORK", 0)
    monkeypatch.setattr(layout, "_LARGE_WEIGHTS", 0)
    plans = []
    share_out = layout.Layout._share_out

    def noted(self: Any, *args: Any) -> None:
        share_out(self, *args)
        plans.append(self.by_units)

    monkeypatch.setattr(layout.Layout, "_share_out", noted)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        draw = random.Random(seed)
        for H, B, heads in ((128, 3, 1), (131, 1, 1), (144, 5, 3), (130, 2, 1)):
            cell = RandomCell(5, H, seed, heads).double()
            agrees(cell, **random_run(draw, B, 4, 5, torch.float64))
    finally:
        torch.set_num_threads(before)
    assert any(plans)


@pytest.mark.parametrize("heads", [1, 2, 3, 6, 33])
@pytest.mark.parametrize("units", [66, 198])
def test_heads_of_any_size(heads: int, units: int, threads: int) -> None:
    cell = LSTMCell(3, units, heads=heads if units % heads == 0 else 1).double()
    agrees(cell, torch.randn(3, 4, 3, dtype=torch.float64), torch.tensor([4, 1, 0]), torch.rand(3, 4) < 0.3)


@pytest.mark.parametrize("rows", [1, 2, 8, 9, 25])
def test_any_number_of_rows(rows: int, threads: int) -> None:
    cell = LeakyCell(6, 20).double()
    agrees(cell, torch.randn(rows, 3, 6, dtype=torch.float64), torch.randint(0, 4, (rows,)))


def test_the_number_of_threads_changes_results_by_rounding_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_SMALL_WORK", 0)
    cell = LeakyCell(5, 40)
    x = torch.randn(9, 12, 5)
    state = cell.initial_state(9, x)
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            found.append(results(cell, x, state))
    finally:
        torch.set_num_threads(before)
    close(found[0], found[1], 1e-6)
    close(found[0], found[2], 1e-6)


def test_the_same_call_gives_the_same_bits(threads: int) -> None:
    cell = LeakyCell(5, 40)
    x = torch.randn(9, 12, 5)
    state, lengths = cell.initial_state(9, x), torch.randint(0, 13, (9,))
    first, second = (results(cell, x, state, lengths) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def cell_and_inputs(*shape: int) -> tuple[LeakyCell, Tensor]:
    return LeakyCell(5, 7).double(), torch.randn(*(shape or (3, 6, 5)), dtype=torch.float64)


FORMS = {
    "transposed": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "every second step": lambda x: x.repeat_interleave(2, 1)[:, ::2],
    "every second feature": lambda x: x.repeat_interleave(2, 2)[..., ::2],
    "features first": lambda x: x.permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "one row for all": lambda x: x[:1].expand(3, -1, -1),
    "one step for all": lambda x: x[:, :1].expand(-1, 6, -1),
    "flipped": lambda x: x.flip(1),
    "a piece": lambda x: torch.cat([x, x, x])[2:5, 1:],
    "at an odd place": lambda x: torch.cat([x.new_zeros(1), x.flatten()])[1:].view(x.shape),
}


@pytest.mark.parametrize("features", [2, 5])
@pytest.mark.parametrize("form", FORMS)
def test_inputs_in_any_form(form: str, features: int) -> None:
    cell = LeakyCell(features, 7).double()
    agrees(cell, FORMS[form](torch.randn(3, 6, features, dtype=torch.float64)))


LEADS = {
    "sum": lambda y: y.sum(),
    "some steps": lambda y: y[:, ::2].sum(),
    "time first": lambda y: y.transpose(0, 1).cumsum(0).sin().sum(),
    "one number": lambda y: y[1, 2, 3],
    "mean of rows": lambda y: y.mean(0).sum(),
    "last step": lambda y: y[:, -1].norm(),
    "flipped": lambda y: y.flip(1)[..., 0].sum(),
    "units first": lambda y: (
        y.permute(2, 0, 1).contiguous() * torch.arange(y.numel()).view_as(y.permute(2, 0, 1))
    ).sum(),
}


@pytest.mark.parametrize("lead", LEADS.values(), ids=LEADS)
@pytest.mark.parametrize("units", [7, 16])
def test_gradients_in_any_form(lead: Any, units: int) -> None:
    cell, x = LeakyCell(5, units).double(), torch.randn(3, 6, 5, dtype=torch.float64, requires_grad=True)
    found = [
        torch.autograd.grad(lead(scan(cell, x, engine=engine)[0]), [x, *cell.parameters()], materialize_grads=True)
        for engine in ("fused", "reference")
    ]
    close(*found, tolerance=1e-10)


def test_a_gradient_through_the_last_state_alone_or_one_field_of_it() -> None:
    cell = LSTMCell(5, 7, peephole=True).double()
    x = torch.randn(3, 6, 5, dtype=torch.float64, requires_grad=True)
    for field in ("h", "c"):
        found = []
        for engine in ("fused", "reference"):
            _, last = scan(cell, x, lengths=torch.tensor([6, 3, 0]), engine=engine)
            wanted = [x, *cell.parameters()]
            found.append(torch.autograd.grad(getattr(last, field).sin().sum(), wanted, materialize_grads=True))
        close(*found, tolerance=1e-10)


@pytest.mark.parametrize("change", [lambda y: y.mul_(2), lambda y: y[:, 0].zero_(), lambda y: y.add_(1)])
def test_an_output_changed_in_place_is_an_error_or_right(change: Any) -> None:
    cell, x = cell_and_inputs()
    y, _ = scan(cell, x, engine="fused")
    expected, _ = scan(cell, x, engine="reference")
    wanted = list(cell.parameters())
    kept = y.sin()
    try:
        change(y)
        found = torch.autograd.grad(kept.sum() + y.sum(), wanted)
    except RuntimeError as error:
        assert "in-place" in str(error) or "inplace" in str(error)  # noqa: PT017  either is right
        return
    before = expected.sin()
    expected = expected.clone()
    change(expected)
    close(found, torch.autograd.grad(before.sum() + expected.sum(), wanted), 1e-10)


def test_a_last_state_changed_in_place_is_an_error_or_right() -> None:
    """As one does who zeroes the state of a row between windows."""
    cell, x = cell_and_inputs()
    for lengths in (None, torch.tensor([6, 2, 0])):
        y, last = scan(cell, x, lengths=lengths, engine="fused")
        expected, _ = scan(cell, x, lengths=lengths, engine="reference")
        last.h.zero_()
        found = torch.autograd.grad(y.sin().sum(), list(cell.parameters()))
        close(found, torch.autograd.grad(expected.sin().sum(), list(cell.parameters())), 1e-10)


def test_an_input_or_weight_changed_before_backward_is_an_error() -> None:
    cell, x = cell_and_inputs()
    y, _ = scan(cell, x, engine="fused")
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    for parameter in cell.parameters():
        y, _ = scan(cell, x, engine="fused")
        with torch.no_grad():
            parameter.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


def test_a_retained_graph_gives_its_gradients_again() -> None:
    cell, x = cell_and_inputs()
    y, _ = scan(cell, x.requires_grad_(), engine="fused")
    tensors = [x, *cell.parameters()]
    first = torch.autograd.grad(y.sin().sum(), tensors, retain_graph=True)
    second = torch.autograd.grad(y.sin().sum(), tensors, retain_graph=True)
    third = torch.autograd.grad(y.sin().sum(), tensors)
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(first, second, third, strict=True))
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(y.sum(), tensors)


def test_outputs_are_whole_after_backward() -> None:
    """Memory is used again in backward: not that of what the user holds."""
    cell, x = cell_and_inputs()
    inputs = x.clone()
    y, last = scan(cell, x, engine="fused")
    kept, kept_last = y.detach().clone(), last.h.detach().clone()
    y.sum().backward()
    assert torch.equal(y, kept)
    assert torch.equal(last.h, kept_last)
    assert torch.equal(x, inputs)


def test_second_derivatives() -> None:
    cell, x = cell_and_inputs()
    x.requires_grad_()
    tensors = [x, *cell.parameters()]
    found = []
    for engine in ("fused", "reference"):
        y, last = scan(cell, x, lengths=torch.tensor([6, 2, 0]), engine=engine)
        first = torch.autograd.grad(y.sin().sum() + last.h.sum(), tensors, create_graph=True)
        second = torch.autograd.grad(sum(one.pow(2).sum() for one in first), tensors)
        found.append([*first, *second])
    close(*found, tolerance=1e-10)


def test_many_gradients_at_once() -> None:
    """By torch's older vmap, which vectorised Jacobians use."""
    cell, x = cell_and_inputs()
    x.requires_grad_()
    found = []
    for engine in ("fused", "reference"):
        y, _ = scan(cell, x, engine=engine)
        directions = torch.arange(4 * y.numel(), dtype=y.dtype).view(4, *y.shape).sin()
        found.append(torch.autograd.grad(y, [x, *cell.parameters()], directions, is_grads_batched=True))
    close(*found, tolerance=1e-10)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing(reentrant: bool) -> None:
    cell, x = cell_and_inputs()
    x.requires_grad_()
    tensors = [x, *cell.parameters()]
    y = checkpoint(lambda x: scan(cell, x, engine="fused")[0], x, use_reentrant=reentrant)
    y.sin().sum().backward()
    found = [tensor.grad for tensor in tensors]
    plain, _ = scan(cell, x, engine="reference")
    close(found, torch.autograd.grad(plain.sin().sum(), tensors), 1e-10)


def test_hooks_on_saved_tensors() -> None:
    cell, x = cell_and_inputs()
    tensors = list(cell.parameters())
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(force=True).copy(), torch.from_numpy):
        y, _ = scan(cell, x, engine="fused")
    plain, _ = scan(cell, x, engine="reference")
    close(*(torch.autograd.grad(one.sin().sum(), tensors) for one in (y, plain)), tolerance=1e-10)
    with torch.autograd.graph.save_on_cpu():
        y, _ = scan(cell, x, engine="fused")
    close(*(torch.autograd.grad(one.sin().sum(), tensors) for one in (y, scan(cell, x, engine="reference")[0])), 1e-10)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_it_gives_the_same_bits(mode: Any) -> None:
    cell, x = cell_and_inputs()
    lengths, reset = torch.tensor([6, 2, 0]), torch.rand(3, 6) < 0.3
    y, last = scan(cell, x, None, lengths, reset, engine="fused")
    with mode():
        bare, bare_last = scan(cell, x, None, lengths, reset, engine="fused")
        assert not bare.requires_grad
    assert torch.equal(y, bare)
    assert torch.equal(last.h, bare_last.h)


def test_tensors_of_inference_can_be_used() -> None:
    cell, x = cell_and_inputs()
    with torch.inference_mode():
        made = x * 1
        inside, _ = scan(cell, made, engine="fused")
    with torch.no_grad():
        outside, _ = scan(cell, made, engine="fused")
    assert torch.equal(inside, outside)


@pytest.mark.parametrize("wanted", ["weight_hh", "bias_ih", "scale", "norm.weight", "weight_ih"])
def test_only_one_weight_needs_a_gradient(wanted: str) -> None:
    cell, x = cell_and_inputs()
    for name, parameter in cell.named_parameters():
        parameter.requires_grad_(name == wanted)
    tensor = cell.get_parameter(wanted)
    y = [scan(cell, x, reset=torch.ones(3, 6) < 0, engine=engine)[0] for engine in ("fused", "reference")]
    close(*(torch.autograd.grad(one.sin().sum(), [tensor]) for one in y), tolerance=1e-10)


def test_only_the_inputs_or_the_state_need_a_gradient() -> None:
    cell, x = cell_and_inputs()
    cell.requires_grad_(False)
    state = HiddenState(torch.randn(3, 7, dtype=torch.float64, requires_grad=True))
    x.requires_grad_()
    for wanted in ([x], [state.h], [x, state.h]):
        y = [scan(cell, x, state, engine=engine)[0] for engine in ("fused", "reference")]
        close(*(torch.autograd.grad(one.sin().sum(), wanted) for one in y), tolerance=1e-10)
    assert not scan(cell, x.detach(), engine="fused")[0].requires_grad


def test_a_learned_start_and_resets_to_it() -> None:
    cell, x = cell_and_inputs()
    cell.learn_initial_state()
    torch.nn.init.normal_(cell.initial_h)
    y = [
        scan(cell, x, None, torch.tensor([6, 4, 0]), torch.rand(3, 6) < 2, engine=e)[0] for e in ("fused", "reference")
    ]
    close(*([one, *torch.autograd.grad(one.sin().sum(), list(cell.parameters()))] for one in y), tolerance=1e-10)


def test_the_state_carried_over_windows_carries_gradients() -> None:
    cell, x = cell_and_inputs()
    found = []
    for engine in ("fused", "reference"):
        first, state = scan(cell, x, engine=engine)
        second, _ = scan(cell, x, state, engine=engine)
        found.append(torch.autograd.grad((first + second).sin().sum(), list(cell.parameters())))
    close(*found, tolerance=1e-10)


def test_half_precision_is_near_float32() -> None:
    """Inside, it is computed in float32: only the rounding of weights, inputs and results is left."""
    cell = LeakyCell(5, 32)
    half = copy.deepcopy(cell).bfloat16()
    whole = copy.deepcopy(half).float()  # the same rounded weights
    x = torch.randn(3, 20, 5).bfloat16()
    assert choose(half, x)[0] == "fused"
    y, last = scan(half, x, engine="fused")
    expected, _ = scan(whole, x.float(), engine="reference")
    assert y.dtype == last.h.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), expected, rtol=2**-8, atol=2**-8)
    gradients = torch.autograd.grad(y.float().sin().sum(), list(half.parameters()))
    plain = torch.autograd.grad(expected.sin().sum(), list(whole.parameters()))
    close([one.float() for one in gradients], plain, 0.02)


def test_autocast_is_near_float32() -> None:
    cell = LeakyCell(5, 32)
    x = torch.randn(3, 20, 5)
    expected, _ = scan(cell, x, engine="reference")
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = scan(cell, x, engine="fused")
    torch.testing.assert_close(y.float(), expected, rtol=0.05, atol=0.05)
    gradients = torch.autograd.grad(y.float().sin().sum(), list(cell.parameters()))
    close(gradients, torch.autograd.grad(expected.sin().sum(), list(cell.parameters())), 0.05)


def test_nan_in_one_row_stays_in_it() -> None:
    cell, x = cell_and_inputs()
    x[1, 2, 3] = float("nan")
    y, _ = scan(cell, x, engine="fused")
    expected, _ = scan(cell, x, engine="reference")
    assert torch.equal(y.isnan(), expected.isnan())
    assert y[[0, 2]].isfinite().all()
    assert y[1, 2:].isnan().all()


def test_what_lies_in_the_padding_does_not_matter() -> None:
    cell, x = cell_and_inputs()
    lengths = torch.tensor([6, 3, 0])
    for value in (float("nan"), float("inf")):
        filled = x.clone()
        filled[1, 3:] = filled[2] = value
        agrees(cell, filled, lengths)
        assert results(cell, filled, cell.initial_state(3, x), lengths)[2].isfinite().all()


@pytest.mark.parametrize(
    ("cell_type", "input_type", "state_type"),
    [(torch.float64, torch.float32, torch.float32), (torch.float32, torch.float64, torch.float64),
     (torch.float32, torch.float32, torch.float64), (torch.float32, torch.int64, torch.float32)],
)  # fmt: skip
def test_mixed_precisions_are_refused_as_torch_does(
    cell_type: torch.dtype, input_type: torch.dtype, state_type: torch.dtype
) -> None:
    cell = LeakyCell(5, 7).to(cell_type)
    x, state = torch.ones(3, 6, 5).to(input_type), HiddenState(torch.zeros(3, 7, dtype=state_type))
    outcomes = []
    for engine in ("fused", "reference"):
        try:
            y, _ = scan(cell, x, state, engine=engine)
            outcomes.append(str(y.dtype))
        except (RuntimeError, ValueError):
            outcomes.append("an error")
    assert outcomes[0] == outcomes[1]


def test_the_layer_runs_it_in_either_direction_and_depth() -> None:
    torch.manual_seed(0)
    for options in ({"reverse": True}, {}):
        layers = [Recurrent(LeakyCell(5, 7).double(), engine=engine, **options) for engine in ("fused", "reference")]
        layers[1].load_state_dict(layers[0].state_dict())
        x = torch.randn(3, 6, 5, dtype=torch.float64)
        y = [layer(x, None, torch.tensor([6, 3, 0]))[0] for layer in layers]
        gradients = [
            torch.autograd.grad(one.sin().sum(), list(layer.parameters())) for one, layer in zip(y, layers, strict=True)
        ]
        close([y[0], *gradients[0]], [y[1], *gradients[1]], 1e-10)


class Nothing(GatedCell):
    """A cell whose update reads neither product, nor the past."""

    def update(self, u: Tensor, r: Tensor, state: HiddenState) -> HiddenState:
        return HiddenState(torch.tanh(u))


def test_weights_that_are_not_read_have_no_gradient_or_zero() -> None:
    agrees(Nothing(5, 7).double(), torch.randn(3, 6, 5, dtype=torch.float64), torch.tensor([6, 2, 0]))
