"""Minimal gated unit: a GRU with a single gate.

    f = sigmoid(W_if x + b_if + W_hf h + b_hf)
    n = tanh(W_in x + b_in + f (W_hn h + b_hn))
    h_t = (1 - f) h_(t-1) + f n

Source: Zhou et al. 2016, "Minimal Gated Unit for Recurrent Neural Networks", section 3. The paper applies the gate
before the recurrent product, ``W_hn (f h)``; here it comes after, as in `torch.nn.GRU`, so that f and n share one
product.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqmodels.cells.base import HiddenState
from seqmodels.cells.gated.base import GatedCell
from seqmodels.registry import register


@register("cell", "mgu")
class MGUCell(GatedCell):
    """Minimal gated unit (Zhou et al. 2016), with the gate applied after the recurrent product.

    >>> cell = MGUCell(3, 5)
    >>> y, state = cell(torch.ones(2, 3))
    >>> y.shape, cell.weight_hh.shape
    (torch.Size([2, 5]), torch.Size([10, 5]))

    The paper calls f the forget gate; a unit keeps its state where f is near 0.

    Args:
        input_size, hidden_size, bias, init, forget_bias, chrono_steps, heads: as for `GatedCell`; f starts at minus
            `forget_bias`, so that a larger one keeps more, as in other cells.
    """

    gates = ("f", "n")
    write_gate = "f"

    def gated_update(self, u: Tensor, r: Tensor, state: HiddenState) -> tuple[HiddenState, dict[str, Tensor]]:
        u_f, u_n = u.chunk(2, dim=-1)
        h_f, h_n = r.chunk(2, dim=-1)
        f = torch.sigmoid(u_f + h_f)
        n = torch.tanh(u_n + f * h_n)
        return HiddenState((1 - f) * state.h + f * n), {"f": f, "n": n}
