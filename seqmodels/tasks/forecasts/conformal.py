"""Conformal prediction intervals, corrected by their misses on held-out data.

n items, V values per item, Q levels.
"""

import logging
import math
from collections.abc import Sequence

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

# Levels closer than this are equal.
SAME = 1e-9
# Lower bound of the width, in scaled units, that a miss is divided by.
NARROWEST = 1e-6


def pairs(levels: Sequence[float]) -> list[tuple[int, int]]:
    """Return the index pairs of levels that bound an interval with equal tails, the widest first.

    >>> pairs((0.1, 0.25, 0.5, 0.75, 0.9))
    [(0, 4), (1, 3)]

    Raises:
        ValueError: a level without its mirror image.
    """
    count = len(levels)
    for level, mirrored in zip(levels, reversed(levels), strict=True):
        if abs(level + mirrored - 1) > SAME:
            raise ValueError(
                f"quantiles must lie evenly around 0.5 for conformal=true, so that each two bound an interval; "
                f"{level:g} has no partner {1 - level:g} in {list(levels)}"
            )
    return [(i, count - 1 - i) for i in range(count // 2)]


def corrections(levels: Sequence[float], quantiles: Tensor, targets: Tensor, relative: bool) -> Tensor:
    """Return how far to move each interval's ends outward, ``(V, Q)``, for coverage on exchangeable items.

    The miss of an item is ``max(low - y, y - high)``, negative if y lies inside; the correction is the
    ``ceil((n + 1) (1 - alpha))``-th smallest miss, separately for each of the V values. A new exchangeable
    item lies in the corrected interval with probability at least 1 - alpha.

    >>> quantiles, targets = torch.zeros(9, 1, 2), torch.arange(-4.0, 5.0).unsqueeze(1)
    >>> corrections((0.1, 0.9), quantiles, targets, relative=False).tolist()
    [[4.0, 4.0]]

    Source: Romano, Patterson & Candes 2019, "Conformalized quantile regression", section 3; with no
    width, Lei et al. 2018, "Distribution-free predictive inference for regression", section 2; relative
    to the width as in their section 5.2.

    Args:
        levels: increasing, symmetric around 0.5.
        quantiles: ``(n, V, Q)``, uncalibrated.
        targets: ``(n, V)``; NaN if missing.
        relative: whether misses are divided by the width of their interval.

    Raises:
        ValueError: no items.
    """
    found = quantiles.new_zeros(quantiles.shape[1:])
    fewest = int(torch.isfinite(targets).sum(0).min())
    share = max((levels[high] - levels[low] for low, high in pairs(levels)), default=0.0)
    if 0 < fewest < math.ceil((fewest + 1) * share - SAME):
        logger.warning(
            "the validation split has %d items, too few to calibrate an interval of %.3g with: it may be too narrow; "
            "a larger data.val_fraction helps",
            fewest,
            share,
        )
    for low, high in pairs(levels):
        bottom, top = quantiles[..., low], quantiles[..., high]
        miss = torch.maximum(bottom - targets, targets - top)
        if relative:
            miss = miss / (top - bottom).clamp(min=NARROWEST)
        share = levels[high] - levels[low]
        found[:, low] = found[:, high] = torch.stack([_rank(column, share) for column in miss.T])
    return found


def _rank(misses: Tensor, share: float) -> Tensor:
    known = misses[torch.isfinite(misses)].sort().values
    if len(known) == 0:
        raise ValueError("conformal=true needs items to calibrate with: the validation split has no target")
    rank = math.ceil((len(known) + 1) * share - SAME)
    return known[min(rank, len(known)) - 1]


def corrected(levels: Sequence[float], quantiles: Tensor, correction: Tensor, relative: bool) -> Tensor:
    """Return quantiles ``(..., V, Q)`` with each interval's ends moved outward, sorted.

    Args:
        correction: ``(V, Q)``, from `corrections`.
    """
    sign = torch.sign(quantiles.new_tensor(levels) - 0.5)
    by = correction.to(quantiles)
    if relative:
        by = by * (quantiles.flip(-1) - quantiles).abs().clamp(min=NARROWEST)
    return (quantiles + sign * by).sort(-1).values
