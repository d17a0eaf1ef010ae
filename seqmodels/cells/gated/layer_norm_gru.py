"""Gated recurrent unit with layer normalisation.

    r, z = sigmoid(gain LN(W_i x) + gain LN(W_h h) + b)          both gates at once
    n = tanh(gain LN(W_in x) + b_in + r (gain LN(W_hn h) + b_hn))
    h_t = (1 - z) n + z h_(t-1)

LN(v) = (v - mean v) / sqrt(var v + eps), over the 2H values of r and z, and over the H of n; each of the four products
has its own gains.

Source: Ba, Kiros & Hinton 2016, "Layer Normalization", supplementary material, the GRU of the order-embedding and
skip-thought experiments; its z is 1 - z here, as in `torch.nn.GRU`. Biases that only appear as a sum are one parameter.
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqmodels.cells.base import HiddenState
from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.gated.initialise import Init
from seqmodels.cells.product import linear
from seqmodels.kinds import Count, positive, whole
from seqmodels.registry import register


@register("cell", "layer_norm_gru")
class LayerNormGRUCell(GatedCell):
    """Gated recurrent unit with layer-normalised input and recurrent products.

    >>> y, state = LayerNormGRUCell(3, 5)(torch.ones(2, 3))
    >>> y.shape
    torch.Size([2, 5])

    Parameters: `weight_ih`, `weight_hh`, the gains `gain_ih` and `gain_hh` ``(3H,)``, and the biases `bias_ih`
    ``(3H,)`` and `bias_hn` ``(H,)``; there is no `bias_hh`.

    Args:
        eps: added to each variance.
        bias: whether to add `bias_ih` and `bias_hn`.
        input_size, hidden_size, init, forget_bias, chrono_steps, heads: as for `GatedCell`; `forget_bias` sets the gate
            z. Normalisation goes over all heads together.
    """

    gates = ("r", "z", "n")
    keep_gate = "z"
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
        self.bias_hn: nn.Parameter | None = None
        super().__init__(input_size, hidden_size, bias, init, forget_bias, chrono_steps, heads)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        H, shapes = self.hidden_size, super().weight_shapes()
        shapes |= {"gain_ih": (3 * H,), "gain_hh": (3 * H,)}
        if shapes.pop("bias_hh", None):
            shapes["bias_hn"] = (H,)
        return shapes

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
