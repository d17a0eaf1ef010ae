"""Double backward for cuDNN's recurrent layers, which lack it.

The forward pass and the first gradient are cuDNN's. For a differentiable gradient (``create_graph=True``) the layer is
run again by torch's unfused kernels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class FusedCall(NamedTuple):
    """Call of ``torch.lstm``, ``torch.gru``, ``torch.rnn_tanh`` or ``torch.rnn_relu``, for one layer and direction.

    Takes inputs ``(B, T, F)``, the tensors of the state ``(1, B, H)`` and the weights in one tuple; returns outputs
    ``(B, T, H)`` and the tensors of the last state.
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

        def rerun(leaves: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            enabled, dtype = ctx.autocast
            with _without_fused_kernels(), torch.autocast(ctx.device, dtype=dtype, enabled=enabled):
                return ctx.call(leaves)

        found = rerun_gradients(rerun, tensors, gradients, [tensor.requires_grad for tensor in tensors])
        return None, None, *[None] * len(gradients), *found


def rerun_gradients(
    function: Callable[[tuple[Any, ...]], tuple[Tensor, ...]],
    tensors: Sequence[Tensor | None],
    gradients: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Run `function` on `tensors` again; return the gradients of those needed, differentiable if that is enabled."""
    create_graph = torch.is_grad_enabled()
    # Aliases: one input may depend on another (the state on the weights, in the previous window), and
    # the gradient of this call must not flow back through that.
    with torch.enable_grad():
        leaves = tuple(tensor if tensor is None else tensor.view_as(tensor) for tensor in tensors)
        outputs = function(leaves)
    used = [(output, gradient) for output, gradient in zip(outputs, gradients, strict=True) if gradient is not None]
    found = iter(
        torch.autograd.grad(
            [output for output, _ in used],
            [leaf for leaf, need in zip(leaves, needs, strict=True) if need and leaf is not None],
            [gradient for _, gradient in used],
            create_graph=create_graph,
            allow_unused=True,
        )
    )
    return [next(found) if need else None for need in needs]


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
