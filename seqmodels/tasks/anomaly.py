"""Anomaly detection in series by the errors of a one-step forecast.

B rows, T steps.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import above_0_below_1, list_of, positive, whole
from seqmodels.registry import register
from seqmodels.spec import Spec
from seqmodels.tasks.base import Figure, MetricCollection
from seqmodels.tasks.baselines.reading import histories
from seqmodels.tasks.comparison import compare
from seqmodels.tasks.metrics.detector import Counts, Detector
from seqmodels.tasks.values import Predictor, ValueTask, undo


@register("task", "anomaly")
class Anomaly(ValueTask):
    """Detection of anomalies as large errors of a one-step forecast.

    The model forecasts one step ahead. After training, a `seqmodels.tasks.metrics.detector.Detector` is fitted to
    its errors on the validation split, which is assumed to be clean, with a threshold that flags a share
    `rate` of these steps. Subset and threshold are stored in the checkpoint.

    Metrics: mae and rmse of the forecasts in original units; false_alarms, the share of clean steps flagged;
    with anomalies, injected or labelled: precision (of runs of flags, those that touch an anomaly), recall
    (of anomalies, those flagged before they end), f1, delay (mean steps until the first flag, of those found)
    and the recall of each kind. Flags just after an anomaly are ignored.

    Baselines: the same score from other forecasts (no change; the value one season before; ridge regression on
    the last steps), calibrated on the same split.

    Args:
        spec, loss, huber_delta, ridge_window: as for `ValueTask`.
        rate: share of clean steps that may be flagged.
        spans: numbers of last steps over which errors are summed.
    """

    target_kinds = ("values",)
    target_shapes = ("step",)

    def __init__(
        self,
        spec: Spec,
        loss: Literal["mse", "mae", "huber"] = "huber",
        huber_delta: Annotated[float, positive] = 1.0,
        ridge_window: Annotated[int, whole(1, 100_000)] = 96,
        rate: Annotated[float, above_0_below_1] = 0.002,
        spans: Annotated[Sequence[int], list_of(whole(1), "[1, 4, 16, 48]")] = (1, 4, 16, 48),
    ) -> None:
        super().__init__(spec, loss, huber_delta, ridge_window)
        self.rate = rate
        self.spans = tuple(spans)
        self.calibrates = True
        self.detector: Detector | None = None
        self.baseline_detectors: dict[str, Detector] = {}
        self._train: SequenceDataset | None = None

    @classmethod
    def suits(cls, spec: Spec) -> bool:
        """Return whether the targets are the next value of a series and its anomaly label."""
        return super().suits(spec) and spec.horizon == 1 and spec.target_size == 2 and spec.anomalies is not None

    @property
    def monitor(self) -> tuple[str, str]:
        return "mae", "min"

    @property
    def output_size(self) -> int:
        return 1

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of anomalies, from 1 on."""
        return () if self.spec.anomalies is None else self.spec.anomalies.kinds

    def item_loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        return super().item_loss(prediction, targets[..., :1])

    def metrics(self) -> MetricCollection:
        from seqmodels.tasks.metrics.anomaly import AnomalyMetric

        metrics = super().metrics()
        metrics.add_metrics({"anomaly": AnomalyMetric(self.detector, self.kinds)})
        return metrics

    def update(self, metrics: MetricCollection, prediction: Tensor, batch: SequenceBatch) -> None:
        predicted, truth = self.real(prediction, batch)
        metrics.update(
            preds=self.unscale(predicted).flatten(),
            target=self.unscale(truth[:, :1]).flatten(),
            **self.steps(prediction, batch),
        )

    def steps(self, prediction: Tensor, batch: SequenceBatch) -> dict[str, Tensor]:
        """Return the arguments of `AnomalyMetric.update` for a batch."""
        change = batch.targets[..., :1]
        return {
            "errors": (change - prediction.detach())[..., 0],
            "kinds": batch.targets[..., 1],
            "values": self.last(batch) + self.unscale(change)[..., 0],
            "lengths": batch.lengths,
            "reset": batch.reset,
        }

    def last(self, batch: SequenceBatch) -> Tensor:
        """Return the series at each step ``(B, T)`` in original units, from which changes are forecast."""
        inputs = undo(batch.inputs, self.spec.input_shift, self.spec.input_scale)
        return inputs[..., self.spec.target_feature or 0]

    def prepare(self, train: SequenceDataset) -> None:
        """Keep the training split, from which the baselines are made."""
        self._train = train

    def calibrate(self, batches: Iterable[tuple[Tensor, SequenceBatch]]) -> None:
        """Fit the detectors of model and baselines to predictions of clean held-out data.

        Raises:
            ValueError: no data.
        """
        from seqmodels.tasks.metrics.anomaly import AnomalyMetric

        seen, kept = AnomalyMetric(None, self.kinds), JoinedWindows(self.spec)
        for prediction, batch in batches:
            seen.update(**self.steps(prediction, batch))
            kept.add(batch)
        self.detector = Detector.fit([errors for errors, *_ in seen.sequences()], self.spans, self.rate)
        if self._train is not None:
            self.baseline_detectors = {
                name: self._fitted(predictor, steps, kept)
                for name, (predictor, steps) in self.predictors(self._train, kept).items()
            }

    def _fitted(self, predictor: Predictor, steps: int, dataset: SequenceDataset) -> Detector:
        return Detector.fit([errors for errors, _ in self._errors(predictor, steps, dataset)], self.spans, self.rate)

    def state(self) -> dict[str, Any]:
        if self.detector is None:
            return {}
        baselines = {name: one.to_plain() for name, one in self.baseline_detectors.items()}
        return {"detector": self.detector.to_plain(), "baselines": baselines}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.detector = Detector.from_plain(state["detector"]) if "detector" in state else None
        self.baseline_detectors = {name: Detector.from_plain(one) for name, one in state.get("baselines", {}).items()}

    def predictors(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, tuple[Predictor, int]]:
        found = super().predictors(train, evaluation)
        del found["mean of train"]
        found["no change"] = (lambda history, known: self._change(history[:, -1:], history)), 1
        season = self.spec.period
        if season is not None and season <= int(np.max(evaluation.lengths)):
            found["seasonal naive"] = (lambda history, known: self._season_before(history, known, season)), season
        return found

    def _change(self, values: np.ndarray, history: np.ndarray) -> np.ndarray:
        """Return forecasts ``(n, 1, F)`` as scaled changes from the last step."""
        feature = self.spec.target_feature or 0
        change = (values[:, 0, feature] - history[:, -1, feature]) * self.spec.input_scale[feature]
        return ((change - self.spec.shift[0]) / self.spec.scale[0])[:, None]

    def _season_before(self, history: np.ndarray, known: np.ndarray, season: int) -> np.ndarray:
        """Forecast the value one season before; no change if the history is shorter."""
        before = np.where(known[:, None, None] >= season, history[:, :1], history[:, -1:])
        return self._change(before, history)

    def baselines(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, dict[str, float]]:
        return {
            name: self._score(predictor, steps, evaluation, self.baseline_detectors.get(name))
            for name, (predictor, steps) in self.predictors(train, evaluation).items()
        }

    def _score(
        self, predictor: Predictor, steps: int, evaluation: SequenceDataset, detector: Detector | None
    ) -> dict[str, float]:
        """Return the metrics of a baseline; of its forecasts only if it has no detector."""
        counts, scale, sizes = Counts({}), self.spec.scale[0], []
        for errors, kinds in self._errors(predictor, steps, evaluation):
            if detector is not None:
                counts.add(detector.score(errors) > detector.threshold, kinds, max(self.spans))
            sizes.append(errors * scale)
        errors = np.concatenate(sizes)
        forecast = {"mae": float(np.abs(errors).mean()), "mse": float((errors**2).mean())}
        return self.summary({**forecast, **({} if detector is None else counts.summary(self.kinds))})

    def _errors(
        self, predictor: Predictor, steps: int, dataset: SequenceDataset
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return errors and kinds ``(n,)`` of each sequence."""
        parts = [(y[:, 0] - predictor(x, known)[:, 0], y[:, 1]) for x, known, y in histories(dataset, steps)]
        errors, kinds = (np.concatenate(part) for part in zip(*parts, strict=True))
        edges = np.cumsum(dataset.lengths)[:-1]
        return list(zip(np.split(errors, edges), np.split(kinds.astype(np.int64), edges), strict=True))

    def compare(self, model: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]]) -> str:
        return compare(model, baselines, ("f1", "max") if "f1" in model else self.monitor)

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Return each row's steps: forecast, score, and whether it is above the threshold.

        Raises:
            ValueError: the model was never calibrated.
        """
        if self.detector is None:
            raise ValueError("this model has no threshold, because its training had no validation: train it with one")
        found = []
        expected = self.last(batch) + self.unscale(prediction.detach())[..., 0]
        for row, steps in enumerate(batch.lengths.tolist()):
            errors = (batch.targets[row, :steps, 0] - prediction.detach()[row, :steps, 0]).cpu().double().numpy()
            score = self.detector.score(errors)
            flags = (score > self.detector.threshold).tolist()
            found.append({"expected": expected[row, :steps].tolist(), "score": score.tolist(), "flag": flags})
        return found

    def rows(self, decoded: dict[str, Any]) -> list[dict[str, Any]]:
        """Return one row per step."""
        return [
            {name: value[step] if isinstance(value, list) else value for name, value in decoded.items()}
            for step in range(len(decoded["score"]))
        ]

    def plots(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        from seqmodels.tasks.plots.anomaly import anomaly_figure

        if metrics is None or self.detector is None:
            return {}
        counted: Any = metrics["anomaly"]
        longest = max(counted.sequences(), key=lambda one: len(one[0]), default=None)
        if longest is None:
            return {}
        errors, kinds, values = longest
        return {"anomaly": anomaly_figure(errors, kinds, values, self.detector, self.kinds)}


class JoinedWindows(SequenceDataset):
    """Data set of whole sequences, joined from the windows of batches.

    >>> import torch
    >>> kept, one = JoinedWindows(Spec("features", 1, "values", 2, "step")), torch.ones(1, 3, 1)
    >>> for start in (True, False, True):
    ...     kept.add(SequenceBatch(one, one.expand(1, 3, 2), torch.tensor([3]), torch.tensor([start])))
    >>> kept.lengths.tolist(), kept.read(0, 2, 5)[0].shape
    ([6, 3], (3, 1))
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._rows: dict[int, list[list[tuple[np.ndarray, np.ndarray]]]] = {}

    def add(self, batch: SequenceBatch) -> None:
        """Append a window of every row."""
        for row in batch.lengths.nonzero().flatten().tolist():
            steps, own = int(batch.lengths[row]), self._rows.setdefault(row, [])
            if bool(batch.reset[row]) or not own:
                own.append([])
            own[-1].append((batch.inputs[row, :steps].cpu().numpy(), batch.targets[row, :steps].cpu().numpy()))

    @property
    def _parts(self) -> list[list[tuple[np.ndarray, np.ndarray]]]:
        return [sequence for row in self._rows.values() for sequence in row]

    @property
    def lengths(self) -> np.ndarray:  # type: ignore[override]
        """Number of steps of each sequence."""
        return np.array([sum(len(inputs) for inputs, _ in parts) for parts in self._parts], dtype=np.int64)

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Read steps as `SequenceDataset.read` does."""
        inputs, targets = (np.concatenate(part) for part in zip(*self._parts[index], strict=True))
        return inputs[start:stop], targets[start:stop]
