"""Simple recurrent network.

    h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)      (or relu)

Source: Elman 1990, "Finding structure in time"; the form of `torch.nn.RNN`.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from seqmodels.cells.base import HiddenState, VendorForm
from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.gated.initialise import Init
from seqmodels.kinds import Count
from seqmodels.registry import register


@register("cell", "elman")
class ElmanCell(GatedCell):
    """Simple recurrent cell (Elman 1990); with ``init="identity"`` and relu, an IRNN.

    >>> y, state = ElmanCell(3, 5)(torch.ones(2, 3))
    >>> y.shape, torch.equal(y, state.h)
    (torch.Size([2, 5]), True)

    Args:
        nonlinearity: "tanh" or "relu".
        input_size, hidden_size, bias, init, heads: as for `GatedCell`.
    """

    gates = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        init: Init = "uniform",
        heads: Count = 1,
    ) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, bias, init, heads=heads)

    def update(self, u: Tensor, r: Tensor, state: HiddenState) -> HiddenState:
        return HiddenState(getattr(torch, self.nonlinearity)(u + r))

    def vendor(self) -> VendorForm | None:
        weights = self.vendor_weights()
        if weights is None or not self.computes_as(ElmanCell):
            return None
        return VendorForm(f"rnn_{self.nonlinearity}", weights)
