"""Sequence generation: a target sequence of its own length for each input sequence.

S target steps, V tokens or values.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.batch import SequenceBatch
from seqmodels.dataset import SequenceDataset
from seqmodels.heads.decoding.search import sampler
from seqmodels.kinds import Share, not_negative, positive, whole
from seqmodels.model import SequenceModel, evaluating
from seqmodels.registry import register
from seqmodels.spec import Spec
from seqmodels.tasks.base import Figure, MetricCollection, Task, join_tokens, name_of, real_items
from seqmodels.tasks.baselines.mean_sequence import mean_sequence
from seqmodels.tasks.baselines.ngram import Ngram
from seqmodels.tasks.baselines.reading import target_items
from seqmodels.tasks.comparison import compare, compare_by
from seqmodels.tasks.decoding.texts import check_sacrebleu, known, rewriters, rewritten, target_text
from seqmodels.tasks.language_modelling import perplexity
from seqmodels.tasks.values import undo

if TYPE_CHECKING:
    from seqmodels.tasks.metrics.free_running import FreeRunning


@register("task", "sequence_generation")
class SequenceGeneration(Task):
    """Generation of a sequence from a sequence: tokens up to a stop token, or values.

    >>> import torch
    >>> spec = Spec("tokens", 2, "tokens", 3, "own", target_names=("a", "b", "<stop>"), stop=2)
    >>> one = torch.ones(1, dtype=torch.long)
    >>> batch = SequenceBatch(one.view(1, 1), one.view(1, 1), one, one.bool(), one)
    >>> SequenceGeneration(spec).decode(torch.tensor([[1, 0, 2, 2]]), batch)
    [{'tokens': ['b', 'a'], 'text': 'ba'}]

    Tokens: the loss is the cross entropy in nats per token, stop token included; metrics with teacher
    forcing: loss, perplexity, accuracy (of tokens) and exact (share of sequences with every token right);
    metrics of free-running generation on the test split (see `FreeRunning`): token_error_rate,
    sequence_accuracy, bleu and chrf. Baselines: n-gram models of the targets alone, and for input tokens
    token-by-token rewriting of the source.
    Values: the loss is the squared error in scaled units; the metrics mae, mse and rmse in original
    units. Baseline: the mean of the training targets at each step.

    Args:
        spec: with targets of a length of their own; ``pairs.references`` is true if rows with the
            same source are references of one another.
        temperature: sampling temperature of the samples shown; None for greedy decoding.
        shown: number of rows shown.
        label_smoothing: share of the target probability, 0 to below 1, spread evenly over all tokens in
            training; not used in evaluation.
        beam: beam width of free-running generation; 1 for greedy decoding.
        length_penalty: of beam search, as for `seqmodels.heads.decoding.search.beam_search`.
        max_length_ratio: maximum number of generated tokens per input step; None for the head's max_steps alone.
        free_running: whether to score free-running generation; the best weights are then those with the highest
            accuracy on validation, otherwise those with the lowest loss.
        generates_in_validation: whether to generate in every validation too; token_error_rate is then monitored.
        translation_scores: whether to score bleu and chrf, on texts, by sacrebleu.
    """

    target_kinds = ("tokens", "values")
    target_shapes = ("own",)

    def __init__(
        self,
        spec: Spec,
        temperature: Annotated[float, positive] | None = None,
        shown: Annotated[int, whole(1, 10_000)] = 8,
        label_smoothing: Share = 0.0,
        beam: Annotated[int, whole(1, 10_000)] = 1,
        length_penalty: Annotated[float, not_negative] = 0.0,
        max_length_ratio: Annotated[float, positive] | None = None,
        free_running: bool = True,
        generates_in_validation: bool = False,
        translation_scores: bool = False,
    ) -> None:
        super().__init__(spec)
        sampler(temperature)  # validates the option
        self.temperature = temperature
        self.shown = shown
        self.label_smoothing = label_smoothing
        self.beam = beam
        self.length_penalty = length_penalty
        if length_penalty and beam == 1:
            raise ValueError(f"length_penalty={length_penalty} is read by a beam only: set beam=4, or length_penalty=0")
        self.max_length_ratio = max_length_ratio
        self.of_tokens = spec.targets == "tokens"
        self.free_running = free_running and self.of_tokens
        self.generates_in_validation = generates_in_validation and self.free_running
        self.translation_scores = translation_scores
        if translation_scores:
            check_sacrebleu()

    @property
    def monitor(self) -> tuple[str, str]:
        if self.generates_in_validation:
            return "token_error_rate", "min"
        if self.of_tokens and self.free_running:
            # Generation keeps improving long after the loss, which penalizes overconfidence, has begun to rise.
            return "accuracy", "max"
        return ("loss" if self.of_tokens else "rmse"), "min"

    def item_loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        if not self.of_tokens:
            return functional.mse_loss(prediction, targets, reduction="none").mean(-1)
        smoothing = self.label_smoothing if prediction.requires_grad else 0.0  # in training only
        loss = functional.cross_entropy(
            prediction.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=smoothing
        )
        return loss.view_as(targets)

    def metrics(self) -> MetricCollection:
        from torchmetrics import MeanAbsoluteError, MeanMetric, MeanSquaredError, MetricCollection

        if self.of_tokens:
            every: dict[str, Any] = {"accuracy": MeanMetric(), "exact": MeanMetric()}
            if self.free_running:
                every["free_running"] = self._scores()
            return MetricCollection(every, compute_groups=False)
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
        if self.free_running:
            metrics["free_running"].update([])  # so that the metric counts as updated even without rows

    def update_generated(self, metrics: MetricCollection, made: Any, batch: SequenceBatch) -> None:
        if self.free_running:
            metrics["free_running"].update(self._rows(made, batch))

    def _scores(self) -> FreeRunning:
        from seqmodels.tasks.metrics.free_running import FreeRunning

        grouped = self.spec.pairs is not None and self.spec.pairs.references
        return FreeRunning(grouped, partial(target_text, self.spec) if self.translation_scores else None)

    def _rows(self, made: Tensor, batch: SequenceBatch) -> list[tuple[list[int], list[int], list[int]]]:
        """Return source, generated and true tokens of each nonempty row."""
        ends = batch.lengths if batch.target_lengths is None else batch.target_lengths
        rows = zip(made.tolist(), batch.targets.tolist(), batch.lengths.tolist(), ends.tolist(), strict=True)
        of_tokens = self.spec.inputs == "tokens"
        return [
            (
                batch.inputs[i, :length].tolist() if of_tokens else [],
                self._cut(written),
                known(self.spec, self._cut(true[:end])),
            )
            for i, (written, true, length, end) in enumerate(rows)
            if length and end
        ]

    def _cut(self, tokens: list[int]) -> list[int]:
        """Return the tokens before the stop token."""
        return tokens[: tokens.index(self.spec.stop)] if self.spec.stop in tokens else tokens

    def summary(self, values: Mapping[str, Any]) -> dict[str, float]:
        named = super().summary(values)
        if self.of_tokens:
            return {**named, "perplexity": perplexity(named["loss"])}
        return {**named, "rmse": named["mse"] ** 0.5}

    def unscale(self, values: Tensor) -> Tensor:
        """Return targets or predictions ``(..., V)`` in original units."""
        return undo(values, self.spec.shift, self.spec.scale)

    def baselines(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, dict[str, float]]:
        if not self.of_tokens:
            return {"mean of train": self._mean_baseline(train, evaluation)}
        found = {}
        for order in (1, 3):
            model = Ngram(order, self.output_size + 1, self.output_size).fit(target_items(train, 2))
            found[model.name] = self.summary({"loss": model.cross_entropy(target_items(evaluation, 2))})
        counts = sum(np.bincount(tokens, minlength=self.output_size) for _, tokens in target_items(train, 2))
        truth = np.concatenate([tokens for _, tokens in target_items(evaluation, 2)])
        found["unigram"]["accuracy"] = float((truth == np.argmax(counts)).mean())
        if self.free_running and self.spec.inputs == "tokens":
            for name, write in rewriters(train, self.spec).items():
                found[name] = self._scores().add(rewritten(write, evaluation, self.spec)).compute()
        return found

    def compare(self, model: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]]) -> str:
        written = compare_by(model, baselines, (("bleu", "max"), ("chrf", "max"), ("token_error_rate", "min")))
        return written or compare(model, baselines, ("loss" if self.of_tokens else "rmse", "min"))

    def _mean_baseline(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, float]:
        targets = [evaluation.read(i, 0, 1)[1] for i in range(len(evaluation.lengths))]
        mean, metrics = mean_sequence(train, max(map(len, targets))), self.metrics()
        for target in targets:
            pair = (self.unscale(torch.tensor(values)) for values in (mean[: len(target)], target.astype(np.float64)))
            metrics.update(*(values.flatten() for values in pair))
        return self.summary(metrics.compute())

    def generate(self, model: SequenceModel, batch: SequenceBatch) -> Tensor:
        """Generate tokens ``(B, S)`` up to the stop token, or values ``(B, S, V)``."""
        features, _ = model.features(batch.inputs, lengths=batch.lengths)
        head: Any = model.head
        if not self.of_tokens:
            return head.generate(features, batch.lengths)
        limits = None
        if self.max_length_ratio is not None:
            limits = (batch.lengths * self.max_length_ratio).ceil().long().clamp(1, head.max_steps)
        return head.generate(features, batch.lengths, limits, beam=self.beam, length_penalty=self.length_penalty)[0]

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Return each row's sequence: tokens before the stop token and their text, or values.

        Args:
            prediction: logits or values ``(B, S, V)``, or the tokens ``(B, S)`` of `head.generate`.
        """
        rows = batch.lengths.tolist()
        if not self.of_tokens:
            values = self.unscale(prediction.detach()).tolist()
            return [{"values": row if length else []} for row, length in zip(values, rows, strict=True)]
        tokens = prediction.argmax(-1) if prediction.is_floating_point() else prediction
        return [self._named(row if length else []) for row, length in zip(tokens.tolist(), rows, strict=True)]

    def _named(self, tokens: list[int]) -> dict[str, Any]:
        tokens = self._cut(tokens)
        names = [name_of(self.spec.target_names, token) for token in tokens]
        return {"tokens": names, "text": target_text(self.spec, tokens)}

    def texts(self, model: SequenceModel, batch: SequenceBatch, generator: torch.Generator) -> dict[str, str]:
        """Return generated and true sequences of some rows."""
        if not self.of_tokens:
            return {}
        chosen = batch.nonempty(self.shown)
        if len(chosen.lengths) == 0:
            return {}
        with evaluating(model):
            features, _ = model.features(chosen.inputs, lengths=chosen.lengths)
            options = {} if self.temperature is None else {"temperature": self.temperature, "generator": generator}
            head: Any = model.head
            tokens, _ = head.generate(features, chosen.lengths, **options)
        made = [row["text"] for row in self.decode(tokens, chosen)]
        truth = [row["text"] for row in self.decode(chosen.targets, chosen)]
        given = [self._given(chosen, row) for row in range(len(made))]
        lines = [f"{a}{b}   (true: {c})" for a, b, c in zip(given, made, truth, strict=True)]
        return {"generated": "\n".join(lines)}

    def sample_plots(self, model: SequenceModel, batch: SequenceBatch, generator: torch.Generator) -> dict[str, Figure]:
        """Plot the attention of a token decoder over some rows."""
        head: Any = model.head
        chosen = batch.nonempty(self.shown)
        if not self.of_tokens or self.spec.inputs != "tokens" or head.attention is None or len(chosen.lengths) == 0:
            return {}
        from seqmodels.tasks.plots.alignment import alignment_figure, alignments

        made = self.generate(model, chosen)
        return {"attention": alignment_figure(alignments(model, self.spec, chosen, made))}

    def _given(self, batch: SequenceBatch, row: int) -> str:
        if self.spec.inputs != "tokens":
            return ""
        tokens = batch.inputs[row, : int(batch.lengths[row])].tolist()
        level = None if self.spec.pairs is None else self.spec.pairs.source_level
        return join_tokens(tokens, self.spec.input_names, level) + " -> "

    def plots(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        """Plot the first value of some rows over the steps, predicted and true."""
        from seqmodels.tasks.plots.windows import Window, forecast_figure

        if self.of_tokens:
            return {}
        real = real_items(batch, self.spec)
        predicted = self.unscale(self.fit(prediction.detach(), batch))[..., 0].cpu()
        truth = self.unscale(batch.targets)[..., 0].cpu()
        rows = real.any(1).nonzero()[: self.shown, 0].tolist()
        windows = [Window(truth[row, :0], truth[row, real[row].cpu()], predicted[row, real[row].cpu()]) for row in rows]
        name = self.spec.target_names[0] if self.spec.target_names else "value"
        return {"generated": forecast_figure(windows, name)} if windows else {}
