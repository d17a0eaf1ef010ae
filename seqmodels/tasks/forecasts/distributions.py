"""Forecast outputs: points, quantiles and parametric distributions.

V values, P parameters of each, Q levels. Inputs and outputs are in the batches' scaled units.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.distributions import NegativeBinomial as TorchNegativeBinomial
from torch.distributions import Normal
from torch.distributions import StudentT as TorchStudentT
from torch.nn import functional

# Lower bounds of a distribution's spread, in scaled units, and of the dispersion of counts.
FLOOR = 1e-3
# Bounds of the degrees of freedom: the variance is finite above 2; from 100 on, nearly Gaussian.
LEAST_FREEDOM, MOST_FREEDOM = 2.01, 100.0
# Lower bound of the mean of counts, in units of their scale.
LEAST_RATE = 1e-6
# Quantile levels for a CRPS without a closed form.
CRPS_LEVELS = tuple((np.arange(100) + 0.5) / 100)


def pinball(quantiles: Tensor, targets: Tensor, levels: Sequence[float]) -> Tensor:
    """Return the quantile loss ``max(level * (y - q), (level - 1) * (y - q))``.

    >>> pinball(torch.tensor([[1.0, 1.0]]), torch.tensor([3.0]), (0.1, 0.9)).tolist()
    [[0.20000000298023224, 1.7999999523162842]]

    Source: Koenker & Bassett 1978, "Regression quantiles", section 3.

    Args:
        quantiles: ``(..., Q)``.
        targets: ``(...)``.
        levels: levels of the Q quantiles, each between 0 and 1.
    """
    error = targets.unsqueeze(-1) - quantiles
    level = error.new_tensor(levels)
    return torch.maximum(level * error, (level - 1) * error)


class Output(ABC):
    """Abstract predictive distribution, parametrized by P outputs of the model per value.

    Attributes:
        size: P.
        relative: whether intervals are calibrated in units of their own width, for distributions
            with a predicted spread, or in those of the values.
    """

    size: int = 1
    relative: ClassVar[bool] = False

    @abstractmethod
    def loss(self, numbers: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each value ``(..., V)``.

        Args:
            numbers: ``(..., V, P)``, unconstrained outputs of the model.
            targets: ``(..., V)``.
        """

    @abstractmethod
    def quantiles(self, numbers: Tensor, levels: Sequence[float]) -> Tensor:
        """Return the quantiles ``(..., V, Q)``, increasing if the levels are."""

    @abstractmethod
    def crps(self, numbers: Tensor, targets: Tensor) -> Tensor:
        """Return the continuous ranked probability score ``(..., V)``, lower is better.

        The integral over z of ``(P(Y <= z) - [y <= z])^2``; the absolute error for point forecasts
        (Gneiting & Raftery 2007, section 4.2).
        """

    def median(self, numbers: Tensor) -> Tensor:
        """Return the median ``(..., V)``, the point forecast."""
        return self.quantiles(numbers, (0.5,))[..., 0]


class Point(Output):
    """Point forecast with an error as loss.

    >>> Point(functional.l1_loss).median(torch.tensor([[3.0]])).tolist()
    [3.0]

    Args:
        error: as in `torch.nn.functional`: (prediction, targets, reduction="none") to the loss of each value.
    """

    def __init__(self, error: Callable[..., Tensor]) -> None:
        self.error = error

    def loss(self, numbers: Tensor, targets: Tensor) -> Tensor:
        return self.error(numbers[..., 0], targets, reduction="none")

    def quantiles(self, numbers: Tensor, levels: Sequence[float]) -> Tensor:
        return numbers.expand(*numbers.shape[:-1], len(levels))

    def crps(self, numbers: Tensor, targets: Tensor) -> Tensor:
        return (numbers[..., 0] - targets).abs()


class Quantiles(Output):
    """One quantile per level, trained with the mean pinball loss.

    >>> output = Quantiles((0.1, 0.5, 0.9))
    >>> output.quantiles(torch.tensor([[3.0, 1.0, 2.0]]), (0.5, 0.7)).tolist()  # sorted and interpolated
    [[2.0, 2.5]]

    The CRPS is approximated by twice the mean pinball loss over the levels; more and more evenly
    spaced levels make it more accurate.

    Args:
        levels: increasing, between 0 and 1.
    """

    def __init__(self, levels: Sequence[float]) -> None:
        self.levels = tuple(levels)
        self.size = len(self.levels)

    def loss(self, numbers: Tensor, targets: Tensor) -> Tensor:
        return pinball(numbers, targets, self.levels).mean(-1)

    def quantiles(self, numbers: Tensor, levels: Sequence[float]) -> Tensor:
        ordered = numbers.sort(-1).values
        wanted = np.interp(levels, self.levels, np.arange(self.size))  # fractional index into `levels`
        below = np.floor(wanted).astype(int)
        above = np.minimum(below + 1, self.size - 1)
        return torch.lerp(ordered[..., below], ordered[..., above], ordered.new_tensor(wanted - below))

    def crps(self, numbers: Tensor, targets: Tensor) -> Tensor:
        return 2 * pinball(numbers.sort(-1).values, targets, self.levels).mean(-1)


class Gaussian(Output):
    """Normal distribution with mean and standard deviation ``softplus(.) + FLOOR``.

    >>> Gaussian().quantiles(torch.tensor([[2.0, -20.0]]), (0.5,)).tolist()
    [[2.0]]
    """

    size = 2
    relative = True

    def distribution(self, numbers: Tensor) -> Normal:
        """Return the torch distribution."""
        return Normal(numbers[..., 0], functional.softplus(numbers[..., 1]) + FLOOR, validate_args=False)

    def loss(self, numbers: Tensor, targets: Tensor) -> Tensor:
        log_prob: Tensor = self.distribution(numbers).log_prob(targets)
        return -log_prob

    def quantiles(self, numbers: Tensor, levels: Sequence[float]) -> Tensor:
        normal = self.distribution(numbers.unsqueeze(-2))
        found: Tensor = normal.icdf(numbers.new_tensor(levels))
        return found

    def crps(self, numbers: Tensor, targets: Tensor) -> Tensor:
        """Return the closed form ``s (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))`` with ``z = (y - m) / s``.

        Source: Gneiting & Raftery 2007, equation 21.
        """
        normal = self.distribution(numbers)
        z = (targets - normal.loc) / normal.scale
        density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        return normal.scale * (z * torch.erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))


class StudentT(Output):
    """Student's t distribution with degrees of freedom, location and scale, for values with outliers.

    Degrees of freedom are ``LEAST_FREEDOM + softplus(.)``, up to ``MOST_FREEDOM``.

    >>> StudentT().median(torch.tensor([[0.0, 2.0, 1.0]])).tolist()
    [2.0]
    """

    size = 3
    relative = True

    def distribution(self, numbers: Tensor) -> TorchStudentT:
        """Return the torch distribution."""
        freedom = (functional.softplus(numbers[..., 0]) + LEAST_FREEDOM).clamp(max=MOST_FREEDOM)
        scale = functional.softplus(numbers[..., 2]) + FLOOR
        return TorchStudentT(freedom, numbers[..., 1], scale, validate_args=False)

    def loss(self, numbers: Tensor, targets: Tensor) -> Tensor:
        log_prob: Tensor = self.distribution(numbers).log_prob(targets)
        return -log_prob

    def quantiles(self, numbers: Tensor, levels: Sequence[float]) -> Tensor:
        from scipy.special import stdtrit

        t = self.distribution(numbers)
        standard = stdtrit(_numpy(t.df)[..., None], np.asarray(levels))
        return t.loc.unsqueeze(-1) + t.scale.unsqueeze(-1) * _tensor(standard, numbers)

    def crps(self, numbers: Tensor, targets: Tensor) -> Tensor:
        """Return the closed form in the distribution's F and f at ``z = (y - location) / scale``.

        Source: Jordan, Krueger & Lerch 2019, "Evaluating probabilistic forecasts with scoringRules",
        appendix A.2.
        """
        from scipy import stats
        from scipy.special import beta

        t = self.distribution(numbers)
        df, z = _numpy(t.df), _numpy((targets - t.loc) / t.scale)
        spread = 2 * np.sqrt(df) / (df - 1) * beta(0.5, df - 0.5) / beta(0.5, df / 2) ** 2
        score = z * (2 * stats.t.cdf(z, df) - 1) + 2 * stats.t.pdf(z, df) * (df + z * z) / (df - 1) - spread
        return t.scale * _tensor(score, numbers)


class NegativeBinomial(Output):
    """Negative binomial distribution of counts, with variance ``mean + dispersion * mean^2`` in original units.

    With v, the counts' own scale, mean = ``v (softplus(.) + LEAST_RATE)`` and dispersion =
    ``softplus(.) / sqrt(v) + FLOOR``. The CRPS is approximated from a hundred quantiles.

    >>> output = NegativeBinomial(shift=(20.0,), scale=(10.0,))
    >>> median = output.median(torch.tensor([[0.54, -50.0]])).item()  # in scaled units
    >>> round(median * 10 + 20)
    21

    Source: Salinas et al. 2020, "DeepAR", sections 3.1 and 3.3, with one scale for the whole series.

    Args:
        shift, scale: of the targets, one number per value; empty if they are not scaled.
    """

    size = 2
    relative = True

    def __init__(self, shift: Sequence[float] = (), scale: Sequence[float] = ()) -> None:
        self.shift, self.scale = tuple(shift) or (0.0,), tuple(scale) or (1.0,)
        self.unit = 1 + float(np.mean(np.abs(self.shift)))

    def counts(self, targets: Tensor) -> Tensor:
        """Return scaled targets ``(..., V)`` as counts, free of rounding errors."""
        return self.unscaled(targets).round().clamp(min=0)

    def unscaled(self, targets: Tensor) -> Tensor:
        """Return targets in original units, in double precision if the device supports it."""
        targets = _double(targets)
        return targets * targets.new_tensor(self.scale) + targets.new_tensor(self.shift)

    def distribution(self, numbers: Tensor) -> TorchNegativeBinomial:
        """Return the torch distribution."""
        numbers = _double(numbers)
        mean = self.unit * (functional.softplus(numbers[..., 0]) + LEAST_RATE)
        dispersion = functional.softplus(numbers[..., 1]) / math.sqrt(self.unit) + FLOOR
        return TorchNegativeBinomial(1 / dispersion, logits=(mean * dispersion).log(), validate_args=False)

    def loss(self, numbers: Tensor, targets: Tensor) -> Tensor:
        log_prob: Tensor = self.distribution(numbers).log_prob(self.counts(targets))
        return -log_prob.to(numbers.dtype)

    def quantiles(self, numbers: Tensor, levels: Sequence[float]) -> Tensor:
        from scipy import stats

        found = self.distribution(numbers)
        count, failure = _numpy(found.total_count)[..., None], _numpy(torch.sigmoid(-found.logits))[..., None]
        counts = stats.nbinom.ppf(np.asarray(levels), count, failure)
        scaled = (counts - np.asarray(self.shift)[:, None]) / np.asarray(self.scale)[:, None]
        return _tensor(scaled, numbers)

    def crps(self, numbers: Tensor, targets: Tensor) -> Tensor:
        return 2 * pinball(self.quantiles(numbers, CRPS_LEVELS), targets, CRPS_LEVELS).mean(-1)


def _double(values: Tensor) -> Tensor:
    return values if values.device.type == "mps" else values.double()


def _numpy(values: Tensor) -> np.ndarray:
    array: np.ndarray = values.detach().cpu().double().numpy()
    return array


def _tensor(values: Any, like: Tensor) -> Tensor:
    return torch.as_tensor(values, dtype=like.dtype, device=like.device)
