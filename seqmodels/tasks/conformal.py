"""Intervals with a promise: corrected by how far off they were on data that was not trained on.

n items, V values per item, Q levels.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

# Levels closer than this are the same.
SAME = 1e-9
# The least width, in scaled units, that a miss is measured in.
NARROWEST = 1e-6


def pairs(levels: Sequence[float]) -> list[tuple[int, int]]:
    """Places of the levels that bound an interval with equal tails, the widest first.

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
    """How far each interval's ends must move outward, ``(V, Q)``, to hold on items like these.

    Of each item the miss is ``max(low - y, y - high)``, below 0 where y lies inside; the correction is
    the ``ceil((n + 1) (1 - alpha))``-th smallest of them, for each of the V values by itself. A new item
    that is exchangeable with these then lies in the corrected interval with probability 1 - alpha at least.

    >>> quantiles, targets = torch.zeros(9, 1, 2), torch.arange(-4.0, 5.0).unsqueeze(1)
    >>> corrections((0.1, 0.9), quantiles, targets, relative=False).tolist()
    [[4.0, 4.0]]

    Source: Romano, Patterson & Candes 2019, "Conformalized quantile regression", section 3; with no
    width, Lei et al. 2018, "Distribution-free predictive inference for regression", section 2; relative
    to the width as in their section 5.2.

    Args:
        levels: rising, even around 0.5.
        quantiles: ``(n, V, Q)``, not calibrated.
        targets: ``(n, V)``; NaN where there is none.
        relative: whether a miss is measured in widths of its interval.

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
    """Quantiles ``(..., V, Q)`` with each interval's ends moved outward, and in order.

    Args:
        levels, relative: as for `corrections`.
        correction: ``(V, Q)``, what `corrections` found.
    """
    sign = torch.sign(quantiles.new_tensor(levels) - 0.5)
    by = correction.to(quantiles)
    if relative:
        by = by * (quantiles.flip(-1) - quantiles).abs().clamp(min=NARROWEST)
    return (quantiles + sign * by).sort(-1).values
