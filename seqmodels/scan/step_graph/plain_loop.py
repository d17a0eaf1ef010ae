"""Gradients of generated code by the plain loop, which can be differentiated again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqmodels.batch import step_mask
from seqmodels.scan.derivative import rerun_gradients
from seqmodels.scan.reference import keep, reference_steps
from seqmodels.scan.step_graph.call import Arguments, Call, join_state, split_state
from seqmodels.scan.step_graph.trace import rebind


def by_plain_loop(
    call: Call, tensors: tuple[Any, ...], gradients: tuple[Tensor | None, ...], needs: tuple[bool, ...]
) -> list[Tensor | None]:
    """Compute a differentiable gradient by the plain loop over the same tensors."""

    def rerun(leaves: tuple[Any, ...]) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", enabled=False):
            return _plain_loop(call, Arguments.of(call, leaves))

    return rerun_gradients(rerun, tensors, gradients, needs)


def _plain_loop(call: Call, arguments: Arguments) -> tuple[Tensor, ...]:
    """Compute the results of a call step by step."""
    tensors = dict(zip(call.paths, arguments.sources, strict=True))
    weights = {"weight_ih": arguments.weight_ih, "weight_hh": arguments.weight_hh}
    tensors.update((name, weight) for name, weight in weights.items() if weight is not None)
    cell = rebind(call.cell, tensors)
    if not call.projects:
        cell.__dict__["project"] = lambda u: u
    if call.noise is not None:
        cell.__dict__["noise"] = lambda x: call.noise
    if call.reset is not None:
        fresh = [leaf.expand(len(arguments.inputs), -1) for leaf in arguments.fresh if leaf is not None]
        start = join_state(call.cell, fresh)
        cell.__dict__["initial_state"] = lambda *_: start
    state = join_state(call.cell, arguments.states)
    _, after = reference_steps(cell, arguments.inputs, state, call.lengths, call.reset)
    outputs = torch.stack([one.h for one in after], dim=1)
    if call.lengths is not None:
        outputs = keep(step_mask(call.lengths, outputs.shape[1]).unsqueeze(-1), outputs)
    return *outputs.chunk(call.kernel.outputs, dim=-1), *split_state(call.cell, after[-1])
