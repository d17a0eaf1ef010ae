"""Noise on features, and parts of them hidden, so that a model does not rely on any one of them.

B rows, T steps, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# A mask hides so much of a row's steps at most (Park et al. 2019, section 2, "an upper bound on the time mask").
LARGEST_SHARE = 0.2


class Masking(nn.Module):
    """Hide some runs of steps and of features behind zeros, and add noise; in training only.

    Every mask is as long as a whole number drawn from 0 to its limit, and lies anywhere; in each
    row elsewhere. Features should be about 0 on average, as they are when scaled.

    >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
    <...>
    >>> Masking(time_masks=1, time_mask=2)(torch.ones(1, 10, 1))[0, :, 0].tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0]

    Source: Park et al. 2019, "SpecAugment", section 2.

    Args:
        noise: deviation of normal noise on every number.
        time_masks: runs of steps that are hidden, in each row.
        time_mask: steps in one at most, and at most a fifth of the row.
        feature_masks: runs of neighbouring features that are hidden, at all steps of a row.
        feature_mask: features in one at most.

    Raises:
        ValueError: a negative number, or one that is not whole where it counts.
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
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name} must be a whole number of at least 0, got {value!r}")
        if isinstance(noise, bool) or not isinstance(noise, int | float) or not 0 <= noise < float("inf"):
            raise ValueError(f"noise must be a number of at least 0, got {noise!r}")
        self.noise = noise
        self.time_masks, self.time_mask = time_masks, time_mask
        self.feature_masks, self.feature_mask = feature_masks, feature_mask

    @property
    def active(self) -> bool:
        """Whether there is anything to do in training."""
        return bool(self.noise or self.time_masks * self.time_mask or self.feature_masks * self.feature_mask)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """``(B, T, F)``; padding is left as it is.

        Args:
            features: with zeros in the padding.
            lengths: int64 ``(B,)``; None where all steps are real.
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
    """Bool ``(B, size)``: places in any of `count` runs, each 0 to `longest` long and within its row's limit."""
    rows, device = len(limits), limits.device
    length = (torch.rand(count, rows, device=device) * (longest + 1)).long()
    start = (torch.rand(count, rows, device=device) * (limits - length + 1)).long()
    place = torch.arange(size, device=device)
    inside = (place >= start.unsqueeze(2)) & (place < (start + length).unsqueeze(2))
    return inside.any(0)
