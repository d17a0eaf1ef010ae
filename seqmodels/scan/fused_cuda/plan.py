"""Plan of a call on the device: the driver, and the rows and units of each program.

B rows, T steps, H units, G gates.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from seqmodels.scan.fused_cuda.kernel import CudaKernel

#: Largest head, and largest size of its recurrent weights in bytes, held on chip for a whole sequence.
_HEAD, _ON_CHIP = 128, 128 << 10
#: Smallest side of a matrix that the device multiplies.
_SMALLEST = 16


class Plan(NamedTuple):
    """Driver and tiles of a call.

    Fields:
        persistent: one launch for the whole sequence, else one launch and one product per step.
        rows, units: tile of one program, with units rounded up to a power of 2.
        span: number of units of one program.
    """

    persistent: bool
    head: int
    rows: int
    units: int
    span: int
    grid: tuple[int, int]
    warps: int


def plan(kernel: CudaKernel, rows: int, units: int, heads: int, dtype: torch.dtype, driver: str = "auto") -> Plan:
    """Choose the plan of a call.

    Args:
        driver: "stepwise", or "auto" for the persistent one if the sizes allow it.
    """
    head = units // heads if kernel.step.gates else units
    dotted = kernel.step.gates > 0
    persistent = not dotted or (driver != "stepwise" and _fits(kernel, head, heads, dtype))
    whole = kernel.layout.reduces  # then a program needs all units of a row
    span = units if whole else head if dotted and persistent else min(units, 128)
    tile = _power(max(span, _SMALLEST if dotted and persistent else 1))
    high = _SMALLEST if dotted and persistent else 1
    return Plan(
        persistent,
        head,
        high,
        tile,
        span,
        (-(-rows // high), -(-units // span)),
        min(8, max(1, tile * high // 128)),
    )


def _fits(kernel: CudaKernel, head: int, heads: int, dtype: torch.dtype) -> bool:
    """Return whether one program can run a whole sequence: weights fit on chip, units read only each other."""
    side = _power(max(head, _SMALLEST))
    alone = heads == 1 or not kernel.layout.reduces
    small = side <= _HEAD and kernel.step.gates * side * side * dtype.itemsize <= _ON_CHIP
    return alone and small and dtype.itemsize <= 4


def _power(number: int) -> int:
    return 1 << (number - 1).bit_length()
