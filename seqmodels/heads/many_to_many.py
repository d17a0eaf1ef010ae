"""Many-to-many head: one prediction per step, aligned with the inputs."""

from __future__ import annotations

from torch import Tensor, nn

from seqmodels.cells.product import Linear
from seqmodels.heads.base import Head
from seqmodels.kinds import Share
from seqmodels.registry import register


@register("head", "many_to_many")
class ManyToMany(Head):
    """Linear layer shared by all steps.

    >>> import torch
    >>> ManyToMany(4, 3)(torch.zeros(2, 5, 4)).shape
    torch.Size([2, 5, 3])

    Args:
        input_size: F.
        output_size: V.
        dropout: dropout probability on the features.
    """

    target_shape = "step"

    def __init__(self, input_size: int, output_size: int, dropout: Share = 0.0) -> None:
        super().__init__(input_size, output_size)
        self.dropout = nn.Dropout(dropout)
        self.output = Linear(input_size, output_size)

    def forward(self, features: Tensor, lengths: Tensor | None = None, teacher: Tensor | None = None) -> Tensor:
        """Return ``(B, T, V)``; predictions in the padding are meaningless."""
        self.refuse_teacher(teacher)
        features, _ = self.prepare(features, lengths)
        return self.output(self.dropout(features))
