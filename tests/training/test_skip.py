"""A skip connection fitted by ridge regression: what the model begins as, and what training leaves alone."""

import numpy as np
import pytest
import torch
from torch import nn

from seqmodels.cells import GRUCell
from seqmodels.data.sources.tables.table import CSVSource
from seqmodels.heads import ManyToOne
from seqmodels.layers import Recurrent
from seqmodels.model import SequenceModel, Skip
from seqmodels.model.encoders import FeatureEncoder
from seqmodels.tasks.baselines.ridge import Ridge
from seqmodels.tasks.forecasting import Forecasting
from seqmodels.tasks.regression import Regression
from seqmodels.training.skip import fit_skip

OUTPUTS = ("point", "quantiles", "gaussian", "student_t")


def splits(tmp_path, seed=0, whole=False):
    """A month's season on a random walk, with a column beside it; or counts."""
    draw = np.random.default_rng(seed)
    walk = np.cumsum(draw.normal(size=240)) + 8 * np.sin(np.arange(240) * np.pi / 6)
    target = draw.poisson(3.0, 240) if whole else walk
    rows = [f"{y:.6g},{x:.6g}" for y, x in zip(target, draw.normal(size=240), strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["y,x", *rows]))
    return CSVSource(str(tmp_path / "a.csv"), "y", layout="series", history=13, horizon=3, relative=not whole).splits()


def built(data, output):
    spec = data["train"].spec
    task = Forecasting(spec, output=output)
    torch.manual_seed(0)
    head = ManyToOne(8, task.output_size)
    skip = Skip(spec.input_size, 13, task.output_size)
    return task, SequenceModel(FeatureEncoder(spec.input_size), Recurrent(GRUCell(spec.input_size, 8)), head, skip)


def items(dataset):
    pairs = [dataset.read(i, 0, int(n)) for i, n in enumerate(dataset.lengths)]
    return tuple(torch.tensor(np.stack(part)) for part in zip(*pairs, strict=True))


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_model_begins_as_ridge_regression_with_intervals_that_hold_as_often_as_they_say(tmp_path, output, seed):
    data = splits(tmp_path, seed)
    task, model = built(data, output)
    fit_skip(model, task, data["train"], None)
    inputs, targets = items(data["train"])
    prediction, _ = model(inputs)
    x, y = inputs.flatten(1).double().numpy(), targets.double().numpy()
    plain = Ridge.fit([(x, y)], len(x)).predict(x)
    numbers = task.predictive.numbers(prediction)
    median = task.predictive.output.median(numbers).detach().numpy()
    assert np.abs(median - plain).mean() < 0.2 * np.abs(y - plain).mean() + 1e-3
    if output != "point":
        low, high = task.predictive.output.quantiles(numbers.detach(), (0.1, 0.9)).unbind(-1)
        assert 0.7 < ((targets >= low) & (targets <= high)).float().mean() < 0.9


def test_counts_begin_with_their_mean(tmp_path):
    data = splits(tmp_path, whole=True)
    task, model = built(data, "negative_binomial")
    fit_skip(model, task, data["train"], data["val"])
    output = task.predictive.output
    mean = output.distribution(task.predictive.numbers(model(items(data["train"])[0])[0])).mean
    expected = output.counts(items(data["val"])[1]).mean(0)
    torch.testing.assert_close(mean.mean(0), expected, rtol=0.05, atol=0.05)


def test_training_moves_the_layers_and_leaves_the_regression(tmp_path):
    data = splits(tmp_path)
    task, model = built(data, "quantiles")
    fit_skip(model, task, data["train"], data["val"])
    before = [p.detach().clone() for p in model.skip.parameters()]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    inputs, targets = items(data["train"])
    losses = []
    for _ in range(30):
        loss = task.item_loss(model(inputs)[0], targets).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(torch.equal(a, b) for a, b in zip(before, model.skip.parameters(), strict=True))
    assert not any(p.requires_grad for p in model.skip.parameters())


def test_held_out_items_choose_the_penalty():
    draw = np.random.default_rng(0)
    x, noise = draw.normal(size=(60, 50)), draw.normal(size=(60, 1))
    signal = x @ draw.normal(size=(50, 1))
    penalties = np.array([1e-6, 1e3])
    assert Ridge.fit([(x, signal)], 60, [(x[:9], signal[:9])], penalties).penalty == 1e-6
    other = draw.normal(size=(40, 50)), draw.normal(size=(40, 1))
    assert Ridge.fit([(x, noise)], 60, [other], penalties).penalty == 1e3


def test_other_tasks_and_models_are_refused(tmp_path):
    data = splits(tmp_path)
    task, model = built(data, "point")
    with pytest.raises(ValueError, match="skip_fit=ridge is for task=forecasting"):
        fit_skip(model, Regression(data["train"].spec), data["train"], None)
    model.head = nn.Identity()
    with pytest.raises(ValueError, match="many_to_one"):
        fit_skip(model, task, data["train"], None)
