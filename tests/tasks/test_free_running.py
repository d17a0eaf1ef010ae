"""What is written freely, scored against the nearest of several references; rewriters as baselines."""

import copy
import itertools
import pickle
import random
import sys

import numpy as np
import pytest
import sacrebleu
import torch

from seqmodels.batch import SequenceBatch
from seqmodels.data.dataset import ArrayDataset
from seqmodels.spec import Pairs, Spec
from seqmodels.tasks import SequenceGeneration
from seqmodels.tasks.baselines.token_by_token import InOrder, WordByWord, shared_names
from seqmodels.tasks.metrics.edit_distance import edit_distance
from seqmodels.tasks.metrics.free_running import FreeRunning

NAMES = ("a", "b", "c", "<unk>", "<stop>")
STOP, UNKNOWN = 4, 3
PAIRS = Pairs("character", "character", target_unknown=UNKNOWN, references=True)
SPEC = Spec("tokens", 3, "tokens", 5, "own", ("x", "y", "z"), NAMES, STOP, pairs=PAIRS)


def random_rows(seed: int, count: int = 30) -> list[tuple[list[int], list[int], list[int]]]:
    """Sources with one or several references, and what was written of each."""
    draw = random.Random(seed)
    written = {source: draw.choices(range(3), k=draw.randint(0, 5)) for source in range(count // 2)}
    sources = draw.choices(range(count // 2), k=count)
    return [([s, 9], written[s], draw.choices(range(3), k=draw.randint(1, 5))) for s in sources]


def batch_of(rows) -> tuple[torch.Tensor, SequenceBatch]:
    """What was written, ended by the stop token with garbage after it, and the rows as a padded batch."""
    generator = torch.Generator().manual_seed(0)

    def pad(parts, most: int) -> torch.Tensor:
        padded = torch.randint(most, (len(parts), max(map(len, parts)) + 2), generator=generator)
        for row, part in zip(padded, parts, strict=True):
            row[: len(part)] = torch.tensor(part)
        return padded

    sources, made, true = zip(*rows, strict=True)
    true = [[*t, STOP] for t in true]
    lengths, ends = (torch.tensor([len(part) for part in parts]) for parts in (sources, true))
    batch = SequenceBatch(pad(sources, 3), pad(true, 5), lengths, lengths > 0, ends)
    return pad([[*m, STOP] for m in made], 5), batch


@pytest.mark.parametrize("seed", range(4))
def test_each_source_is_scored_by_its_nearest_reference(seed):
    rows = random_rows(seed)
    edits = tokens = right = 0
    sources = {tuple(row[0]) for row in rows}
    for source in sources:
        own = [row for row in rows if tuple(row[0]) == source]
        distances = [(edit_distance(made, true), len(true)) for _, made, true in own]
        edits, tokens = edits + min(distances)[0], tokens + min(distances)[1]
        right += any(made == true for _, made, true in own)
    found = FreeRunning().add(rows).compute()
    assert found == pytest.approx({"token_error_rate": edits / tokens, "sequence_accuracy": right / len(sources)})
    alone = FreeRunning(grouped=False).add(rows).compute()
    assert alone["sequence_accuracy"] == pytest.approx(np.mean([made == true for _, made, true in rows]))


def test_by_hand():
    rows = [([0], [0, 1], [0, 1, 2]), ([0], [0, 1], [1, 1]), ([1], [], [2, 2])]
    # The first source is one edit from both of its references, the shorter of which counts; the second two.
    assert FreeRunning().add(rows).compute() == {"token_error_rate": 3 / 4, "sequence_accuracy": 0.0}
    assert FreeRunning().add([]).compute() == {}


@pytest.mark.parametrize("seed", range(3))
def test_rows_may_come_in_any_order_and_in_parts_and_be_copied(seed):
    rows = random_rows(seed)
    whole = FreeRunning().add(rows).compute()
    parts = FreeRunning()
    for row in random.Random(seed).sample(rows, len(rows)):
        parts = pickle.loads(pickle.dumps(copy.deepcopy(parts))).add([row])
    assert parts.compute() == pytest.approx(whole)
    joined = FreeRunning().add([])
    joined.records = torch.cat(parts.records)  # as after processes have shared theirs
    assert joined.compute() == pytest.approx(whole)


@pytest.mark.parametrize("seed", range(3))
def test_the_task_counts_no_padding_and_cuts_at_the_stop_token(seed):
    rows = random_rows(seed)
    task = SequenceGeneration(SPEC)
    metrics = task.metrics()
    made, batch = batch_of(rows)
    task.update_generated(metrics, made, batch)
    none = batch._replace(lengths=torch.zeros_like(batch.lengths))  # rows that only pad
    task.update_generated(metrics, made, none)
    assert metrics["free_running"].compute() == FreeRunning().add(rows).compute()


def test_what_the_vocabulary_lacks_is_never_right():
    task = SequenceGeneration(SPEC)
    metrics = task.metrics()
    made, batch = batch_of([([0], [0, UNKNOWN], [0, UNKNOWN])])
    task.update_generated(metrics, made, batch)
    assert metrics["free_running"].compute() == {"token_error_rate": 0.5, "sequence_accuracy": 0.0}


def test_bleu_and_chrf_are_sacrebleus_with_all_references():
    names = ("the", "cat", "sat", "on", "mat", ".", "<unk>", "<stop>")
    pairs = Pairs("character", "symbols", target_unknown=6, references=True)
    spec = Spec("tokens", 3, "tokens", 8, "own", ("x", "y", "z"), names, 7, pairs=pairs)
    rows = [([0], [0, 1, 2, 3, 0, 4, 5], [0, 1, 2, 3, 4, 5]), ([0], [0, 1, 2, 3, 0, 4, 5], [0, 1, 3, 0, 4, 5])]
    rows += [([1], [0, 4, 2, 3, 0, 1, 5], [0, 4, 2, 3, 1, 5])]
    made = ["the cat sat on the mat .", "the mat sat on the cat ."]
    references = [["the cat sat on mat .", "the mat sat on cat ."], ["the cat on the mat .", None]]
    task = SequenceGeneration(spec, translation_scores=True)
    found = task.metrics()["free_running"].add(rows).compute()
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(made, references).score)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(made, references).score)
    assert 0 < found["bleu"] < 100


def test_a_missing_sacrebleu_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(ValueError, match=r"task.translation_scores needs sacrebleu: pip install 'seqmodels\[text\]'"):
        SequenceGeneration(SPEC, translation_scores=True)


def test_the_comparison_is_on_what_is_written_where_that_is_known():
    task = SequenceGeneration(SPEC)
    base = {"unigram": {"loss": 1.0}, "token by token": {"token_error_rate": 0.3}}
    assert "token error rate 0.2" in task.compare({"loss": 2.0, "token_error_rate": 0.2}, base)
    assert "LOSES to unigram" in task.compare({"loss": 2.0}, base)
    words = task.compare({"bleu": 9.0, "chrf": 20.0}, {"IBM 1": {"bleu": 8.0, "chrf": 28.0}})
    assert words.startswith("The model beats every baseline: bleu 9")
    assert "LOSES to IBM 1: chrf 20 against 28" in words  # what is won by one metric may be lost by another


def pairs_of(rule, seed: int, count: int = 300) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    sources = [rng.integers(0, 6, rng.integers(1, 8)) for _ in range(count)]
    return [(s, np.array(list(itertools.chain(*(rule[t] for t in s.tolist()))), np.int64)) for s in sources]


def test_in_order_finds_what_each_token_stands_for():
    rule = {0: [1], 1: [2, 3], 2: [], 3: [4], 4: [5], 5: [1, 4]}
    pairs = [(s, t) for s, t in pairs_of(rule, 0) if len(t)]
    model = InOrder(6).fit(pairs)
    assert model.best == rule
    for source, target in pairs_of(rule, 1, 20):
        assert model.write(source) == target.tolist()
    assert model.write(np.array([7])) == []
    assert InOrder(6).fit([(np.array([0]), np.array([1, 2, 3]))]).write(np.array([0])) == []  # cannot be aligned


def test_word_by_word_needs_no_order():
    rule = {s: [5 - s] for s in range(6)}
    pairs = [(s, np.random.default_rng(i).permutation(t)) for i, (s, t) in enumerate(pairs_of(rule, 0))]
    assert WordByWord(6, 6).fit(pairs).best == {**{s: 5 - s for s in range(6)}, 6: WordByWord(6, 6).fit(pairs).best[6]}
    assert WordByWord(6, 6).fit([]).write(np.array([0])) == []


def test_copying_is_tried_where_most_names_are_shared():
    assert shared_names(("a", "b", "x"), ("b", "a", "c")) == {0: 1, 1: 0}
    assert shared_names(("a", "b"), ("A", "B")) == {}


def test_baselines_write_freely_in_the_models_metrics():
    def data(seed: int) -> ArrayDataset:
        rng = np.random.default_rng(seed)
        sources = [rng.integers(0, 3, rng.integers(1, 6)) for _ in range(80)]
        return ArrayDataset(SPEC, sources, [[*(2 - s), STOP] for s in sources])

    found = SequenceGeneration(SPEC).baselines(data(0), data(1))
    assert found["token by token, in order"] == {"token_error_rate": 0.0, "sequence_accuracy": 1.0}
    assert found["word by word (IBM 1)"]["token_error_rate"] == 0.0
    assert "copy of the source" not in found
    assert set(SequenceGeneration(SPEC, free_running=False).baselines(data(0), data(1))) == {"unigram", "trigram"}


def test_label_smoothing_is_for_training_alone():
    rows = random_rows(0, 6)
    _, batch = batch_of(rows)
    logits = torch.randn(*batch.targets.shape, 5)
    plain, smooth = SequenceGeneration(SPEC), SequenceGeneration(SPEC, label_smoothing=0.2)
    assert smooth.loss(logits, batch)[0] == plain.loss(logits, batch)[0]
    logits.requires_grad_()
    mean = -logits.log_softmax(-1).mean(-1)[:, : batch.targets.shape[1]]
    real = torch.arange(batch.targets.shape[1]) < batch.target_lengths.unsqueeze(1)
    expected = 0.8 * plain.loss(logits, batch)[0] + 0.2 * mean[real].sum()
    assert smooth.loss(logits, batch)[0].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("options", [{"beam": 0}, {"length_penalty": 0.5}, {"max_length_ratio": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        SequenceGeneration(SPEC, **options)


def test_the_best_weights_are_those_that_write_best():
    """The loss punishes being too sure, and rises while what is written still gets better."""
    assert SequenceGeneration(SPEC).monitor == ("accuracy", "max")
    assert SequenceGeneration(SPEC, generates_in_validation=True).monitor == ("token_error_rate", "min")
    assert SequenceGeneration(SPEC, free_running=False).monitor == ("loss", "min")  # no one right answer
