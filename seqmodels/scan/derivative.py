"""Second derivatives through torch's fused layers, which have only first ones.

oneDNN and cuDNN give the gradient of a recurrent layer but not the gradient of that gradient.
Here the forward pass and the first gradient are theirs; where a gradient is itself to be
differentiated (``create_graph=True``), the layer is run again by torch's unfused kernels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor


def run_differentiable(
    kind: str, has_bias: bool, inputs: Tensor, state: list[Tensor], weights: list[Tensor]
) -> tuple[Tensor, ...]:
    """One layer, one direction, by ``torch.lstm``, ``torch.gru``, ``torch.rnn_tanh`` or ``torch.rnn_relu``.

    Args:
        kind: the name of the function.
        has_bias: whether `weights` holds biases.
        inputs: ``(B, T, F)``.
        state: tensors ``(1, B, H)``.
        weights: as the function takes them.

    Returns:
        outputs ``(B, T, H)`` and the tensors of the last state ``(1, B, H)``.
    """
    call = _Call(kind, has_bias)
    tensors = (inputs, *state, *weights)
    wanted = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    if not wanted or torch.compiler.is_compiling():
        return call(tensors)
    return _Fused.apply(call, *tensors)


class _Call(NamedTuple):
    """One of torch's functions as a function of inputs, state and weights in one tuple."""

    kind: str
    has_bias: bool

    def __call__(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        inputs, *rest = tensors
        before, weights = ((rest[0], rest[1]), rest[2:]) if self.kind == "lstm" else (rest[0], rest[1:])
        training = torch.is_grad_enabled()  # cuDNN keeps what backward needs only then
        return getattr(torch, self.kind)(inputs, before, weights, self.has_bias, 1, 0.0, training, False, True)


class _Fused(torch.autograd.Function):
    """A fused layer whose gradient can be differentiated again."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: Tensor) -> tuple[Tensor, ...]:
        leaves = tuple(tensor.detach().requires_grad_(tensor.requires_grad) for tensor in tensors)
        with torch.enable_grad():
            outputs = call(leaves)
        ctx.call = call
        ctx.device = tensors[0].device.type
        ctx.autocast = (torch.is_autocast_enabled(ctx.device), torch.get_autocast_dtype(ctx.device))
        ctx.graph = (leaves, outputs)
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        return tuple(output.detach() for output in outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            # Aliases: one input may depend on another (a state on the same weights, in the window
            # before), and the gradient of this layer must not run back through that.
            leaves = tuple(tensor.view_as(tensor) for tensor in ctx.saved_tensors)
            return None, *_differentiate(leaves, _unfused(ctx, leaves), gradients, create_graph=True)
        leaves, outputs = ctx.graph
        # The inner graph lives and is freed with the outer one.
        keep_graph = torch._C._autograd._get_current_graph_task_keep_graph()
        return None, *_differentiate(leaves, outputs, gradients, retain_graph=keep_graph)


def _unfused(ctx: Any, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    enabled, dtype = ctx.autocast
    with _without_fused_kernels(), torch.autocast(ctx.device, dtype=dtype, enabled=enabled):
        return ctx.call(tensors)


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


def _differentiate(
    inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], gradients: tuple[Tensor | None, ...], **options: bool
) -> tuple[Tensor | None, ...]:
    pairs = [(output, gradient) for output, gradient in zip(outputs, gradients, strict=True) if gradient is not None]
    needed = [tensor for tensor in inputs if tensor.requires_grad]
    last, upstream = zip(*pairs, strict=True)
    found = iter(torch.autograd.grad(last, needed, upstream, allow_unused=True, **options))
    return tuple(next(found) if tensor.requires_grad else None for tensor in inputs)
