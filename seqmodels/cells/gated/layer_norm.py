"""Gated recurrent unit and long short-term memory with layer normalisation.

    GRU     r, z = sigmoid(gain LN(W_i x) + gain LN(W_h h) + b)          both gates at once
            n = tanh(gain LN(W_in x) + b_in + r (gain LN(W_hn h) + b_hn))
            h_t = (1 - z) n + z h_(t-1)
    LSTM    i, f, g, o = gain_ih LN(W_ih x) + gain_hh LN(W_hh h) + b
            c_t = sigmoid(f) c_(t-1) + sigmoid(i) tanh(g)
            h_t = sigmoid(o) tanh(gain_c LN(c_t) + b_c)

LN(v) = (v - mean v) / sqrt(var v + eps). In the GRU over the 2H values of r and z, and over the H of n; each of the
four products has its own gains. In the LSTM over the 4H values of all gates at once, or the H of c.

Source: Ba, Kiros & Hinton 2016, "Layer Normalization", supplementary material, equations 20-22 (LSTM) and the GRU of
the order-embedding and skip-thought experiments; its z is 1 - z here, as in `torch.nn.GRU`. Biases that only appear as
a sum are one parameter.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqmodels.cells.base import HiddenState
from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.gated.initialise import Init
from seqmodels.cells.gated.lstm import LSTMState
from seqmodels.cells.product import linear
from seqmodels.kinds import Count, positive, whole
from seqmodels.registry import register


class LayerNormCell(GatedCell):
    """Gated cell with layer-normalised input and recurrent products.

    Args:
        eps: added to each variance.
        bias: whether to add `bias_ih` and a second bias.
        input_size, hidden_size, init, forget_bias, chrono_steps, heads: as for `GatedCell`. Normalisation goes over all
            heads together.
    """

    #: Gains of fields of the state, and the bias in place of `bias_hh`, each ``(H,)``.
    state_gains: ClassVar[tuple[str, ...]] = ()
    second_bias: ClassVar[str]
    gain_ih: nn.Parameter
    gain_hh: nn.Parameter

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
        setattr(self, self.second_bias, None)
        super().__init__(input_size, hidden_size, bias, init, forget_bias, chrono_steps, heads)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        H, shapes = self.hidden_size, super().weight_shapes()
        shapes |= dict.fromkeys(("gain_ih", "gain_hh"), (len(self.gates) * H,)) | dict.fromkeys(self.state_gains, (H,))
        if shapes.pop("bias_hh", None):
            shapes[self.second_bias] = (H,)
        return shapes


@register("cell", "layer_norm_gru")
class LayerNormGRUCell(LayerNormCell):
    """Gated recurrent unit with layer-normalised input and recurrent products.

    >>> y, state = LayerNormGRUCell(3, 5)(torch.ones(2, 3))
    >>> y.shape
    torch.Size([2, 5])

    Parameters: `weight_ih`, `weight_hh`, the gains `gain_ih` and `gain_hh` ``(3H,)``, and the biases `bias_ih`
    ``(3H,)`` and `bias_hn` ``(H,)``; there is no `bias_hh`.

    Arguments as for `LayerNormCell`; `forget_bias` sets the gate z.
    """

    gates = ("r", "z", "n")
    keep_gate = "z"
    second_bias = "bias_hn"
    bias_hn: nn.Parameter | None

    def project(self, x: Tensor) -> Tensor:
        product = torch.cat(self._normalised(linear(x, self.weight_ih), self.gain_ih), dim=-1)
        return product if self.bias_ih is None else product + self.bias_ih

    def _normalised(self, product: Tensor, gain: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise and scale the values of r and z ``(..., 2H)`` and, separately, those of n ``(..., H)``."""
        sizes = (2 * self.hidden_size, self.hidden_size)
        blocks = zip(product.split(sizes, dim=-1), gain.split(sizes), strict=True)
        rz, n = (functional.layer_norm(block, scale.shape, scale, None, self.eps) for block, scale in blocks)
        return rz, n

    def gated_update(self, u: Tensor, r: Tensor, state: HiddenState) -> tuple[HiddenState, dict[str, Tensor]]:
        u_rz, u_n = u.split((2 * self.hidden_size, self.hidden_size), dim=-1)
        h_rz, h_n = self._normalised(r, self.gain_hh)
        r, z = torch.sigmoid(u_rz + h_rz).chunk(2, dim=-1)
        n = torch.tanh(u_n + r * (h_n if self.bias_hn is None else h_n + self.bias_hn))
        return HiddenState((1 - z) * n + z * state.h), {"r": r, "z": z, "n": n}


@register("cell", "layer_norm_lstm")
class LayerNormLSTMCell(LayerNormCell):
    """Long short-term memory with layer-normalised input product, recurrent product and memory.

    >>> y, state = LayerNormLSTMCell(3, 5, forget_bias=1.0)(torch.ones(2, 3))
    >>> state.h.shape, state.c.shape
    (torch.Size([2, 5]), torch.Size([2, 5]))

    Parameters: `weight_ih`, `weight_hh`, the gains `gain_ih` and `gain_hh` ``(4H,)`` and `gain_c` ``(H,)``, and the
    biases `bias_ih` ``(4H,)`` and `bias_c` ``(H,)``; there is no `bias_hh`.

    Arguments as for `LayerNormCell`.
    """

    state_type = LSTMState
    gates = ("i", "f", "g", "o")
    keep_gate = "f"
    write_gate = "i"
    state_gains = ("gain_c",)
    second_bias = "bias_c"
    gain_c: nn.Parameter
    bias_c: nn.Parameter | None

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
