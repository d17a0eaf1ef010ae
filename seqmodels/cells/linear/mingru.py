"""Minimal gated recurrent unit: a GRU whose gate and candidate do not read the state.

    z = sigmoid(W_z x + b_z)
    n = W_n x + b_n
    h_t = (1 - z) h_(t-1) + z n

The gate z writes, as in the paper; in `GRUCell` it keeps.

Source: Feng et al. 2024, "Were RNNs all we needed?", arXiv 2410.01201, section 3.1.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from seqmodels.cells.base import HiddenState
from seqmodels.cells.linear.base import LinearCell
from seqmodels.cells.product import Linear
from seqmodels.registry import register


@register("cell", "mingru")
class MinGRUCell(LinearCell):
    """Minimal gated recurrent unit (Feng et al. 2024).

    >>> y, state = MinGRUCell(3, 5)(torch.ones(2, 3))
    >>> y.shape, torch.equal(y, state.h)
    (torch.Size([2, 5]), True)

    The weights are those of one `torch.nn.Linear` ``(2H, F)`` with the blocks z and n.

    Args:
        bias: whether to add biases.
        forget_bias: if given, the initial factor of the old state is ``sigmoid(forget_bias)``: the bias of z is
            ``-forget_bias``.

    Raises:
        ValueError: a size below 1, or `forget_bias` without biases.
    """

    write_gate: ClassVar[str] = "z"

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, forget_bias: float | None = None) -> None:
        super().__init__(input_size, hidden_size)
        self.linear = Linear(input_size, 2 * hidden_size, bias=bias)
        if forget_bias is not None:
            if not bias:
                raise ValueError("forget_bias needs biases: build the cell with bias=True")
            nn.init.constant_(self.linear.bias[:hidden_size], -forget_bias)

    def coefficients(self, u: Tensor) -> tuple[Tensor, Tensor]:
        z, n = u.chunk(2, dim=-1)
        z = torch.sigmoid(z)
        return 1 - z, z * n

    def activations(self, u: Tensor, state: HiddenState) -> dict[str, Tensor]:
        z, n = u.chunk(2, dim=-1)
        return {"z": torch.sigmoid(z), "n": n}
