"""The next values of a series.

H steps of horizon, L steps of history, n items, m steps in a season.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from seqmodels.batch import BatchSpec, SequenceBatch
from seqmodels.registry import register
from seqmodels.tasks.base import check_range
from seqmodels.tasks.baselines.reading import sequences, spread
from seqmodels.tasks.values import Predictor, ValueTask, logger, undo

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torchmetrics import MetricCollection

# Training sequences that the scale of MASE is taken from, at most.
MOST_SEQUENCES = 2000
# What makes a series one of changes: no change is then its simplest forecast.
CHANGES = ("difference", "log_return")


@register("task", "forecasting")
class Forecasting(ValueTask):
    """The next H values of a series, at the end of each sequence or after each step.

    >>> import torch
    >>> from seqmodels.batch import BatchSpec
    >>> spec = BatchSpec("features", 1, "values", 2, "sequence", horizon=2, shift=(50.0,), scale=(10.0,))
    >>> batch = SequenceBatch(torch.zeros(1, 3, 1), torch.zeros(1, 2), torch.tensor([3]), torch.tensor([True]))
    >>> Forecasting(spec).decode(torch.tensor([[0.5, -1.0]]), batch)
    [{'forecast': [55.0, 40.0]}]

    Metrics, over all steps of the horizon and in the series' own units: mae, mse, rmse; and mase
    where the season is known: mae over that of the seasonal naive forecast one step ahead on the
    training split (Hyndman & Koehler 2006; below 1 is better than that).

    Baselines: the mean of the training targets; the last value; the value one season before; ridge
    regression on the same history; and for a series of changes no change (a random walk).

    Args:
        spec, loss, huber_delta, ridge_window: as for `ValueTask`.
        shown: windows in the picture.
    """

    target_kinds = ("values",)
    target_shapes = ("sequence", "step")

    def __init__(
        self,
        spec: BatchSpec,
        loss: str = "mse",
        huber_delta: float = 1.0,
        ridge_window: int = 256,
        shown: int = 4,
    ) -> None:
        super().__init__(spec, loss, huber_delta, ridge_window)
        self.shown = check_range("shown", shown, 1, whole=True)
        self._naive_error: float | None = None

    @classmethod
    def suits(cls, spec: BatchSpec) -> bool:
        """Whether the targets are the next values of a series."""
        return super().suits(spec) and spec.horizon == spec.target_size

    @property
    def monitor(self) -> tuple[str, str]:
        return "mae", "min"

    def prepare(self, train: Any) -> None:
        """Take the scale of MASE from the training split, where a season fits into its sequences."""
        m = self.spec.period
        if m is None or self.spec.target_feature is None:
            return
        total, count = 0.0, 0
        for inputs, _ in sequences(train, spread(len(train.lengths), MOST_SEQUENCES)):
            series = self.series(torch.from_numpy(inputs).double())
            total += float((series[m:] - series[:-m]).abs().sum())
            count += max(len(series) - m, 0)
        self._naive_error = total / count if count and total else None

    def summary(self, values: Mapping[str, Any]) -> dict[str, float]:
        named = super().summary(values)
        return {**named, "mase": named["mae"] / self._naive_error} if self._naive_error else named

    def series(self, inputs: Tensor) -> Tensor:
        """The feature being forecast, ``(..., F)`` to ``(...)``, in original units."""
        return undo(inputs, self.spec.input_shift, self.spec.input_scale)[..., self.spec.target_feature]

    def predictors(self, train: Any, evaluation: Any) -> dict[str, tuple[Predictor, int]]:
        found = super().predictors(train, evaluation)
        horizon = self.output_size
        transform = (self.spec.options or {}).get("transform")
        if transform in CHANGES:
            found["no change"] = (lambda history, known: self._scaled(np.zeros((len(history), horizon)))), 1
        if self.spec.target_feature is None or self.spec.inputs != "features":
            logger.warning("last value and seasonal naive are skipped: the series is not among the inputs")
            return found
        found["last value"] = (lambda history, known: self._scaled(self.naive(history, known, 1))), 1
        m, longest = self.spec.period, int(np.max(evaluation.lengths))
        if m is not None and longest < m:
            logger.warning("seasonal naive is skipped: a season of %d steps, a history of %d", m, longest)
        elif m is not None:
            found["seasonal naive"] = (lambda history, known: self._scaled(self.naive(history, known, m))), m
        return found

    def naive(self, history: np.ndarray, known: np.ndarray, season: int) -> np.ndarray:
        """The last season again and again, ``(n, H)`` in original units; the last value where less is known."""
        series = self.series(torch.tensor(history[:, -season:], dtype=torch.float64)).numpy()
        ahead = np.arange(self.output_size)
        return np.where(known[:, None] >= season, series[:, ahead % season], series[:, -1:])

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        shift, scale = self.spec.shift or (0.0,), self.spec.scale or (1.0,)
        return (values - np.asarray(shift)) / np.asarray(scale)

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Each row's forecast, H numbers from its last step on; none for a row of length 0."""
        values = self.unscale(prediction.detach())
        if self.spec.target_shape == "step":
            values = values[torch.arange(len(values)), (batch.lengths - 1).clamp(min=0)]
        rows = zip(values.tolist(), batch.lengths.tolist(), strict=True)
        return [{"forecast": row if length else []} for row, length in rows]

    def pictures(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        from seqmodels.tasks.pictures import Window, forecast_figure

        if self.spec.target_feature is None or self.spec.inputs != "features":
            return {}
        season = self.spec.period if (self.spec.period or 0) <= batch.inputs.shape[1] else None
        forecast, truth = self.unscale(prediction.detach()).float().cpu(), self.unscale(batch.targets).float().cpu()
        history, lengths = self.series(batch.inputs.detach()).float().cpu(), batch.lengths.tolist()
        windows = []
        full = [row for row, length in enumerate(lengths) if length]
        for row in (full[i] for i in spread(len(full), self.shown)):
            last = () if self.spec.target_shape == "sequence" else (lengths[row] - 1,)
            past = batch.inputs[row : row + 1, : lengths[row]].cpu().numpy()
            baseline = self.naive(past, np.array([lengths[row]]), season or 1)[0]
            windows.append(Window(history[row, : lengths[row]], truth[(row, *last)], forecast[(row, *last)], baseline))
        name = self.spec.input_names[self.spec.target_feature] if self.spec.input_names else "value"
        label = "seasonal naive" if season else "last value"
        return {"forecast": forecast_figure(windows, name, label)} if windows else {}
