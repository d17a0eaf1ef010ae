"""A sequence for each sequence, of its own length.

S target steps, V tokens or values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.batch import BatchSpec, SequenceBatch
from seqmodels.heads.search import sampler
from seqmodels.registry import register
from seqmodels.tasks.base import Task, check_range, join_tokens, name_of, real_items
from seqmodels.tasks.baselines.ngram import Ngram
from seqmodels.tasks.baselines.reading import own_items
from seqmodels.tasks.language_modelling import perplexity
from seqmodels.tasks.values import undo

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torchmetrics import MetricCollection

    from seqmodels.model import SequenceModel


@register("task", "sequence_generation")
class SequenceGeneration(Task):
    """What sequence belongs to a sequence: tokens up to a stop token, or values.

    >>> import torch
    >>> spec = BatchSpec("tokens", 2, "tokens", 3, "own", target_names=("a", "b", "<stop>"), stop=2)
    >>> one = torch.ones(1, dtype=torch.long)
    >>> batch = SequenceBatch(one.view(1, 1), one.view(1, 1), one, one.bool(), one)
    >>> SequenceGeneration(spec).decode(torch.tensor([[1, 0, 2, 2]]), batch)
    [{'tokens': ['b', 'a'], 'text': 'ba'}]

    Tokens: the loss is the cross entropy in nats per token, the stop token counted; the metrics
    loss, perplexity, accuracy (of tokens) and exact (share of sequences with every token right),
    each token told from the true ones before it. Baselines: n-gram models of the targets alone.
    Values: the loss is the squared error in scaled units; the metrics mae, mse and rmse in original
    units. Baseline: the mean of the training targets at each step.

    Args:
        spec: with targets of a length of their own.
        temperature: of the samples shown; None always takes the likeliest token.
        shown: rows that are shown.
    """

    target_kinds = ("tokens", "values")
    target_shapes = ("own",)

    def __init__(self, spec: BatchSpec, temperature: float | None = None, shown: int = 8) -> None:
        super().__init__(spec)
        sampler(temperature)  # refuses what is out of range
        self.temperature = temperature
        self.shown = check_range("shown", shown, 1, whole=True)
        self.of_tokens = spec.targets == "tokens"

    @property
    def monitor(self) -> tuple[str, str]:
        return ("loss" if self.of_tokens else "rmse"), "min"

    def item_loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        if not self.of_tokens:
            return functional.mse_loss(prediction, targets, reduction="none").mean(-1)
        loss = functional.cross_entropy(prediction.flatten(0, 1), targets.flatten(), reduction="none")
        return loss.view_as(targets)

    def metrics(self) -> MetricCollection:
        from torchmetrics import MeanAbsoluteError, MeanMetric, MeanSquaredError, MetricCollection

        if self.of_tokens:
            return MetricCollection({"accuracy": MeanMetric(), "exact": MeanMetric()}, compute_groups=False)
        return MetricCollection({"mae": MeanAbsoluteError(), "mse": MeanSquaredError()}, compute_groups=False)

    def update(self, metrics: MetricCollection, prediction: Tensor, batch: SequenceBatch) -> None:
        if not self.of_tokens:
            predicted, truth = self.real(prediction, batch)
            metrics.update(self.unscale(predicted).flatten(), self.unscale(truth).flatten())
            return
        real = real_items(batch, self.spec)
        right = self.fit(prediction.detach(), batch).argmax(-1) == batch.targets
        metrics["accuracy"].update(right[real].float())
        metrics["exact"].update((right | ~real).all(1)[real.any(1)].float())

    def summary(self, values: Mapping[str, Any]) -> dict[str, float]:
        named = super().summary(values)
        if self.of_tokens:
            return {**named, "perplexity": perplexity(named["loss"])}
        return {**named, "rmse": named["mse"] ** 0.5}

    def unscale(self, values: Tensor) -> Tensor:
        """Targets or predictions ``(..., V)`` in original units."""
        return undo(values, self.spec.shift, self.spec.scale)

    def baselines(self, train: Any, evaluation: Any) -> dict[str, dict[str, float]]:
        if not self.of_tokens:
            return {"mean of train": self._mean_baseline(train, evaluation)}
        found = {}
        for order in (1, 3):
            model = Ngram(order, self.output_size + 1, self.output_size).fit(own_items(train, 2))
            found[model.name] = self.summary({"loss": model.cross_entropy(own_items(evaluation, 2))})
        counts = sum(np.bincount(tokens, minlength=self.output_size) for _, tokens in own_items(train, 2))
        truth = np.concatenate([tokens for _, tokens in own_items(evaluation, 2)])
        found["unigram"]["accuracy"] = float((truth == np.argmax(counts)).mean())
        return found

    def _mean_baseline(self, train: Any, evaluation: Any) -> dict[str, float]:
        targets = [[data.read(i, 0, 1)[1] for i in range(len(data.lengths))] for data in (train, evaluation)]
        steps = max(len(target) for part in targets for target in part)
        total, count = np.zeros((steps, self.output_size)), np.zeros((steps, 1))
        for target in targets[0]:
            total[: len(target)] += target
            count[: len(target)] += 1
        overall = total.sum(0) / count.sum()
        mean = np.where(count > 0, total / np.maximum(count, 1), overall)
        metrics = self.metrics()
        for target in targets[1]:
            pair = (self.unscale(torch.tensor(values)) for values in (mean[: len(target)], target.astype(np.float64)))
            metrics.update(*(values.flatten() for values in pair))
        return self.summary(metrics.compute())

    def generate(self, model: SequenceModel, batch: SequenceBatch) -> Tensor:
        """The tokens ``(B, S)`` or values ``(B, S, V)`` that the model makes freely, up to its stop token."""
        features, _ = model.features(batch.inputs, lengths=batch.lengths)
        head: Any = model.head
        made = head.generate(features, batch.lengths)
        return made[0] if self.of_tokens else made

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Each row's sequence: tokens up to the stop token and the text they make, or values.

        Args:
            prediction: logits or values ``(B, S, V)``, or the tokens ``(B, S)`` that `head.generate` chose.
            batch: whose rows of length 0 have no sequence.
        """
        rows = batch.lengths.tolist()
        if not self.of_tokens:
            values = self.unscale(prediction.detach()).tolist()
            return [{"values": row if length else []} for row, length in zip(values, rows, strict=True)]
        tokens = prediction.argmax(-1) if prediction.is_floating_point() else prediction
        return [self._named(row if length else []) for row, length in zip(tokens.tolist(), rows, strict=True)]

    def _named(self, tokens: list[int]) -> dict[str, Any]:
        if self.spec.stop in tokens:
            tokens = tokens[: tokens.index(self.spec.stop)]
        names = [name_of(self.spec.target_names, token) for token in tokens]
        return {"tokens": names, "text": join_tokens(tokens, self.spec.target_names)}

    def texts(self, model: SequenceModel, batch: SequenceBatch, generator: torch.Generator) -> dict[str, str]:
        """For some rows what the model makes of them, and what is true."""
        if not self.of_tokens:
            return {}
        rows = (batch.lengths > 0).nonzero()[: self.shown, 0]
        if len(rows) == 0:
            return {}
        training = model.training
        model.eval()
        try:
            features, _ = model.features(batch.inputs[rows], lengths=batch.lengths[rows])
            options = {} if self.temperature is None else {"temperature": self.temperature, "generator": generator}
            head: Any = model.head
            tokens, _ = head.generate(features, batch.lengths[rows], **options)
        finally:
            model.train(training)
        chosen = batch._replace(lengths=batch.lengths[rows])
        made = [row["text"] for row in self.decode(tokens, chosen)]
        truth = [row["text"] for row in self.decode(batch.targets[rows], chosen)]
        given = [self._given(batch, row) for row in rows.tolist()]
        lines = [f"{a}{b}   (true: {c})" for a, b, c in zip(given, made, truth, strict=True)]
        return {"generated": "\n".join(lines)}

    def _given(self, batch: SequenceBatch, row: int) -> str:
        if self.spec.inputs != "tokens":
            return ""
        tokens = batch.inputs[row, : int(batch.lengths[row])].tolist()
        return join_tokens(tokens, self.spec.input_names) + " -> "

    def pictures(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        """For values, some rows' first value over the steps, predicted and true."""
        from seqmodels.tasks.pictures import Window, forecast_figure

        if self.of_tokens:
            return {}
        real = real_items(batch, self.spec)
        predicted = self.unscale(self.fit(prediction.detach(), batch))[..., 0].cpu()
        truth = self.unscale(batch.targets)[..., 0].cpu()
        rows = real.any(1).nonzero()[: self.shown, 0].tolist()
        windows = [Window(truth[row, :0], truth[row, real[row].cpu()], predicted[row, real[row].cpu()]) for row in rows]
        name = self.spec.target_names[0] if self.spec.target_names else "value"
        return {"generated": forecast_figure(windows, name)} if windows else {}
