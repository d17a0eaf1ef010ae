"""Drawing with a pen: the loss is the likelihood, padding counts nothing, baselines are what they say."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from seqmodels.cells import FeedforwardCell
from seqmodels.data.dataset import ArrayDataset
from seqmodels.heads.mixture import log_likelihood
from seqmodels.heads.mixture_density import MixtureDensity
from seqmodels.layers import Recurrent
from seqmodels.model import SequenceModel, TokenEncoder
from seqmodels.spec import Spec
from seqmodels.tasks.baselines.strokes import linear_regression, memoryless_mixture, one_gaussian
from seqmodels.tasks.stroke_generation import StrokeGeneration, strokes_of
from tests.tasks.task_parts import COMPONENTS, STROKES, movements, stroke_batch, stroke_prediction


def make_model() -> SequenceModel:
    torch.manual_seed(0)
    encoder = TokenEncoder(2, 4)
    head = MixtureDensity(4, 5, components=COMPONENTS, hidden_sizes=[6], max_steps=7)
    return SequenceModel(encoder, Recurrent(FeedforwardCell(4, 4)), head).eval()


def dataset(seed: int, count: int = 40, steps: int | None = None) -> ArrayDataset:
    generator = np.random.default_rng(seed)
    targets = [movements(steps or int(generator.integers(2, 9)), generator) for _ in range(count)]
    return ArrayDataset(STROKES, [np.array([i % 2]) for i in range(count)], targets)


def test_loss_is_the_likelihood_of_the_real_movements():
    task, batch, prediction = StrokeGeneration(STROKES), stroke_batch(), stroke_prediction()
    total, count = task.loss(prediction, batch)
    expected = sum(
        -log_likelihood(prediction[row, step], batch.targets[row, step]).item()
        for row, steps in enumerate([4, 1, 6])
        for step in range(steps)
    )
    assert (total.item(), count.item()) == (pytest.approx(expected), 11)


def test_another_prediction_or_other_data_are_refused():
    task, batch = StrokeGeneration(STROKES), stroke_batch()
    for wrong in (stroke_prediction()[..., :-1], stroke_prediction()[:2], stroke_prediction()[:, :3]):
        with pytest.raises(ValueError, match="use model/head=mixture_density"):
            task.loss(wrong, batch)
    with pytest.raises(ValueError, match="StrokeGeneration is not for this data"):
        StrokeGeneration(Spec("tokens", 2, "values", 5, "own"))


def test_one_gaussian_is_scipys():
    known, truth = ([movements(50, np.random.default_rng(seed))] for seed in (0, 1))
    found = one_gaussian(known, truth)
    normal = stats.multivariate_normal(known[0][:, :2].mean(0), np.cov(known[0][:, :2].T))
    share = (known[0][:, 2:].sum(0) + 1) / (len(known[0]) + 3)
    expected = normal.logpdf(truth[0][:, :2]) + np.log(share[truth[0][:, 2:].argmax(1)])
    assert found["loss"] == pytest.approx(-expected.mean(), rel=1e-4)
    one = memoryless_mixture(known, truth, components=1)
    assert one["loss"] == pytest.approx(found["loss"], rel=0.02)
    assert one["pen_accuracy"] == found["pen_accuracy"]


def test_the_regression_finds_a_memory_of_one_step():
    generator = np.random.default_rng(0)

    def walk() -> np.ndarray:
        found = movements(60, generator)
        for step in range(1, 60):
            found[step, :2] = 0.9 * found[step - 1, :2] + 0.1 * generator.normal(size=2)
        return found

    known, truth = [walk() for _ in range(20)], [walk() for _ in range(5)]
    best = 2 * (0.5 * math.log(2 * math.pi * math.e) + math.log(0.1))
    pen = linear_regression(known, truth)["loss"] - best
    assert 0.3 < pen < 2, "what is left is the pen's uncertainty and the first movements"
    assert linear_regression(known, truth)["loss"] < one_gaussian(known, truth)["loss"] - 1


def test_baselines_score_in_the_models_metrics_and_learn_from_training_only():
    task, train = StrokeGeneration(STROKES, components=2), dataset(0)
    whole = dataset(1, steps=5)
    halves = [
        ArrayDataset(STROKES, whole.inputs[part], whole.targets[part]) for part in (slice(0, 10), slice(10, None))
    ]
    parts = [task.baselines(train, half) for half in halves]
    for name, values in task.baselines(train, whole).items():
        for metric, value in values.items():
            mean = parts[0][name][metric] * 0.25 + parts[1][name][metric] * 0.75
            assert value == pytest.approx(mean, rel=1e-6), (name, metric)


def test_what_is_drawn_ends_and_is_the_same_for_the_same_seed():
    task, model, batch = StrokeGeneration(STROKES), make_model(), stroke_batch()
    made, again = task.generate(model, batch), task.generate(model, batch)
    assert torch.equal(made, again)
    drawn = task.decode(made, batch)
    assert len(drawn) == 4
    assert drawn[3]["strokes"] == []
    for row in drawn[:3]:
        assert 1 <= sum(map(len, row["strokes"])) <= 7
    assert task.decode(batch.targets, batch)[0]["strokes"] == strokes_of(batch.targets[0] * torch.tensor(STROKES.scale))


def test_pictures_can_be_drawn(tmp_path):
    figures = StrokeGeneration(STROKES).sample_plots(make_model(), stroke_batch(), torch.Generator().manual_seed(0))
    figures["drawings"].savefig(tmp_path / "drawings.png", dpi=30)
    empty = stroke_batch()._replace(lengths=torch.zeros(4, dtype=torch.long))
    assert StrokeGeneration(STROKES).sample_plots(make_model(), empty, torch.Generator()) == {}
