"""Classification: one label per sequence."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.dataset import SequenceDataset, first_steps
from seqmodels.kinds import Share, list_of, whole
from seqmodels.model import SequenceModel
from seqmodels.registry import register
from seqmodels.spec import Spec
from seqmodels.tasks.base import Figure, MetricCollection, name_of
from seqmodels.tasks.baselines.labels import nearest_neighbour, ngram_regression, place_regression, stretched_neighbour
from seqmodels.tasks.baselines.reading import labels
from seqmodels.tasks.decoding.partial import PartialPrediction, predict_partial
from seqmodels.tasks.labels import LabelTask, confusion_of

# Number of sequences in the attention plot.
SHOWN = 8


@register("task", "classification")
class Classification(LabelTask):
    """Classification of sequences.

    >>> import torch
    >>> from seqmodels.spec import Spec
    >>> task = Classification(Spec("tokens", 5, "labels", 2, "sequence", target_names=("ham", "spam")))
    >>> one = torch.ones(1, dtype=torch.long)
    >>> batch = SequenceBatch(torch.zeros(1, 1, dtype=torch.long), one, one, one.bool())
    >>> total, count = task.loss(torch.tensor([[0.0, 0.0]]), batch)
    >>> round(total.item(), 4), count.item()
    (0.6931, 1.0)

    Metrics: accuracy; macro_f1 (see `macro_f1`).
    Baselines: the majority class; for tokens, n-grams with logistic regression; for features, the
    nearest neighbour, by means and deviations or step by step, and for sequences of several lengths
    also resampled to one length.

    Args:
        spec, label_smoothing, class_weights: as for `LabelTask`.
        lengths: numbers of steps after which accuracy is also measured, as accuracy_at_N (early classification);
            shorter sequences count with all their steps. Baselines are measured alike.
    """

    target_kinds = ("labels",)
    target_shapes = ("sequence",)

    def __init__(
        self,
        spec: Spec,
        label_smoothing: Share = 0.0,
        class_weights: Literal["none", "balanced"] = "none",
        lengths: Annotated[Sequence[int], list_of(whole(1), "[20, 50, 100]")] | None = None,
    ) -> None:
        super().__init__(spec, label_smoothing, class_weights)
        self.lengths = tuple(lengths or ())
        self.generates_in_validation = bool(self.lengths)

    def metrics(self) -> MetricCollection:
        from torchmetrics import MeanMetric, MetricCollection

        early: dict[str, Any] = {_at(steps): MeanMetric() for steps in self.lengths}
        metrics = MetricCollection({}, compute_groups=False)
        metrics.add_metrics([super().metrics(), MetricCollection(early)] if early else super().metrics())
        return metrics

    def update(self, metrics: MetricCollection, prediction: Tensor, batch: SequenceBatch) -> None:
        predicted, truth = self.real(prediction, batch)
        for name in {"accuracy", "macro_f1", "recalls"} & set(metrics):
            metrics[name].update(predicted.argmax(-1), truth)

    def score(self, predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Return the metrics of predicted labels ``(n,)`` of whole sequences."""
        metrics = super().metrics()
        metrics.update(torch.from_numpy(predicted.astype(np.int64)), torch.from_numpy(truth))
        return self.summary(metrics.compute())

    def generate(self, model: SequenceModel, batch: SequenceBatch) -> PartialPrediction | None:
        """Predict after the first steps, and return the attention; None if neither applies."""
        reading = predict_partial(model, batch.inputs, batch.lengths, self.lengths)
        return reading if self.lengths or reading.attention is not None else None

    def update_generated(self, metrics: MetricCollection, made: PartialPrediction, batch: SequenceBatch) -> None:
        for steps, prediction in made.after.items():
            predicted, truth = self.real(prediction, batch)
            metrics[_at(steps)].update((predicted.argmax(-1) == truth).float())

    def baselines(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, dict[str, float]]:
        truth = labels(evaluation)
        scores: dict[str, dict[str, float]] = {}
        for name, predicted in self._predict_simply(train, evaluation).items():
            whole, *early = predicted
            if whole is None:
                continue
            scores[name] = self.score(whole, truth)
            for steps, values in zip(self.lengths, early, strict=True):
                if values is not None:
                    scores[name][_at(steps)] = float((values == truth).mean())
        return scores

    def _predict_simply(
        self, train: SequenceDataset, evaluation: SequenceDataset
    ) -> dict[str, Sequence[np.ndarray | None]]:
        """Predict labels by simple methods, from whole sequences and from the first steps of each."""
        known = labels(train)
        parts = [evaluation, *(first_steps(evaluation, steps) for steps in self.lengths)]
        majority = np.full(len(evaluation.lengths), int(np.bincount(known).argmax()))
        found: dict[str, Sequence[np.ndarray | None]] = {"majority class": [majority] * len(parts)}
        if self.spec.inputs == "tokens":
            places: list[np.ndarray | None] = [place_regression(train, known, evaluation), *[None] * len(self.lengths)]
            found["logistic regression on places"] = places
            return {**found, "n-grams with logistic regression": ngram_regression(train, known, *parts)}
        seen = [train, *(first_steps(train, steps) for steps in self.lengths)]
        methods = {"nearest neighbour": nearest_neighbour, "nearest neighbour, stretched": stretched_neighbour}
        for name, method in methods.items():
            found[name] = [method(one, known, part) for one, part in zip(seen, parts, strict=True)]
        return found

    def decode(self, prediction: Tensor | PartialPrediction, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Return each row's label and the probability of every class; nothing for rows of length 0.

        Followed by the predictions after the first steps with `lengths`, and by the attention of each step.
        """
        reading = prediction if isinstance(prediction, PartialPrediction) else PartialPrediction(prediction, {}, None)
        decoded = self._decode_labels(reading.prediction, batch)
        for steps, early in reading.after.items():
            for row, then in zip(decoded, self._decode_labels(early, batch), strict=True):
                row[f"label_at_{steps}"] = then["label"]
        if reading.attention is not None:
            for row, weights, names in zip(decoded, reading.attention.tolist(), self._steps(batch), strict=True):
                row["attention"] = [[name, round(weight, 4)] for name, weight in zip(names, weights, strict=False)]
        return decoded

    def shares(self, prediction: Tensor | PartialPrediction, batch: SequenceBatch) -> Tensor:
        return super().shares(prediction.prediction if isinstance(prediction, PartialPrediction) else prediction, batch)

    def _decode_labels(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        decoded: list[dict[str, Any]] = []
        for row, length in zip(prediction.detach().float().softmax(-1).tolist(), batch.lengths.tolist(), strict=True):
            probabilities = dict(zip(self.names, row, strict=True)) if length else {}
            label = max(probabilities, key=probabilities.__getitem__, default=None)
            decoded.append({"label": label, "probabilities": probabilities})
        return decoded

    def _steps(self, batch: SequenceBatch) -> list[list[str | int]]:
        """Return the names of each row's steps: its tokens, or step numbers."""
        if self.spec.inputs != "tokens":
            return [list(range(length)) for length in batch.lengths.tolist()]
        rows = zip(batch.inputs.tolist(), batch.lengths.tolist(), strict=True)
        return [[name_of(self.spec.input_names, token) for token in row[:length]] for row, length in rows]

    def plots(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        from seqmodels.tasks.plots.attention import early_figure
        from seqmodels.tasks.plots.confusion import confusion_figure

        figures: dict[str, Figure] = {}
        if metrics is None:
            metrics = self.metrics().to(prediction.device)
            self.update(metrics, prediction, batch)
        elif self.lengths:
            figures["accuracy after the first steps"] = early_figure(
                {steps: float(metrics[_at(steps)].compute()) for steps in self.lengths},
                float(metrics["accuracy"].compute()),
            )
        return {"confusion matrix": confusion_figure(confusion_of(metrics), self.names), **figures}

    def sample_plots(self, model: SequenceModel, batch: SequenceBatch, generator: torch.Generator) -> dict[str, Figure]:
        """Plot the attention over the steps of some sequences, if the head pools by attention."""
        from seqmodels.tasks.plots.attention import attention_figure

        first = batch.pick(slice(SHOWN))
        reading = predict_partial(model, first.inputs, first.lengths, ())
        if reading.attention is None:
            return {}
        rows = self.decode(reading, first)
        truth = [name_of(self.spec.target_names, label) for label in first.targets.tolist()]
        return {
            "attention": attention_figure(
                [(row["attention"], row["label"], t) for row, t in zip(rows, truth, strict=True)]
            )
        }


def _at(steps: int) -> str:
    return f"accuracy_at_{steps}"
