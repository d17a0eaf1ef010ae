"""Base class of classification and tagging: cross entropy and the confusion matrix.

V classes; confusion ``(V, V)`` counts items by true class (row) and predicted class (column).
"""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.batch import SequenceBatch
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Share
from seqmodels.spec import Spec
from seqmodels.tasks.base import MetricCollection, Task
from seqmodels.tasks.baselines.reading import labels

MOST_CLASSES = 4096
# Maximum number of classes for which the recall of each is a metric; beyond, see the confusion matrix.
MOST_RECALLS = 5


class LabelTask(Task):
    """Abstract task with one class per item (see `Classification` and `Tagging`).

    The loss is the cross entropy in nats, unweighted or with balanced weights w(class) = N / (K n(class)),
    for n(class) of the N training items in a class and K classes that occur. The mean weight is 1.

    Args:
        label_smoothing: share of the target probability, 0 to below 1, spread evenly over all classes.
        class_weights: "none", or "balanced" to give all classes the same total weight.

    Raises:
        ValueError: an option out of range, or too many classes for a confusion matrix.
    """

    def __init__(
        self, spec: Spec, label_smoothing: Share = 0.0, class_weights: Literal["none", "balanced"] = "none"
    ) -> None:
        super().__init__(spec)
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights
        self._weights: Tensor | None = None
        if self.output_size > MOST_CLASSES:
            raise ValueError(
                f"{type(self).__name__} counts every pair of classes, and {self.output_size} are more than "
                f"{MOST_CLASSES}: for the tokens of a vocabulary use task=language_modelling"
            )

    @property
    def monitor(self) -> tuple[str, str]:
        return "accuracy", "max"

    def prepare(self, train: SequenceDataset) -> None:
        """Count the classes if the loss is balanced."""
        if self.class_weights == "balanced":
            counts = torch.from_numpy(np.bincount(labels(train), minlength=self.output_size)).double()
            present = counts > 0
            weights = counts.sum() / (present.sum() * counts.clamp(min=1))
            self._weights = torch.where(present, weights, 1.0).float()

    def item_loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        weights = None
        if self.class_weights == "balanced":
            if self._weights is None:
                raise ValueError("class_weights=balanced needs the classes' counts: call task.prepare(train) first")
            weights = self._weights = self._weights.to(prediction)
        loss = functional.cross_entropy(
            prediction.flatten(0, -2),
            targets.flatten(),
            weight=weights,
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        return loss.view_as(targets)

    def metrics(self) -> MetricCollection:
        from torchmetrics import MetricCollection
        from torchmetrics.classification import MulticlassConfusionMatrix
        from torchmetrics.metric import CompositionalMetric

        def of_confusion(score: Any) -> CompositionalMetric:
            counts = MulticlassConfusionMatrix(max(2, self.output_size), validate_args=False)
            return CompositionalMetric(score, counts, None)

        found: dict[str, Any] = {"accuracy": of_confusion(accuracy), "macro_f1": of_confusion(macro_f1)}
        if self.output_size <= MOST_RECALLS:
            found["recalls"] = of_confusion(self._recalls)
        return MetricCollection(found)

    def _recalls(self, confusion: Tensor) -> dict[str, Tensor]:
        """Return the recall of each class; 0 for classes without items."""
        shares = confusion.diagonal() / confusion.sum(1).clamp(min=1)
        return {f"recall {name}": share for name, share in zip(self.names, shares, strict=False)}

    def update(self, metrics: MetricCollection, prediction: Tensor, batch: SequenceBatch) -> None:
        predicted, truth = self.real(prediction, batch)
        metrics.update(predicted.argmax(-1), truth)

    def score(self, predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Return the metrics of predicted labels ``(n,)``."""
        metrics = self.metrics()
        metrics.update(torch.from_numpy(predicted.astype(np.int64)), torch.from_numpy(truth))
        return self.summary(metrics.compute())

    def shares(self, prediction: Any, batch: SequenceBatch) -> Tensor:
        """Return the probability of every class, ``(..., V)``."""
        shares: Tensor = prediction.detach().float().softmax(-1)
        return shares

    def ranked(self, prediction: Any, batch: SequenceBatch, count: int) -> list[Any]:
        best = self.shares(prediction, batch).topk(min(count, self.output_size), -1)
        rows: list[Any] = []
        each = zip(best.values.tolist(), best.indices.tolist(), batch.lengths.tolist(), strict=True)
        for shares, tags, length in each:
            if self.spec.target_shape == "step":
                rows.append([self._by_name(*step) for step in zip(shares[:length], tags[:length], strict=True)])
            else:
                rows.append(self._by_name(shares, tags) if length else {})
        return rows

    def _by_name(self, shares: list[float], tags: list[int]) -> dict[str, float]:
        return {self.names[tag]: share for share, tag in zip(shares, tags, strict=True)}


def accuracy(confusion: Tensor) -> Tensor:
    """Return the share of the items on the diagonal.

    >>> accuracy(torch.tensor([[3, 1], [0, 4]])).item()
    0.875
    """
    return confusion.diagonal().sum() / confusion.sum().clamp(min=1)


def macro_f1(confusion: Tensor) -> Tensor:
    """Return the F1 score averaged over classes.

        F1 = 2 TP / (2 TP + FP + FN)

    Classes that are neither true nor predicted are left out; those only predicted have an F1 of 0
    (as in scikit-learn's `f1_score`).

    >>> macro_f1(torch.tensor([[2, 0, 0], [0, 1, 1], [0, 0, 0]])).item()
    0.5555555820465088
    """
    right = confusion.diagonal()
    involved = confusion.sum(0) + confusion.sum(1)
    f1 = 2 * right / involved.clamp(min=1)
    return f1.sum() / (involved > 0).sum().clamp(min=1)


def confusion_of(metrics: MetricCollection) -> Tensor:
    """Return the confusion matrix of the whole stage from computed metrics."""
    counts: Any = metrics["accuracy"]
    return counts.metric_a.compute().cpu()
