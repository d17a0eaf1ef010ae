"""Minimal long short-term memory: an LSTM whose gates do not read the state and sum to 1.

    i = sigmoid(W_i x + b_i)
    f = sigmoid(W_f x + b_f)
    g = W_g x + b_g
    h_t = f' h_(t-1) + i' g        f' = f / (f + i),  i' = i / (f + i)

Source: Feng et al. 2024, "Were RNNs all we needed?", arXiv 2410.01201, section 3.2.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqmodels.cells.base import HiddenState
from seqmodels.cells.linear.base import LinearCell
from seqmodels.cells.product import Linear
from seqmodels.registry import register


@register("cell", "minlstm")
class MinLSTMCell(LinearCell):
    """Minimal long short-term memory (Feng et al. 2024), with normalised gates.

    >>> y, state = MinLSTMCell(3, 5)(torch.ones(2, 3))
    >>> y.shape, torch.equal(y, state.h)
    (torch.Size([2, 5]), True)

    The weights are those of one `torch.nn.Linear` ``(3H, F)`` with the blocks i, f and g.

    Args:
        bias: whether to add biases.
        forget_bias: if given, the initial biases are `forget_bias` for f and ``-forget_bias`` for i, so that the old
            state is kept.

    Raises:
        ValueError: a size below 1, or `forget_bias` without biases.
    """

    keep_gate: ClassVar[str] = "f"

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, forget_bias: float | None = None) -> None:
        super().__init__(input_size, hidden_size)
        self.linear = Linear(input_size, 3 * hidden_size, bias=bias)
        if forget_bias is not None:
            if not bias:
                raise ValueError("forget_bias needs biases: build the cell with bias=True")
            nn.init.constant_(self.linear.bias[:hidden_size], -forget_bias)
            nn.init.constant_(self.linear.bias[hidden_size : 2 * hidden_size], forget_bias)

    def coefficients(self, u: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g = self._gates(u)
        return f, i * g

    def _gates(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        i, f, g = u.chunk(3, dim=-1)
        # log f - log i: the quotient itself is 0 / 0 if both gates are closed.
        odds = functional.softplus(-i) - functional.softplus(-f)
        return torch.sigmoid(-odds), torch.sigmoid(odds), g

    def activations(self, u: Tensor, state: HiddenState) -> dict[str, Tensor]:
        return dict(zip(("i", "f", "g"), self._gates(u), strict=True))
