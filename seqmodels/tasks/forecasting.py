"""Forecasting: the next values of a series.

H steps of horizon, L steps of history, n items, m steps in a season.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.dataset import SequenceDataset, evenly_spaced
from seqmodels.kinds import between, list_of, positive, whole
from seqmodels.registry import register
from seqmodels.spec import Spec
from seqmodels.tasks.base import Figure, MetricCollection, blank, last_step, real_items
from seqmodels.tasks.baselines.reading import histories, item_count
from seqmodels.tasks.forecasts.distributions import NegativeBinomial, Point, pinball
from seqmodels.tasks.forecasts.predictive import OUTPUTS, Predictive, check_counts, check_levels
from seqmodels.tasks.series_task import SeriesTask
from seqmodels.tasks.values import Predictor

# Approximate number of training items for the error quantiles of baselines.
MOST_ITEMS = 5000


@register("task", "forecasting")
class Forecasting(SeriesTask):
    """Forecast of the next H values of a series, at the end of each sequence or after each step.

    >>> import torch
    >>> from seqmodels.spec import Spec
    >>> spec = Spec("features", 1, "values", 2, "sequence", horizon=2, shift=(50.0,), scale=(10.0,))
    >>> batch = SequenceBatch(torch.zeros(1, 3, 1), torch.zeros(1, 2), torch.tensor([3]), torch.tensor([True]))
    >>> Forecasting(spec).decode(torch.tensor([[0.5, -1.0]]), batch)
    [{'forecast': [55.0, 40.0]}]

    Forecasts are points, quantiles or distributions (`seqmodels.tasks.forecasts.distributions`), trained with the
    error, the pinball loss or the negative log-likelihood. The point forecast is the median.

    With `conformal` the interval is corrected after training, for each step of the horizon, by its misses
    on the validation split (`seqmodels.tasks.forecasts.conformal`); its coverage is then meaningful on the test
    split only. The correction is stored in the checkpoint.

    Metrics, over all steps of the horizon and in original units: mae, mse, rmse of the median; mase if the
    season is known: mae over that of the one-step seasonal naive forecast on the training split (Hyndman &
    Koehler 2006; below 1 is better than that). With an interval: crps (closed form for gaussian and
    student_t, else from quantiles: the given levels for output=quantiles and point, a hundred for
    negative_binomial), wql (see `IntervalMetric`), and the interval's coverage and mean width. With
    conformal=true wql, coverage and width are those of the corrected quantiles, crps is the model's own.

    Baselines: the mean of the training targets; the last value; the value one season before; ridge
    regression on the same history; exponential smoothing (`seqmodels.tasks.baselines.smoothing`); with
    calendar inputs, harmonic climatology; for series of changes, no change (a random walk). Their
    intervals are their forecast plus the quantiles of their errors on the training split.

    Args:
        spec, loss, huber_delta, ridge_window: as for `ValueTask`; the loss is that of output="point".
        output: "point", "quantiles", "gaussian", "student_t" or "negative_binomial" (counts: integers
            from 0 on).
        quantiles: levels learned by output="quantiles" and named in predictions.
        interval: nominal coverage of the interval, with equal tails.
        conformal: whether to correct the interval on the validation split.
        shown: number of windows plotted.
    """

    target_kinds = ("values",)
    target_shapes = ("sequence", "step")

    def __init__(
        self,
        spec: Spec,
        output: Literal["point", "quantiles", "gaussian", "student_t", "negative_binomial"] = "point",
        loss: Literal["mse", "mae", "huber"] = "mse",
        huber_delta: Annotated[float, positive] = 1.0,
        quantiles: Annotated[Sequence[float], list_of(between, "[0.1, 0.5, 0.9]")] = (0.1, 0.5, 0.9),
        interval: Annotated[float, between] = 0.8,
        conformal: bool = False,
        ridge_window: Annotated[int, whole(1, 100_000)] = 256,
        shown: Annotated[int, whole(1, 10_000)] = 4,
    ) -> None:
        super().__init__(spec, loss, huber_delta, ridge_window)
        self.shown = shown
        made = OUTPUTS[output](spec, self.error, check_levels(quantiles))
        self.predictive = Predictive(made, spec.target_size, quantiles, interval, conformal)
        self.calibrates = conformal
        self._naive_error: float | None = None

    @classmethod
    def suits(cls, spec: Spec) -> bool:
        """Return whether the targets are the next values of a series."""
        return super().suits(spec) and spec.horizon == spec.target_size

    @property
    def monitor(self) -> tuple[str, str]:
        return ("mae" if isinstance(self.predictive.output, Point) else "crps"), "min"

    @property
    def output_size(self) -> int:
        return self.predictive.size

    def item_loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        return self.predictive.loss(prediction, targets).mean(-1)

    def calibrate(self, batches: Iterable[tuple[Tensor, SequenceBatch]]) -> None:
        """Correct the interval by predictions of held-out data.

        Raises:
            ValueError: no data.
        """
        prediction, targets = (torch.cat(part) for part in zip(*(self.real(*pair) for pair in batches), strict=True))
        self.predictive.calibrate(prediction, targets)

    def state(self) -> dict[str, Any]:
        return {} if self.predictive.correction is None else {"correction": self.predictive.correction}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.predictive.correction = state.get("correction")

    def metrics(self) -> MetricCollection:
        metrics = super().metrics()
        if self.predictive.has_interval:
            from seqmodels.tasks.metrics.intervals import IntervalMetric

            predictive = self.predictive
            interval = IntervalMetric(predictive.levels, predictive.low, predictive.high, predictive.horizon)
            metrics.add_metrics({"interval": interval})
        return metrics

    def update(self, metrics: MetricCollection, prediction: Tensor, batch: SequenceBatch) -> None:
        values, truth = self.real(prediction, batch)
        quantiles = crps = None
        if self.predictive.has_interval:
            quantiles, crps = self.predictive.quantiles(values), self.predictive.crps(values, truth)
        self._count(metrics, self.predictive.median(values), truth, quantiles, crps, self._ends(batch))

    def _ends(self, batch: SequenceBatch) -> Tensor | float:
        """Return the values ``(N, 1)`` from which the real items' changes start; 0 if targets are not changes."""
        if not self.relative:
            return 0.0
        series = self.series(batch.inputs.detach())
        ends = series if self.spec.target_shape == "step" else last_step(series, batch.lengths)
        return ends[real_items(batch, self.spec)].unsqueeze(-1)

    def _count(
        self,
        metrics: MetricCollection,
        forecast: Tensor,
        truth: Tensor,
        quantiles: Tensor | None,
        crps: Tensor | None,
        ends: Tensor | float = 0.0,
    ) -> None:
        """Update the metrics with items in scaled units; `ends` is in original units."""
        target = self.unscale(truth)
        measured = {"preds": self.unscale(forecast).flatten(), "target": target.flatten()}
        if quantiles is not None and crps is not None:
            scale = crps.new_tensor(self.spec.scale or (1.0,))
            of_levels = ends if isinstance(ends, float) else ends.unsqueeze(-1)
            levels = self._unscale_quantiles(quantiles) + of_levels
            measured |= {"quantiles": levels, "targets": target + ends, "crps": crps * scale}
        metrics.update(**measured)

    def _unscale_quantiles(self, quantiles: Tensor) -> Tensor:
        return self.unscale(quantiles.transpose(-1, -2)).transpose(-1, -2)

    def score(
        self, predictor: Predictor, steps: int, train: SequenceDataset, evaluation: SequenceDataset
    ) -> dict[str, float]:
        if not self.predictive.has_interval:
            return super().score(predictor, steps, train, evaluation)
        stride = -(-item_count(train) // MOST_ITEMS)
        errors = np.concatenate([y - predictor(x, known) for x, known, y in histories(train, steps, stride)])
        crps_levels = self.predictive.crps_levels
        named, many = (
            torch.tensor(np.quantile(errors, levels, axis=0).T) for levels in (self.predictive.levels, crps_levels)
        )
        metrics = self.metrics()
        for history, known, targets in histories(evaluation, steps):
            forecast = torch.tensor(predictor(history, known), dtype=torch.float64)
            truth = torch.tensor(targets, dtype=torch.float64)
            crps = 2 * pinball(forecast.unsqueeze(-1) + many, truth, crps_levels).mean(-1)
            ends = self.series(torch.tensor(history[:, -1:], dtype=torch.float64)) if self.relative else 0.0
            self._count(metrics, forecast, truth, forecast.unsqueeze(-1) + named, crps, ends)
        return self.summary(metrics.compute())

    def prepare(self, train: SequenceDataset) -> None:
        """Compute the scale of MASE from the training split, if a season fits into its sequences.

        Raises:
            ValueError: targets that the output does not support.
        """
        if isinstance(self.predictive.output, NegativeBinomial):
            check_counts(self.predictive.output, train)
        self._naive_error = self.naive_error(train)

    def summary(self, values: Mapping[str, Any]) -> dict[str, float]:
        named = super().summary(values)
        return {**named, "mase": named["mae"] / self._naive_error} if self._naive_error else named

    def _levels(self, values: Tensor, batch: SequenceBatch) -> Tensor:
        """Return unscaled forecasts ``(B, H, ...)`` of each row's last step as values of the series."""
        if not self.relative:
            return values
        last = last_step(self.series(batch.inputs.detach()), batch.lengths)
        return values + last.view(-1, *[1] * (values.dim() - 1))

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Return each row's forecast, H numbers from its last step on; none for rows of length 0.

        With an interval also "quantiles", by level, and "interval" with its "share", "low" and "high".
        """
        forecast, quantiles = self._ahead(prediction, batch)
        lengths = batch.lengths.tolist()
        rows: list[dict[str, Any]] = [
            {"forecast": row if length else []} for row, length in zip(forecast.tolist(), lengths, strict=True)
        ]
        if quantiles is not None:
            by_level = quantiles.transpose(-1, -2).tolist()
            for row, values, length in zip(rows, by_level, lengths, strict=True):
                values = values if length else [[]] * len(values)
                low, high = values[self.predictive.low], values[self.predictive.high]
                row["quantiles"] = {
                    f"{level:g}": one for level, one in zip(self.predictive.levels, values, strict=True)
                }
                row["interval"] = {"share": self.predictive.share, "low": low, "high": high}
        return rows

    def _ahead(self, prediction: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor | None]:
        """Return each row's forecast ``(B, H)`` and quantiles ``(B, H, Q)``, if any, as values of the series."""
        last = blank(self._last(prediction.detach(), batch), batch.lengths > 0)
        forecast = self._levels(self.unscale(self.predictive.median(last)), batch)
        if not self.predictive.has_interval:
            return forecast, None
        return forecast, self._levels(self._unscale_quantiles(self.predictive.quantiles(last)), batch)

    def _last(self, values: Tensor, batch: SequenceBatch) -> Tensor:
        """Return the values ``(B, ...)`` at each row's last real step."""
        return values if self.spec.target_shape == "sequence" else last_step(values, batch.lengths)

    def plots(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        from seqmodels.tasks.plots.windows import Window, forecast_figure

        if self.spec.target_feature is None or self.spec.inputs != "features":
            return {}
        forecast, quantiles = self._ahead(prediction, batch)
        forecast, bands = forecast.float().cpu(), None if quantiles is None else quantiles.float().cpu()
        truth = self._levels(self.unscale(self._last(batch.targets, batch)), batch).float().cpu()
        history, lengths = self.series(batch.inputs.detach()).float().cpu(), batch.lengths.tolist()
        season = self.spec.period if (self.spec.period or 0) <= batch.inputs.shape[1] else None
        windows = []
        full = [row for row, length in enumerate(lengths) if length]
        for row in (full[i] for i in evenly_spaced(len(full), self.shown)):
            past = batch.inputs[row : row + 1, : lengths[row]].cpu().numpy()
            baseline = self.naive(past, np.array([lengths[row]]), season or 1)[0]
            band = None if bands is None else bands[row]
            windows.append(Window(history[row, : lengths[row]], truth[row], forecast[row], baseline, band))
        name = self.spec.input_names[self.spec.target_feature] if self.spec.input_names else "value"
        label = "seasonal naive" if season else "last value"
        figures = {"forecast": forecast_figure(windows, name, label, self.predictive.levels)} if windows else {}
        return {**figures, **self._calibration(metrics)}

    def _calibration(self, metrics: MetricCollection | None) -> dict[str, Figure]:
        """Plot the calibration of the quantiles over the whole stage."""
        if not self.predictive.has_interval or metrics is None:
            return {}
        from seqmodels.tasks.metrics.intervals import interval_metric
        from seqmodels.tasks.plots.calibration import calibration_figure

        counted = interval_metric(metrics)
        return {} if counted is None else {"calibration": calibration_figure(counted)}
