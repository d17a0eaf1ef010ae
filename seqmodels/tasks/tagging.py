"""One label per step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.registry import register
from seqmodels.tasks.base import name_of
from seqmodels.tasks.baselines.labels import ContextTags, step_regression
from seqmodels.tasks.baselines.reading import labels
from seqmodels.tasks.labels import LabelTask, confusion_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torchmetrics import MetricCollection

# Steps of a sequence that fit in a picture.
SHOWN_STEPS = 120


@register("task", "tagging")
class Tagging(LabelTask):
    """Which class each step of a sequence belongs to.

    >>> import torch
    >>> from seqmodels.batch import BatchSpec
    >>> task = Tagging(BatchSpec("tokens", 5, "labels", 2, "step", target_names=("noun", "verb")))
    >>> tokens = torch.tensor([[3, 1, 0]])
    >>> batch = SequenceBatch(tokens, tokens, torch.tensor([2]), torch.tensor([True]))
    >>> task.decode(torch.tensor([[[2.0, 0.0], [0.0, 2.0], [9.0, 9.0]]]), batch)[0]["tags"]
    ['noun', 'verb']

    Metrics: accuracy and macro_f1, over all steps. Baselines: the majority tag; for tokens the most
    frequent tag of each token, and of each token between its two neighbours; for features logistic
    regression on each step alone. Arguments as for `LabelTask`.
    """

    target_kinds = ("labels", "tokens")
    target_shapes = ("step",)

    def baselines(self, train: Any, evaluation: Any) -> dict[str, dict[str, float]]:
        truth = labels(evaluation)
        majority = int(np.bincount(labels(train)).argmax())
        predicted: dict[str, np.ndarray | None] = {"majority tag": np.full(len(truth), majority)}
        if self.spec.inputs == "tokens":
            for name, widths in (("most frequent tag per token", (0,)), ("per token and neighbours", (1, 0))):
                tags = ContextTags(widths, self.spec.input_size, self.output_size, majority)
                predicted[name] = tags.fit(train).predict(evaluation)
        else:
            predicted["logistic regression per step"] = step_regression(train, evaluation)
        return {name: self.score(values, truth) for name, values in predicted.items() if values is not None}

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Each row's tags and their probabilities, one for each real step."""
        best = prediction.detach().float().softmax(-1).max(-1)
        rows = zip(best.indices.tolist(), best.values.tolist(), batch.lengths.tolist(), strict=True)
        return [
            {"tags": [self.names[tag] for tag in tags[:length]], "probabilities": probabilities[:length]}
            for tags, probabilities, length in rows
        ]

    def pictures(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        from seqmodels.tasks.pictures import confusion_figure, tags_figure

        figures = {}
        row = int(batch.lengths.argmax())
        steps = min(int(batch.lengths[row]), SHOWN_STEPS)
        if steps:
            letters = None
            if self.spec.inputs == "tokens":
                letters = [name_of(self.spec.input_names, token) for token in batch.inputs[row, :steps].tolist()]
            predicted = prediction[row, :steps].argmax(-1).tolist()
            figures["tags"] = tags_figure(batch.targets[row, :steps].tolist(), predicted, self.names, letters)
        if metrics is not None:
            figures["confusion matrix"] = confusion_figure(confusion_of(metrics), self.names)
        return figures
