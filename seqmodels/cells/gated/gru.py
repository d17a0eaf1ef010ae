"""Gated recurrent unit.

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n = tanh(W_in x + b_in + r (W_hn h + b_hn))        reset "after" the product (torch, cuDNN)
    n = tanh(W_in x + b_in + W_hn (r h) + b_hn)        reset "before" it (Cho et al.)
    h_t = (1 - z) n + z h_(t-1)

Sources: Cho et al. 2014, equations 5-8 (before); the form of `torch.nn.GRU` (after).
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from seqmodels.cells.base import HiddenState, VendorForm
from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.gated.initialise import Init
from seqmodels.cells.product import linear
from seqmodels.kinds import Count, whole
from seqmodels.registry import register


@register("cell", "gru")
class GRUCell(GatedCell):
    """Gated recurrent unit, the reset gate applied after or before the recurrent product.

    >>> y, state = GRUCell(3, 5, reset_gate="before")(torch.ones(2, 3))
    >>> y.shape
    torch.Size([2, 5])

    Args:
        reset_gate: "after" the recurrent product (torch and cuDNN) or "before" it (the paper).
        input_size, hidden_size, bias, init, forget_bias, chrono_steps, heads: as for `GatedCell`; `forget_bias` sets
            the gate z, which keeps the state. Several heads require ``reset_gate="after"``.
    """

    gates = ("r", "z", "n")
    keep_gate = "z"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        reset_gate: Literal["after", "before"] = "after",
        bias: bool = True,
        init: Init = "uniform",
        forget_bias: float | None = None,
        chrono_steps: Annotated[int, whole(3)] | None = None,
        heads: Count = 1,
    ) -> None:
        if reset_gate == "before" and heads != 1:
            raise ValueError(f"heads needs reset_gate='after', got heads={heads!r} and reset_gate='before'")
        self.reset_gate = reset_gate
        super().__init__(input_size, hidden_size, bias, init, forget_bias, chrono_steps, heads)

    def step(self, u: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        if self.reset_gate == "after":
            return super().step(u, state)
        state = self._reset_before(u, state)[0]
        return state.h, state

    @property
    def usual_step(self) -> bool:
        return self.reset_gate == "after" and type(self).step is GRUCell.step and type(self).recur is GatedCell.recur

    def gated_update(self, u: Tensor, r: Tensor, state: HiddenState) -> tuple[HiddenState, dict[str, Tensor]]:
        u_r, u_z, u_n = u.chunk(3, dim=-1)
        h_r, h_z, h_n = r.chunk(3, dim=-1)
        r = torch.sigmoid(u_r + h_r)
        z = torch.sigmoid(u_z + h_z)
        n = torch.tanh(u_n + r * h_n)
        return HiddenState((1 - z) * n + z * state.h), {"r": r, "z": z, "n": n}

    def _reset_before(self, u: Tensor, state: HiddenState) -> tuple[HiddenState, dict[str, Tensor]]:
        size = self.hidden_size
        u_rz, u_n = u.split((2 * size, size), dim=-1)
        bias_rz, bias_n = (None, None) if self.bias_hh is None else self.bias_hh.split((2 * size, size))
        weight_rz, weight_n = self.weight_hh.split((2 * size, size))
        h = self.recurrent_input(state)
        r, z = torch.sigmoid(u_rz + linear(h, weight_rz, bias_rz)).chunk(2, dim=-1)
        n = torch.tanh(u_n + linear(r * h, weight_n, bias_n))
        return HiddenState((1 - z) * n + z * state.h), {"r": r, "z": z, "n": n}

    def activations(self, u: Tensor, state: HiddenState) -> dict[str, Tensor]:
        if self.reset_gate == "before":
            return self._reset_before(u, state)[1]
        return super().activations(u, state)

    def vendor(self) -> VendorForm | None:
        weights = self.vendor_weights()
        if weights is None or self.reset_gate != "after" or not self.computes_as(GRUCell, "gated_update"):
            return None
        return VendorForm("gru", weights)
