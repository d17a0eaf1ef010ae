"""Independently recurrent network: each unit reads only its own past.

    h_t = relu(W_ih x_t + b_ih + w_hh h_(t-1) + b_hh)      (or tanh); w_hh is (H,)

The gradient of an active relu unit over T steps is w_hh^T: at most 2 if w_hh is at most 2^(1/T). Units of one layer
interact only through the layer above.

Source: Li et al. 2018, "Independently Recurrent Neural Network (IndRNN)", section 3, and section 3.1 for the range of
w_hh. The paper also clips w_hh to this range after each update; this code does not.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from seqmodels.cells.base import HiddenState
from seqmodels.cells.gated.base import GatedCell
from seqmodels.kinds import Count
from seqmodels.registry import register


@register("cell", "indrnn")
class IndRNNCell(GatedCell):
    """Independently recurrent cell (Li et al. 2018), for stacks of several layers.

    >>> cell = IndRNNCell(3, 5, longest_dependency=100)
    >>> y, state = cell(torch.ones(2, 3))
    >>> y.shape, cell.weight_hh.shape, bool((cell.weight_hh <= 2 ** (1 / 100)).all())
    (torch.Size([2, 5]), torch.Size([5, 1]), True)

    Recurrent weights are drawn from U(0, 2^(1/longest_dependency)), all others as in torch.

    Args:
        nonlinearity: "relu" or "tanh".
        longest_dependency: longest expected dependency, in steps; None for no limit, with recurrent weights up to 1.
        input_size, hidden_size, bias: as for `GatedCell`.
    """

    gates = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        nonlinearity: Literal["tanh", "relu"] = "relu",
        longest_dependency: Count | None = None,
        bias: bool = True,
    ) -> None:
        self.nonlinearity = nonlinearity
        self.longest_dependency = longest_dependency
        super().__init__(input_size, hidden_size, bias, heads=hidden_size)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        nn.init.uniform_(self.weight_hh, 0, 2 ** (1 / self.longest_dependency) if self.longest_dependency else 1.0)

    def update(self, u: Tensor, r: Tensor, state: HiddenState) -> HiddenState:
        return HiddenState(getattr(torch, self.nonlinearity)(u + r))
