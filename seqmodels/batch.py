"""A batch: one window of every row, padded.

Shapes: B rows, T steps, F features, S target steps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class SequenceBatch(NamedTuple):
    """One window of every row.

    Fields:
        inputs: tokens ``(B, T)`` int64 or features ``(B, T, F)`` float.
        targets: one per step ``(B, T)`` / ``(B, T, V)``, one per sequence ``(B,)`` /
            ``(B, V)``, or a sequence of its own length ``(B, S)`` / ``(B, S, V)``.
        lengths: int64 ``(B,)``; number of real steps of each row, from 0 (only padding) to T.
        reset: bool ``(B,)``; true if the row starts a new sequence, which must not read the
            carried state.
        target_lengths: int64 ``(B,)`` if the targets have a length of their own, else None.
        weights: float ``(B,)``, weight of each row in the loss; None for equal weights.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor
    reset: Tensor
    target_lengths: Tensor | None = None
    weights: Tensor | None = None

    def pick(self, rows: Tensor | slice) -> SequenceBatch:
        """Return some of the rows, by index, mask or slice."""
        fields: list[Any] = [None if field is None else field[rows] for field in self]
        return SequenceBatch(*fields)

    def nonempty(self, most: int) -> SequenceBatch:
        """Return the first rows that hold a step, at most `most`."""
        return self.pick((self.lengths > 0).nonzero()[:most, 0])


def step_mask(lengths: Tensor, steps: int) -> Tensor:
    """Return a bool mask ``(B, T)``, true at the real steps of each row.

    >>> import torch
    >>> step_mask(torch.tensor([1, 3]), 3).int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)
