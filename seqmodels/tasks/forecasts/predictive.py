"""Probabilistic forecasts: quantiles and optionally calibrated intervals from a model's outputs.

H steps of horizon, P parameters of each, Q levels; values in scaled units.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from seqmodels.dataset import SequenceDataset
from seqmodels.spec import Spec
from seqmodels.tasks.baselines.reading import histories
from seqmodels.tasks.forecasts.conformal import corrected, corrections, pairs
from seqmodels.tasks.forecasts.distributions import (
    CRPS_LEVELS,
    Gaussian,
    NegativeBinomial,
    Output,
    Point,
    Quantiles,
    StudentT,
    pinball,
)

# Predictive distributions by name: made of the data's scales, the error of points, and levels of quantiles.
OUTPUTS: dict[str, Callable[[Spec, Callable[..., Tensor], tuple[float, ...]], Output]] = {
    "point": lambda spec, error, levels: Point(error),
    "quantiles": lambda spec, error, levels: Quantiles(levels),
    "gaussian": lambda spec, error, levels: Gaussian(),
    "student_t": lambda spec, error, levels: StudentT(),
    "negative_binomial": lambda spec, error, levels: NegativeBinomial(spec.shift, spec.scale),
}
# Decimal digits of levels, so that 0.5 - 0.8 / 2 is 0.1.
DIGITS = 9


def check_counts(output: NegativeBinomial, train: SequenceDataset) -> None:
    """Validate that training targets are counts.

    Raises:
        ValueError: a target that is not an integer, or below 0.
    """
    for *_, targets in histories(train, 1):
        values = output.unscaled(torch.tensor(targets)).numpy()
        far = np.abs(values - np.maximum(np.round(values), 0)) > 1e-3 + 1e-6 * np.abs(values)
        if far.any():
            raise ValueError(
                "task.output=negative_binomial is for counts, whole numbers from 0 on; the targets hold "
                f"{values[far][0]:g}: choose task.output=student_t, gaussian or quantiles"
            )


class Predictive:
    """Predictive distribution of H values from a model's H * P outputs.

    >>> import torch
    >>> predictive = Predictive(Quantiles((0.1, 0.5, 0.9)), horizon=1, quantiles=(0.1, 0.5, 0.9), interval=0.8)
    >>> predictive.quantiles(torch.tensor([[2.0, 1.0, 4.0]])).tolist()
    [[[1.0, 2.0, 4.0]]]
    >>> predictive.calibrate(torch.zeros(9, 3), torch.arange(-4.0, 5.0).unsqueeze(1))
    >>> predictive.quantiles(torch.tensor([[2.0, 1.0, 4.0]])).tolist()
    [[[-3.0, 2.0, 8.0]]]

    Attributes:
        levels: levels of the quantiles: those requested, the interval's ends and the median.
        low, high: indices in `levels` of the interval's ends.
        correction: ``(H, Q)``, see `seqmodels.tasks.forecasts.conformal`; None if not calibrated.

    Raises:
        ValueError: levels that do not rise, or too few for the interval.
    """

    def __init__(
        self, output: Output, horizon: int, quantiles: Sequence[float], interval: float, conformal: bool = False
    ) -> None:
        given, share = check_levels(quantiles), interval
        ends = [round(0.5 + side * share / 2, DIGITS) for side in (-1, 1)]
        if isinstance(output, Quantiles) and not given[0] <= ends[0] <= ends[1] <= given[-1]:
            raise ValueError(
                f"interval={share:g} reaches from the quantile {ends[0]:g} to {ends[1]:g}, beyond those that are "
                f"learned: add them to quantiles, which is {list(given)}"
            )
        self.output, self.horizon, self.share = output, horizon, share
        self.levels = tuple(sorted({*given, *ends, 0.5}))
        self.low, self.high = (self.levels.index(end) for end in ends)
        if conformal:
            pairs(self.levels)
        self.correction: Tensor | None = None

    @property
    def size(self) -> int:
        """H * P."""
        return self.horizon * self.output.size

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval."""
        return not isinstance(self.output, Point) or self.correction is not None

    @property
    def crps_levels(self) -> tuple[float, ...]:
        """Quantile levels for a CRPS without a closed form."""
        if isinstance(self.output, Quantiles):
            return self.output.levels
        return self.levels if isinstance(self.output, Point) else CRPS_LEVELS

    def numbers(self, prediction: Tensor) -> Tensor:
        """Reshape ``(..., H * P)`` to ``(..., H, P)``."""
        return prediction.unflatten(-1, (self.horizon, self.output.size))

    def loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each value, ``(..., H)``."""
        return self.output.loss(self.numbers(prediction), targets)

    def median(self, prediction: Tensor) -> Tensor:
        """Return the point forecast ``(..., H)``."""
        return self.output.median(self.numbers(prediction))

    def quantiles(self, prediction: Tensor) -> Tensor:
        """Return the quantiles ``(..., H, Q)`` at `levels`, corrected after calibration."""
        found = self.output.quantiles(self.numbers(prediction), self.levels)
        if self.correction is None:
            return found
        return corrected(self.levels, found, self.correction, self.output.relative)

    def crps(self, prediction: Tensor, targets: Tensor) -> Tensor:
        """Return the model's CRPS ``(..., H)``; of points with a calibrated interval, that of its quantiles."""
        if isinstance(self.output, Point) and self.correction is not None:
            return 2 * pinball(self.quantiles(prediction), targets, self.levels).mean(-1)
        return self.output.crps(self.numbers(prediction), targets)

    def calibrate(self, prediction: Tensor, targets: Tensor) -> None:
        """Correct the intervals at each step of the horizon.

        Args:
            prediction: ``(n, H * P)``, of held-out data.
            targets: ``(n, H)``.

        Raises:
            ValueError: no items.
        """
        self.correction = None
        quantiles = self.quantiles(prediction.double().cpu())
        self.correction = corrections(self.levels, quantiles, targets.double().cpu(), self.output.relative)


def check_levels(levels: Sequence[float]) -> tuple[float, ...]:
    """Return quantile levels, rounded; raise ValueError unless they rise."""
    found = tuple(round(level, DIGITS) for level in levels)
    if not found or any(a >= b for a, b in pairwise(found)):
        wanted = "quantiles must be a rising list of levels between 0 and 1, such as [0.1, 0.5, 0.9]"
        raise ValueError(f"{wanted}, got {list(levels)}")
    return found
