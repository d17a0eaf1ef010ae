"""The engine "fused" on CUDA: which calls it runs, and how a scan becomes one call of generated code.

It is for `seqmodels.scan.fused.engine`, which picks it where inputs or weights are on a GPU.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from seqmodels.batch import step_mask
from seqmodels.cells.base import Cell, GatedCell
from seqmodels.cells.linear import LinearCell
from seqmodels.scan.fused.layout import Call, join_state, split_state
from seqmodels.scan.fused.trace import CannotFuseError, attributes
from seqmodels.scan.fused_cuda import failure
from seqmodels.scan.fused_cuda.kernel import kernel_for
from seqmodels.scan.reference import REFERENCE, keep
from seqmodels.state import State, map_state

_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def cuda_obstacle(cell: Cell, inputs: Tensor | None, reset: Tensor | None) -> str | None:
    """Why generated Triton code cannot run this, or None where it can; the kind of cell has been looked at before.

    Args:
        cell: a gated or linear cell on a CUDA device.
        inputs: ``(B, T, F)``, or None to ask about the cell alone.
        reset: any.
    """
    del reset  # all are run
    if find_spec("triton") is None:
        return "it is generated as Triton code, and Triton is not installed: pip install triton"
    if inputs is not None and type(inputs) not in (Tensor, nn.Parameter):
        return f"inputs are a {type(inputs).__name__}, whose memory cannot be read"
    if inputs is not None and inputs.dtype not in _DTYPES:
        return f"inputs are {inputs.dtype}"
    if inputs is not None and inputs.shape[0] == 0:
        return "there are no rows"
    place = next((tensor.device for tensor in (inputs, *cell.parameters()) if tensor is not None), None)
    if place is not None and place.type == "cuda" and torch.cuda.get_device_capability(place) < (7, 0):
        return f"Triton needs a GPU of compute capability 7.0, and {place} is older"
    try:
        kernel_for(cell, _projects(cell, inputs))
    except CannotFuseError as error:
        return str(error)
    return None


def run_on_cuda(
    cell: Any, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None
) -> tuple[Tensor, State]:
    """Run `cell` over all steps, as an `seqmodels.scan.engine.Engine` does."""
    if lengths is not None:
        inputs = keep(step_mask(lengths, inputs.shape[1]).unsqueeze(-1), inputs)
    projects = _projects(cell, inputs)
    kernel: Any = kernel_for(cell, projects)
    dtype = _dtype(cell, inputs)
    u = inputs if projects else cell.project(inputs)
    noise = cell.noise(inputs) if projects and kernel.step.noise else None
    known = {path: tensor for path, tensor, _ in attributes(cell).values()}
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
        *(known[path] for path in paths),
    ]
    tensors = [tensor if tensor is None or tensor.dtype == dtype else tensor.to(dtype) for tensor in tensors]
    call = Call(kernel, cell, projects, lengths, reset, noise, paths)
    from seqmodels.scan.fused_cuda.launch_triton import FAILURES

    try:
        results = _apply(call, tensors)
    except FAILURES as error:
        failure.give_up(kernel, error)
        return REFERENCE.run(cell, inputs, state, lengths, reset)
    h, after = results[: kernel.outputs], join_state(cell, results[kernel.outputs :])
    outputs = (h[0] if len(h) == 1 else torch.cat(h, dim=-1)).to(inputs.dtype)
    after = map_state(lambda leaf: leaf.to(inputs.dtype), after)
    if isinstance(cell, LinearCell):
        outputs = cell.readout(outputs, u)
        if lengths is not None:
            outputs = keep(step_mask(lengths, outputs.shape[1]).unsqueeze(-1), outputs)
    return outputs, after


def _apply(call: Call, tensors: list[Any]) -> tuple[Tensor, ...]:
    from seqmodels.scan.fused_cuda.function import FusedCudaScan

    with torch.autocast(tensors[0].device.type, enabled=False):
        results: tuple[Tensor, ...] = FusedCudaScan.apply(call, *tensors)
    return results


def _dtype(cell: Cell, inputs: Tensor) -> torch.dtype:
    """That of the inputs, or under autocast that of a matrix product, where the cell has one at each step."""
    device = inputs.device.type
    if isinstance(cell, GatedCell) and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return inputs.dtype


def _projects(cell: Any, inputs: Tensor | None) -> bool:
    """Whether the input product is the usual one, which is then made as a part of the call."""
    usual = isinstance(cell, GatedCell) and cell.usual_project and "project" not in vars(cell)
    return usual and not torch.is_autocast_enabled("cuda" if inputs is None else inputs.device.type)
