"""Gradient clipping inside a recurrence.

    y = x;   dL/dx = min(max(dL/dy, -v), v)

Source: after Graves 2013, "Generating sequences with recurrent neural networks", section 2.1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# A custom operator, so that tracers see one operation. The gradient is on the Function below,
# because gradients of custom operators do not work inside `torch.func`.
torch.library.define("seqmodels::clip_gradient", "(Tensor x, float limit) -> Tensor")
torch.library.impl("seqmodels::clip_gradient", "CompositeExplicitAutograd", lambda x, limit: x.clone())


def clip_gradient(x: Tensor, limit: float) -> Tensor:
    """Return `x`; its gradient is clamped elementwise to [-limit, limit].

    >>> x = torch.zeros(2, requires_grad=True)
    >>> torch.autograd.grad(clip_gradient(x, 1.0) @ torch.tensor([0.5, 3.0]), x)
    (tensor([0.5000, 1.0000]),)

    Supports double backward and vmap. A tracer sees `seqmodels::clip_gradient`.

    Args:
        limit: v, above 0.

    Raises:
        ValueError: in forward-mode differentiation.
    """
    clipped: Tensor = _ClipGradient.apply(x, limit)
    return clipped


class _ClipGradient(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, limit: float) -> Tensor:
        clipped: Tensor = torch.ops.seqmodels.clip_gradient(x, limit)
        return clipped

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.limit = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.clamp(-ctx.limit, ctx.limit), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        raise ValueError(
            "clip_gradient has no forward mode, for it clamps what flows backwards: "
            "differentiate backwards, or set clip_gradient=None"
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, None], x: Tensor, limit: float) -> tuple[Tensor, int | None]:
        return clip_gradient(x, limit), in_dims[0]
