"""Autograd function of a whole sequence by compiled code.

The memory of the projected input is reused for the values that backward needs and then for the gradient, unless the
graph is retained. Double backward goes through the plain loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from seqmodels.scan.fused.backward import Backward
from seqmodels.scan.fused.forward import Kept, run_forward
from seqmodels.scan.fused.layout import Layout
from seqmodels.scan.gate import opaque, resolve
from seqmodels.scan.step_graph.call import Arguments, Call
from seqmodels.scan.step_graph.plain_loop import by_plain_loop


class FusedScan(torch.autograd.Function):
    """Scan as ``apply(call, *arguments) -> (*outputs, *last state)``, with the arguments of `Arguments`.

    `inputs` is ``(B, T, F)``, or the projected input ``(B, T, k*H)`` if `weight_ih` is None. Outputs ``(B, T, H)`` and
    last state ``(B, H)`` are returned block by block.
    """

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Any) -> tuple[Tensor, ...]:
        arguments = Arguments.of(call, tensors)
        layout = Layout(call, arguments.inputs)
        saving = any(ctx.needs_input_grad)
        kept = run_forward(call, layout, arguments, saving)
        if saving:
            ctx.call, ctx.layout = call, layout
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(*tensors, *kept.sequences, *kept[1:])
        return _results(call, layout, kept)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        call, needs = ctx.call, ctx.needs_input_grad[1:]
        saved = ctx.saved_tensors  # read once: checkpointing unpacks each only once
        tensors, rest = saved[: len(needs)], saved[len(needs) :]
        gradients = tuple(None if gradient is None else _dense(gradient) for gradient in gradients)
        if torch.is_grad_enabled() or any(gradient is not None and opaque(gradient) for gradient in gradients):
            return None, *by_plain_loop(call, tensors, gradients, needs)
        fields = len(call.kernel.step.fields)
        kept = Kept(rest[:fields], *rest[fields:])
        arguments = Arguments.of(call, tensors)
        retain = _graph_is_retained()
        return None, *Backward(call, ctx.layout, arguments, kept, gradients, needs, retain).run()


def fused_scan(call: Call, tensors: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    """Run `FusedScan.apply`, computing and saving less if no gradient is needed."""
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors):
        return FusedScan.apply(call, *tensors)
    arguments = Arguments.of(call, tensors)
    layout = Layout(call, arguments.inputs)
    with torch.no_grad():
        return _results(call, layout, run_forward(call, layout, arguments, saving=False))


def _results(call: Call, layout: Layout, kept: Kept) -> tuple[Tensor, ...]:
    outputs = [sequence[1:, :, : layout.units].transpose(0, 1) for sequence in kept.sequences[: call.kernel.outputs]]
    return *outputs, *(_last(sequence, call.lengths, layout.units) for sequence in kept.sequences)


def _last(sequence: Tensor, lengths: Tensor | None, units: int) -> Tensor:
    if lengths is None or len(sequence) == 1:
        return sequence[-1, :, :units].clone()
    return sequence[lengths, torch.arange(len(lengths), device="cpu"), :units]


def _dense(gradient: Tensor) -> Tensor:
    """Return the gradient as a dense tensor, with lazy negation resolved."""
    return resolve(gradient if gradient.layout is torch.strided else gradient.to_dense())


def _graph_is_retained() -> bool:
    """Return whether the running backward may be repeated; assumed if torch cannot tell."""
    ask = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
    return True if ask is None else bool(ask())
