"""Language modelling: n-gram models of known processes, sampling, derived metrics."""

import math
import time
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from torch import nn

from seqmodels.cells import GRUCell
from seqmodels.data.dataset import ArrayDataset
from seqmodels.heads import ManyToMany
from seqmodels.layers import Recurrent
from seqmodels.model import SequenceModel, TokenEncoder
from seqmodels.spec import Spec
from seqmodels.tasks import LanguageModelling, sample, stream
from seqmodels.tasks.base import join_tokens
from seqmodels.tasks.baselines.ngram import Ngram
from tests.tasks.task_parts import make_batch


def text_spec(size: int) -> Spec:
    return Spec("tokens", size, "tokens", size, "step")


def text(tokens: np.ndarray, size: int) -> ArrayDataset:
    return ArrayDataset(text_spec(size), [tokens[:-1]], [tokens[1:]], stream=True)


def markov_chain(size: int, steps: int, seed: int = 0) -> tuple[np.ndarray, float, float]:
    """Tokens that depend on the two before, with the entropy per token and that of single tokens, in nats."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(size, 0.4), size=(size, size))
    cumulated, draws, tokens = table.cumsum(-1), rng.random(steps), [0, 0]
    for draw in draws:
        tokens.append(min(int(np.searchsorted(cumulated[tokens[-2], tokens[-1]], draw)), size - 1))
    chain = np.array(tokens)
    rows = table[chain[:-2], chain[1:-1]]
    entropy = -np.mean(np.sum(rows * np.log(rows + 1e-30), axis=1))
    share = np.bincount(chain) / len(chain)
    return chain, float(entropy), float(-(share * np.log(share)).sum())


def test_trigram_reaches_the_entropy_of_a_second_order_chain_and_unigram_that_of_tokens():
    size = 6
    chain, entropy, single = markov_chain(size, 60_000)
    train, evaluation = text(chain[:50_000], size), text(chain[50_000:], size)
    found = LanguageModelling(text_spec(size), ngram_orders=[1, 2, 3]).baselines(train, evaluation)
    assert found["trigram"]["loss"] == pytest.approx(entropy, rel=0.02)
    assert found["unigram"]["loss"] == pytest.approx(single, rel=0.02)
    assert entropy * 1.1 < found["bigram"]["loss"] < single


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_sum_to_one_after_known_and_unknown_contexts(order):
    rng, size = np.random.default_rng(0), 5
    model = Ngram(order, size + 1, size)
    model.add(rng.integers(0, 3, (40, 2)), rng.integers(0, 4, 40))
    contexts = np.array([(a, b) for a in range(size + 1) for b in range(size + 1)])
    total = sum(model.probability(contexts, np.full(len(contexts), token)) for token in range(size))
    assert total == pytest.approx(np.ones(len(contexts)), abs=1e-12)


def slow_kneser_ney(grams: list[tuple[int, ...]], context: tuple[int, ...], token: int, size: int) -> float:
    """The same equations in plain Python: `grams` are n-grams with repetitions."""
    counts = Counter(grams)
    once, twice = (sum(c == times for c in counts.values()) for times in (1, 2))
    discount = min(max(once / max(once + 2 * twice, 1), 0.1), 0.95)
    followers = defaultdict(dict)
    for gram, count in counts.items():
        followers[gram[:-1]][gram[-1]] = count
    lower = 1 / size if not context else slow_kneser_ney([g[1:] for g in counts], context[1:], token, size)
    seen = followers.get(context)
    if not seen:
        return lower
    return (max(seen.get(token, 0) - discount, 0) + discount * len(seen) * lower) / sum(seen.values())


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_are_those_of_the_equations_written_again(order):
    rng, size = np.random.default_rng(2), 4
    contexts, tokens = rng.integers(0, size, (24, order - 1)), rng.integers(0, size, 24)
    model = Ngram(order, size, size)
    model.add(contexts[:10], tokens[:10])
    model.add(contexts[10:], tokens[10:])
    grams = [(*c, t) for c, t in zip(contexts.tolist(), tokens.tolist(), strict=True)]
    asked, targets = rng.integers(0, size, (50, order - 1)), rng.integers(0, size, 50)
    expected = [
        slow_kneser_ney(grams, tuple(c), t, size) for c, t in zip(asked.tolist(), targets.tolist(), strict=True)
    ]
    assert model.probability(asked, targets) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("order", [2, 4])
def test_beyond_the_first_token_lies_a_border_that_is_no_token(order):
    rng, size = np.random.default_rng(0), 3
    inputs = [rng.integers(0, size, n) for n in rng.integers(1, 6, 30)]
    targets = [rng.integers(0, size, len(x)) for x in inputs]
    grams = [
        (*([size] * (order - 1) + x.tolist()[: t + 1])[-(order - 1) :], y[t])
        for x, y in zip(inputs, targets, strict=True)
        for t in range(len(x))
    ]
    expected = -np.mean([np.log(slow_kneser_ney(grams, gram[:-1], gram[-1], size)) for gram in grams])
    data = ArrayDataset(text_spec(size), inputs, targets)
    found = LanguageModelling(text_spec(size), ngram_orders=[order]).baselines(data, data)
    assert next(iter(found.values()))["loss"] == pytest.approx(expected)


def test_contexts_do_not_reach_across_sequences_and_pieces_do_not_matter(monkeypatch):
    rng, size = np.random.default_rng(0), 5
    parts = [rng.integers(0, size, n) for n in (3, 1, 40, 17)]
    data = ArrayDataset(text_spec(size), parts, [np.roll(part, 1) for part in parts])
    task = LanguageModelling(text_spec(size), ngram_orders=[3])
    whole = task.baselines(data, data)
    monkeypatch.setattr("seqmodels.tasks.baselines.reading.ITEMS", 7)
    assert task.baselines(data, data)["trigram"] == pytest.approx(whole["trigram"])
    swapped = ArrayDataset(text_spec(size), data.inputs[::-1], data.targets[::-1])
    assert task.baselines(swapped, swapped)["trigram"] == pytest.approx(whole["trigram"])


def test_counting_a_million_letters_takes_seconds():
    tokens = np.random.default_rng(0).integers(0, 90, 1_000_000)
    began = time.process_time()
    LanguageModelling(text_spec(90)).baselines(text(tokens, 90), text(tokens[:1000], 90))
    assert time.process_time() - began < 10


def test_a_vocabulary_too_large_for_the_order_is_refused():
    with pytest.raises(ValueError, match="order must be lower than 8"):
        Ngram(8, 1000, 1000)


def test_bits_and_perplexity_follow_from_the_loss():
    task = LanguageModelling(text_spec(4))
    assert task.summary({"loss": math.log(8)}) == pytest.approx({"loss": math.log(8), "bits": 3, "perplexity": 8})
    assert task.summary({"loss": 1e6})["perplexity"] == math.inf


def test_decode_tells_the_likeliest_next_tokens():
    spec = Spec("tokens", 3, "tokens", 3, "step", target_names=("a", "b", "c"))
    batch = make_batch(spec, rows=2)
    prediction = torch.zeros(2, 5, 3)
    prediction[1, 4] = torch.tensor([0.0, 3.0, 1.0])
    decoded = LanguageModelling(spec).decode(prediction, batch)
    assert decoded[0] == {"next": {}}
    assert list(decoded[1]["next"]) == ["b", "c", "a"]


class Adder(nn.Module):
    """Predicts the sum of all tokens so far, modulo V: wrong at once if the state is not carried."""

    carries = True

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.weight, self.calls = size, nn.Parameter(torch.zeros(1)), []

    def initial_state(self, batch_size, like):
        return torch.zeros(batch_size, dtype=torch.long)

    def forward(self, inputs, state=None, lengths=None, reset=None, teacher=None):
        self.calls.append((inputs.shape[1], self.training))
        sums = (state.unsqueeze(1) + inputs.cumsum(1)) % self.size
        return nn.functional.one_hot(sums, self.size) * 50.0, sums[:, -1]


def test_sampling_reads_the_prompt_once_and_carries_the_state():
    model = Adder(10)
    drawn = sample(model, torch.tensor([[1, 2], [0, 1]]), steps=5, temperature=None)
    assert drawn.tolist() == [[3, 6, 2, 4, 8], [1, 2, 4, 8, 6]]
    assert model.calls == [(2, False)] + [(1, False)] * 4
    assert model.training
    assert sample(model, torch.tensor([1, 2]), steps=5).tolist() == [3, 6, 2, 4, 8]
    assert sample(model, torch.tensor([1, 2]), steps=0).tolist() == []


def test_a_stream_that_is_left_early_gives_the_model_back_as_it_was():
    model = Adder(10)
    tokens = stream(model, torch.tensor([[1]]), steps=100)
    assert next(tokens).tolist() == [1]
    assert not model.training
    tokens.close()
    assert model.training
    assert torch.is_grad_enabled()


def small_model(size: int) -> SequenceModel:
    torch.manual_seed(0)
    return SequenceModel(TokenEncoder(size, 4), Recurrent(GRUCell(4, 8)), ManyToMany(8, size))


def test_sampling_repeats_with_its_generator_and_keeps_to_the_likeliest():
    model, prompt = small_model(20), torch.tensor([3, 4])

    def draw(seed: int, **options) -> list[int]:
        return sample(model, prompt, 30, generator=torch.Generator().manual_seed(seed), **options).tolist()

    assert draw(1) == draw(1) != draw(2)
    assert draw(1, top_k=1) == sample(model, prompt, 30, temperature=None).tolist()


def test_sampling_refuses_a_model_of_both_directions_and_an_empty_prompt():
    model = Adder(4)
    with pytest.raises(ValueError, match="prompt_tokens"):
        sample(model, torch.zeros(0, dtype=torch.long), 3)
    model.carries = False
    with pytest.raises(ValueError, match="bidirectional"):
        sample(model, torch.tensor([1]), 3)


def test_texts_go_on_from_the_longest_row():
    spec = Spec("tokens", 3, "tokens", 3, "step", target_names=("a", "b", "c"))
    task, batch, model = LanguageModelling(spec, sample_steps=12), make_batch(spec), small_model(3)
    found = task.texts(model, batch, torch.Generator().manual_seed(0))
    assert found["prompt"] == join_tokens(batch.inputs[1].tolist(), ("a", "b", "c"))
    assert len(found["sample"]) == 12
    assert found == task.texts(model, batch, torch.Generator().manual_seed(0))
    assert LanguageModelling(spec, temperature=None).texts(model, batch, torch.Generator())["sample"]


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.0},
        {"top_k": 0},
        {"top_p": 1.5},
        {"sample_steps": 0},
        {"ngram_orders": [0]},
        {"sample_steps": True},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must be"):
        LanguageModelling(text_spec(4), **options)
