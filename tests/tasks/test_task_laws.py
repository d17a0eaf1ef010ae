"""Laws of every registered task, on every kind of data that it takes."""

import copy
import json
import math
import pickle

import pytest
import torch

from seqmodels.batch import step_mask
from seqmodels.data.dataset import ArrayDataset
from seqmodels.registry import find, make, names
from seqmodels.tasks.base import real_items
from tests.tasks.task_parts import (
    SIZE,
    all_specs,
    case_of,
    make_batch,
    make_dataset,
    make_prediction,
    more_cases,
    suited,
)

EVERY = [pytest.param(*pair, id=f"{pair[0]}-{i}") for i, pair in enumerate(suited())]
every = pytest.mark.parametrize(("name", "spec"), EVERY)
CASES = {**{f"{name}-{i}": case_of(name, spec) for i, (name, spec) in enumerate(suited())}, **more_cases()}
PLOTTED = ("Classification", "Tagging", "Multilabel", "Transcription")
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def spoil(task, batch, prediction, number=torch.nan):
    """Garbage, NaN or another number, wherever nothing is real."""
    real = real_items(batch, task.spec)

    def garbage(values, real):
        real = real.view(*real.shape, *[1] * (values.dim() - real.dim()))
        return torch.where(real, values, number if values.is_floating_point() else 10**6)

    steps = step_mask(batch.lengths, batch.inputs.shape[1])
    dirty = batch._replace(inputs=garbage(batch.inputs, steps), targets=garbage(batch.targets, real))
    return dirty, garbage(prediction, steps if task.unaligned else real)


def measure(task, parts):
    metrics = task.metrics()
    total = count = 0.0
    for prediction, batch in parts:
        task.update(metrics, prediction, batch)
        if getattr(task, "free_running", False):  # what is written freely is counted too: here the likeliest tokens
            likeliest = prediction.argmax(-1).where(real_items(batch, task.spec), torch.tensor(task.spec.stop))
            task.update_generated(metrics, likeliest, batch)
        more = task.loss(prediction, batch)
        total, count = total + more[0].item(), count + more[1].item()
    return task.summary({"loss": total / count, **metrics.compute()})


def test_every_task_is_found_and_tested():
    known = {"classification", "forecasting", "language_modelling", "regression", "sequence_generation", "tagging"}
    assert known <= set(names("task"))
    elsewhere = {"transcription", "stroke_generation"}  # among the further cases
    assert {name for name, _ in suited()} == set(names("task")) - elsewhere - {"anomaly"}  # test_anomaly.py
    assert elsewhere <= set(CASES)
    assert len(EVERY) >= 14


@every_case
@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf, 1.7e308])
def test_garbage_in_padding_reaches_neither_loss_nor_gradient_nor_metrics(case, number):
    task, batch = case.task(), case.batch
    prediction = case.prediction.clone().requires_grad_()
    total, count = task.loss(prediction, batch)
    gradient = torch.autograd.grad(total, prediction)[0]
    real = real_items(batch, task.spec)
    seen = step_mask(batch.lengths, prediction.shape[1]) if task.unaligned else real
    assert count.item() == real.sum().item() > 0
    assert not gradient[~seen].any()
    sizes = gradient[seen].flatten(1).abs()
    assert (sizes.amin(1) if case.dense else sizes.amax(1)).min() > 0

    dirty_batch, dirty = spoil(task, batch, prediction.detach(), number)
    assert not torch.equal(dirty, prediction)
    dirty.requires_grad_()
    dirty_total, dirty_count = task.loss(dirty, dirty_batch)
    assert dirty_total.item() == total.item()
    assert dirty_count.item() == count.item()
    assert torch.equal(torch.autograd.grad(dirty_total, dirty)[0], gradient)
    assert measure(task, [(dirty, dirty_batch)]) == measure(task, [(prediction, batch)])


@every_case
def test_a_row_of_length_zero_counts_nothing(case):
    task, empty = case.task(), case.batch.lengths == 0
    total, count = task.loss(case.prediction[empty], case.batch.pick(empty))
    assert empty.any()
    assert (total.item(), count.item()) == (0.0, 0.0)
    task.update(task.metrics(), case.prediction[empty], case.batch.pick(empty))


@every_case
def test_permuting_rows_permutes_the_answer(case):
    task, batch, prediction = case.task(), case.batch, case.prediction
    order = torch.randperm(len(batch.lengths), generator=torch.Generator().manual_seed(0))
    total, count = task.loss(prediction, batch)
    other_total, other_count = task.loss(prediction[order], batch.pick(order))
    assert other_total.item() == pytest.approx(total.item(), rel=1e-12)
    assert other_count.item() == count.item()
    decoded = task.decode(case.decoded, batch)
    assert task.decode(case.decoded[order], batch.pick(order)) == [decoded[i] for i in order.tolist()]


@every_case
def test_loss_and_metrics_add_up_over_parts_of_a_batch(case):
    task, batch, prediction = case.task(), case.batch, case.prediction
    parts = [(prediction[rows], batch.pick(rows)) for rows in (slice(0, 2), slice(2, None))]
    assert measure(task, parts) == pytest.approx(measure(task, [(prediction, batch)]), rel=1e-6)
    whole = task.loss(prediction, batch)
    for i in range(2):
        assert sum(task.loss(*part)[i].item() for part in parts) == pytest.approx(whole[i].item(), rel=1e-12)


@pytest.mark.parametrize(("name", "spec"), [pair for pair in suited() if pair[1].target_shape == "step"])
def test_loss_adds_up_over_windows(name, spec):
    task, batch = make("task", name, spec), make_batch(spec)
    prediction, total, count = make_prediction(spec, batch), 0.0, 0.0
    for steps in (slice(0, 2), slice(2, 5)):
        lengths = (batch.lengths - steps.start).clamp(0, steps.stop - steps.start)
        window = batch._replace(inputs=batch.inputs[:, steps], targets=batch.targets[:, steps], lengths=lengths)
        more = task.loss(prediction[:, steps], window)
        total, count = total + more[0].item(), count + more[1].item()
    whole = task.loss(prediction, batch)
    assert (total, count) == pytest.approx((whole[0].item(), whole[1].item()), rel=1e-12)


@every_case
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_lower_precision_is_summed_in_float32(case, dtype):
    task, batch, prediction = case.task(), case.batch, case.prediction
    if task.spec.targets == "values":
        batch = batch._replace(targets=batch.targets.float())
    total, count = task.loss(prediction.to(dtype), batch)
    assert total.dtype == count.dtype == torch.float32
    assert total.item() == pytest.approx(task.loss(prediction.float(), batch)[0].item(), rel=0.03)


@every_case
def test_decode_gives_plain_values_for_each_row(case):
    task, batch = case.task(), case.batch
    decoded = task.decode(case.decoded, batch)
    assert len(decoded) == len(batch.lengths)
    assert json.loads(json.dumps(decoded)) == decoded
    if task.spec.target_shape != "own" or task.unaligned:
        dirty_batch, dirty = spoil(task, batch, case.prediction)
        assert task.decode(dirty, dirty_batch) == decoded


@every_case
def test_the_monitored_metric_is_measured(case):
    task = case.task()
    metric, mode = task.monitor
    measured = measure(task, [(case.prediction, case.batch)])
    assert mode in ("min", "max")
    assert math.isfinite(measured[metric])
    assert all(type(value) is float for value in measured.values())


@every_case
def test_metrics_can_be_copied_pickled_and_started_afresh(case):
    task, batch, prediction = case.task(), case.batch, case.prediction
    metrics = pickle.loads(pickle.dumps(copy.deepcopy(task.metrics())))
    task.update(metrics, prediction, batch)
    metrics.reset()
    task.update(metrics, -prediction, batch)
    fresh = task.metrics()
    task.update(fresh, -prediction, batch)
    assert metrics.compute() == fresh.compute()


@every
@pytest.mark.parametrize("steps", [None, 4])
def test_baselines_use_the_models_metrics(name, spec, steps):
    task, batch = make("task", name, spec), make_batch(spec)
    train, evaluation = make_dataset(spec, 0, steps=steps), make_dataset(spec, 1, steps=steps)
    task.prepare(train)
    measured = measure(task, [(make_prediction(spec, batch), batch)])
    baselines = task.baselines(train, evaluation)
    assert any(task.monitor[0] in values for values in baselines.values())
    for values in baselines.values():
        assert set(values) <= set(measured)
        assert all(math.isfinite(value) for value in values.values())
    assert task.compare(measured, baselines).startswith("The model ")


@every
def test_baselines_learn_nothing_from_the_evaluation_split(name, spec):
    """So what they reach on it is the mean, by number of items, of what they reach on its parts."""
    task, train, whole = make("task", name, spec), make_dataset(spec, 0, steps=4), make_dataset(spec, 1, steps=4)
    metric = {"rmse": "mse", "mean_average_precision": "exact"}.get(task.monitor[0], task.monitor[0])
    halves = [ArrayDataset(spec, whole.inputs[part], whole.targets[part]) for part in (slice(0, 5), slice(5, None))]
    items = [sum(y.size for y in half.targets) for half in halves]
    found = [task.baselines(train, half) for half in halves]
    for title, values in task.baselines(train, whole).items():
        if metric in values:
            mean = sum(part[title][metric] * n for part, n in zip(found, items, strict=True)) / sum(items)
            assert values[metric] == pytest.approx(mean, rel=1e-5)


@every_case
def test_pictures_can_be_drawn(case, tmp_path):
    task, batch = case.task(), case.batch
    prediction = case.prediction.clone().requires_grad_()
    metrics = task.metrics()
    task.update(metrics, prediction, batch)
    metrics.compute()
    figures = task.plots(prediction, batch, metrics)
    if (task.spec.targets == "values" and task.spec.inputs == "features") or type(task).__name__ in PLOTTED:
        assert figures
    empty = batch._replace(lengths=torch.zeros_like(batch.lengths))
    for figure in (*figures.values(), *task.plots(prediction, empty).values()):
        figure.savefig(tmp_path / "figure.png", dpi=30)


@pytest.mark.parametrize("name", names("task"))
def test_unsuitable_data_is_refused_with_the_tasks_that_fit(name):
    task = find("task", name)
    refused = [spec for spec in all_specs() if not task.suits(spec)]
    assert refused
    for spec in refused:
        fitting = [other for other in names("task") if find("task", other).suits(spec)]
        with pytest.raises(ValueError, match=f"targets are {spec.targets}.*{', '.join(fitting) or 'none'}$"):
            make("task", name, spec)


@every
def test_a_prediction_of_another_shape_is_refused(name, spec):
    task, batch = make("task", name, spec), make_batch(spec)
    prediction = make_prediction(spec, batch)
    with pytest.raises(ValueError, match=f"output_size={SIZE}"):
        task.loss(prediction[..., :2], batch)
    with pytest.raises(ValueError, match="prediction must be"):
        task.loss(prediction[:2], batch)
