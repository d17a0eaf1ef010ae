"""Transcription: unaligned target tokens along a sequence, by connectionist temporal classification.

B rows, T steps, S target steps, V tokens; predictions have V + 1 columns, the last of the blank.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.batch import SequenceBatch, step_mask
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import whole
from seqmodels.model import SequenceModel
from seqmodels.registry import register
from seqmodels.spec import Spec
from seqmodels.tasks.base import Figure, MetricCollection, Task, blank, join_tokens, name_of
from seqmodels.tasks.baselines.transcripts import equal_parts, mean_token_run, most_frequent
from seqmodels.tasks.metrics.edit_distance import edit_distance

COUNTS = ("tokens", "edits", "exact", "rows")
BEAM_COUNTS = tuple(f"beam_{name}" for name in COUNTS)


@register("task", "transcription")
class Transcription(Task):
    """Transcription of a sequence to tokens with the CTC loss.

        loss = -log p(y | x) = -log sum over paths that collapse to y of prod_t p_t(path_t)

    in nats per target token, where a path has a token or the blank at each step, and collapses by
    merging repeated tokens and removing blanks.

    >>> spec = Spec("features", 3, "tokens", 2, "own", target_names=("yes", "no"))
    >>> two, logits = torch.tensor([2]), torch.zeros(1, 2, 3)
    >>> batch = SequenceBatch(torch.zeros(1, 2, 3), torch.tensor([[0]]), two, two > 0, torch.tensor([1]))
    >>> total, count = Transcription(spec).loss(logits, batch)  # 3 paths of 9: "0 0", "0 -" and "- 0"
    >>> round(total.exp().item(), 4), count.item()
    (3.0, 1.0)

    Metrics: loss; token_error_rate, edits per true token; exact, the share of sequences without an
    error; both of the most likely path, and on the test split also of prefix beam search, as
    beam_token_error_rate and beam_exact. Baselines: the most frequent sequence of the training split;
    its most frequent token, repeated to the mean length; for features, equal parts labelled by their
    nearest neighbours.

    Source: Graves et al. 2006, "Connectionist temporal classification", section 4.

    Args:
        spec: with tokens as targets, of a length of their own and without a stop token.
        beam: beam width on the test split and in `predict`; 1 for the most likely path.
        shown: number of rows shown as text.
    """

    target_kinds = ("tokens",)
    target_shapes = ("own",)
    unaligned = True

    def __init__(
        self, spec: Spec, beam: Annotated[int, whole(1, 10_000)] = 8, shown: Annotated[int, whole(1, 10_000)] = 8
    ) -> None:
        super().__init__(spec)
        self.beam = beam
        self.shown = shown

    @classmethod
    def suits(cls, spec: Spec) -> bool:
        return super().suits(spec) and spec.stop is None

    @property
    def output_size(self) -> int:
        return self.spec.target_size + 1

    @property
    def monitor(self) -> tuple[str, str]:
        return "token_error_rate", "min"

    def loss(self, prediction: Tensor, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        """Return the sum of -log p(y | x) and the number of target tokens, both weighted by `batch.weights`.

        Raises:
            ValueError: a prediction of the wrong shape, or a row with fewer steps than its tokens need.
        """
        prediction, targets = self.fit(prediction, batch), self._target_lengths(batch)
        if prediction.dtype in (torch.float16, torch.bfloat16):
            prediction = prediction.float()
        self._refuse_short(batch, targets)
        there = batch.lengths > 0
        prediction = blank(prediction, step_mask(batch.lengths, prediction.shape[1]))
        tokens = blank(batch.targets, step_mask(targets, batch.targets.shape[1]))
        if not bool(there.any()):
            return prediction.sum() * 0, prediction.new_zeros(())
        each = functional.ctc_loss(
            prediction[there].log_softmax(-1).transpose(0, 1),
            tokens[there],
            batch.lengths[there],
            targets[there],
            blank=self.spec.target_size,
            reduction="none",
        )
        weights = torch.ones_like(each) if batch.weights is None else batch.weights[there].to(each)
        return (each * weights).sum(), (targets[there] * weights).sum()

    def fit(self, prediction: Tensor, batch: SequenceBatch) -> Tensor:
        expected = (*batch.inputs.shape[:2], self.output_size)
        if tuple(prediction.shape) != expected:
            raise ValueError(
                f"prediction must be {expected}, a token or the blank at each step, got {tuple(prediction.shape)}: "
                f"the head must be model/head=ctc with output_size={self.output_size}"
            )
        return prediction

    def _target_lengths(self, batch: SequenceBatch) -> Tensor:
        if batch.target_lengths is None:
            raise ValueError("targets with a length of their own need target_lengths in the batch, got None")
        return batch.target_lengths

    def _refuse_short(self, batch: SequenceBatch, targets: Tensor) -> None:
        """Raise ValueError for rows too short for any path: repeated tokens need a blank between them."""
        needed = steps_needed(batch.targets, targets)
        short = (needed > batch.lengths) & (batch.lengths > 0)
        if bool(short.any()):
            row = int(short.int().argmax())
            raise ValueError(
                f"row {row} of the batch has {int(batch.lengths[row])} steps, and its {int(targets[row])} target "
                f"tokens need at least {int(needed[row])}: leave such sequences out, or give more steps a second"
            )

    def metrics(self) -> MetricCollection:
        from torchmetrics import MetricCollection, SumMetric

        return MetricCollection({name: SumMetric() for name in (*COUNTS, *BEAM_COUNTS)}, compute_groups=False)

    def update(self, metrics: MetricCollection, prediction: Tensor, batch: SequenceBatch) -> None:
        self._count(metrics, self._greedy(self.fit(prediction.detach(), batch), batch), batch, "")
        for name in BEAM_COUNTS:  # torchmetrics warns of metrics that are never updated
            metrics[name].update(0.0)

    def generate(self, model: SequenceModel, batch: SequenceBatch) -> Tensor:
        """Return the tokens ``(B, S)`` of beam search, padded with the blank."""
        features, _ = model.features(batch.inputs, lengths=batch.lengths)
        head: Any = model.head
        return head.generate(features, batch.lengths, beam=self.beam)[0]

    def update_generated(self, metrics: MetricCollection, made: Tensor, batch: SequenceBatch) -> None:
        self._count(metrics, self._rows(made), batch, "beam_")

    def _count(self, metrics: MetricCollection, made: list[list[int]], batch: SequenceBatch, prefix: str) -> None:
        there = (batch.lengths > 0).tolist()
        pairs = [pair for pair, real in zip(zip(made, self._truth(batch), strict=True), there, strict=True) if real]
        edits = [edit_distance(*pair) for pair in pairs]
        metrics[f"{prefix}tokens"].update(float(sum(len(truth) for _, truth in pairs)))
        metrics[f"{prefix}edits"].update(float(sum(edits)))
        metrics[f"{prefix}exact"].update(float(edits.count(0)))
        metrics[f"{prefix}rows"].update(float(len(pairs)))

    def summary(self, values: Mapping[str, Any]) -> dict[str, float]:
        named = {name: float(values[name]) for name in ("loss",) if name in values}
        for prefix in ("", "beam_"):
            if values.get(f"{prefix}rows"):
                tokens = max(1.0, float(values[f"{prefix}tokens"]))
                named[f"{prefix}token_error_rate"] = float(values[f"{prefix}edits"]) / tokens
                named[f"{prefix}exact"] = float(values[f"{prefix}exact"]) / float(values[f"{prefix}rows"])
        return named

    def baselines(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, dict[str, float]]:
        known, truth = transcripts(train), transcripts(evaluation)
        made = {
            "most frequent sequence": [most_frequent(known)] * len(truth),
            "most frequent token": [mean_token_run(known)] * len(truth),
        }
        if self.spec.inputs == "features":
            made["equal cuts, nearest neighbour"] = equal_parts(train, known, evaluation)
        return {name: self._score(rows, truth) for name, rows in made.items()}

    def _score(self, made: list[list[int]], truth: list[list[int]]) -> dict[str, float]:
        edits = [edit_distance(*pair) for pair in zip(made, truth, strict=True)]
        counts = {"tokens": sum(map(len, truth)), "edits": sum(edits), "exact": edits.count(0), "rows": len(truth)}
        return self.summary(counts)

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Return each row's tokens and their text.

        Args:
            prediction: logits ``(B, T, V + 1)``, or the tokens ``(B, S)`` of `generate`.
        """
        floats = prediction.is_floating_point()
        rows = self._greedy(prediction.detach(), batch) if floats else self._rows(prediction)
        return [self._named(row if n else []) for row, n in zip(rows, batch.lengths.tolist(), strict=True)]

    def _named(self, tokens: list[int]) -> dict[str, Any]:
        names, level = self.spec.target_names, self.spec.level
        return {"tokens": [name_of(names, token) for token in tokens], "text": join_tokens(tokens, names, level)}

    def _greedy(self, prediction: Tensor, batch: SequenceBatch) -> list[list[int]]:
        from seqmodels.heads.ctc import collapse

        return self._rows(collapse(prediction.argmax(-1), batch.lengths, self.spec.target_size)[0])

    def _rows(self, tokens: Tensor) -> list[list[int]]:
        return [[token for token in row if token != self.spec.target_size] for row in tokens.tolist()]

    def _truth(self, batch: SequenceBatch) -> list[list[int]]:
        lengths = self._target_lengths(batch).tolist()
        return [row[:n] for row, n in zip(batch.targets.tolist(), lengths, strict=True)]

    def texts(self, model: SequenceModel, batch: SequenceBatch, generator: torch.Generator) -> dict[str, str]:
        """Return predicted and true texts of some rows."""
        chosen = batch.nonempty(self.shown)
        if len(chosen.lengths) == 0:
            return {}
        features, _ = model.features(chosen.inputs, lengths=chosen.lengths)
        made = self.decode(model.head(features, chosen.lengths), chosen)
        truth = [self._named(row)["text"] for row in self._truth(chosen)]
        return {"transcribed": "\n".join(f"{a['text']}   (true: {b})" for a, b in zip(made, truth, strict=True))}

    def plots(
        self, prediction: Tensor, batch: SequenceBatch, metrics: MetricCollection | None = None
    ) -> dict[str, Figure]:
        """Plot the token probabilities at each step of the row with the most tokens."""
        from seqmodels.tasks.plots.spikes import spikes_figure

        counts = torch.where(batch.lengths > 0, self._target_lengths(batch), -1)
        row = int(counts.argmax())
        if int(counts[row]) < 0:
            return {}
        shown = prediction.detach()[row, : int(batch.lengths[row])].float().softmax(-1).cpu()
        made = self.decode(prediction[row : row + 1], batch._replace(lengths=batch.lengths[row : row + 1]))[0]["text"]
        truth = self._named(self._truth(batch)[row])["text"]
        return {"tokens over the steps": spikes_figure(shown, self.names, truth, made)}


def steps_needed(targets: Tensor, lengths: Tensor) -> Tensor:
    """Return the minimum path length ``(B,)``: one step per token, one more between equal neighbours.

    >>> steps_needed(torch.tensor([[3, 3, 4], [5, 6, 6]]), torch.tensor([3, 2])).tolist()
    [4, 2]
    """
    alike = (targets[:, 1:] == targets[:, :-1]) & step_mask(lengths - 1, max(0, targets.shape[1] - 1))
    return lengths + alike.sum(1)


def transcripts(dataset: SequenceDataset) -> list[list[int]]:
    """Return the targets of all sequences of a data set."""
    return [dataset.read(i, 0, 1)[1].tolist() for i in range(len(dataset.lengths))]
