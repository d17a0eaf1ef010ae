"""Tagging with whole sequences of tags scored together, segments, and the codon baseline."""

import itertools

import numpy as np
import pytest
import torch

from seqmodels.data.dataset import ArrayDataset
from seqmodels.registry import make
from seqmodels.spec import Spec, Text
from seqmodels.tasks.baselines.codons import CodonWindows, best_threshold
from seqmodels.tasks.baselines.markov import Markov
from seqmodels.tasks.metrics.segments import COUNTS, count_segments, segment_scores
from seqmodels.tasks.tagging import Tagging
from tests.tasks.task_parts import TAGS, chained


def every_path(potentials):
    steps = len(potentials)
    paths = torch.tensor(list(itertools.product(range(3), repeat=steps)))
    before = torch.cat((torch.zeros_like(paths[:, :1]), paths[:, :-1]), 1)
    return paths, potentials[torch.arange(steps), before, paths].sum(1)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 0.0, 1.0])])
def test_the_loss_is_the_negative_log_probability_of_the_sequence_of_tags(weights):
    prediction, batch = chained(weights=weights)
    total, count = Tagging(TAGS).loss(prediction, batch)
    each = [1.0] * 4 if weights is None else weights.tolist()
    wanted = 0.0
    for row, length in enumerate(batch.lengths.tolist()[:3]):
        paths, scores = every_path(prediction[row, :length])
        true = (paths == batch.targets[row, :length]).all(1)
        wanted += each[row] * float(scores.logsumexp(0) - scores[true])
    assert total.item() == pytest.approx(wanted)
    assert count.item() == pytest.approx(sum(w * n for w, n in zip(each, batch.lengths.tolist(), strict=True)))


def test_tags_and_their_probabilities_are_those_of_whole_sequences():
    prediction, batch = chained(seed=3)
    decoded = Tagging(TAGS).decode(prediction, batch)
    for row, length in enumerate(batch.lengths.tolist()[:3]):
        paths, scores = every_path(prediction[row, :length])
        best = paths[scores.argmax()]
        assert decoded[row]["tags"] == [TAGS.target_names[tag] for tag in best]
        share = ((paths == best) * scores.softmax(0).unsqueeze(1)).sum(0)
        assert decoded[row]["probabilities"] == pytest.approx(share.tolist(), rel=1e-5)
    assert decoded[3] == {"tags": [], "probabilities": []}


def test_what_a_chain_has_no_use_for_is_refused():
    prediction, batch = chained()
    for options in ({"label_smoothing": 0.1}, {"class_weights": "balanced"}):
        with pytest.raises(ValueError, match="this head's loss is of sequences"):
            Tagging(TAGS, **options).loss(prediction, batch)
    with pytest.raises(ValueError, match=r"prediction must be \(4, 6, 3, 3\)"):
        Tagging(TAGS).loss(prediction[..., :2], batch)
    with pytest.raises(ValueError, match=r"task.segments: the data have no tag 'exon'; their tags: out, in, also in"):
        Tagging(TAGS, segments=["exon"])


def test_windows_are_refused_for_a_head_of_whole_sequences():
    from seqmodels.cells import GRUCell
    from seqmodels.layers import Recurrent
    from seqmodels.model import SequenceModel, TokenEncoder
    from seqmodels.training.learner import Learner

    model = SequenceModel(TokenEncoder(5, 4), Recurrent(GRUCell(4, 6)), make("head", "crf", 6, 3))
    with pytest.raises(ValueError, match="window=4 cuts sequences, but LinearChainCRF"):
        Learner(model, Tagging(TAGS), window=4)
    Learner(model, Tagging(TAGS))


def plain_segments(tags, starts, members):
    """By a loop over steps."""
    found, first = set(), None
    for t, tag in enumerate(tags):
        if first is not None and (starts[t] or tag not in members):
            found.add((first, t - 1))
            first = None
        if tag in members and first is None:
            first = t
    return found | ({(first, len(tags) - 1)} if first is not None else set())


@pytest.mark.parametrize("seed", range(20))
def test_segments_are_those_of_a_plain_loop(seed):
    draw = np.random.default_rng(seed)
    predicted, truth = draw.integers(0, 3, (2, 60))
    truth = np.where(draw.random(60) < 0.7, predicted, truth)
    starts = draw.random(60) < 0.1
    starts[0] = True
    members = [1, 2]
    counts = count_segments(*(torch.from_numpy(x) for x in (predicted, truth, starts)), members)
    found, true = (plain_segments(x, starts, members) for x in (predicted, truth))
    assert [counts[name] for name in COUNTS[:3]] == [len(found), len(true), len(found & true)]
    inside = [np.isin(x, members) for x in (predicted, truth)]
    assert counts["steps_both"] == (inside[0] & inside[1]).sum()
    scores = segment_scores(counts)
    both = len(found & true)
    assert scores["segment_precision"] == pytest.approx(both / len(found))
    assert scores["segment_f1"] == pytest.approx(2 * both / (len(found) + len(true)))


def test_segments_are_among_the_metrics():
    task, (prediction, batch) = Tagging(TAGS, segments=["in", "also in"]), chained(seed=5)
    metrics = task.metrics()
    task.update(metrics, prediction, batch)
    assert task.monitor == ("step_f1", "max")
    assert set(task.summary(metrics.compute())) >= {"accuracy", "step_f1", "segment_precision", "segment_f1"}


# Baselines.


def coding_dataset(records: int, seed: int) -> ArrayDataset:
    """Random letters, and in them stretches of few codons in one frame."""
    draw, inputs, targets = np.random.default_rng(seed), [], []
    codons = np.array([[0, 1, 2], [3, 3, 1], [2, 0, 0]])
    for _ in range(records):
        before, after = draw.integers(200, 400, 2)
        coding = codons[draw.integers(0, 3, 120)].ravel()
        inputs.append(np.concatenate([draw.integers(0, 4, before), coding, draw.integers(0, 4, after)]))
        targets.append(np.repeat([0, 1, 0], [before, len(coding), after]))
    spec = Spec("tokens", 5, "labels", 2, "step", tuple("ACGTN"), ("no", "coding"), text=Text(alphabet="dna"))
    return ArrayDataset(spec, inputs, targets)


def test_codon_windows_find_what_is_made_of_codons():
    train, test = coding_dataset(20, 0), coding_dataset(5, 1)
    scores = Tagging(train.spec, segments=["coding"]).baselines(train, test)
    assert scores["codon composition in windows"]["step_f1"] > 0.95
    assert scores["most frequent tag per token"]["step_f1"] < 0.8


def test_codon_windows_know_the_frame_and_see_only_the_training_part():
    train, test = coding_dataset(20, 0), coding_dataset(5, 1)
    by_place = [np.where(y == 1, 1 + (np.cumsum(y) - y) % 3, 0) for y in test.targets]
    windows = CodonWindows(5, [1, 2, 3], 0)
    found = windows.fit(ArrayDataset(train.spec, train.inputs, [np.minimum(3, y) for y in train.targets])).predict(test)
    truth = np.concatenate(by_place)
    inside = (found > 0) & (truth > 0)
    assert (found == truth)[inside].mean() > 0.95


def test_the_best_threshold_is_the_best_of_all():
    draw = np.random.default_rng(0)
    truth = draw.random(200) < 0.4
    scores = np.round(draw.normal(truth, 1.0), 1)  # many are alike
    f1, threshold = best_threshold(scores, truth)

    def f1_of(threshold):
        found = scores > threshold
        return 2 * (found & truth).sum() / (found.sum() + truth.sum())

    assert f1 == pytest.approx(f1_of(threshold))
    assert f1 == pytest.approx(max(f1_of(x) for x in np.unique(scores) - 0.05))


def test_markov_probabilities_are_a_distribution_and_fall_back():
    draw = np.random.default_rng(0)
    letters = draw.integers(0, 4, 3000)
    for t in range(3, 3000):  # order 3: the letter of three before, mostly
        letters[t] = letters[t - 3] if draw.random() < 0.8 else letters[t]
    model = Markov(5, 5).fit([letters])
    assert model.order >= 3
    context = draw.integers(0, 4, 40)
    ends = np.stack([np.append(context, x) for x in range(5)])
    assert sum(model._probability(end)[-1] for end in ends) == pytest.approx(1)
    entropy = -(0.85 * np.log(0.85) + 3 * 0.05 * np.log(0.05))
    held = draw.integers(0, 4, 2000)
    for t in range(3, 2000):
        held[t] = held[t - 3] if draw.random() < 0.8 else held[t]
    assert model.cross_entropy([held]) == pytest.approx(entropy, abs=0.05)
    assert Markov(5, 3).fit([letters[:1]]).order == 0
