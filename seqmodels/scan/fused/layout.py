"""How a call lies in memory, and how many threads share it.

Inside, sequences are time first, ``(T, B, ...)``, and every block of H units is padded to P, a
whole number of vectors.

B rows, T steps, F features, H units, P padded units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.cells.base import Cell
from seqmodels.scan.fused.kernel import Kernel, threads
from seqmodels.scan.fused.memory import empty
from seqmodels.scan.fused.step import state_blocks
from seqmodels.scan.fused.trace import Source
from seqmodels.state import State

#: Recurrent weights of more bytes than this are shared out among the threads, unit by unit.
_LARGE_WEIGHTS = 3 << 20
#: Multiplications below which a second thread costs more than it gives.
_SMALL_WORK = 1 << 17
#: Weights of so many bytes in all stay in a core's cache; the input product is then made step by step as well.
_NEAR_WEIGHTS = 1 << 20


class Call(NamedTuple):
    """What is not a tensor to differentiate.

    Fields:
        kernel: the compiled code.
        cell: the cell.
        projects: whether the inputs are to be multiplied by `weight_ih`, or are the projected input.
        lengths, reset: as for a scan.
        noise: what each step reads beside the projected input, ``(B, T, k*H)``.
        paths: of the cell's tensors among the arguments.
    """

    kernel: Kernel
    cell: Cell
    projects: bool
    lengths: Tensor | None
    reset: Tensor | None
    noise: Tensor | None
    paths: tuple[str, ...]


class Arguments(NamedTuple):
    """The tensors of a call: the state and a fresh one block by block, and what the step reads from the cell."""

    inputs: Tensor
    weight_ih: Tensor | None
    weight_hh: Tensor | None
    states: tuple[Tensor, ...]
    fresh: tuple[Tensor | None, ...]
    sources: tuple[Tensor, ...]

    @classmethod
    def of(cls, call: Call, tensors: Sequence[Any]) -> Arguments:
        """From the same tensors in one row."""
        inputs, weight_ih, weight_hh, *rest = tensors
        fields = len(call.kernel.step.fields)
        states, fresh, sources = rest[:fields], rest[fields : 2 * fields], rest[2 * fields :]
        return cls(inputs, weight_ih, weight_hh, tuple(states), tuple(fresh), tuple(sources))


class Layout:
    """The sizes of a call and its thread plan.

    Attributes:
        rows, steps, units, padded: B, T, H, P.
        head: units that see each other.
        inside: whether the input product is made step by step, and not before.
        kept_row: numbers from one row to the next in what is kept of each step.
        threads: how many.
        by_units: whether they share the units and not the rows.
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
        """The most units that the units of one panel see."""
        if self.head == self.units:
            return self.units
        return min(self.units, -(-width // self.head) * self.head + self.head)


def apart(numbers: int, kernel: Kernel) -> int:
    """A row's length in memory: rows a whole number of KiB apart would contend for the same places in the cache."""
    line = 64 // kernel.dtype.itemsize
    return numbers + line if numbers * kernel.dtype.itemsize % 1024 == 0 else numbers


def rows_apart(steps: int, rows: int, numbers: int, kernel: Kernel) -> Tensor:
    """An empty ``(T, B, numbers)`` whose rows lie as `apart` says."""
    return empty((steps, rows, apart(numbers, kernel)), kernel.dtype)[..., :numbers]


def pad_units(tensor: Tensor, padded: int, blocks: int = 1) -> Tensor:
    """Blocks of H along the last axis, each padded with zeros to P."""
    units = tensor.shape[-1] // blocks
    if units == padded:
        return tensor.contiguous()
    return functional.pad(tensor.unflatten(-1, (blocks, units)), (0, padded - units)).flatten(-2)


def pad_rows(weight: Tensor, padded: int, blocks: int) -> Tensor:
    """Weights ``(blocks * H, F)`` with the rows of each block padded to P."""
    units = weight.shape[0] // blocks
    if units == padded:
        return weight
    return functional.pad(weight.unflatten(0, (blocks, units)), (0, 0, 0, padded - units)).flatten(0, 1)


def pad_source(tensor: Tensor, source: Source, padded: int) -> Tensor:
    """A tensor of the cell as the code reads it."""
    if "j" not in source.kind:
        return tensor.contiguous()
    rows = tensor.reshape(tensor.shape[0], -1) if source.kind == "bj" else tensor.reshape(-1)
    return pad_units(rows, padded, source.blocks)


def side_by_side(tensor: Tensor, padded: int, blocks: int = 1) -> Tensor:
    """``(T, B, blocks * H)`` with its units next to each other in memory, padded; rows and steps may lie anywhere."""
    if tensor.stride(2) == 1 and tensor.shape[2] == blocks * padded:
        return tensor
    return pad_units(tensor, padded, blocks)


def split_state(cell: Cell, state: State) -> list[Tensor]:
    """The blocks of H of a state, in the order of `state_blocks`."""
    sizes, units = cell.state_sizes(), cell.hidden_size
    return [
        getattr(state, name) if sizes[name] == units else getattr(state, name)[..., block * units : (block + 1) * units]
        for name, block in state_blocks(cell)
    ]


def join_state(cell: Cell, blocks: Sequence[Tensor]) -> State:
    """The state that has these blocks."""
    fields: dict[str, list[Tensor]] = {}
    for (name, _), block in zip(state_blocks(cell), blocks, strict=True):
        fields.setdefault(name, []).append(block)
    return cell.state_type(
        **{name: parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1) for name, parts in fields.items()}
    )
