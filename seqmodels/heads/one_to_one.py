"""One-to-one head: one input step, one prediction."""

from __future__ import annotations

from torch import Tensor

from seqmodels.heads.base import LinearHead
from seqmodels.registry import register


@register("head", "one_to_one")
class OneToOne(LinearHead):
    """Linear layer on the single step.

    >>> import torch
    >>> OneToOne(4, 3)(torch.zeros(2, 1, 4)).shape
    torch.Size([2, 3])

    Arguments as for `LinearHead`.
    """

    target_shape = "sequence"

    def forward(self, features: Tensor, lengths: Tensor | None = None, teacher: Tensor | None = None) -> Tensor:
        """Return ``(B, V)`` from features ``(B, 1, F)``."""
        return super().forward(features, lengths, teacher)[:, 0]

    def prepare(self, features: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Prepare features as in `Head.prepare`; raise ValueError unless there is one step."""
        features, valid = super().prepare(features, lengths)
        if features.shape[1] != 1:
            raise ValueError(
                f"one_to_one reads sequences of one step, got {features.shape[1]} steps: "
                "use many_to_one (one prediction per sequence) or many_to_many (one per step)"
            )
        return features, valid
