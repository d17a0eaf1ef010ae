"""Memory layout and threads of a fused call.

Internally, sequences are time first, ``(T, B, ...)``, and each block of H units is padded to P, a multiple of the
vector length.

B rows, T steps, F features, H units, P padded units.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from seqmodels.scan.fused.kernel import Kernel, threads
from seqmodels.scan.fused.memory import empty
from seqmodels.scan.step_graph.call import Call
from seqmodels.scan.step_graph.values import Source

#: Recurrent weights of more bytes than this are split among the threads by units.
_LARGE_WEIGHTS = 3 << 20
#: Number of multiplications below which a second thread does not pay.
_SMALL_WORK = 1 << 17
#: Weights of at most this many bytes stay in a core's cache; the input product is then also computed step by step.
_NEAR_WEIGHTS = 1 << 20


class Layout:
    """Sizes and threads of a call.

    Attributes:
        inside: whether the input product is computed step by step instead of beforehand.
        kept_row: stride of rows in the saved values of each step.
        by_units: whether threads split the units instead of the rows.
    """

    def __init__(self, call: Call, inputs: Tensor) -> None:
        kernel, step = call.kernel, call.kernel.step
        self.rows, self.steps, width = inputs.shape
        self.units = call.cell.hidden_size
        self.padded = -(-self.units // kernel.lanes) * kernel.lanes
        self.head = self.units // getattr(call.cell, "heads", 1)
        weights = step.gates * self.units * (self.head + width) * kernel.dtype.itemsize
        self.inside = call.projects and step.gates > 0 and weights <= _NEAR_WEIGHTS
        self.kept_row = apart(step.inputs * self.padded, kernel)
        self._share_out(step.gates * self.units * self.head, 16 * step.inputs * self.units, kernel)

    def _share_out(self, weights: int, pointwise: int, kernel: Kernel) -> None:
        self.threads = threads() if self.rows * self.steps * (weights + pointwise) > _SMALL_WORK else 1
        large = weights * kernel.dtype.itemsize > _LARGE_WEIGHTS or self.rows < self.threads
        wide = self.padded >= 8 * kernel.lanes * self.threads
        self.by_units = weights > 0 and self.threads > 1 and large and wide
        if not self.by_units:
            self.threads = min(self.threads, self.rows)

    def panel_rows(self, width: int) -> int:
        """Return the largest number of units that the units of one panel read."""
        if self.head == self.units:
            return self.units
        return min(self.units, -(-width // self.head) * self.head + self.head)


def apart(numbers: int, kernel: Kernel) -> int:
    """Return the stride of rows in memory; multiples of a KiB would contend for the same cache lines."""
    line = 64 // kernel.dtype.itemsize
    return numbers + line if numbers * kernel.dtype.itemsize % 1024 == 0 else numbers


def rows_apart(steps: int, rows: int, numbers: int, kernel: Kernel) -> Tensor:
    """Allocate ``(T, B, numbers)`` with the row stride of `apart`."""
    return empty((steps, rows, apart(numbers, kernel)), kernel.dtype)[..., :numbers]


def pad_units(tensor: Tensor, padded: int, blocks: int = 1) -> Tensor:
    """Pad the blocks of H along the last axis with zeros to P."""
    units = tensor.shape[-1] // blocks
    if units == padded:
        return tensor.contiguous()
    return functional.pad(tensor.unflatten(-1, (blocks, units)), (0, padded - units)).flatten(-2)


def pad_rows(weight: Tensor, padded: int, blocks: int) -> Tensor:
    """Pad the rows of each block of weights ``(blocks * H, F)`` to P."""
    units = weight.shape[0] // blocks
    if units == padded:
        return weight
    return functional.pad(weight.unflatten(0, (blocks, units)), (0, 0, 0, padded - units)).flatten(0, 1)


def pad_source(tensor: Tensor, source: Source, padded: int) -> Tensor:
    """Pad a tensor of the cell to the layout that the code reads."""
    if "j" not in source.kind:
        return tensor.contiguous()
    rows = tensor.reshape(tensor.shape[0], -1) if source.kind == "bj" else tensor.reshape(-1)
    return pad_units(rows, padded, source.blocks)


def side_by_side(tensor: Tensor, padded: int, blocks: int = 1) -> Tensor:
    """Return ``(T, B, blocks * H)`` padded and contiguous along the units; rows and steps may have any stride."""
    if tensor.stride(2) == 1 and tensor.shape[2] == blocks * padded:
        return tensor
    return pad_units(tensor, padded, blocks)
