"""How a call is laid out on the device: which driver, and how rows and units are dealt to programs.

B rows, T steps, H units, G gates.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from seqmodels.scan.fused_cuda.kernel import CudaKernel

#: The widest head, and the most bytes of its recurrent weights, that are held on chip for a whole sequence.
_HEAD, _ON_CHIP = 128, 128 << 10
#: The smallest side of a matrix that the device multiplies.
_SMALLEST = 16


class Plan(NamedTuple):
    """Where the work goes.

    Fields:
        persistent: one launch for the whole sequence, else one launch and one product per step.
        head: units of one head.
        rows, units: the tile of one program; its units are rounded up to a power of 2.
        span: units that it has.
        grid: programs along rows and units.
        warps: of one program.
    """

    persistent: bool
    head: int
    rows: int
    units: int
    span: int
    grid: tuple[int, int]
    warps: int


def plan(kernel: CudaKernel, rows: int, units: int, heads: int, dtype: torch.dtype, driver: str = "auto") -> Plan:
    """The plan of a call.

    Args:
        kernel: the generated code.
        rows, units: B and H.
        heads: of the recurrent product.
        dtype: of the inputs.
        driver: "stepwise", or "auto" for the persistent one where the sizes allow it.
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
    """Whether a program may run a whole sequence: its weights on chip, and its units the only ones it sees."""
    side = _power(max(head, _SMALLEST))
    alone = heads == 1 or not kernel.layout.reduces
    small = side <= _HEAD and kernel.step.gates * side * side * dtype.itemsize <= _ON_CHIP
    return alone and small and dtype.itemsize <= 4


def _power(number: int) -> int:
    return 1 << (number - 1).bit_length()
