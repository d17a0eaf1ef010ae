"""Base class of heads, the last part of a model: features to a prediction.

B rows, T steps, F features, S target steps, V classes or values.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from seqmodels.batch import step_mask
from seqmodels.cells.product import Linear
from seqmodels.kinds import Share, at_least_one
from seqmodels.scan import keep, prepare_lengths
from seqmodels.spec import TargetShape


class Head(nn.Module):
    """Abstract map from features ``(B, T, F)`` to a prediction.

    A subclass sets `target_shape` and implements `forward`. Classes are predicted as logits.

    >>> class SumHead(Head):
    ...     target_shape = "sequence"
    ...     def forward(self, features, lengths=None, teacher=None):
    ...         self.refuse_teacher(teacher)
    ...         features, valid = self.prepare(features, lengths)
    ...         return features.sum(1)
    >>> SumHead(2, 2)(torch.ones(1, 3, 2), torch.tensor([2])).tolist()
    [[2.0, 2.0]]

    Attributes:
        target_shape: shape of the targets: "step", "sequence" or "own" (see `Spec`).
        unaligned: for "own", whether there is a prediction per input step, aligned with the targets by the task's loss;
            otherwise targets are decoded one by one, with teacher forcing.
        drawing: for "own", whether the targets are movements of a pen, and neither tokens nor plain values.
        whole: whether sequences must be whole, so that they cannot be cut into windows.
    """

    target_shape: ClassVar[TargetShape] = "step"
    unaligned: ClassVar[bool] = False
    drawing: ClassVar[bool] = False
    whole: ClassVar[bool] = False

    def __init__(self, input_size: int, output_size: int) -> None:
        super().__init__()
        self.input_size = at_least_one.check("input_size", input_size)
        self.output_size = at_least_one.check("output_size", output_size)

    def forward(self, features: Tensor, lengths: Tensor | None = None, teacher: Tensor | None = None) -> Tensor:
        """Return the prediction: ``(B, T, V)``, ``(B, V)`` or ``(B, S, V)``, by `target_shape`.

        Args:
            features: ``(B, T, F)``; padding is not read, NaN included.
            lengths: int64 ``(B,)``, each 0 to T; None for no padding.
            teacher: targets for teacher forcing (`target_shape` "own").
        """
        raise NotImplementedError

    def set_progress(self, fraction: float) -> None:
        """Set the fraction of training done, 0 to 1; for heads with a schedule."""

    def prepare(self, features: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return features with zeros in the padding, and the mask of valid steps, bool ``(B, T)``.

        Raises:
            ValueError: wrong shape or dtype of features or lengths, or lengths out of range.
        """
        if features.dim() != 3 or features.shape[2] != self.input_size or 0 in features.shape:
            raise ValueError(
                f"features must be (batch, steps, {self.input_size}), at least one of each, got "
                f"{tuple(features.shape)}: this {type(self).__name__} was built with input_size={self.input_size}"
            )
        lengths = prepare_lengths(lengths, features)
        if lengths is None:
            return features, torch.ones(features.shape[:2], dtype=torch.bool, device=features.device)
        valid = step_mask(lengths, features.shape[1])
        return keep(valid.unsqueeze(-1), features), valid

    def refuse_teacher(self, teacher: Tensor | None) -> None:
        """Raise ValueError if a teacher is given, for heads that take none."""
        if teacher is not None:
            raise ValueError(
                f"teacher is only for heads that feed on their own output; {type(self).__name__} does not: leave it out"
            )


class LinearHead(Head):
    """Linear layer shared by all steps, after dropout.

    Args:
        dropout: dropout probability on the features.
    """

    def __init__(self, input_size: int, output_size: int, dropout: Share = 0.0) -> None:
        super().__init__(input_size, output_size)
        self.dropout = nn.Dropout(dropout)
        self.output = Linear(input_size, output_size)

    def forward(self, features: Tensor, lengths: Tensor | None = None, teacher: Tensor | None = None) -> Tensor:
        """Return ``(B, T, V)``; predictions in the padding are meaningless."""
        self.refuse_teacher(teacher)
        features, _ = self.prepare(features, lengths)
        return self.output(self.dropout(features))


def last_step(features: Tensor, valid: Tensor) -> Tensor:
    """Return the features ``(B, F)`` at each row's last valid step; zeros for empty rows."""
    last = (valid.sum(1) - 1).clamp(min=0)
    return features[torch.arange(len(features), device=features.device), last]


def check_dropout(name: str, probability: float) -> float:
    """Return `probability`; raise ValueError unless it is in [0, 1)."""
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability < 1:
        raise ValueError(f"{name} must be a probability from 0 to below 1, got {probability!r}")
    return probability
