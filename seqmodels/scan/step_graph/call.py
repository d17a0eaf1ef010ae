"""Conversion between the arguments of a scan and one call of generated code, on any device."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seqmodels.batch import step_mask
from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.linear.base import LinearCell
from seqmodels.scan.fused.layout import Call, join_state, split_state
from seqmodels.scan.gate import resolve
from seqmodels.scan.reference import keep
from seqmodels.state import State, map_state

#: ``(call, tensors) -> (*outputs, *last state)``, by blocks.
Run = Callable[[Call, list[Any]], tuple[Tensor, ...]]


def projects(cell: Any, device: str) -> bool:
    """Return whether the input product is the usual one, and so part of the call."""
    usual = isinstance(cell, GatedCell) and cell.usual_project and "project" not in vars(cell)
    return usual and not torch.is_autocast_enabled(device)


def run_scan(
    run: Run,
    kernel: Any,
    dtype: torch.dtype,
    cell: Any,
    inputs: Tensor,
    state: State,
    lengths: Tensor | None,
    reset: Tensor | None,
) -> tuple[Tensor, State]:
    """Run `cell` over all steps by `run` in `dtype`; the results have the dtype of `inputs`."""
    valid = None if lengths is None else step_mask(lengths, inputs.shape[1]).unsqueeze(-1)
    inputs = inputs if valid is None else keep(valid, inputs)
    usual = projects(cell, inputs.device.type)
    u = inputs if usual else cell.project(inputs)
    noise = cell.noise(inputs) if usual and kernel.step.noise else None
    paths = tuple(source.path for source in kernel.step.sources)
    fresh: Any = [None] * len(kernel.step.fields)
    if reset is not None:
        fresh = [block[0] for block in split_state(cell, cell.initial_state(1, inputs))]
    weights = [cell.weight_ih if usual else None, cell.weight_hh if kernel.step.gates else None]
    sources = [operator.attrgetter(path)(cell) for path in paths]
    tensors = [u, *weights, *split_state(cell, state), *fresh, *sources]
    noise, *tensors = [_as_read(tensor, dtype) for tensor in (noise, *tensors)]
    results = run(Call(kernel, cell, usual, lengths, reset, noise, paths), tensors)
    h, after = results[: kernel.outputs], join_state(cell, results[kernel.outputs :])
    outputs = (h[0] if len(h) == 1 else torch.cat(h, dim=-1)).to(inputs.dtype)
    after = map_state(lambda leaf: leaf.to(inputs.dtype), after)
    if isinstance(cell, LinearCell):
        outputs = cell.readout(outputs, u)
        outputs = outputs if valid is None else keep(valid, outputs)
    return outputs, after


def _as_read(tensor: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """Convert to the dtype of the code, with lazy negation resolved."""
    return None if tensor is None else resolve(tensor if tensor.dtype is dtype else tensor.to(dtype))
