"""The scan under the parallel engine: h_t = a_t h_(t-1) + b_t against the plain loop, whatever a is.

B rows, T steps, W width.
"""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import jvp, vmap

from seqmodels.cells.linear.base import complex_product
from seqmodels.scan import linear_scan as module
from seqmodels.scan.linear_scan import CHUNK, FEW_STEPS, linear_scan

B, W = 2, 6
# Fewer than a chunk, on both sides of every limit, an odd rest, chunks of chunks.
STEPS = [1, 2, CHUNK + 1, FEW_STEPS, FEW_STEPS + 1, 4 * CHUNK, 110 * CHUNK + 5]
# By name: what the coefficients are like.
KINDS = {
    "near 0": lambda *shape: 1e-9 * torch.randn(*shape),
    "near 1": lambda *shape: 1 - 1e-6 * torch.rand(*shape),
    "negative": lambda *shape: -torch.rand(*shape),
    "any": lambda *shape: (torch.rand(*shape) * 2 - 1) * 0.7,
    "some 0": lambda *shape: torch.rand(*shape) * (torch.rand(*shape) < 0.9),
}


@pytest.fixture(autouse=True)
def _doubles() -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def plain(a: Tensor, b: Tensor, h: Tensor, complex: bool = False, reverse: bool = False) -> Tensor:
    """The equation, step by step."""
    a, states = a.expand_as(b), [h] * b.shape[1]
    for t in reversed(range(b.shape[1])) if reverse else range(b.shape[1]):
        h = (complex_product(a[:, t], h) if complex else a[:, t] * h) + b[:, t]
        states[t] = h
    return torch.stack(states, dim=1)


def coefficients(kind: str, complex: bool, rows: int, steps: int) -> Tensor:
    a = KINDS[kind](rows, steps, W)
    if complex and kind == "near 1":  # on the unit circle
        phase = torch.rand(rows, steps, W // 2) * 7
        a = torch.cat((phase.cos(), phase.sin()), dim=-1) * (1 - 1e-6)
    elif complex:
        a = a * 0.7  # so that its size is at most 1
    return a.requires_grad_()


def results(scan: Any, a: Tensor, b: Tensor, h0: Tensor, complex: bool, reverse: bool = False) -> list[Tensor]:
    h = scan(a, b, h0, complex, reverse)
    total = (h.sin() * torch.linspace(-1, 2, h.numel()).view_as(h)).sum()
    return [h, *torch.autograd.grad(total, (a, b, h0))]


def close(actual: Any, expected: Any, tolerance: float = 1e-10) -> None:
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("complex", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_are_those_of_the_loop(kind: str, complex: bool, reverse: bool) -> None:
    for steps in STEPS[:-1]:
        b, h0 = torch.randn(B, steps, W).requires_grad_(), torch.randn(B, W).requires_grad_()
        for rows, of_steps in ((B, steps), (1, 1)) if steps > 2 else ((1, steps), (B, 1)):
            a = coefficients(kind, complex, rows, of_steps)
            close(results(linear_scan, a, b, h0, complex, reverse), results(plain, a, b, h0, complex, reverse))


def test_chunks_of_chunks() -> None:
    a, b, h0 = torch.rand(1, STEPS[-1], 2), torch.randn(1, STEPS[-1], 2), torch.randn(1, 2)
    close([linear_scan(a, b, h0)], [plain(a, b, h0)])


def test_many_numbers_are_taken_step_by_step_and_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = [torch.rand(B, 200, W).requires_grad_() for _ in range(2)] + [torch.rand(B, W).requires_grad_()]
    expected = results(linear_scan, *tensors, complex=False)
    monkeypatch.setattr(module, "MANY_NUMBERS", 1)
    close(results(linear_scan, *tensors, complex=False), expected)


@pytest.mark.parametrize("complex", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_whole_is_chunks_is_steps(kind: str, complex: bool) -> None:
    """With the carried state inside the graph: the gradient reaches h0 through all of them."""
    steps = 1000
    a, b = coefficients(kind, complex, B, steps), torch.randn(B, steps, W).requires_grad_()
    h0 = torch.randn(B, W).requires_grad_()

    def cut(bounds: list[int]) -> list[Tensor]:
        def scan(a: Tensor, b: Tensor, h: Tensor, complex: bool, reverse: bool) -> Tensor:
            parts = []
            for start, stop in itertools.pairwise(bounds):
                parts.append(linear_scan(a[:, start:stop], b[:, start:stop], h, complex))
                h = parts[-1][:, -1]
            return torch.cat(parts, dim=1)

        return results(scan, a, b, h0, complex)

    whole = cut([0, steps])
    for bounds in ([0, 1, 131, 500, 997, steps], list(range(steps + 1))):
        close(cut(bounds), whole)


@pytest.mark.parametrize("complex", [False, True])
def test_the_gradient_can_be_differentiated(complex: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for steps, chunk in ((1, 32), (7, 32), (7, 2)):
        monkeypatch.setattr(module, "CHUNK", chunk)
        monkeypatch.setattr(module, "FEW_STEPS", chunk)
        for of_steps in {steps, 1}:
            a = coefficients("any", complex, 1, of_steps)
            tensors = (a, torch.randn(B, steps, W).requires_grad_(), torch.randn(B, W).requires_grad_())
            for reverse in (False, True):
                run = lambda *tensors: linear_scan(*tensors, complex, reverse)  # noqa: B023, E731
                assert torch.autograd.gradcheck(run, tensors, fast_mode=True)
                assert torch.autograd.gradgradcheck(run, tensors, fast_mode=True)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # torch's own, in forward mode
@pytest.mark.parametrize("complex", [False, True])
def test_transforms(complex: bool) -> None:
    steps = FEW_STEPS + 9
    a, b, h0 = (torch.rand(3, B, steps, W) / 2, torch.randn(3, B, steps, W), torch.randn(3, B, W))
    run = lambda a, b, h0: linear_scan(a, b, h0, complex)  # noqa: E731
    close(vmap(run)(a, b, h0), [run(*each) for each in zip(a, b, h0, strict=True)])
    tangents = (torch.randn_like(a[0]), torch.randn_like(b[0]), torch.randn_like(h0[0]))
    primal = (a[0], b[0], h0[0])
    close(jvp(run, primal, tangents), jvp(lambda a, b, h0: plain(a, b, h0, complex), primal, tangents))


@pytest.mark.parametrize("complex", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_cut_step_sees_nothing_of_what_came_before(reverse: bool, complex: bool) -> None:
    """Not even NaN or infinity; nor does the gradient pass: the scan falls into parts."""
    for steps, of_steps in ((5, 5), (FEW_STEPS + 70, FEW_STEPS + 70), (FEW_STEPS + 70, 1)):
        a, at = coefficients("any", complex, B, of_steps), steps // 2
        tensors = (a, torch.randn(B, steps, W).requires_grad_(), torch.randn(B, W).requires_grad_())
        cut = torch.zeros(B, steps, 1, dtype=torch.bool)
        cut[:, [0, at] if not reverse else [at - 1, -1]] = True
        parts = slice(0, at), slice(at, steps)
        nothing, own = torch.zeros_like(tensors[2]), [a if of_steps == 1 else a[:, part] for part in parts]
        scans = [
            linear_scan(one, tensors[1][:, part], nothing, complex, reverse)
            for one, part in zip(own, parts, strict=True)
        ]
        whole = linear_scan(*tensors, complex, reverse, cut)
        weight = torch.randn(B, steps, W)
        found = torch.autograd.grad((whole * weight).sum(), tensors[:2])
        expected = torch.autograd.grad((torch.cat(scans, dim=1) * weight).sum(), tensors[:2])
        close([whole, *found], [torch.cat(scans, dim=1), *expected])
        for number, part in itertools.product((torch.nan, torch.inf), parts):
            other = parts[1] if part is parts[0] else parts[0]
            with torch.no_grad():
                wild = [tensor.clone().requires_grad_() for tensor in tensors]
                wild[1][:, part] = number
                wild[2][:] = number
            result = linear_scan(*wild, complex, reverse, cut)
            spread = torch.where(
                torch.arange(steps).unsqueeze(1) >= at, *([0.0, number] if part.start == 0 else [number, 0.0])
            )
            gradient = torch.autograd.grad(result, wild, weight + spread)[1]
            close([result[:, other], gradient[:, other]], [whole[:, other], found[1][:, other]])
    short = (coefficients("any", complex, B, 5), *(torch.randn(B, *size, W).requires_grad_() for size in ((5,), ())))
    run = lambda *tensors: linear_scan(*tensors, complex, reverse, cut[:, :5].roll(2, dims=1))  # noqa: E731
    assert torch.autograd.gradcheck(run, short, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, short, fast_mode=True)


def test_only_a_and_h_are_kept() -> None:
    kept: list[Tensor] = []
    for steps in (100, 1000):
        a, b = torch.rand(B, steps, W).requires_grad_(), torch.randn(B, steps, W).requires_grad_()
        h0 = torch.randn(B, W).requires_grad_()
        for coefficients, limit in ((a, 2), (a[:1, :1], 1)):
            kept.clear()
            with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda x: x):
                linear_scan(coefficients, b, h0)
            assert sum(tensor.numel() for tensor in kept) <= limit * B * steps * W + 2 * B * W


def test_products_that_vanish_leave_no_trace() -> None:
    """In float32 the product of a chunk is 0 or not a normal number: the states are right all the same."""
    for size in (1e-30, 1e-3, 0.0):
        a = torch.full((1, 200, 1), size, dtype=torch.float32).requires_grad_()
        b = torch.randn(1, 200, 1, dtype=torch.float32).requires_grad_()
        h0 = torch.full((1, 1), 1e30, dtype=torch.float32).requires_grad_()
        states = linear_scan(a, b, h0), plain(a, b, h0)
        gradients = [torch.autograd.grad(h.sum(), (a, b, h0)) for h in states]
        close([states[0], *gradients[0]], [states[1], *gradients[1]], tolerance=1e-5)
        assert all(gradient.isfinite().all() for gradient in gradients[0])


@pytest.mark.parametrize("complex", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
def test_lower_precision(dtype: torch.dtype, tolerance: float, complex: bool) -> None:
    """Sums are kept in float32: half precision costs the rounding of what is read and written, not of T sums."""
    steps = 1000
    tensors = [t.to(dtype).requires_grad_() for t in (torch.rand(B, steps, W) * 0.7, torch.randn(B, steps, W))]
    h0 = torch.randn(B, W).to(dtype).requires_grad_()
    actual = linear_scan(*tensors, h0, complex)
    assert actual.dtype == dtype
    expected = plain(*(tensor.double() for tensor in (*tensors, h0)), complex)
    torch.testing.assert_close(actual.double(), expected, rtol=tolerance, atol=tolerance)
    gradients = torch.autograd.grad(actual.double().pow(2).mean(), (*tensors, h0))
    exact = torch.autograd.grad(expected.pow(2).mean(), (*tensors, h0))
    for one, other in zip(gradients, exact, strict=True):
        assert one.dtype == dtype
        torch.testing.assert_close(one.double(), other.double(), rtol=3 * tolerance, atol=3 * tolerance)


def test_the_carried_state_may_be_wider() -> None:
    """As under autocast: coefficients in bfloat16, the state in float32."""
    a, b = (torch.rand(B, 9, W).bfloat16().requires_grad_() for _ in range(2))
    h = linear_scan(a, b, torch.zeros(B, W, dtype=torch.float32))
    assert h.dtype == torch.float32
    assert [g.dtype for g in torch.autograd.grad(h.sum(), (a, b))] == [torch.bfloat16] * 2
