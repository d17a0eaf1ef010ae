"""Double backward for cuDNN's recurrent layers, which lack it.

The forward pass and the first gradient are cuDNN's. For a differentiable gradient
(``create_graph=True``) the layer is run again by torch's unfused kernels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor


class FusedCall(NamedTuple):
    """Call of ``torch.lstm``, ``torch.gru``, ``torch.rnn_tanh`` or ``torch.rnn_relu``, for one layer and direction.

    Takes inputs ``(B, T, F)``, the tensors of the state ``(1, B, H)`` and the weights in one
    tuple; returns outputs ``(B, T, H)`` and the tensors of the last state.
    """

    kind: str
    has_bias: bool

    def __call__(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        inputs, *rest = tensors
        before, weights = ((rest[0], rest[1]), rest[2:]) if self.kind == "lstm" else (rest[0], rest[1:])
        training = torch.is_grad_enabled()  # only then cuDNN saves tensors for backward
        return getattr(torch, self.kind)(inputs, before, weights, self.has_bias, 1, 0.0, training, False, True)


def differentiable_again(
    call: FusedCall, outputs: tuple[Tensor, ...], tensors: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Return `outputs`, the result of ``call(tensors)``, with a gradient that can be differentiated."""
    if not any(output.requires_grad for output in outputs):
        return outputs
    return _Again.apply(call, len(outputs), *outputs, *tensors)


class _Again(torch.autograd.Function):
    """Identity of the outputs; a first gradient goes to them, a differentiable one past them to the inputs."""

    @staticmethod
    def forward(ctx: Any, call: FusedCall, count: int, *outputs_and_tensors: Tensor) -> tuple[Tensor, ...]:
        outputs, tensors = outputs_and_tensors[:count], outputs_and_tensors[count:]
        ctx.call, ctx.device = call, tensors[0].device.type
        ctx.autocast = (torch.is_autocast_enabled(ctx.device), torch.get_autocast_dtype(ctx.device))
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        return tuple(output.detach() for output in outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        tensors: tuple[Tensor, ...] = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return None, None, *gradients, *[None] * len(tensors)
        # Aliases: one input may depend on another (the state on the weights, in the previous
        # window), and the gradient of this layer must not flow back through that.
        leaves = tuple(tensor.view_as(tensor) for tensor in tensors)
        enabled, dtype = ctx.autocast
        with _without_fused_kernels(), torch.autocast(ctx.device, dtype=dtype, enabled=enabled):
            outputs = ctx.call(leaves)
        used = [index for index, gradient in enumerate(gradients) if gradient is not None]
        found = iter(
            torch.autograd.grad(
                [outputs[index] for index in used],
                [leaf for leaf in leaves if leaf.requires_grad],
                [gradients[index] for index in used],
                create_graph=True,
                allow_unused=True,
            )
        )
        return None, None, *[None] * len(gradients), *[next(found) if leaf.requires_grad else None for leaf in leaves]


@contextlib.contextmanager
def _without_fused_kernels() -> Iterator[None]:
    backends: list[Any] = [torch.backends.mkldnn, torch.backends.cudnn]
    before = [backend.enabled for backend in backends]
    try:
        for backend in backends:
            backend.enabled = False
        yield
    finally:
        for backend, enabled in zip(backends, before, strict=True):
            backend.enabled = enabled
