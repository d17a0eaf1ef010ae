"""Tracing of a cell's step to a graph, by one run on small tensors."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from seqmodels.cells.base import Cell
from seqmodels.scan.step_graph import lowering_shapes  # noqa: F401  registers itself
from seqmodels.scan.step_graph.lowering import lower
from seqmodels.scan.step_graph.values import Blocks, CannotFuseError, Values


class Tracer(Values, TorchDispatchMode):
    """Dispatch mode that records operations on known tensors in `graph`."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else torch imports its compiler, which takes a second, to disable it here

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function._schema.name.removeprefix("aten::")
        try:
            values = lower(self, name, function, result, args, kwargs or {})
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
    inside = ("/torch/", "/seqmodels/scan/step_graph/", "\\torch\\")
    frames = [frame for frame in traceback.extract_stack() if not any(part in frame.filename for part in inside)]
    return f"{frames[-1].filename}:{frames[-1].lineno} ({frames[-1].line})" if frames else "an unknown line"
