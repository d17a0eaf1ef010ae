"""Tracing of a cell's `update` to a graph, by one run on small tensors.

H units; a tensor of width k*H is a value of k blocks.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from seqmodels.cells.base import Cell
from seqmodels.scan.fused.graph import FULL, ROW, SCALAR, UNIT, Graph, Node


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


class Tracer(TorchDispatchMode):
    """Dispatch mode that records operations on known tensors in `graph`."""

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

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler, which takes a second, to disable it here

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        from seqmodels.scan.fused import lowering, lowering_shapes  # noqa: F401  the second registers itself

        result = function(*args, **(kwargs or {}))
        name = function._schema.name.removeprefix("aten::")
        try:
            values = lowering.lower(self, name, function, result, args, kwargs or {})
        except CannotFuseError as error:
            raise CannotFuseError(f"{error}, at {_line()}") from None
        results = result if isinstance(result, (tuple, list)) else (result,)
        for tensor, value in zip(results, values, strict=False):
            if value is not None:
                self.know(tensor, value)
        return result


def record(tracer: Tracer, function: Callable[..., Any], *args: Any) -> list[Blocks]:
    """Run `function` on known tensors; return its values, for a state by fields."""
    with torch.no_grad(), tracer:
        try:
            result = function(*args)
        except CannotFuseError:
            raise
        except Exception as error:
            raise CannotFuseError(f"it failed when traced: {error}") from error
        results = result if isinstance(result, tuple) else (result,)
        return [tracer.value(tensor) for tensor in results]


def attributes(cell: Cell) -> dict[int, tuple[str, Tensor, bool]]:
    """Return all tensors of a cell by id: path, tensor, and whether it may have one value per row."""
    found: dict[int, tuple[str, Tensor, bool]] = {}
    for prefix, module in cell.named_modules():
        own = {name: (tensor, True) for name, tensor in vars(module).items() if isinstance(tensor, Tensor)}
        registered: dict[str, Any] = {**module._parameters, **module._buffers}
        own.update((name, (tensor, False)) for name, tensor in registered.items() if tensor is not None)
        for name, (tensor, per_row) in own.items():
            found.setdefault(id(tensor), (f"{prefix}.{name}".lstrip("."), tensor, per_row))
    return found


def rebind(cell: nn.Module, tensors: Mapping[str, Tensor]) -> Any:
    """Return the same cell with other tensors at some paths; everything else is shared."""
    bound: Any = object.__new__(type(cell))
    bound.__dict__.update(cell.__dict__, _parameters=dict(cell._parameters), _buffers=dict(cell._buffers))
    below: dict[str, dict[str, Tensor]] = {}
    for path, tensor in tensors.items():
        name, _, rest = path.partition(".")
        if rest:
            below.setdefault(name, {})[rest] = tensor
            continue
        home = next((home for home in (bound._parameters, bound._buffers) if name in home), bound.__dict__)
        home[name] = tensor
    bound.__dict__["_modules"] = {
        name: rebind(module, below[name]) if name in below and module is not None else module
        for name, module in cell._modules.items()
    }
    return bound


def _line() -> str:
    """Return the user's line of the operation: the innermost one outside torch and this engine."""
    inside = ("/torch/", "/seqmodels/scan/fused/", "\\torch\\")
    frames = [frame for frame in traceback.extract_stack() if not any(part in frame.filename for part in inside)]
    return f"{frames[-1].filename}:{frames[-1].lineno} ({frames[-1].line})" if frames else "an unknown line"
