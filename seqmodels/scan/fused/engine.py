"""The engine "fused": which cells it runs, and how a scan becomes one call of compiled code."""

from __future__ import annotations

import operator
import threading
import weakref
from typing import Any

import torch
from torch import Tensor

from seqmodels.batch import step_mask
from seqmodels.cells.base import Cell, GatedCell
from seqmodels.cells.linear import LinearCell
from seqmodels.scan.engine import Engine, traced
from seqmodels.scan.fused.function import fused_scan
from seqmodels.scan.fused.kernel import Kernel, check, kernel_for
from seqmodels.scan.fused.layout import Call, join_state, split_state
from seqmodels.scan.fused.single import quick_step  # noqa: F401  offers itself to the cells
from seqmodels.scan.fused.trace import CannotFuseError
from seqmodels.scan.fused_cuda import cuda_obstacle, run_on_cuda
from seqmodels.scan.reference import keep
from seqmodels.state import State, map_state

# Types that are computed in float32, and those that are computed in themselves.
_HALF, _WHOLE = (torch.bfloat16, torch.float16), (torch.float32, torch.float64)


class _Found(threading.local):
    """The kernel that was found when a scan asked for an obstacle, for the run that follows at once."""

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
    if type(inputs) is not Tensor and type(inputs) is not torch.nn.Parameter:
        return f"inputs are a {type(inputs).__name__}, whose memory cannot be read"
    if inputs.dtype not in _HALF + _WHOLE:
        return f"inputs are {inputs.dtype}"
    if inputs.shape[0] == 0:
        return "there are no rows"
    try:
        kernel = kernel_for(cell, _computed_in(inputs), _projects(cell))
    except CannotFuseError as error:
        return str(error)
    _found.kernel = (weakref.ref(cell), kernel)
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
    """Why the cell cannot be generated, found without running the compiler."""
    weight = next(cell.parameters(), torch.empty(0))
    if weight.device.type == "cuda":
        return cuda_obstacle(cell, None, None)
    if weight.device.type not in ("cpu", "meta"):
        return f"it is generated for the CPU, and weights are on {weight.device}"
    try:
        check(cell)
    except CannotFuseError as error:
        return str(error)
    return None


def _fused(
    cell: Any, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None
) -> tuple[Tensor, State]:
    if inputs.device.type == "cuda":
        return run_on_cuda(cell, inputs, state, lengths, reset)
    if lengths is not None:
        inputs = keep(step_mask(lengths, inputs.shape[1]).unsqueeze(-1), inputs)
    dtype = _computed_in(inputs)
    projects = _projects(cell)
    kernel = _found.take(cell) or kernel_for(cell, dtype, projects)
    u = inputs if projects else cell.project(inputs)
    noise = cell.noise(inputs) if projects and kernel.step.noise else None
    paths = tuple(source.path for source in kernel.step.sources)
    fresh: Any = [None] * len(kernel.step.fields)
    if reset is not None:
        fresh = [block[0] for block in split_state(cell, cell.initial_state(1, inputs))]
    tensors = [
        u,
        cell.weight_ih if projects else None,
        cell.weight_hh if kernel.step.gates else None,
        *split_state(cell, state),
        *fresh,
        *(operator.attrgetter(path)(cell) for path in paths),
    ]
    tensors = [tensor if tensor is None or tensor.dtype == dtype else tensor.to(dtype) for tensor in tensors]
    call = Call(kernel, cell, projects, lengths, reset, noise, paths)
    results = fused_scan(call, tensors)
    h = list(results[: kernel.outputs])
    after = join_state(cell, results[kernel.outputs :])
    if dtype != inputs.dtype:
        h, after = [part.to(inputs.dtype) for part in h], map_state(lambda leaf: leaf.to(inputs.dtype), after)
    outputs = h[0] if len(h) == 1 else torch.cat(h, dim=-1)
    if isinstance(cell, LinearCell):
        outputs = cell.readout(outputs, u)
        if lengths is not None:
            outputs = keep(step_mask(lengths, outputs.shape[1]).unsqueeze(-1), outputs)
    return outputs, after


def _computed_in(inputs: Tensor) -> torch.dtype:
    return torch.float64 if inputs.dtype == torch.float64 else torch.float32


def _projects(cell: Any) -> bool:
    """Whether the input product is the usual one, which is then made as a part of the call."""
    usual = isinstance(cell, GatedCell) and cell.usual_project and "project" not in vars(cell)
    return usual and not torch.is_autocast_enabled("cpu")


FUSED = Engine(_fused, _obstacle, "its step is compiled into code of its own", (GatedCell, LinearCell))
