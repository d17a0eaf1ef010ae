"""A gradient clamped on its way back through a state.

    y = x;   dL/dx = min(max(dL/dy, -v), v)

Source: after Graves 2013, "Generating sequences with recurrent neural networks", section 2.1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# An operation of its own, so that whatever traces a step sees it as one. It has no gradient: the
# Function below has, since those of operations do not work inside `torch.func`.
torch.library.define("seqmodels::clip_gradient", "(Tensor x, float limit) -> Tensor")
torch.library.impl("seqmodels::clip_gradient", "CompositeExplicitAutograd", lambda x, limit: x.clone())


def clip_gradient(x: Tensor, limit: float) -> Tensor:
    """`x` itself; its gradient is clamped, number by number, to the range from -limit to limit.

    >>> import torch
    >>> x = torch.zeros(2, requires_grad=True)
    >>> torch.autograd.grad(clip_gradient(x, 1.0) @ torch.tensor([0.5, 3.0]), x)
    (tensor([0.5000, 1.0000]),)

    It can be differentiated twice and mapped over. A tracer sees it as `seqmodels::clip_gradient`.

    Args:
        x: of any shape.
        limit: v, above 0.

    Raises:
        ValueError: in forward mode, where nothing flows backwards.
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
