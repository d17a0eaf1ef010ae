"""Calibration and sharpness of forecast quantiles.

n items, H steps of horizon, Q levels; original units.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from seqmodels.tasks.forecasts.distributions import pinball


class IntervalMetric(Metric):
    """Coverage and width of an interval, weighted quantile loss and mean CRPS.

    - coverage: share of the values inside the interval, ends included.
    - width: mean width of the interval.
    - wql: ``2 sum |pinball| / sum |y|``, mean over the levels (Salinas et al. 2020, section 4.1).
    - crps: mean of the given CRPS.

    >>> metric = IntervalMetric((0.1, 0.5, 0.9), low=0, high=2, horizon=1)
    >>> metric.update(torch.tensor([[[0.0, 1.0, 2.0]]]), torch.tensor([[1.5]]), torch.tensor([[0.5]]))
    >>> {name: round(value.item(), 3) for name, value in metric.compute().items()}
    {'crps': 0.5, 'wql': 0.2, 'coverage': 1.0, 'width': 2.0}

    Attributes:
        below: ``(H, Q)``, number of values at or below their quantile.
        inside: ``(H,)``, number of values inside the interval.
        wide: ``(H,)``, sum of the interval's widths.
        count: number of items.

    Args:
        low, high: indices in `levels` of the interval's ends.
    """

    full_state_update = False
    total_crps: Tensor
    size: Tensor
    pinball: Tensor
    below: Tensor
    inside: Tensor
    wide: Tensor
    count: Tensor

    def __init__(self, levels: Sequence[float], low: int, high: int, horizon: int) -> None:
        super().__init__()
        self.levels, self.low, self.high = tuple(levels), low, high
        shapes: dict[str, tuple[int, ...]] = {
            "total_crps": (),
            "size": (),
            "count": (),
            "pinball": (len(self.levels),),
            "inside": (horizon,),
            "wide": (horizon,),
            "below": (horizon, len(self.levels)),
        }
        for name, shape in shapes.items():
            self.add_state(name, torch.zeros(shape, dtype=torch.float32), dist_reduce_fx="sum")

    def update(self, quantiles: Tensor, targets: Tensor, crps: Tensor) -> None:
        """Add items.

        Args:
            quantiles: ``(n, H, Q)``.
            targets, crps: ``(n, H)``.
        """
        low, high = quantiles[..., self.low], quantiles[..., self.high]
        self.total_crps += crps.sum()
        self.size += targets.abs().sum()
        self.count += len(targets)
        self.pinball += pinball(quantiles, targets, self.levels).sum((0, 1))
        self.inside += ((low <= targets) & (targets <= high)).sum(0)
        self.wide += (high - low).sum(0)
        self.below += (targets.unsqueeze(-1) <= quantiles).sum(0)

    def compute(self) -> dict[str, Tensor]:
        """Return the four metrics."""
        values = (self.count * len(self.inside)).clamp(min=1)
        return {
            "crps": self.total_crps / values,
            "wql": 2 * self.pinball.mean() / self.size.clamp(min=torch.finfo(self.size.dtype).tiny),
            "coverage": self.inside.sum() / values,
            "width": self.wide.sum() / values,
        }


def interval_metric(metrics: Any) -> IntervalMetric | None:
    """Return a stage's interval metric, or None if it has no items."""
    found = next((metric for metric in (metrics or {}).values() if isinstance(metric, IntervalMetric)), None)
    return found if found is not None and bool(found.count) else None
