"""Transcription: its loss against the sum over all paths, its padding, its metrics and baselines."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch

from seqmodels.batch import SequenceBatch
from seqmodels.data.dataset import ArrayDataset
from seqmodels.spec import Spec
from seqmodels.tasks.transcription import Transcription, steps_needed
from tests.tasks.task_parts import TRANSCRIPTS, transcribed

V = 2
TASK = Transcription(TRANSCRIPTS)


def brute_force(logits, target):
    log_p, total = logits.log_softmax(-1), []
    for path in itertools.product(range(V + 1), repeat=len(logits)):
        if [token for token, _ in itertools.groupby(path) if token != V] == target:
            total.append(sum(log_p[t, token] for t, token in enumerate(path)))
    return -torch.stack(total).logsumexp(0)


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 0.5, 3.0, 0.0, 2.0])])
def test_loss_and_gradient_are_those_of_all_paths(weights):
    prediction, batch = transcribed(weights)
    prediction.requires_grad_()
    total, count = TASK.loss(prediction, batch)
    each = torch.ones(5) if weights is None else weights
    rows = [0, 1, 3, 4]
    truth = sum(
        each[row] * brute_force(prediction[row, : batch.lengths[row]], batch.targets[row, :n].tolist())
        for row, n in zip(rows, (2, 1, 1, 0), strict=True)
    )
    torch.testing.assert_close(total, truth)
    assert count.item() == pytest.approx(sum(each[row].item() * n for row, n in zip(rows, (2, 1, 1, 0), strict=True)))
    got, wanted = (torch.autograd.grad(value, prediction)[0] for value in (total, truth))
    torch.testing.assert_close(got, wanted)


def test_a_batch_of_empty_rows_counts_nothing():
    prediction, batch = transcribed()
    empty = batch._replace(lengths=torch.zeros_like(batch.lengths))
    total, count = TASK.loss(prediction.fill_(torch.nan), empty)
    assert (total.item(), count.item()) == (0, 0)
    metrics = TASK.metrics()
    TASK.update(metrics, prediction, empty)
    assert TASK.summary(metrics.compute()) == {}
    assert TASK.plots(prediction, empty) == {}


def test_too_few_steps_are_refused_by_row():
    prediction, batch = transcribed()
    targets = batch.targets.clone()
    targets[1] = 1
    lengths, counts = torch.tensor([4, 2, 0, 1, 4]), torch.tensor([2, 2, 2, 1, 0])
    short = batch._replace(lengths=lengths, target_lengths=counts, targets=targets)
    with pytest.raises(ValueError, match="row 1 of the batch has 2 steps, and its 2 target tokens need at least 3"):
        TASK.loss(prediction, short)


@pytest.mark.parametrize("seed", range(5))
def test_steps_needed_are_those_of_the_shortest_path(seed):
    torch.manual_seed(seed)
    target = torch.randint(V, (4,))
    for count in range(5):
        row = target[:count].tolist()
        shortest = next(
            steps
            for steps in range(8)
            for path in itertools.product(range(V + 1), repeat=steps)
            if [token for token, _ in itertools.groupby(path) if token != V] == row
        )
        assert steps_needed(target[None], torch.tensor([count])).item() == shortest


def test_metrics_count_edits():
    _, batch = transcribed()
    path = torch.tensor([[0, 2, 0, 2], [1, 1, 0, 2], [0, 0, 0, 0], [2, 2, 2, 2], [2, 2, 2, 2]])
    metrics = pickle.loads(pickle.dumps(copy.deepcopy(TASK.metrics())))
    TASK.update(metrics, torch.eye(V + 1)[path].double(), batch)
    # said: 0 0 (right), 1 0 (one too many), -, nothing (one missing), nothing (right)
    assert TASK.summary(metrics.compute()) == pytest.approx({"token_error_rate": 2 / 4, "exact": 2 / 4})
    TASK.update_generated(metrics, torch.tensor([[0, 0], [1, 2], [2, 2], [1, 2], [2, 2]]), batch)
    found = TASK.summary({"loss": 1.5, **metrics.compute()})
    assert (found["beam_token_error_rate"], found["beam_exact"], found["loss"]) == (0, 1, 1.5)


def test_baselines():
    rng = np.random.default_rng(0)
    targets = [rng.integers(0, V, rng.integers(1, 4)) for _ in range(40)]
    inputs = [np.repeat(np.eye(3)[y], 5, axis=0) for y in targets]
    train, test = (
        ArrayDataset(TRANSCRIPTS, inputs[:30], targets[:30]),
        ArrayDataset(TRANSCRIPTS, inputs[30:], targets[30:]),
    )
    found = TASK.baselines(train, test)
    assert found["equal cuts, nearest neighbour"] == {"token_error_rate": 0, "exact": 1}
    assert 0 < found["most frequent sequence"]["token_error_rate"] <= 2
    assert "most frequent token" in found
    of_tokens = Spec("tokens", 3, "tokens", V, "own")
    train = ArrayDataset(of_tokens, [x.argmax(1) for x in inputs], targets)
    assert set(Transcription(of_tokens).baselines(train, train)) == {"most frequent sequence", "most frequent token"}


def test_an_empty_row_has_no_text_and_a_picture_says_the_true_one():
    prediction, batch = transcribed()
    assert TASK.decode(prediction, batch)[2] == {"tokens": [], "text": ""}
    (figure,) = TASK.plots(prediction, batch).values()
    assert "true: yes yes" in figure.axes[0].get_title(loc="left")


def test_letters_are_shown_as_a_text_and_the_space_by_its_name():
    letters = Spec("features", 1, "tokens", 3, "own", target_names=(" ", "a", "b"))
    batch = SequenceBatch(
        torch.zeros(1, 9, 1), torch.tensor([[1, 0, 2]]), torch.tensor([9]), torch.tensor([True]), torch.tensor([3])
    )
    (figure,) = Transcription(letters).plots(torch.zeros(1, 9, 4), batch).values()
    assert "true: a b\n" in figure.axes[0].get_title(loc="left")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["blank", "space", "a", "b"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="is not for this data"):
        Transcription(Spec("features", 3, "tokens", 3, "own", stop=2))
    with pytest.raises(ValueError, match="beam must be a whole number"):
        Transcription(TRANSCRIPTS, beam=0)
    prediction, batch = transcribed()
    with pytest.raises(ValueError, match=r"prediction must be \(5, 4, 3\).*model/head=ctc with output_size=3"):
        TASK.loss(prediction[..., :2], batch)
    with pytest.raises(ValueError, match="need target_lengths"):
        TASK.loss(prediction, batch._replace(target_lengths=None))
