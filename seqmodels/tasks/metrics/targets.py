"""Errors of each of several targets, and their mean in units that are alike."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


class TargetErrors(Metric):
    """Mean absolute error of each target, in its own unit, and the mean of these by their scales.

    >>> metric = TargetErrors(("big", "small"), scale=(1000.0, 1.0))
    >>> metric.update(torch.tensor([1000.0, 0.0, 3000.0, 1.0]), torch.tensor([0.0, 0.0, 0.0, 0.0]))
    >>> {name: round(value.item(), 3) for name, value in metric.compute().items()}
    {'scaled_mae': 1.25, 'mae big': 2000.0, 'mae small': 0.5}

    Args:
        names: of V targets.
        scale: of each; () where they are not scaled.
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, names: Sequence[str], scale: Sequence[float]) -> None:
        super().__init__()
        self.names, self.scale = tuple(names), tuple(scale) or (1.0,) * len(names)
        self.add_state("total", torch.zeros(len(self.names)), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add values ``(n * V,)`` in original units."""
        errors = (preds - target).reshape(-1, len(self.names))
        self.total += errors.abs().sum(0)
        self.count += len(errors)

    def compute(self) -> dict[str, Tensor]:
        """Return the errors."""
        errors = self.total / self.count.clamp(min=1)
        each = {f"mae {name}": error for name, error in zip(self.names, errors.unbind(), strict=True)}
        return {"scaled_mae": (errors / errors.new_tensor(self.scale)).mean(), **each}
