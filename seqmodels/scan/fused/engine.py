"""Engine "fused": the cells it runs, and its scan as one call of compiled code."""

from __future__ import annotations

import operator
import threading
import weakref

import torch
from torch import Tensor

from seqmodels.cells.base import Cell
from seqmodels.cells.checks import check_memory, one_precision, own_tensors
from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.linear.base import LinearCell
from seqmodels.scan.engine import Engine, traced
from seqmodels.scan.fused.function import fused_scan
from seqmodels.scan.fused.kernel import Kernel, check, kernel_for
from seqmodels.scan.fused.single import quick_step  # noqa: F401  registers itself with the cells
from seqmodels.scan.fused_cuda import cuda_obstacle, run_on_cuda
from seqmodels.scan.step_graph.call import projects, run_scan
from seqmodels.scan.step_graph.values import CannotFuseError
from seqmodels.state import State

# Dtypes computed in float32, and dtypes computed as they are.
_HALF, _WHOLE = (torch.bfloat16, torch.float16), (torch.float32, torch.float64)


class _Found(threading.local):
    """Kernel found when a scan asked for an obstacle, for the run that follows."""

    kernel: tuple[weakref.ref[Cell], Kernel] | None = None

    def take(self, cell: Cell) -> Kernel | None:
        found, self.kernel = self.kernel, None
        return found[1] if found is not None and found[0]() is cell else None


_found = _Found()


def _obstacle(cell: Cell, inputs: Tensor | None, reset: Tensor | None) -> str | None:
    kind = _kind(cell)
    if kind is not None:
        return kind
    if inputs is None:
        return _untraceable(cell)
    if traced():
        return "compiled code has no vmap, forward mode or functional gradient, and cannot be exported"
    if inputs.device.type == "cuda":
        return cuda_obstacle(cell, inputs, reset)
    if inputs.device.type != "cpu":
        return f"it is generated for the CPU, and inputs are on {inputs.device}"
    if inputs.dtype not in _HALF + _WHOLE:
        return f"inputs are {inputs.dtype}"
    if inputs.shape[0] == 0:
        return "there are no rows"
    try:
        kernel = kernel_for(cell, _computed_in(inputs), projects(cell, "cpu"))
    except CannotFuseError as error:
        return str(error)
    mixed = _mixed(cell, kernel, inputs)
    if mixed is None:
        _found.kernel = (weakref.ref(cell), kernel)
    return mixed


def _mixed(cell: Cell, kernel: Kernel, inputs: Tensor) -> str | None:
    """Return an obstacle if a step reads tensors of another dtype, for which torch would use the wider one."""
    for source in kernel.step.sources:
        dtype = operator.attrgetter(source.path)(cell).dtype
        if dtype.is_floating_point and not one_precision(dtype, inputs):
            return f"its {source.path} is {dtype}, and inputs are {inputs.dtype}"
    return None


def _kind(cell: Cell) -> str | None:
    name = type(cell).__name__
    if isinstance(cell, GatedCell):
        return None if cell.usual_step else f"this {name} has a step of its own, and only update is generated"
    if isinstance(cell, LinearCell):
        usual = type(cell).step is LinearCell.step
        return None if usual else f"this {name} has a step of its own, and only its coefficients are generated"
    return f"{name} is neither a gated nor a linear cell"


def _untraceable(cell: Cell) -> str | None:
    """Return why the cell cannot be generated, without running the compiler, or None."""
    weight = next(cell.parameters(), torch.empty(0))
    if weight.device.type == "cuda":
        return cuda_obstacle(cell, None, None)
    if weight.device.type not in ("cpu", "meta"):
        return f"it is generated for the CPU, and weights are on {weight.device}"
    try:
        for name, tensor in own_tensors(cell):
            check_memory(name, tensor)
        check(cell)
    except (CannotFuseError, ValueError) as error:
        return str(error)
    return None


def _fused(
    cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None
) -> tuple[Tensor, State]:
    if inputs.device.type == "cuda":
        return run_on_cuda(cell, inputs, state, lengths, reset)
    dtype = _computed_in(inputs)
    kernel = _found.take(cell) or kernel_for(cell, dtype, projects(cell, "cpu"))
    return run_scan(fused_scan, kernel, dtype, cell, inputs, state, lengths, reset)


def _computed_in(inputs: Tensor) -> torch.dtype:
    return torch.float64 if inputs.dtype == torch.float64 else torch.float32


FUSED = Engine(_fused, _obstacle, "its step is compiled into code of its own", (GatedCell, LinearCell), True)
