"""Real-gated linear recurrent unit.

    r = sigmoid(W_r x + b_r)                     recurrence gate
    i = sigmoid(W_i x + b_i)                     input gate
    v = W_v x + b_v
    a = sigmoid(Lambda)^(c r)
    h_t = a h_(t-1) + sqrt(1 - a^2) i v

In the paper v is x itself, after a product and a convolution; here the product W_v is part of the cell.

Source: De et al. 2024 (Griffin), arXiv 2402.19427, section 2.4.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqmodels.cells.base import HiddenState
from seqmodels.cells.linear.base import LinearCell, check_radii
from seqmodels.cells.product import Linear
from seqmodels.kinds import Share, positive, up_to_one
from seqmodels.registry import register


@register("cell", "rglru")
class RGLRUCell(LinearCell):
    """Real-gated linear recurrent unit (De et al. 2024).

    >>> y, state = RGLRUCell(3, 5)(torch.ones(2, 3))
    >>> y.shape, torch.equal(y, state.h)
    (torch.Size([2, 5]), True)

    The weights are those of one `torch.nn.Linear` ``(3H, F)`` with the blocks r, i and v, and `a_logit` ``(H,)``, the
    paper's Lambda.

    Args:
        r_min, r_max: initial range of a for a fully open recurrence gate.
        exponent: c, how much faster than ``sigmoid(Lambda)`` the state decays when that gate is open.
        bias: whether to add biases.

    Raises:
        ValueError: a size below 1, an invalid range, or an exponent that is not positive.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        r_min: Share = 0.9,
        r_max: Annotated[float, up_to_one] = 0.999,
        exponent: Annotated[float, positive] = 8.0,
        bias: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size)
        check_radii(r_min, r_max)
        self.exponent = exponent
        self.linear = Linear(input_size, 3 * hidden_size, bias=bias)
        power = torch.rand(hidden_size, dtype=torch.float64).mul(r_max - r_min).add(r_min).clamp(1e-6, 1 - 1e-6)
        self.a_logit = nn.Parameter(torch.logit(power ** (1 / exponent)).to(self.linear.weight.dtype))

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        return {**super().weight_shapes(), "a_logit": (self.hidden_size,)}

    def coefficients(self, u: Tensor) -> tuple[Tensor, Tensor]:
        r, i, v = u.chunk(3, dim=-1)
        log_a = -self.exponent * torch.sigmoid(r) * functional.softplus(-self.a_logit)
        # 1 - a^2 without cancellation; the slope of the root is infinite at 0, where the gate is shut.
        rest = (-torch.expm1(2 * log_a)).clamp(min=torch.finfo(log_a.dtype).tiny)
        return torch.exp(log_a), torch.sqrt(rest) * torch.sigmoid(i) * v

    def activations(self, u: Tensor, state: HiddenState) -> dict[str, Tensor]:
        r, i, _ = u.chunk(3, dim=-1)
        return {"r": torch.sigmoid(r), "i": torch.sigmoid(i)}
