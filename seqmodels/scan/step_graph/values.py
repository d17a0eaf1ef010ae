"""Values of a traced step: which blocks of the graph a tensor stands for.

H units; a tensor of width k*H is a value of k blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from seqmodels.scan.step_graph.graph import FULL, ROW, SCALAR, UNIT, Graph, Node


class CannotFuseError(Exception):
    """A cell cannot be generated; the message says why."""


class Blocks(NamedTuple):
    """Traced tensor: its blocks of H units, or one value if it has no axis of units.

    `stacked`: whether the blocks have an axis of their own, ``(B, k, H)``.
    """

    nodes: tuple[Node, ...]
    stacked: bool = False


class Source(NamedTuple):
    """Tensor that `update` reads from the cell: path, kind, blocks, and whether its gradient is needed."""

    path: str
    kind: str
    blocks: int
    wanted: bool


class Values:
    """Values of the tensors that one run of a cell's step meets."""

    def __init__(
        self, graph: Graph, units: int, rows: int, dtype: torch.dtype, tensors: Mapping[int, tuple[str, Tensor, bool]]
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.graph = graph
        self.units = units
        self.rows = rows
        self.sources: list[Source] = []
        self._tensors = tensors
        self._known: dict[int, tuple[Tensor, Blocks]] = {}

    def know(self, tensor: Tensor, value: Blocks) -> None:
        """Associate `tensor` with `value`; the tensor is kept alive because it is known by its id."""
        self._known[id(tensor)] = (tensor, value)

    def value(self, tensor: Tensor) -> Blocks:
        """Return the value of a tensor: traced already, or read from the cell now."""
        if id(tensor) not in self._known:
            self.know(tensor, self._read(tensor))
        return self._known[id(tensor)][1]

    def _read(self, tensor: Tensor) -> Blocks:
        if id(tensor) not in self._tensors:
            raise CannotFuseError(f"it reads a tensor {tuple(tensor.shape)} that is no attribute of the cell")
        path, _, per_row = self._tensors[id(tensor)]
        kind, count, stacked = self._layout(path, tensor, per_row)
        self.sources.append(Source(path, kind, count, not per_row or tensor.requires_grad))
        index = len(self.sources) - 1
        return Blocks(tuple(self.graph.leaf("tensor", index, block, kind) for block in range(count)), stacked)

    def _layout(self, path: str, tensor: Tensor, per_row: bool) -> tuple[str, int, bool]:
        shape, units = tuple(tensor.shape), self.units
        if not shape or (shape == (1,) and units != 1):
            return SCALAR, 1, False
        width = shape[-1]
        if width == 1 and units != 1 and per_row and shape[0] == self.rows and len(shape) == 2:
            return ROW, 1, False
        if width % units == 0:
            if len(shape) == 1 or (len(shape) == 2 and shape[0] == 1):
                return UNIT, width // units, False
            if len(shape) == 2 and per_row and shape[0] == self.rows:
                return FULL, width // units, False
            if len(shape) == 2 and width == units:
                return UNIT, shape[0], True
        raise CannotFuseError(f"{path} has shape {shape}: only numbers, vectors of H and (B, H) can be read at a step")
