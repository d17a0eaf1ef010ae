"""Long short-term memory with layer normalisation.

    i, f, g, o = gain_ih LN(W_ih x) + gain_hh LN(W_hh h) + b
    c_t = sigmoid(f) c_(t-1) + sigmoid(i) tanh(g)
    h_t = sigmoid(o) tanh(gain_c LN(c_t) + b_c)

LN(z) = (z - mean z) / sqrt(var z + eps), over the 4H values of all gates at once, or the H of c.

Source: Ba, Kiros & Hinton 2016, "Layer Normalization", supplementary material, equations 20-22. The paper's biases of
the two normalised products and b only appear as a sum and are one parameter.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.gated.initialise import Init
from seqmodels.cells.gated.lstm import LSTMState
from seqmodels.cells.product import linear
from seqmodels.kinds import Count, positive, whole
from seqmodels.registry import register


@register("cell", "layer_norm_lstm")
class LayerNormLSTMCell(GatedCell):
    """Long short-term memory with layer-normalised input product, recurrent product and memory.

    >>> y, state = LayerNormLSTMCell(3, 5, forget_bias=1.0)(torch.ones(2, 3))
    >>> state.h.shape, state.c.shape
    (torch.Size([2, 5]), torch.Size([2, 5]))

    Parameters: `weight_ih`, `weight_hh`, the gains `gain_ih` and `gain_hh` ``(4H,)`` and `gain_c` ``(H,)``, and the
    biases `bias_ih` ``(4H,)`` and `bias_c` ``(H,)``; there is no `bias_hh`.

    Args:
        eps: added to each variance.
        bias: whether to add `bias_ih` and `bias_c`.
        input_size, hidden_size, init, forget_bias, chrono_steps, heads: as for `GatedCell`. Normalisation goes over all
            heads together.
    """

    state_type = LSTMState
    gates = ("i", "f", "g", "o")
    keep_gate = "f"
    write_gate = "i"
    gain_ih: nn.Parameter
    gain_hh: nn.Parameter
    gain_c: nn.Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        eps: Annotated[float, positive] = 1e-5,
        bias: bool = True,
        init: Init = "uniform",
        forget_bias: float | None = None,
        chrono_steps: Annotated[int, whole(3)] | None = None,
        heads: Count = 1,
    ) -> None:
        self.eps = eps
        self.bias_c: nn.Parameter | None = None
        super().__init__(input_size, hidden_size, bias, init, forget_bias, chrono_steps, heads)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        H, shapes = self.hidden_size, super().weight_shapes()
        shapes |= {"gain_ih": (4 * H,), "gain_hh": (4 * H,), "gain_c": (H,)}
        if shapes.pop("bias_hh", None):
            shapes["bias_c"] = (H,)
        return shapes

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if self.bias_c is not None:
            nn.init.zeros_(self.bias_c)

    def project(self, x: Tensor) -> Tensor:
        product = linear(x, self.weight_ih)
        return functional.layer_norm(product, self.gain_ih.shape, self.gain_ih, self.bias_ih, self.eps)

    def gated_update(self, u: Tensor, r: Tensor, state: LSTMState) -> tuple[LSTMState, dict[str, Tensor]]:
        r = functional.layer_norm(r, self.gain_hh.shape, self.gain_hh, None, self.eps)
        i, f, g, o = (u + r).chunk(4, dim=-1)
        i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
        c = f * state.c + i * g
        h = o * torch.tanh(functional.layer_norm(c, self.gain_c.shape, self.gain_c, self.bias_c, self.eps))
        return LSTMState(h, c), {"i": i, "f": f, "g": g, "o": o}
