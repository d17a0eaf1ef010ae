"""Base class of tasks on series: the series among the inputs, and baseline forecasts.

H steps of horizon, L steps of history, n items, m steps in a season.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqmodels.dataset import SequenceDataset, evenly_spaced
from seqmodels.tasks.baselines.climatology import Climatology, calendar_columns
from seqmodels.tasks.baselines.reading import histories, item_count, last_stretch, sequences
from seqmodels.tasks.baselines.smoothing import LEAST_STEPS, MOST_STEPS, Smoothing
from seqmodels.tasks.values import MOST_ITEMS, Predictor, ValueTask, logger, undo

# Targets that are changes: their simplest forecast is no change.
CHANGES = ("difference", "log_return")
# Steps of history for exponential smoothing, or four seasons if that is more.
SMOOTHED = 128
# Maximum number of training sequences for the scale of MASE.
MOST_SEQUENCES = 2000


class SeriesTask(ValueTask):
    """Abstract task with the next H values of a series as targets (see `Forecasting`)."""

    _smoothing: tuple[Any, Smoothing] | None = None  # with the data that it is fitted to

    def series(self, inputs: Tensor) -> Tensor:
        """Return the series being forecast, ``(..., F)`` to ``(...)``, in original units."""
        return undo(inputs, self.spec.input_shift, self.spec.input_scale)[..., self.spec.target_feature]

    @property
    def relative(self) -> bool:
        """Whether targets are changes from the last value."""
        return self.spec.series is not None and self.spec.series.relative

    def _scaled(self, values: np.ndarray, history: np.ndarray | None = None) -> np.ndarray:
        """Return values scaled like the targets; as changes from the end of the history if those are."""
        if history is not None and self.relative:
            values = values - self.series(torch.tensor(history[:, -1], dtype=torch.float64)).numpy()[:, None]
        shift, scale = self.spec.shift or (0.0,), self.spec.scale or (1.0,)
        return (values - np.asarray(shift)) / np.asarray(scale)

    def _reached(self, values: np.ndarray, history: np.ndarray) -> np.ndarray:
        """Return unscaled targets as values of the series."""
        last = self.series(torch.tensor(history[:, -1], dtype=torch.float64)).numpy()[:, None]
        reached: np.ndarray = values + last if self.relative else values
        return reached

    def predictors(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, tuple[Predictor, int]]:
        found = super().predictors(train, evaluation)
        horizon = self.spec.target_size
        if self.spec.series is not None and self.spec.series.transform in CHANGES:
            found["no change"] = (lambda history, known: self._scaled(np.zeros((len(history), horizon)))), 1
        if self.spec.target_feature is None or self.spec.inputs != "features":
            logger.warning("last value and seasonal naive are skipped: the series is not among the inputs")
            return found
        found["last value"] = (lambda history, known: self._scaled(self.naive(history, known, 1), history)), 1
        m, longest = self.spec.period, int(np.max(evaluation.lengths))
        if m is not None and longest < m:
            logger.warning("seasonal naive is skipped: a season of %d steps, a history of %d", m, longest)
        elif m is not None:
            found["seasonal naive"] = (lambda history, known: self._scaled(self.naive(history, known, m), history)), m
        return {**found, **self._smoothed(train), **self._usual(train)}

    def naive(self, history: np.ndarray, known: np.ndarray, season: int) -> np.ndarray:
        """Repeat the last season, ``(n, H)`` in original units; the last value if the history is shorter."""
        series = self.series(torch.tensor(history[:, -season:], dtype=torch.float64)).numpy()
        ahead = np.arange(self.spec.target_size)
        return np.where(known[:, None] >= season, series[:, ahead % season], series[:, -1:])

    def naive_error(self, train: SequenceDataset) -> float | None:
        """Return the mean absolute error of the seasonal naive forecast; None if no season fits into the sequences."""
        m = self.spec.period
        if m is None or self.spec.target_feature is None:
            return None
        total, count = 0.0, 0
        for inputs, _ in sequences(train, evenly_spaced(len(train.lengths), MOST_SEQUENCES)):
            series = self.series(torch.tensor(inputs, dtype=torch.float64))
            total += float((series[m:] - series[:-m]).abs().sum())
            count += max(len(series) - m, 0)
        return total / count if count and total else None

    def _smoothed(self, train: SequenceDataset) -> dict[str, tuple[Predictor, int]]:
        """Return exponential smoothing, if statsmodels is installed and the series can be fitted."""
        longest = int(np.max(train.lengths))
        if longest < LEAST_STEPS:
            logger.warning("exponential smoothing is skipped: a history of %d steps is too short", longest)
            return {}
        if self._smoothing is None or self._smoothing[0] is not train:
            try:
                series = self.series(torch.from_numpy(last_stretch(train, MOST_STEPS)).double()).numpy()
                self._smoothing = train, Smoothing.fit(series, self.spec.period)
            except (ImportError, ValueError) as error:
                logger.warning("exponential smoothing is skipped: %s", error)
                return {}
        smoothing, horizon = self._smoothing[1], self.spec.target_size

        def predict(history: np.ndarray, known: np.ndarray) -> np.ndarray:
            series = self.series(torch.tensor(history, dtype=torch.float64)).numpy()
            return self._scaled(smoothing.forecast(series, horizon), history)

        return {"exponential smoothing": (predict, min(longest, max(SMOOTHED, 4 * (smoothing.period or 0))))}

    def _usual(self, train: SequenceDataset) -> dict[str, tuple[Predictor, int]]:
        """Return harmonic climatology, if the calendar is among the inputs."""
        columns = [column for pair in calendar_columns(self.spec.input_names) for column in pair]
        if not columns:
            return {}
        read = histories(train, 1, -(-item_count(train) // MOST_ITEMS))
        parts = [(x[:, -1], self._reached(self.unscale(torch.tensor(y)).numpy(), x)) for x, _, y in read]
        waves, targets = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        usual = Climatology(waves[:, columns], targets)

        def predict(history: np.ndarray, known: np.ndarray) -> np.ndarray:
            return self._scaled(usual.predict(history[:, -1][:, columns]), history)

        return {"harmonic climatology": (predict, 1)}
