"""Exponential smoothing, fitted by statsmodels to the training split and run over each history.

n items, L steps of history, H steps of horizon, m steps in a season.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

# Maximum and minimum number of steps fitted to, and the longest season.
MOST_STEPS, LEAST_STEPS, LONGEST_SEASON = 600, 12, 48


@dataclass(frozen=True)
class Smoothing:
    """Exponential smoothing with damped trend and optional additive seasons, ETS(A, Ad, A).

    >>> rising = Smoothing(alpha=1.0, beta=1.0, phi=1.0)
    >>> rising.forecast(np.array([[1.0, 2.0, 3.0]]), horizon=2).tolist()
    [[4.0, 5.0]]

    Source: Hyndman & Athanasopoulos 2021, "Forecasting: principles and practice", section 8.5.

    Fields:
        alpha, beta, gamma: smoothing parameters of level, trend and season, in state space form.
        phi: damping of the trend.
        period: m; None for no season.
    """

    alpha: float
    beta: float
    phi: float
    gamma: float = 0.0
    period: int | None = None

    @classmethod
    def fit(cls, series: np.ndarray, period: int | None = None) -> Smoothing:
        """Fit by maximum likelihood to the last steps of a series.

        The season is kept if it improves Akaike's information criterion.

        Args:
            series: ``(T,)``, at least two seasons.

        Raises:
            ImportError: statsmodels is not installed.
            ValueError: a series too short or constant.
        """
        try:
            from statsmodels.tsa.exponential_smoothing.ets import ETSModel
        except ImportError as error:
            raise ImportError("exponential smoothing needs statsmodels: pip install 'seqmodels[forecast]'") from error
        series = np.asarray(series, dtype=np.float64)[-MOST_STEPS:]
        if len(series) < LEAST_STEPS or np.ptp(series) == 0:
            raise ValueError(f"the training part has no stretch of {LEAST_STEPS} steps in which something changes")
        seasonal = period is not None and 1 < period <= LONGEST_SEASON and len(series) >= 3 * period + LEAST_STEPS
        fits = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an approximate optimum is good enough for a baseline
            for m in (None, period) if seasonal else (None,):
                options = {} if m is None else {"seasonal": "add", "seasonal_periods": m}
                model = ETSModel(series, error="add", trend="add", damped_trend=True, **options)
                fits.append((model.fit(disp=False, maxiter=60), m))
        best, m = min(fits, key=lambda one: one[0].aic)
        found = dict(zip(best.model.param_names, np.asarray(best.params).tolist(), strict=True))
        season = found.get("smoothing_seasonal", 0.0)
        return cls(found["smoothing_level"], found["smoothing_trend"], found["damping_trend"], season, m)

    def forecast(self, history: np.ndarray, horizon: int) -> np.ndarray:
        """Return forecasts ``(n, H)`` after histories ``(n, L)``.

        The initial state is the first value (or the mean of the first season), no trend, and the mean
        deviations of whole seasons from their own means.
        """
        m = self.period if self.period is not None and history.shape[1] >= self.period else 1
        whole = history[:, : history.shape[1] // m * m].reshape(len(history), -1, m).astype(np.float64)
        level, trend = whole[:, 0].mean(1), np.zeros(len(history))
        season = list((whole - whole.mean(2, keepdims=True)).mean(1).T)  # the newest m, oldest first
        for y in history.T:
            error = y - level - self.phi * trend - season[0]
            level, trend = level + self.phi * trend + self.alpha * error, self.phi * trend + self.beta * error
            season = [*season[1:], season[0] + self.gamma * error]
        damping = np.cumsum(self.phi ** np.arange(1, horizon + 1))
        seasons = np.stack([season[step % m] for step in range(horizon)], axis=1)
        return level[:, None] + trend[:, None] * damping + seasons
