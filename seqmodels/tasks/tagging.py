"""Tagging: one label per step."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.dataset import SequenceDataset
from seqmodels.heads import chain
from seqmodels.kinds import Share, tags
from seqmodels.registry import register
from seqmodels.spec import Spec
from seqmodels.tasks.base import Figure, MetricCollection, blank, name_of, real_items, weighted
from seqmodels.tasks.baselines.codons import CodonWindows
from seqmodels.tasks.baselines.labels import ContextTags, step_regression
from seqmodels.tasks.baselines.reading import labels
from seqmodels.tasks.labels import LabelTask, confusion_of
from seqmodels.tasks.metrics.segments import COUNTS, count_segments, segment_scores

# Maximum number of steps in a plot.
SHOWN_STEPS = 5000


@register("task", "tagging")
class Tagging(LabelTask):
    """Classification of each step of a sequence.

    >>> import torch
    >>> from seqmodels.spec import Spec
    >>> task = Tagging(Spec("tokens", 5, "labels", 2, "step", target_names=("noun", "verb")))
    >>> tokens = torch.tensor([[3, 1, 0]])
    >>> batch = SequenceBatch(tokens, tokens, torch.tensor([2]), torch.tensor([True]))
    >>> task.decode(torch.tensor([[[2.0, 0.0], [0.0, 2.0], [9.0, 9.0]]]), batch)[0]["tags"]
    ['noun', 'verb']

    With predictions ``(B, T, V, V)`` of the crf head, the loss is the negative log probability of each
    row's sequence of tags, and the prediction is the most probable sequence.

    Metrics: accuracy and macro_f1, over all steps; with `segments` also `segment_scores`, and step_f1 is
    monitored. Baselines: the majority tag; for tokens, the most frequent tag of each token, and of each
    token between its two neighbours; for features, logistic regression on each step alone; for DNA with
    `segments`, the codon composition in a sliding window (`CodonWindows`).

    Args:
        spec, label_smoothing, class_weights: as for `LabelTask`.
        segments: names of tags whose runs are segments, scored by exact match. In sequences cut into windows,
            each window's part is a segment of its own.

    Raises:
        ValueError: a segment tag that the data do not have.
    """

    target_kinds = ("labels", "tokens")
    target_shapes = ("step",)

    def __init__(
        self,
        spec: Spec,
        label_smoothing: Share = 0.0,
        class_weights: Literal["none", "balanced"] = "none",
        segments: Annotated[Sequence[str], tags] | None = None,
    ) -> None:
        super().__init__(spec, label_smoothing, class_weights)
        unknown = [name for name in segments or () if name not in self.names]
        if unknown:
            raise ValueError(f"task.segments: the data have no tag {unknown[0]!r}; their tags: {', '.join(self.names)}")
        self.members = [self.names.index(name) for name in segments or ()]

    @property
    def monitor(self) -> tuple[str, str]:
        return ("step_f1", "max") if self.members else super().monitor

    def fit(self, prediction: Tensor, batch: SequenceBatch) -> Tensor:
        if prediction.dim() < 4:
            return super().fit(prediction, batch)
        if tuple(prediction.shape) != (*batch.targets.shape, self.output_size, self.output_size):
            raise ValueError(
                f"prediction must be {(*batch.targets.shape, self.output_size, self.output_size)} for targets "
                f"{tuple(batch.targets.shape)}, got {tuple(prediction.shape)}"
            )
        return prediction if prediction.dtype == torch.float64 else prediction.float()

    def loss(self, prediction: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        prediction = self.fit(prediction, batch)
        if prediction.dim() < 4:
            return super().loss(prediction, batch)
        if self.label_smoothing or self.class_weights != "none":
            raise ValueError(
                "label_smoothing and class_weights are of single steps, and this head's loss is of sequences: "
                "set them to 0 and none"
            )
        rows = batch.lengths > 0
        losses = chain.log_partition(prediction, batch.lengths) - chain.score(prediction, batch.targets, batch.lengths)
        total, _ = weighted(blank(losses, rows), rows, batch.weights)
        return total, weighted(prediction.new_zeros(len(rows)), batch.lengths, batch.weights)[1]

    def best(self, prediction: Tensor, batch: SequenceBatch) -> Tensor:
        """Return the predicted tags ``(B, T)``; those in the padding are meaningless."""
        prediction = self.fit(prediction.detach(), batch)
        return chain.best_tags(prediction, batch.lengths) if prediction.dim() == 4 else prediction.argmax(-1)

    def metrics(self) -> MetricCollection:
        metrics = super().metrics()
        if self.members:
            from torchmetrics import SumMetric

            metrics.add_metrics({name: SumMetric() for name in COUNTS})
        return metrics

    def update(self, metrics: MetricCollection, prediction: Tensor, batch: SequenceBatch) -> None:
        real = real_items(batch, self.spec)
        starts = torch.zeros_like(real)
        starts[:, 0] = True
        self._count(metrics, self.best(prediction, batch)[real], batch.targets[real], starts[real])

    def _count(self, metrics: MetricCollection, predicted: Tensor, truth: Tensor, starts: Tensor) -> None:
        counts = count_segments(predicted, truth, starts, self.members) if self.members else {}
        for name, metric in metrics.items(keep_base=True, copy_state=False):
            if name in counts:
                metric.update(counts[str(name)])
            else:
                metric.update(predicted, truth)

    def summary(self, values: Mapping[str, Any]) -> dict[str, float]:
        named = super().summary(values)
        counts = {name: named.pop(name) for name in COUNTS if name in named}
        return {**named, **segment_scores(counts)} if counts else named

    def baselines(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, dict[str, float]]:
        truth, counts = labels(evaluation), np.bincount(labels(train), minlength=self.output_size)
        majority = int(counts.argmax())
        predicted: dict[str, np.ndarray | None] = {"majority tag": np.full(len(truth), majority)}
        if self.spec.inputs == "tokens":
            for name, widths in (("most frequent tag per token", (0,)), ("per token and neighbours", (1, 0))):
                tags = ContextTags(widths, self.spec.input_size, self.output_size, majority)
                predicted[name] = tags.fit(train).predict(evaluation)
        else:
            predicted["logistic regression per step"] = step_regression(train, evaluation)
        text = self.spec.text
        if text is not None and text.alphabet == "dna" and self.members:
            other = max(set(range(self.output_size)) - set(self.members), key=lambda tag: counts[tag], default=0)
            windows = CodonWindows(len(self.spec.input_names), self.members, other, text.unit)
            predicted["codon composition in windows"] = windows.fit(train).predict(evaluation)
        starts = np.zeros(len(truth), dtype=bool)
        starts[np.cumsum([0, *evaluation.lengths[:-1]])] = True
        return {name: self._score(values, truth, starts) for name, values in predicted.items() if values is not None}

    def _score(self, predicted: np.ndarray, truth: np.ndarray, starts: np.ndarray) -> dict[str, float]:
        metrics = self.metrics()
        tags, true, begins = (torch.from_numpy(part) for part in (predicted.astype(np.int64), truth, starts))
        self._count(metrics, tags, true, begins)
        return self.summary(metrics.compute())

    def shares(self, prediction: Tensor, batch: SequenceBatch) -> Tensor:
        """Return the probability of every tag at each step, ``(B, T, V)``."""
        prediction = self.fit(prediction.detach(), batch)
        if prediction.dim() == 4:
            return chain.tag_probabilities(prediction, batch.lengths)
        return prediction.float().softmax(-1)

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Return each row's tags and their probabilities, one for each real step."""
        tags, every = self.best(prediction, batch), self.shares(prediction, batch)
        chosen = every.gather(-1, tags.unsqueeze(-1)).squeeze(-1)
        return [
            {"tags": [self.names[tag] for tag in row[:length]], "probabilities": shares[:length]}
            for row, shares, length in zip(tags.tolist(), chosen.tolist(), batch.lengths.tolist(), strict=True)
        ]

    def plots(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        from seqmodels.tasks.plots.confusion import confusion_figure
        from seqmodels.tasks.plots.tags import tags_figure

        figures = {}
        row = int(batch.lengths.argmax())
        steps = min(int(batch.lengths[row]), SHOWN_STEPS)
        if steps:
            letters = None
            if self.spec.inputs == "tokens" and self.spec.input_size == len(self.spec.input_names):
                letters = [name_of(self.spec.input_names, token) for token in batch.inputs[row, :steps].tolist()]
            predicted = self.best(prediction, batch)[row, :steps].tolist()
            figures["tags"] = tags_figure(batch.targets[row, :steps].tolist(), predicted, self.names, letters)
        if metrics is not None:
            figures["confusion matrix"] = confusion_figure(confusion_of(metrics), self.names)
        return figures
