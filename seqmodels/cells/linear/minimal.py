"""Minimal gated recurrent unit and long short-term memory: a GRU and an LSTM whose gates do not read the state.

    minGRU    z = sigmoid(W_z x + b_z)
              n = W_n x + b_n
              h_t = (1 - z) h_(t-1) + z n
    minLSTM   i = sigmoid(W_i x + b_i)
              f = sigmoid(W_f x + b_f)
              g = W_g x + b_g
              h_t = f' h_(t-1) + i' g        f' = f / (f + i),  i' = i / (f + i)

The gate z writes, as in the paper; in `GRUCell` it keeps.

Source: Feng et al. 2024, "Were RNNs all we needed?", arXiv 2410.01201, sections 3.1 and 3.2.
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


class MinimalCell(LinearCell):
    """Linear cell with one input layer for all gates.

    Args:
        bias: whether to add biases.

    Raises:
        ValueError: a size below 1, or `forget_bias` without biases.
    """

    #: Number of blocks of H in the input layer, and the sign of `forget_bias` in the first of them.
    blocks: ClassVar[int]
    forget_signs: ClassVar[tuple[int, ...]]

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, forget_bias: float | None = None) -> None:
        super().__init__(input_size, hidden_size)
        self.linear = Linear(input_size, self.blocks * hidden_size, bias=bias)
        if forget_bias is not None:
            if not bias:
                raise ValueError("forget_bias needs biases: build the cell with bias=True")
            for sign, block in zip(self.forget_signs, self.linear.bias.split(hidden_size), strict=False):
                nn.init.constant_(block, sign * forget_bias)


@register("cell", "mingru")
class MinGRUCell(MinimalCell):
    """Minimal gated recurrent unit (Feng et al. 2024).

    >>> y, state = MinGRUCell(3, 5)(torch.ones(2, 3))
    >>> y.shape, torch.equal(y, state.h)
    (torch.Size([2, 5]), True)

    The weights are those of one `torch.nn.Linear` ``(2H, F)`` with the blocks z and n.

    Args:
        forget_bias: if given, the initial factor of the old state is ``sigmoid(forget_bias)``: the bias of z is
            ``-forget_bias``.
    """

    write_gate: ClassVar[str] = "z"
    blocks = 2
    forget_signs = (-1,)

    def coefficients(self, u: Tensor) -> tuple[Tensor, Tensor]:
        z, n = u.chunk(2, dim=-1)
        z = torch.sigmoid(z)
        return 1 - z, z * n

    def activations(self, u: Tensor, state: HiddenState) -> dict[str, Tensor]:
        z, n = u.chunk(2, dim=-1)
        return {"z": torch.sigmoid(z), "n": n}


@register("cell", "minlstm")
class MinLSTMCell(MinimalCell):
    """Minimal long short-term memory (Feng et al. 2024), with gates that sum to 1.

    >>> y, state = MinLSTMCell(3, 5)(torch.ones(2, 3))
    >>> y.shape, torch.equal(y, state.h)
    (torch.Size([2, 5]), True)

    The weights are those of one `torch.nn.Linear` ``(3H, F)`` with the blocks i, f and g.

    Args:
        forget_bias: if given, the initial biases are `forget_bias` for f and ``-forget_bias`` for i, so that the old
            state is kept.
    """

    keep_gate: ClassVar[str] = "f"
    blocks = 3
    forget_signs = (-1, 1)

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
