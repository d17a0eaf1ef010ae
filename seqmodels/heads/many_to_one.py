"""Many-to-one head: one prediction per sequence."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from seqmodels.cells.product import Linear
from seqmodels.heads.attention import PoolingAttention
from seqmodels.heads.base import Head, last_step
from seqmodels.kinds import Share
from seqmodels.registry import register
from seqmodels.scan import keep


@register("head", "many_to_one")
class ManyToOne(Head):
    """Pooling over the valid steps of each row, then a linear layer.

    >>> head = ManyToOne(4, 3, pooling="attention")
    >>> head(torch.zeros(2, 5, 4), lengths=torch.tensor([5, 2])).shape
    torch.Size([2, 3])
    >>> [round(weight, 2) for weight in head.attention_weights(torch.zeros(1, 3, 4), torch.tensor([2]))[0].tolist()]
    [0.5, 0.5, 0.0]

    An empty row is pooled to zeros.

    Args:
        pooling: "last" (the last valid step), "ends" (the last and the first, concatenated), "middle" (the valid step
            in the middle, for rows cut around a position), "mean", "max" or "attention". After a bidirectional layer
            use "ends": the backward direction has read only one step at the last step, and the whole row at the first.
        dropout: dropout probability on the pooled features.
    """

    target_shape = "sequence"

    def __init__(
        self,
        input_size: int,
        output_size: int,
        pooling: Literal["last", "ends", "middle", "mean", "max", "attention"] = "last",
        dropout: Share = 0.0,
    ) -> None:
        super().__init__(input_size, output_size)
        self.pooling = pooling
        self.attention = PoolingAttention(input_size) if pooling == "attention" else None
        self.dropout = nn.Dropout(dropout)
        self.output = Linear(2 * input_size if pooling == "ends" else input_size, output_size)

    def forward(self, features: Tensor, lengths: Tensor | None = None, teacher: Tensor | None = None) -> Tensor:
        """Return ``(B, V)`` from features ``(B, T, F)``."""
        self.refuse_teacher(teacher)
        features, valid = self.prepare(features, lengths)
        return self.output(self.dropout(self._pool(features, valid)))

    def attention_weights(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the attention weight of each step, ``(B, T)``; each row sums to 1.

        Raises:
            ValueError: the pooling is not "attention".
        """
        if self.attention is None:
            raise ValueError(f"only pooling='attention' has attention weights; this head has pooling={self.pooling!r}")
        return self.attention(*self.prepare(features, lengths))[1]

    def _pool(self, features: Tensor, valid: Tensor) -> Tensor:
        if self.attention is not None:
            return self.attention(features, valid)[0]
        if self.pooling == "last":
            return last_step(features, valid)
        if self.pooling == "ends":
            return torch.cat((last_step(features, valid), features[:, 0]), dim=1)
        count = valid.sum(1, keepdim=True)
        if self.pooling == "middle":
            return features[torch.arange(len(features), device=features.device), count.squeeze(1) // 2]
        if self.pooling == "mean":
            return features.sum(1) / count.clamp(min=1)
        highest = features.masked_fill(~valid.unsqueeze(-1), -torch.inf).amax(1)
        return keep(count > 0, highest)
