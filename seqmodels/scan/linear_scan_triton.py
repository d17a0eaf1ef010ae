"""Linear scan of `seqmodels.scan.linear_scan` as one Triton kernel, for CUDA.

A program runs a few units of one row through all steps, one tile of steps at a time: an associative scan inside the
tile, from the last state of the previous tile. Time runs either way. Sums are in float32 at least, whatever the dtype
of inputs and outputs. Imported only if Triton is installed.

B rows, T steps, W width of h, U complex or real units.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _follow(a1, b1, a2, b2):  # type: ignore[no-untyped-def]
    """Combine two steps: h -> a2 (a1 h + b1) + b2."""
    return a1 * a2, a2 * b1 + b2


@triton.jit
def _follow_complex(a1, i1, b1, j1, a2, i2, b2, j2):  # type: ignore[no-untyped-def]
    """Combine two steps of complex numbers a + i, b + j."""
    return a1 * a2 - i1 * i2, a1 * i2 + i1 * a2, a2 * b1 - i2 * j1 + b2, a2 * j1 + i2 * b1 + j2


@triton.jit
def _follow_cut(c1, a1, b1, c2, a2, b2):  # type: ignore[no-untyped-def]
    """Combine two steps; with c2 = 1 the second ignores the first."""
    return tl.maximum(c1, c2), a1 * a2, tl.where(c2 > 0, b2, a2 * b1 + b2)


@triton.jit
def _follow_complex_cut(c1, a1, i1, b1, j1, c2, a2, i2, b2, j2):  # type: ignore[no-untyped-def]
    """Combine two steps of complex numbers; with c2 = 1 the second ignores the first."""
    a, i, b, j = _follow_complex(a1, i1, b1, j1, a2, i2, b2, j2)
    return tl.maximum(c1, c2), a, i, tl.where(c2 > 0, b2, b), tl.where(c2 > 0, j2, j)


@triton.jit
def _row_of(tile, row):  # type: ignore[no-untyped-def]
    """Return one row of a tile, by a select, so that NaN in other rows does not matter."""
    return tl.sum(tl.where(row[:, None], tile, 0.0), axis=0)


@triton.jit
def _scan(  # type: ignore[no-untyped-def]
    a, b, h0, h, cut,
    a_row, a_step, b_row, b_step, h0_row, h_row, h_step, cut_row, cut_step,
    steps, units,
    CUT: tl.constexpr, REVERSE: tl.constexpr, COMPLEX: tl.constexpr, KIND: tl.constexpr,
    TILE: tl.constexpr, UNITS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    unit = tl.program_id(1) * UNITS + tl.arange(0, UNITS)
    real = unit < units
    place = tl.arange(0, TILE)
    state = tl.load(h0 + row * h0_row + unit, mask=real, other=0.0).to(KIND)
    if COMPLEX:
        state_i = tl.load(h0 + row * h0_row + units + unit, mask=real, other=0.0).to(KIND)
    for start in range(0, steps, TILE):
        order = start + place
        inside = (order < steps)[:, None] & real[None, :]
        t = ((steps - 1 - order) if REVERSE else order).to(tl.int64)
        a_at = a + row * a_row + t[:, None] * a_step + unit[None, :]
        b_at = b + row * b_row + t[:, None] * b_step + unit[None, :]
        h_at = h + row * h_row + t[:, None] * h_step + unit[None, :]
        # Beyond the last step the state is held, so that the last row of the tile is the last state.
        a_t = tl.load(a_at, mask=inside, other=1.0).to(KIND)
        b_t = tl.load(b_at, mask=inside, other=0.0).to(KIND)
        c_t = tl.zeros((TILE, UNITS), tl.int32)
        if CUT:
            c_t += tl.load(cut + row * cut_row + t * cut_step, mask=order < steps, other=0).to(tl.int32)[:, None]
        if COMPLEX:
            i_t = tl.load(a_at + units, mask=inside, other=0.0).to(KIND)
            j_t = tl.load(b_at + units, mask=inside, other=0.0).to(KIND)
            if CUT:
                c_t, a_t, i_t, b_t, j_t = tl.associative_scan((c_t, a_t, i_t, b_t, j_t), 0, _follow_complex_cut)
            else:
                a_t, i_t, b_t, j_t = tl.associative_scan((a_t, i_t, b_t, j_t), 0, _follow_complex)
            j_t += tl.where(c_t > 0, 0.0, a_t * state_i[None, :] + i_t * state[None, :])
            b_t += tl.where(c_t > 0, 0.0, a_t * state[None, :] - i_t * state_i[None, :])
            tl.store(h_at + units, j_t, mask=inside)
            state_i = _row_of(j_t, place == TILE - 1)
        else:
            if CUT:
                c_t, a_t, b_t = tl.associative_scan((c_t, a_t, b_t), 0, _follow_cut)
            else:
                a_t, b_t = tl.associative_scan((a_t, b_t), 0, _follow)
            b_t += tl.where(c_t > 0, 0.0, a_t * state[None, :])
        tl.store(h_at, b_t, mask=inside)
        state = _row_of(b_t, place == TILE - 1)


def triton_scan(
    a: Tensor,
    b: Tensor,
    h0: Tensor,
    complex: bool,
    reverse: bool,
    dtype: torch.dtype,
    cut: Tensor | None = None,
    tile: int = 64,
    units: int = 32,
) -> Tensor:
    """Compute `seqmodels.scan.linear_scan.linear_scan`, without a gradient.

    Args:
        tile: steps per tile, a power of 2.
        units: units per program, a power of 2.
    """
    rows, steps, width = b.shape
    a, b, h0 = (tensor if tensor.stride(-1) == 1 else tensor.contiguous() for tensor in (a, b, h0))
    a = a.expand(rows, steps, width)  # without a copy: strides of expanded axes are 0
    h = torch.empty(rows, steps, width, dtype=dtype, device=b.device)
    count = width // 2 if complex else width
    _scan[(rows, triton.cdiv(count, units))](
        a, b, h0, h, h if cut is None else cut.view(torch.uint8),
        *a.stride()[:2], *b.stride()[:2], h0.stride(0), *h.stride()[:2], *((0, 0) if cut is None else cut.stride()[:2]),
        steps, count,
        CUT=cut is not None, REVERSE=reverse, COMPLEX=complex,
        KIND=tl.float64 if dtype == torch.float64 else tl.float32,
        TILE=tile, UNITS=min(units, triton.next_power_of_2(count)),
    )  # fmt: skip
    return h
