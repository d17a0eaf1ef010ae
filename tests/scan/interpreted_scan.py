"""The Triton kernel against the torch form, by Triton's interpreter: the numerics, without a GPU.

Run in a process of its own, with TRITON_INTERPRET=1: the interpreter must be asked for before
Triton is first imported, which another test may have done.
"""

import itertools
import os

import torch
from torch import Tensor

from seqmodels.scan import linear_scan as module
from seqmodels.scan.linear_scan_triton import triton_scan

# (B, T, W): ordinary, the smallest, a whole tile, one unit more than a program takes.
SIZES = [(2, 11, 6), (1, 1, 2), (1, 8, 2), (1, 9, 10)]
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-3}


def interpreted(a: Tensor, b: Tensor, h0: Tensor, complex: bool, reverse: bool, cut: Tensor | None = None) -> Tensor:
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), h0.dtype)
    return triton_scan(a, b, h0, complex, reverse, dtype, cut, tile=8, units=4)


def values() -> None:
    for (B, T, W), complex, reverse in itertools.product(SIZES, (False, True), (False, True)):
        a, b, h0 = torch.rand(B, T, W) * 1.4 - 0.7, torch.randn(B, T, W), torch.randn(B, W)
        forms = (a, a[:1, :1], a[:, :1], a.mT.contiguous().mT)
        for one, dtype in [*((form, torch.float64) for form in forms), *((a, dtype) for dtype in TOLERANCES)]:
            tensors = one.to(dtype), b.to(dtype), h0.to(dtype)
            found, expected = (scan(*tensors, complex, reverse) for scan in (interpreted, module._run))
            assert found.dtype == dtype
            torch.testing.assert_close(found, expected, rtol=TOLERANCES[dtype], atol=TOLERANCES[dtype])


def cuts() -> None:
    """Where a row is cut nothing of what came before it is seen, in its tile or an earlier one, NaN neither."""
    B, T, W = 2, 19, 6
    for complex, reverse, number in itertools.product((False, True), (False, True), (1.0, torch.inf, torch.nan)):
        a, b, h0 = torch.rand(B, T, W) * 1.4 - 0.7, torch.randn(B, T, W), torch.randn(B, W)
        cut = torch.zeros(B, T, 1, dtype=torch.bool)
        cut[0, 5], cut[1, [0, 10, 18]] = True, True
        b[:, [2, 7, 12]], h0[0] = number, number
        found, expected = (scan(a, b, h0, complex, reverse, cut) for scan in (interpreted, module._run))
        real = expected.isfinite()
        assert real.any()
        torch.testing.assert_close(found[real], expected[real], rtol=1e-5, atol=1e-5)


def gradients() -> None:
    """By the same backward as elsewhere, with the kernel in both directions."""
    run, B, T, W = module._run, 1, 9, 4
    for complex, rows in itertools.product((False, True), (T, 1)):
        tensors = [torch.rand(B, rows, W) * 0.7, torch.randn(B, T, W), torch.randn(B, W)]
        leaves = [tensor.double().requires_grad_() for tensor in tensors]
        found = []
        for module._run in (run, interpreted):
            h = module.linear_scan(*leaves, complex)
            first = torch.autograd.grad(h.sin().sum(), leaves, create_graph=True)
            again = torch.autograd.grad(sum(each.pow(2).sum() for each in first), leaves)
            found.append([h, *first, *again])
        torch.testing.assert_close(found[1], found[0], rtol=1e-10, atol=1e-10)


if __name__ == "__main__":
    assert os.environ["TRITON_INTERPRET"] == "1"
    torch.manual_seed(0)
    values()
    cuts()
    gradients()
    print("agrees")
