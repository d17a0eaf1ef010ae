"""What a decoder is fed with: its last token or its last values.

Both kinds have the same methods, so that decoding is written once. An *item* is one step's
token ``(B,)`` or values ``(B, V)``. B rows, S target steps, V tokens or values, E width fed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqmodels.cells.product import Linear
from seqmodels.scan import keep


class TokenFeed(nn.Module):
    """Tokens through an embedding, with one more row for the start.

    Args:
        vocabulary: V.
        size: E.
    """

    def __init__(self, vocabulary: int, size: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(vocabulary + 1, size)

    def start(self, rows: int) -> Tensor:
        """The item before the first, ``(B,)``: the token V, which is in no vocabulary."""
        return torch.full((rows,), self.vocabulary, device=self.embedding.weight.device)

    def own(self, prediction: Tensor) -> Tensor:
        """The item to feed after a prediction ``(B, V)``: the likeliest token."""
        return prediction.argmax(-1)

    def clean(self, teacher: Tensor, rows: int) -> Tensor:
        """The teacher's items ``(B, S)``, with the start token for what is no token.

        A head does not know where the targets of a row end, and padding may be anything. A
        true target outside the vocabulary is the loss's to refuse.
        """
        if teacher.dim() != 2 or len(teacher) != rows or not teacher.shape[1]:
            raise ValueError(f"teacher must be tokens ({rows}, steps), at least one step, got {tuple(teacher.shape)}")
        if teacher.is_floating_point() or teacher.dtype == torch.bool:
            raise ValueError(f"teacher must be tokens (whole numbers), got {teacher.dtype}: call teacher.long()")
        return torch.where((teacher >= 0) & (teacher < self.vocabulary), teacher, self.vocabulary).long()

    def forward(self, items: Tensor) -> Tensor:
        """``(B, S, E)`` from items ``(B, S)``."""
        return self.embedding(items)


class ValueFeed(nn.Module):
    """Values through a linear layer, with a learned start.

    Args:
        values: V.
        size: E.
    """

    def __init__(self, values: int, size: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(values))
        self.linear = Linear(values, size)

    def start(self, rows: int) -> Tensor:
        """The item before the first, ``(B, V)``: a learned vector."""
        return self.first.expand(rows, -1)

    def own(self, prediction: Tensor) -> Tensor:
        """The item to feed after a prediction ``(B, V)``: the prediction."""
        return prediction

    def clean(self, teacher: Tensor, rows: int) -> Tensor:
        """The teacher's items ``(B, S, V)``, with zeros for what is not finite (as for `TokenFeed`)."""
        size = len(self.first)
        if teacher.dim() != 3 or len(teacher) != rows or not teacher.shape[1] or teacher.shape[2] != size:
            raise ValueError(
                f"teacher must be values ({rows}, steps, {size}), at least one step, got {tuple(teacher.shape)}"
            )
        if not teacher.is_floating_point():
            raise ValueError(f"teacher must be values (floating), got {teacher.dtype}: call teacher.float()")
        return keep(torch.isfinite(teacher), teacher)

    def forward(self, items: Tensor) -> Tensor:
        """``(B, S, E)`` from items ``(B, S, V)``."""
        return self.linear(items)
