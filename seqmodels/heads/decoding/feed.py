"""Decoder inputs: the previous token or the previous values.

Both classes share an interface, so that decoding is written once. An *item* is one step's token ``(B,)`` or values
``(B, V)``. B rows, S target steps, V tokens or values, E input width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqmodels.cells.product import Linear
from seqmodels.scan import keep


class TokenFeed(nn.Module):
    """Token embedding with an extra start token."""

    def __init__(self, vocabulary: int, size: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(vocabulary + 1, size)

    def start(self, rows: int) -> Tensor:
        """Return the start item ``(B,)``: the token V, which is in no vocabulary."""
        return torch.full((rows,), self.vocabulary, device=self.embedding.weight.device)

    def own(self, prediction: Tensor) -> Tensor:
        """Return the item to feed after a prediction ``(B, V)``: the most likely token."""
        return prediction.argmax(-1)

    def clean(self, teacher: Tensor, rows: int) -> Tensor:
        """Return the teacher's items ``(B, S)``, with the start token in place of invalid tokens.

        A head does not know where a row's targets end, and padding may hold anything. A target outside the vocabulary
        is rejected by the loss.
        """
        if teacher.dim() != 2 or len(teacher) != rows or not teacher.shape[1]:
            raise ValueError(f"teacher must be tokens ({rows}, steps), at least one step, got {tuple(teacher.shape)}")
        if teacher.is_floating_point() or teacher.dtype == torch.bool:
            raise ValueError(f"teacher must be tokens (whole numbers), got {teacher.dtype}: call teacher.long()")
        return torch.where((teacher >= 0) & (teacher < self.vocabulary), teacher, self.vocabulary).long()

    def forward(self, items: Tensor) -> Tensor:
        """Return ``(B, S, E)`` from items ``(B, S)``."""
        return self.embedding(items)


class ValueFeed(nn.Module):
    """Linear projection of values with a learned start vector."""

    def __init__(self, values: int, size: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(values))
        self.linear = Linear(values, size)

    def start(self, rows: int) -> Tensor:
        """Return the start item ``(B, V)``: a learned vector."""
        return self.first.expand(rows, -1)

    def own(self, prediction: Tensor) -> Tensor:
        """Return the item to feed after a prediction ``(B, V)``: the prediction."""
        return prediction

    def clean(self, teacher: Tensor, rows: int) -> Tensor:
        """Return the teacher's items ``(B, S, V)``, with zeros for non-finite values (see `TokenFeed`)."""
        size = len(self.first)
        if teacher.dim() != 3 or len(teacher) != rows or not teacher.shape[1] or teacher.shape[2] != size:
            raise ValueError(
                f"teacher must be values ({rows}, steps, {size}), at least one step, got {tuple(teacher.shape)}"
            )
        if not teacher.is_floating_point():
            raise ValueError(f"teacher must be values (floating), got {teacher.dtype}: call teacher.float()")
        return keep(torch.isfinite(teacher), teacher)

    def forward(self, items: Tensor) -> Tensor:
        """Return ``(B, S, E)`` from items ``(B, S, V)``."""
        return self.linear(items)
