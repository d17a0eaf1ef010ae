"""Masking of features and additive noise, as augmentation.

B rows, T steps, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqmodels.kinds import not_negative, whole

# Largest fraction of a row that one mask hides (Park et al. 2019, section 2, "an upper bound on the time mask").
LARGEST_SHARE = 0.2


class Masking(nn.Module):
    """Mask runs of steps and of features with zeros, and add noise; in training only.

    The length of each mask is drawn uniformly from 0 to its limit and its place at random, for each row separately.
    Features should have a mean of about 0, as after scaling.

    >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
    <...>
    >>> Masking(time_masks=1, time_mask=2)(torch.ones(1, 10, 1))[0, :, 0].tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0]

    Source: Park et al. 2019, "SpecAugment", section 2.

    Args:
        noise: standard deviation of normal noise on each feature.
        time_masks: number of masked runs of steps per row.
        time_mask: largest number of steps in one, and at most a fifth of the row.
        feature_masks: number of masked runs of neighbouring features, at all steps of a row.
        feature_mask: largest number of features in one.

    Raises:
        ValueError: a negative number, or a count that is not a whole number.
    """

    def __init__(
        self,
        noise: float = 0.0,
        time_masks: int = 0,
        time_mask: int = 10,
        feature_masks: int = 0,
        feature_mask: int = 8,
    ) -> None:
        super().__init__()
        counts = {"time_masks": time_masks, "time_mask": time_mask}
        counts |= {"feature_masks": feature_masks, "feature_mask": feature_mask}
        for name, value in counts.items():
            whole(0).check(name, value)
        self.noise = not_negative.check("noise", noise)
        self.time_masks, self.time_mask = time_masks, time_mask
        self.feature_masks, self.feature_mask = feature_masks, feature_mask

    @property
    def active(self) -> bool:
        """Whether anything is masked or added in training."""
        return bool(self.noise or self.time_masks * self.time_mask or self.feature_masks * self.feature_mask)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Mask `features`; padding is left unchanged.

        Args:
            features: ``(B, T, F)``, zero in the padding.
            lengths: int64 ``(B,)``; None if all steps are real.
        """
        if not self.training or not self.active:
            return features
        rows, steps, size = features.shape
        if lengths is None:
            lengths = torch.full((rows,), steps, device=features.device)
        longest = (lengths * LARGEST_SHARE).long().clamp(max=self.time_mask)
        hidden = _runs(self.time_masks, longest, lengths, steps).unsqueeze(2)
        widths = torch.full_like(lengths, size)
        hidden = hidden | _runs(self.feature_masks, widths.clamp(max=self.feature_mask), widths, size).unsqueeze(1)
        if self.noise:
            real = (torch.arange(steps, device=features.device) < lengths.unsqueeze(1)).unsqueeze(2)
            features = features + self.noise * torch.randn_like(features) * real
        return features.masked_fill(hidden, 0)


def _runs(count: int, longest: Tensor, limits: Tensor, size: int) -> Tensor:
    """Return a bool mask ``(B, size)`` of `count` runs, each 0 to `longest` long and within the row's limit."""
    rows, device = len(limits), limits.device
    length = (torch.rand(count, rows, device=device) * (longest + 1)).long()
    start = (torch.rand(count, rows, device=device) * (limits - length + 1)).long()
    place = torch.arange(size, device=device)
    inside = (place >= start.unsqueeze(2)) & (place < (start + length).unsqueeze(2))
    return inside.any(0)
