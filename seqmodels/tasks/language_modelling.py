"""Language modelling: the next token at each step."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.batch import SequenceBatch
from seqmodels.dataset import SequenceDataset
from seqmodels.heads.decoding.search import sampler
from seqmodels.kinds import Count, list_of, positive, up_to_one, whole
from seqmodels.model import SequenceModel
from seqmodels.registry import register
from seqmodels.spec import Spec
from seqmodels.tasks.base import Task, join_tokens, last_step, name_of
from seqmodels.tasks.baselines.markov import MOST_LETTERS, Markov, last_letters
from seqmodels.tasks.baselines.ngram import Ngram
from seqmodels.tasks.baselines.reading import NewestTokens, step_items
from seqmodels.tasks.decoding.sampling import kmer_of, sample

# Tokens in the prompt of a sample, and most likely tokens returned by `decode`.
PROMPT, LIKELIEST = 32, 5


@register("task", "language_modelling")
class LanguageModelling(Task):
    """Prediction of the next token.

    >>> import torch
    >>> task = LanguageModelling(Spec("tokens", 4, "tokens", 4, "step"))
    >>> {name: round(value, 3) for name, value in task.summary({"loss": math.log(4)}).items()}
    {'loss': 1.386, 'bits': 2.0, 'perplexity': 4.0}

    Metrics: loss, the cross entropy in nats per token; bits, the same in bits (per character, byte
    or word); perplexity, its exponential. Baselines: n-gram models (`seqmodels.tasks.baselines.ngram`)
    and optionally a Markov model of high order.

    Args:
        spec: input tokens and target tokens of the same vocabulary, one per step; with the data option
            "kmer" each input is a token joined with those before it as one number.
        sample_steps: number of tokens in a sample.
        temperature: sampling temperature; below 1 more likely, above 1 more random. None for greedy decoding.
        top_k: sample among the k most likely tokens.
        top_p: sample among the most likely tokens that together have this probability.
        ngram_orders: n of each n-gram baseline.
        markov_order: maximum context length of the Markov baseline for small alphabets such as DNA
            (see `seqmodels.tasks.baselines.markov`); None for no such baseline.
    """

    target_kinds = ("tokens",)
    target_shapes = ("step",)

    def __init__(
        self,
        spec: Spec,
        sample_steps: Annotated[int, whole(1, 1_000_000)] = 300,
        temperature: Annotated[float, positive] | None = 0.8,
        top_k: Count | None = None,
        top_p: Annotated[float, up_to_one] | None = None,
        ngram_orders: Annotated[Sequence[int], list_of(whole(1, 100), "[1, 3]")] = (1, 3),
        markov_order: Annotated[int, whole(1, 20)] | None = None,
    ) -> None:
        super().__init__(spec)
        self.sample_steps = sample_steps
        sampler(temperature, top_k, top_p)  # validates the options
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self.ngram_orders = list(ngram_orders)
        self.markov_order = markov_order

    @classmethod
    def suits(cls, spec: Spec) -> bool:
        """Return whether each target is the token after its input."""
        return super().suits(spec) and spec.inputs == "tokens" and spec.input_size == spec.target_size ** kmer_of(spec)

    def item_loss(self, prediction: Tensor, targets: Tensor) -> Tensor:
        loss = functional.cross_entropy(prediction.flatten(0, 1), targets.flatten(), reduction="none")
        return loss.view_as(targets)

    def summary(self, values: Mapping[str, Any]) -> dict[str, float]:
        named = super().summary(values)
        return {**named, "bits": named["loss"] / math.log(2), "perplexity": perplexity(named["loss"])}

    def baselines(self, train: SequenceDataset, evaluation: SequenceDataset) -> dict[str, dict[str, float]]:
        found = {}
        if kmer_of(self.spec) > 1:
            train, evaluation = NewestTokens(train), NewestTokens(evaluation)
        for order in self.ngram_orders:
            model = Ngram(order, self.output_size + 1, self.output_size)
            before = max(order - 2, 0)
            loss = model.fit(step_items(train, before)).cross_entropy(step_items(evaluation, before))
            found[model.name] = self.summary({"loss": loss})
        if self.markov_order is not None:
            markov = Markov(self.output_size, self.markov_order).fit(last_letters(train, MOST_LETTERS))
            found[markov.name] = self.summary({"loss": markov.cross_entropy(last_letters(evaluation))})
        return found

    def decode(self, prediction: Tensor, batch: SequenceBatch) -> list[dict[str, Any]]:
        """Return the most likely tokens after each row's last step, with their probabilities."""
        last = last_step(prediction.detach(), batch.lengths).float().softmax(-1)
        best = last.topk(min(LIKELIEST, self.output_size))
        decoded: list[dict[str, Any]] = []
        found = zip(best.indices.tolist(), best.values.tolist(), batch.lengths.tolist(), strict=True)
        for tokens, values, length in found:
            names = [name_of(self.spec.target_names, token) for token in tokens]
            decoded.append({"next": dict(zip(names, values, strict=True)) if length else {}})
        return decoded

    def texts(self, model: SequenceModel, batch: SequenceBatch, generator: torch.Generator) -> dict[str, str]:
        """Return a sample that continues the first tokens of the batch's longest row."""
        row = int(batch.lengths.argmax())
        prompt = batch.inputs[row, : min(int(batch.lengths[row]), PROMPT)] % self.output_size
        if len(prompt) == 0 or not model.carries:
            return {}
        source = None if self.temperature is None else generator
        kmer = kmer_of(self.spec)
        drawn = sample(model, prompt, self.sample_steps, self.temperature, self.top_k, self.top_p, source, kmer)
        names, level = self.spec.target_names, self.spec.level
        texts = {"prompt": prompt, "sample": drawn}
        return {title: join_tokens(tokens.tolist(), names, level) for title, tokens in texts.items()}


def perplexity(loss: float) -> float:
    """Return exp(loss); infinity on overflow."""
    return math.exp(loss) if loss < 700 else math.inf
