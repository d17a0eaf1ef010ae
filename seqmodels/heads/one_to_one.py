"""One-to-one head: one input step, one prediction."""

from __future__ import annotations

from torch import Tensor, nn

from seqmodels.cells.product import Linear
from seqmodels.heads.base import Head
from seqmodels.kinds import Share
from seqmodels.registry import register


@register("head", "one_to_one")
class OneToOne(Head):
    """Linear layer on the single step.

    >>> import torch
    >>> OneToOne(4, 3)(torch.zeros(2, 1, 4)).shape
    torch.Size([2, 3])

    Args:
        input_size: F.
        output_size: V.
        dropout: dropout probability on the features.

    Raises:
        ValueError: features with more than one step.
    """

    target_shape = "sequence"

    def __init__(self, input_size: int, output_size: int, dropout: Share = 0.0) -> None:
        super().__init__(input_size, output_size)
        self.dropout = nn.Dropout(dropout)
        self.output = Linear(input_size, output_size)

    def forward(self, features: Tensor, lengths: Tensor | None = None, teacher: Tensor | None = None) -> Tensor:
        """Return ``(B, V)`` from features ``(B, 1, F)``."""
        self.refuse_teacher(teacher)
        features, _ = self.prepare(features, lengths)
        if features.shape[1] != 1:
            raise ValueError(
                f"one_to_one reads sequences of one step, got {features.shape[1]} steps: "
                "use many_to_one (one prediction per sequence) or many_to_many (one per step)"
            )
        return self.output(self.dropout(features[:, 0]))
