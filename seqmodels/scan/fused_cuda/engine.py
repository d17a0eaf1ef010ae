"""Engine "fused" on CUDA: the calls it runs, and its scan as one call of generated code.

`seqmodels.scan.fused.engine` picks it if inputs or weights are on a GPU.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from seqmodels.cells.base import Cell
from seqmodels.cells.gated.base import GatedCell
from seqmodels.scan.fused_cuda import failure
from seqmodels.scan.fused_cuda.kernel import kernel_for
from seqmodels.scan.reference import REFERENCE
from seqmodels.scan.step_graph.call import Call, projects, run_scan
from seqmodels.scan.step_graph.values import CannotFuseError
from seqmodels.state import State

_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def cuda_obstacle(cell: Cell, inputs: Tensor | None, reset: Tensor | None) -> str | None:
    """Return why generated Triton code cannot run a call, or None; the kind of cell is already checked.

    Args:
        inputs: ``(B, T, F)``, or None to ask about the cell alone.
    """
    del reset  # any can be run
    if find_spec("triton") is None:
        return "it is generated as Triton code, and Triton is not installed: pip install triton"
    if inputs is not None and inputs.dtype not in _DTYPES:
        return f"inputs are {inputs.dtype}"
    if inputs is not None and inputs.shape[0] == 0:
        return "there are no rows"
    place = next((tensor.device for tensor in (inputs, *cell.parameters()) if tensor is not None), None)
    if place is not None and place.type == "cuda" and torch.cuda.get_device_capability(place) < (7, 0):
        return f"Triton needs a GPU of compute capability 7.0, and {place} is older"
    try:
        kernel_for(cell, projects(cell, "cuda" if inputs is None else inputs.device.type))
    except CannotFuseError as error:
        return str(error)
    return None


def run_on_cuda(
    cell: Any, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None
) -> tuple[Tensor, State]:
    """Run `cell` over all steps; the `run` of an `seqmodels.scan.engine.Engine`."""
    kernel: Any = kernel_for(cell, projects(cell, inputs.device.type))
    from seqmodels.scan.fused_cuda.launch_triton import FAILURES

    try:
        return run_scan(_apply, kernel, _dtype(cell, inputs), cell, inputs, state, lengths, reset)
    except FAILURES as error:
        failure.give_up(kernel, error)
        return REFERENCE.run(cell, inputs, state, lengths, reset)


def _apply(call: Call, tensors: list[Any]) -> tuple[Tensor, ...]:
    from seqmodels.scan.fused_cuda.function import FusedCudaScan

    with torch.autocast(tensors[0].device.type, enabled=False):
        results: tuple[Tensor, ...] = FusedCudaScan.apply(call, *tensors)
    return results


def _dtype(cell: Cell, inputs: Tensor) -> torch.dtype:
    """Return the dtype of the inputs or, for a cell with a recurrent product under autocast, that of a product."""
    device = inputs.device.type
    if isinstance(cell, GatedCell) and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return inputs.dtype
