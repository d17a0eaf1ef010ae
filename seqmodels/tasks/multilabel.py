"""Multilabel classification of sequences or steps.

n items, V classes.
"""

from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.batch import SequenceBatch
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import between
from seqmodels.registry import register
from seqmodels.spec import Spec
from seqmodels.tasks.base import Figure, MetricCollection, Task
from seqmodels.tasks.baselines.multilabel import label_regression, label_sets


@register("task", "multilabel")
class Multilabel(Task):
    """Multilabel classification: any subset of V labels.

        loss = mean over classes of  -w y log p - (1 - y) log(1 - p),   p = sigmoid(prediction)

    with w = 1, or balanced: w = (items without the class) / (items with it), at most `MOST_WEIGHT`.

    >>> import torch
    >>> from seqmodels.spec import Spec
    >>> task = Multilabel(Spec("tokens", 5, "sets", 3, "sequence", target_names=("sun", "wind", "rain")))
    >>> one = torch.ones(1, dtype=torch.long)
    >>> batch = SequenceBatch(torch.zeros(1, 1, dtype=torch.long), torch.tensor([[1.0, 0.0, 1.0]]), one, one.bool())
    >>> task.decode(torch.tensor([[2.0, -2.0, 0.5]]), batch)[0]["labels"]
    ['sun', 'rain']

    Metrics of the labels at the threshold: micro_f1 (all decisions together), macro_f1 (mean over the
    classes), exact (share of the items with every label right); of the probabilities:
    mean_average_precision (mean over the classes that occur, at 182 thresholds). None is weighted.
    Baselines: the labels' frequencies; logistic regression, for tokens on their 1- to 4-grams, for
    features on summary statistics of a sequence, or on each step alone.

    Args:
        spec: with sets as targets.
        class_weights: "none", or "balanced" to give present and absent the same total weight in each label.
        threshold: lowest probability at which a label is predicted.

    Raises:
        ValueError: an option out of range.
    """

    target_kinds = ("sets",)
    target_shapes = ("sequence", "step")
    # With a larger weight one rare label would dominate the loss.
    MOST_WEIGHT = 100.0

    def __init__(
        self,
        spec: Spec,
        class_weights: Literal["none", "balanced"] = "none",
        threshold: Annotated[float, between] = 0.5,
    ) -> None:
        super().__init__(spec)
        self.class_weights = class_weights
        self.threshold = threshold
        self._weights: Tensor | None = None

    @property
    def monitor(self) -> tuple[str, str]:
        return "mean_average_precision", "max"

    def prepare(self, train: SequenceDataset) -> None:
        """Count the labels if the loss is balanced."""
        if self.class_weights == "balanced":
            share = torch.from_numpy(label_sets(train).mean(0)).double()
            weights = ((1 - share) / share.clamp(min=1e-9)).clamp(max=self.MOST_WEIGHT)
            self._weights = torch.where(share > 0, weights, 1.0).float()

    def item_loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        weights = None
        if self.class_weights == "balanced":
            if self._weights is None:
                raise ValueError("class_weights=balanced needs the labels' counts: call task.prepare(train) first")
            weights = self._weights = self._weights.to(prediction)
        loss = functional.binary_cross_entropy_with_logits(
            prediction, targets.to(prediction), pos_weight=weights, reduction="none"
        )
        return loss.mean(-1)

    def metrics(self) -> MetricCollection:
        from torchmetrics import MetricCollection
        from torchmetrics.classification import (
            MultilabelExactMatch,
            MultilabelPrecisionRecallCurve,
            MultilabelStatScores,
        )
        from torchmetrics.metric import CompositionalMetric

        size = self.output_size

        def of_counts(score: Any) -> CompositionalMetric:
            counts = MultilabelStatScores(size, self.threshold, average="none", validate_args=False)
            return CompositionalMetric(score, counts, None)

        # Fixed thresholds, dense near 0 and 1, so that memory does not grow with the data.
        thresholds = torch.cat([torch.zeros(1), torch.linspace(-9, 9, 181).sigmoid()])
        curve = MultilabelPrecisionRecallCurve(size, thresholds=thresholds, validate_args=False)
        return MetricCollection(
            {
                "micro_f1": of_counts(micro_f1),
                "macro_f1": of_counts(macro_f1),
                "exact": MultilabelExactMatch(size, self.threshold, validate_args=False),
                "mean_average_precision": CompositionalMetric(mean_average_precision, curve, None),
            },
            compute_groups=False,
        )

    def update(self, metrics: MetricCollection, prediction: Tensor, batch: SequenceBatch) -> None:
        predicted, truth = self.real(prediction, batch)
        if len(truth):
            metrics.update(predicted.float().sigmoid(), truth.long())

    def score(self, probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Return the metrics of predicted probabilities ``(n, V)``."""
        metrics = self.metrics()
        metrics.update(torch.from_numpy(probabilities).float(), torch.from_numpy(truth).long())
        return self.summary(metrics.compute())

    def baselines(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, dict[str, float]]:
        known, truth = label_sets(train), label_sets(evaluation)
        predicted = {"label frequencies": np.broadcast_to(known.mean(0), truth.shape).copy()}
        predicted["logistic regression"] = label_regression(train, known, evaluation)
        return {name: self.score(values, truth) for name, values in predicted.items()}

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Return the labels and the probability of every class, per row or, with targets per step, per step."""
        decoded: list[dict[str, Any]] = []
        for row, length in zip(prediction.detach().double().sigmoid().tolist(), batch.lengths.tolist(), strict=True):
            if self.spec.target_shape == "step":
                steps = [self._named(step) for step in row[:length]]
                decoded.append({key: [step[key] for step in steps] for key in ("labels", "probabilities")})
            else:
                decoded.append(self._named(row) if length else {"labels": [], "probabilities": {}})
        return decoded

    def _named(self, probabilities: list[float]) -> dict[str, Any]:
        named = {name: round(p, 7) for name, p in zip(self.names, probabilities, strict=True)}
        return {"labels": [name for name, p in named.items() if p >= self.threshold], "probabilities": named}

    def plots(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        from seqmodels.tasks.plots.labels import labels_figure

        if not bool((batch.lengths > 0).any()):
            return {}
        if metrics is None:
            metrics = self.metrics().to(prediction.device)
            self.update(metrics, prediction, batch)
            metrics.compute()
        counts: Any = metrics["micro_f1"]
        return {"labels": labels_figure(counts.metric_a.compute().view(-1, 5).cpu().numpy(), self.names)}


def micro_f1(counts: Tensor) -> Tensor:
    """Return the F1 score of all decisions together, 2 TP / (2 TP + FP + FN).

    >>> micro_f1(torch.tensor([[3, 1, 0, 0, 3], [0, 0, 2, 2, 2]])).item()  # TP, FP, TN, FN, support of each class
    0.6666666865348816
    """
    right, false, _, missed, _ = counts.view(-1, 5).sum(0)
    return 2 * right / (2 * right + false + missed).clamp(min=1)


def macro_f1(counts: Tensor) -> Tensor:
    """Return the mean F1 score over classes, without those that are neither true nor predicted.

    >>> macro_f1(torch.tensor([[3, 0, 0, 0, 3], [0, 0, 2, 2, 2], [0, 0, 9, 0, 0]])).item()
    0.5
    """
    right, false, _, missed, _ = counts.view(-1, 5).T
    involved = 2 * right + false + missed
    return (2 * right / involved.clamp(min=1)).sum() / (involved > 0).sum().clamp(min=1)


def mean_average_precision(curves: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return the mean over occurring classes of the area under the stepwise precision-recall curve.

    Args:
        curves: precision and recall ``(V, N + 1)`` at the N thresholds, increasing from 0.

    >>> precision, recall = torch.tensor([[0.5, 1.0, 1.0]]), torch.tensor([[1.0, 0.5, 0.0]])
    >>> mean_average_precision((precision, recall, torch.tensor([0.0, 0.5]))).item()
    0.75
    """
    precision, recall = (curve.view(-1, curve.shape[-1]) for curve in curves[:2])
    # Without predictions precision is undefined, and recall does not change.
    areas = ((recall[:, :-1] - recall[:, 1:]) * precision[:, :-1].nan_to_num()).sum(1)
    occurs = recall[:, 0] > 0
    return areas[occurs].sum() / occurs.sum().clamp(min=1)
