"""Sequences with a length of their own: tokens with a stop token, and values."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from seqmodels.batch import SequenceBatch
from seqmodels.cells import GRUCell
from seqmodels.data.dataset import ArrayDataset
from seqmodels.heads import EncoderDecoder, OneToMany
from seqmodels.layers import Recurrent
from seqmodels.model import SequenceModel, TokenEncoder
from seqmodels.spec import Spec
from seqmodels.tasks import SequenceGeneration

STOP = 3
SPEC = Spec(
    "tokens", 2, "tokens", 4, "own", input_names=("first", "second"), target_names=("a", "b", "c", "<stop>"), stop=STOP
)


def make(targets: list[list[int]]) -> SequenceBatch:
    lengths = torch.tensor([len(row) for row in targets])
    padded = torch.full((len(targets), int(lengths.max())), -1)
    for row, target in zip(padded, targets, strict=True):
        row[: len(target)] = torch.tensor(target)
    ones = torch.ones(len(targets), dtype=torch.long)
    return SequenceBatch(torch.zeros(len(targets), 1, dtype=torch.long), padded, ones, ones.bool(), lengths)


def certain(tokens: list[list[int]]) -> torch.Tensor:
    return functional.one_hot(torch.tensor(tokens), 4) * 100.0


def test_the_stop_token_counts_and_steps_beyond_the_targets_are_not_read():
    task, batch = SequenceGeneration(SPEC), make([[0, 1, STOP], [2, STOP]])
    logits = torch.randn(2, 7, 4)
    total, count = task.loss(logits, batch)
    expected = functional.cross_entropy(logits[0, :3], batch.targets[0], reduction="sum")
    expected += functional.cross_entropy(logits[1, :2], batch.targets[1, :2], reduction="sum")
    assert count.item() == 5
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    with pytest.raises(ValueError, match="prediction must be"):
        task.loss(logits[:, :2], batch)


def test_accuracy_is_of_tokens_and_exact_of_whole_sequences():
    task, batch = SequenceGeneration(SPEC), make([[0, 1, STOP], [2, STOP]])
    metrics = task.metrics()
    task.update(metrics, certain([[0, 0, STOP], [2, STOP, 1]]), batch)
    found = task.summary({"loss": 0.0, **metrics.compute()})
    assert found == pytest.approx({"loss": 0.0, "accuracy": 0.8, "exact": 0.5, "perplexity": 1.0})


def test_decode_stops_at_the_stop_token_of_logits_and_of_tokens():
    task, batch = SequenceGeneration(SPEC), make([[0, STOP], [0, STOP]])
    expected = [{"tokens": ["b", "a"], "text": "ba"}, {"tokens": [], "text": ""}]
    tokens = [[1, 0, STOP, 2], [STOP, 1, 1, 1]]
    assert task.decode(certain(tokens), batch) == expected
    assert task.decode(torch.tensor(tokens), batch) == expected


def test_baselines_know_how_target_sequences_go_on_and_end():
    rng = np.random.default_rng(0)

    def alternating(count: int) -> ArrayDataset:
        """a b a b ..., four tokens and the stop, from either beginning."""
        targets = [([0, 1, 0, 1] if first else [1, 0, 1, 0]) + [STOP] for first in rng.integers(0, 2, count)]
        return ArrayDataset(SPEC, [np.array([0])] * count, targets)

    found = SequenceGeneration(SPEC).baselines(alternating(500), alternating(100))
    assert found["unigram"]["loss"] == pytest.approx(-(0.8 * np.log(0.4) + 0.2 * np.log(0.2)), rel=0.02)
    assert found["unigram"]["accuracy"] == pytest.approx(0.4, abs=0.01)
    # The first token is a coin; then only the third and the end are in doubt after two tokens.
    assert found["trigram"]["loss"] < 0.6 * found["unigram"]["loss"]
    assert found["trigram"]["loss"] > np.log(2) / 5


@pytest.mark.parametrize("head", [OneToMany, EncoderDecoder])
@pytest.mark.parametrize("temperature", [None, 0.7])
def test_texts_show_what_the_model_makes_of_some_rows(head, temperature):
    torch.manual_seed(0)
    head = head(8, 4, stop=STOP, hidden_sizes=[8], max_steps=6)
    model = SequenceModel(TokenEncoder(2, 4), Recurrent(GRUCell(4, 8)), head)
    task, batch = SequenceGeneration(SPEC, temperature=temperature, shown=2), make([[0, STOP], [2, 1, STOP], [STOP]])
    batch = batch._replace(targets=batch.targets.clamp(min=0), lengths=torch.tensor([1, 1, 0]))
    lines = task.texts(model, batch, torch.Generator().manual_seed(0))["generated"].splitlines()
    assert [line.split(" -> ")[0] for line in lines] == ["first", "first"]
    assert lines[0].endswith("(true: a)")
    assert lines[1].endswith("(true: cb)")
    assert model.training


def test_values_are_scored_against_the_mean_at_each_step_in_original_units():
    spec = Spec("tokens", 2, "values", 1, "own", shift=(100.0,), scale=(10.0,))
    rows = [np.array([[0.0], [2.0]]), np.array([[2.0], [4.0], [5.0]])]
    data = ArrayDataset(spec, [np.array([0]), np.array([1])], rows)
    found = SequenceGeneration(spec).baselines(data, data)["mean of train"]
    assert found["mae"] == pytest.approx(10 * 4 / 5)
    assert SequenceGeneration(spec).monitor == ("rmse", "min")
