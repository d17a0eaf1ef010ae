"""Parallel scan of h_t = a_t h_(t-1) + b_t, and its gradient, which is a scan too.

Uses no logarithm and no quotient of products of a: a may be 0, negative, complex, or so small that products underflow.
Works in chunks, all chunks in parallel, step by step: first the last state of each chunk from a start at 0, and the
product of its a; then the start of each chunk, by a scan over the chunks; then all states.

    steps      | 0 1 2 3 | 4 5 6 7 | 8 9 ...      step 0 of all chunks, step 1 of all chunks, ...
    starts     h0      state     state

B rows, T steps, W width of h, L steps of a chunk, N chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from seqmodels.scan.engine import traced

# Steps per chunk; products of a do not overflow for |a| up to 15 in float32.
CHUNK = 32
# For fewer steps, or more numbers per step, the plain loop is cheaper than two passes over a and b.
FEW_STEPS = 96
MANY_NUMBERS = 4096


def linear_scan(
    a: Tensor, b: Tensor, h0: Tensor, complex: bool = False, reverse: bool = False, cut: Tensor | None = None
) -> Tensor:
    """Compute all states of the recurrence ``h_t = a_t h_(t-1) + b_t``.

    >>> a, b = torch.tensor([[[0.5]]]), torch.ones(1, 3, 1)
    >>> linear_scan(a, b, torch.zeros(1, 1)).flatten().tolist()
    [1.0, 1.5, 1.75]

    Supports double backward, with memory linear in T. Products of a over 32 steps (64 by Triton) must not overflow.

    Args:
        a: ``(B, T, W)``, or 1 in place of B or T.
        b: ``(B, T, W)``.
        h0: state before the first step, ``(B, W)``.
        complex: whether the numbers are complex, ``[real | imaginary]`` along the last axis.
        reverse: whether time runs backwards: ``h_t = a_t h_(t+1) + b_t``, from h0 after the last step.
        cut: bool ``(B, T, 1)``; true sets h_t to b_t, even after NaN, which an a of 0 would let through.

    Returns:
        h_t ``(B, T, W)``; sums are in float32 at least.
    """
    if traced():  # plain operations, which all transforms support
        return _run(a, b, h0, complex, reverse, cut)
    return _LinearScan.apply(a, b, h0, complex, reverse, cut)


class _LinearScan(torch.autograd.Function):
    """Scan that saves only a and h; its backward consists of differentiable operations, itself included."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, h0: Tensor, complex: bool, reverse: bool, cut: Tensor | None) -> Tensor:
        h = _run(a, b, h0, complex, reverse, cut)
        ctx.save_for_backward(a, h0, h, cut)
        ctx.complex, ctx.reverse, ctx.dtypes = complex, reverse, (a.dtype, b.dtype, h0.dtype)
        return h

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Run the recurrence against time, a* the conjugate: db_t = dh_t + a*_(t+1) db_(t+1), da_t = db_t h*_(t-1)."""
        a, h0, h, cut = ctx.saved_tensors
        complex, reverse, constant = ctx.complex, ctx.reverse, a.shape[1] == 1
        conjugate = _conjugate(a) if complex else a
        conjugate = conjugate if constant else _of_step_after(conjugate, reverse)
        cut_after = None if cut is None else _of_step_after(cut, reverse)
        db = linear_scan(conjugate, gradient, torch.zeros_like(h0), complex, not reverse, cut_after)
        first, rest = (slice(-1, None), slice(0, -1)) if reverse else (slice(0, 1), slice(1, None))
        h0, kept = _uncut(h0.unsqueeze(1), cut, first), _uncut(db, cut)
        dh0 = _times_conjugate(kept[:, first], a[:, first], h0, complex).squeeze(1)
        da = None
        if ctx.needs_input_grad[0]:
            before = _uncut(h[:, 1:] if reverse else h[:, :-1], cut, rest)
            at_first = _times_conjugate(kept[:, first], h0, a[:, first], complex)
            later = _times_conjugate(kept[:, rest], before, a if constant else a[:, rest], complex)
            da = at_first + later if constant else torch.cat((later, at_first) if reverse else (at_first, later), dim=1)
        gradients = (da, db, dh0)
        return *(d if d is None else d.to(dtype) for d, dtype in zip(gradients, ctx.dtypes, strict=True)), *[None] * 3


def _of_step_after(values: Tensor, reverse: bool) -> Tensor:
    """Return the values of the next step in time, and 0 after the last."""
    none = torch.zeros_like(values[:, :1])
    return torch.cat((none, values[:, :-1]) if reverse else (values[:, 1:], none), dim=1)


def _uncut(values: Tensor, cut: Tensor | None, steps: slice = slice(None)) -> Tensor:
    """Return `values` of some steps, set to 0 where `cut` is true."""
    return values if cut is None else values.masked_fill(cut[:, steps], 0)


def _conjugate(pair: Tensor) -> Tensor:
    real, imaginary = pair.chunk(2, dim=-1)
    return torch.cat((real, -imaginary), dim=-1)


def _times_conjugate(one: Tensor, other: Tensor, like: Tensor, complex: bool) -> Tensor:
    """Multiply by the conjugate of `other`, summed to the shape of `like`."""
    other = other.to(one.dtype)
    if not complex:
        return (one * other).sum_to_size(like.shape)
    a, b = one.chunk(2, dim=-1)
    c, d = other.chunk(2, dim=-1)
    half = (*like.shape[:-1], like.shape[-1] // 2)
    real, imaginary = torch.addcmul(a * c, b, d), torch.addcmul(b * c, a, d, value=-1)
    return torch.cat((real.sum_to_size(half), imaginary.sum_to_size(half)), dim=-1)


def _run(a: Tensor, b: Tensor, h0: Tensor, complex: bool, reverse: bool, cut: Tensor | None = None) -> Tensor:
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), h0.dtype)
    if b.is_cuda and not traced() and _has_triton():
        from seqmodels.scan.linear_scan_triton import triton_scan

        return triton_scan(a, b, h0, complex, reverse, dtype, cut)
    wide = torch.promote_types(dtype, torch.float32)
    a, b, h0 = a.to(wide), b.to(wide), h0.to(wide)
    if not complex:
        return _chunked(a, b, h0, reverse, cut).to(dtype)
    a, b, h0 = (torch.complex(*pair.chunk(2, dim=-1)) for pair in (a, b, h0))
    h = _chunked(a, b, h0, reverse, cut)
    return torch.cat((h.real, h.imag), dim=-1).to(dtype)


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None


def _chunked(a: Tensor, b: Tensor, h: Tensor, reverse: bool, cut: Tensor | None) -> Tensor:
    steps, numbers = b.shape[1], b.shape[0] * b.shape[2]
    if steps <= FEW_STEPS or numbers >= MANY_NUMBERS:
        return _stepwise(a, b, h, reverse, cut)
    odd = steps % CHUNK
    if odd:  # the first steps apart, so that whole chunks remain
        parts = (slice(steps - odd, None), slice(0, steps - odd)) if reverse else (slice(0, odd), slice(odd, None))
        cuts = (None, None) if cut is None else (cut[:, parts[0]], cut[:, parts[1]])
        first = _stepwise(_steps_of(a, parts[0]), b[:, parts[0]], h, reverse, cuts[0])
        rest = _chunked(_steps_of(a, parts[1]), b[:, parts[1]], first[:, 0 if reverse else -1], reverse, cuts[1])
        return torch.cat((rest, first) if reverse else (first, rest), dim=1)
    b = b.unflatten(1, (-1, CHUNK))
    a = a.unsqueeze(1) if a.shape[1] == 1 else a.unflatten(1, (-1, CHUNK))
    cut = None if cut is None else cut.unflatten(1, (-1, CHUNK))
    return _stepwise(a, b, _starts(a, b, h, reverse, cut), reverse, cut).flatten(1, 2)


def _steps_of(a: Tensor, part: slice) -> Tensor:
    return a if a.shape[1] == 1 else a[:, part]


def _starts(a: Tensor, b: Tensor, h0: Tensor, reverse: bool, cut: Tensor | None) -> Tensor:
    """Compute the start state of each chunk ``(B, N, W)`` from a and b ``(B, N, L, W)``."""
    end, product = torch.zeros_like(b[:, :, 0]), torch.ones_like(a[:, :, 0])
    for a_t, b_t, cut_t in _in_order(a, b, reverse, cut):
        end, product = _advance(a_t, b_t, end, cut_t), product * a_t
    part = slice(1, None) if reverse else slice(None, -1)
    cuts = None if cut is None else cut.any(2)[:, part]
    starts = _chunked(_steps_of(product, part), end[:, part], h0, reverse, cuts)
    return torch.cat((starts, h0.unsqueeze(1)) if reverse else (h0.unsqueeze(1), starts), dim=1)


def _stepwise(a: Tensor, b: Tensor, h: Tensor, reverse: bool, cut: Tensor | None) -> Tensor:
    """Run step by step along the second-to-last axis."""
    states = []
    for a_t, b_t, cut_t in _in_order(a, b, reverse, cut):
        h = _advance(a_t, b_t, h, cut_t)
        states.append(h)
    return torch.stack(states[::-1] if reverse else states, dim=-2)


def _advance(a: Tensor, b: Tensor, h: Tensor, cut: Tensor | None) -> Tensor:
    after = torch.addcmul(b, a, h)
    return after if cut is None else torch.where(cut, b, after)


def _in_order(
    a: Tensor, b: Tensor, reverse: bool, cut: Tensor | None
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    steps = b.shape[-2]
    a_steps = a.unbind(-2) * (steps if a.shape[-2] == 1 else 1)
    cuts = [None] * steps if cut is None else cut.unbind(-2)
    both = list(zip(a_steps, b.unbind(-2), cuts, strict=True))
    return reversed(both) if reverse else iter(both)
