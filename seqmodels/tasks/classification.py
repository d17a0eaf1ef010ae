"""One label per sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.registry import register
from seqmodels.tasks.baselines.labels import nearest_neighbour, ngram_regression, stretched_neighbour
from seqmodels.tasks.baselines.reading import labels
from seqmodels.tasks.labels import LabelTask, confusion_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torchmetrics import MetricCollection


@register("task", "classification")
class Classification(LabelTask):
    """Which class a sequence belongs to.

    >>> import torch
    >>> from seqmodels.batch import BatchSpec
    >>> task = Classification(BatchSpec("tokens", 5, "labels", 2, "sequence", target_names=("ham", "spam")))
    >>> one = torch.ones(1, dtype=torch.long)
    >>> batch = SequenceBatch(torch.zeros(1, 1, dtype=torch.long), one, one, one.bool())
    >>> total, count = task.loss(torch.tensor([[0.0, 0.0]]), batch)
    >>> round(total.item(), 4), count.item()
    (0.6931, 1.0)

    Metrics: accuracy; macro_f1, in which each class counts the same (see `macro_f1`).
    Baselines: the majority class; for tokens n-grams with logistic regression; for features the
    nearest neighbour, by means and deviations or step by step, and where sequences are of several
    lengths also with all stretched to one. Arguments as for `LabelTask`.
    """

    target_kinds = ("labels",)
    target_shapes = ("sequence",)

    def baselines(self, train: Any, evaluation: Any) -> dict[str, dict[str, float]]:
        known, truth = labels(train), labels(evaluation)
        majority = int(np.bincount(known).argmax())
        predicted: dict[str, np.ndarray | None] = {"majority class": np.full(len(truth), majority)}
        if self.spec.inputs == "tokens":
            predicted["n-grams with logistic regression"] = ngram_regression(train, known, evaluation)
        else:
            predicted["nearest neighbour"] = nearest_neighbour(train, known, evaluation)
            predicted["nearest neighbour, stretched"] = stretched_neighbour(train, known, evaluation)
        return {name: self.score(values, truth) for name, values in predicted.items() if values is not None}

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Each row's label and the probability of every class; a row of length 0 has neither."""
        decoded: list[dict[str, Any]] = []
        for row, length in zip(prediction.detach().float().softmax(-1).tolist(), batch.lengths.tolist(), strict=True):
            probabilities = dict(zip(self.names, row, strict=True)) if length else {}
            label = max(probabilities, key=probabilities.__getitem__, default=None)
            decoded.append({"label": label, "probabilities": probabilities})
        return decoded

    def pictures(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        from seqmodels.tasks.pictures import confusion_figure

        if metrics is None:
            metrics = self.metrics().to(prediction.device)
            self.update(metrics, prediction, batch)
            metrics.compute()
        return {"confusion matrix": confusion_figure(confusion_of(metrics), self.names)}
