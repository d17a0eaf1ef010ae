"""Long short-term memory.

    i = sigmoid(W_ii x + W_hi h + b_i [+ p_i c_(t-1)])
    f = sigmoid(W_if x + W_hf h + b_f [+ p_f c_(t-1)])     coupled: f = 1 - i
    g = tanh   (W_ig x + W_hg h + b_g)
    c_t = f c_(t-1) + i g
    o = sigmoid(W_io x + W_ho h + b_o [+ p_o c_t])
    h_t = o tanh(c_t)                                      projected: h_t = W_hr (o tanh(c_t))

Each b is b_ih + b_hh; p are the peepholes.

Sources: Hochreiter & Schmidhuber 1997; Gers & Schmidhuber 2000 (peepholes); Greff et al. 2017, section III.B (coupled
input and forget gates); Sak et al. 2014 (projection); the form of `torch.nn.LSTM`.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn

from seqmodels.cells.base import VendorForm
from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.gated.initialise import Init
from seqmodels.cells.product import linear
from seqmodels.kinds import Count, whole
from seqmodels.registry import register


class LSTMState(NamedTuple):
    """State of an LSTM: output `h` and memory `c`."""

    h: Tensor
    c: Tensor


@register("cell", "lstm")
class LSTMCell(GatedCell):
    """Long short-term memory, optionally with peepholes, coupled gates and projection.

    >>> y, state = LSTMCell(3, 5, peephole=True, forget_bias=1.0)(torch.ones(2, 3))
    >>> state.h.shape, state.c.shape
    (torch.Size([2, 5]), torch.Size([2, 5]))

    Args:
        peephole: whether the gates read the memory, through `weight_ci`, `weight_cf` and `weight_co`.
        coupled: whether the forget gate is ``1 - i``, without a block `f`.
        proj_size: width to which `weight_hr` projects h; 0 for none. Requires a single head.
        input_size, hidden_size, bias, init, forget_bias, chrono_steps, heads: as for `GatedCell`.
    """

    state_type = LSTMState
    keep_gate = "f"
    write_gate = "i"
    weight_hr: nn.Parameter  # only with proj_size

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        peephole: bool = False,
        coupled: bool = False,
        proj_size: Annotated[int, whole(0)] = 0,
        bias: bool = True,
        init: Init = "uniform",
        forget_bias: float | None = None,
        chrono_steps: Annotated[int, whole(3)] | None = None,
        heads: Count = 1,
    ) -> None:
        if proj_size >= hidden_size:
            raise ValueError(f"proj_size must be from 0 to hidden_size - 1 = {hidden_size - 1}, got {proj_size!r}")
        if coupled and (forget_bias is not None or init == "chrono"):
            raise ValueError("coupled gates have no forget gate: forget_bias and init='chrono' do not apply")
        if proj_size and heads != 1:
            raise ValueError(f"proj_size mixes the heads: set heads=1 or proj_size=0, got {heads!r} and {proj_size!r}")
        self.peephole = peephole
        self.coupled = coupled
        self.proj_size = proj_size
        self.gates = ("i", "g", "o") if coupled else ("i", "f", "g", "o")
        super().__init__(input_size, hidden_size, bias, init, forget_bias, chrono_steps, heads)
        self.output_size = proj_size or hidden_size

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = super().weight_shapes()
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        peepholes = [f"weight_c{gate}" for gate in self.gates if gate != "g"] if self.peephole else []
        return shapes | dict.fromkeys(peepholes, (self.hidden_size,))

    def state_sizes(self) -> dict[str, int]:
        return {"h": self.proj_size or self.hidden_size, "c": self.hidden_size}

    def step(self, u: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        y, state = super().step(u, state)
        if self.proj_size:
            y = linear(y, self.weight_hr)
            state = LSTMState(y, state.c)
        return y, state

    @property
    def usual_step(self) -> bool:
        return not self.proj_size and type(self).step is LSTMCell.step and type(self).recur is GatedCell.recur

    def gated_update(self, u: Tensor, r: Tensor, state: LSTMState) -> tuple[LSTMState, dict[str, Tensor]]:
        c = state.c

        def gate(block: Tensor, name: str) -> Tensor:
            return torch.sigmoid(block + getattr(self, f"weight_c{name}") * c if self.peephole else block)

        blocks = dict(zip(self.gates, (u + r).chunk(len(self.gates), dim=-1), strict=True))
        i = gate(blocks["i"], "i")
        f = 1 - i if self.coupled else gate(blocks["f"], "f")
        g = torch.tanh(blocks["g"])
        c = f * c + i * g
        o = gate(blocks["o"], "o")  # reads the new memory
        return LSTMState(o * torch.tanh(c), c), {"i": i, "f": f, "g": g, "o": o}

    def vendor(self) -> VendorForm | None:
        weights = self.vendor_weights()
        if weights is None or self.peephole or self.coupled or not self.computes_as(LSTMCell, "gated_update"):
            return None
        return VendorForm("lstm", [*weights, *([self.weight_hr] if self.proj_size else [])])
