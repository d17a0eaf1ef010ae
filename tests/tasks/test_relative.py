"""Forecasts of changes from the last value: the same numbers as forecasts of values, in whatever is reported."""

import numpy as np
import pytest
import torch

from seqmodels.data.batches.collate import collate
from seqmodels.data.batches.plan import make_plan
from seqmodels.data.series.covariates import Context
from seqmodels.data.series.forecasting import forecast_splits
from seqmodels.data.series.rows import SeriesRows
from seqmodels.data.series.splits import split_rows
from seqmodels.tasks.forecasting import Forecasting

LEVELS = (0.1, 0.5, 0.9)


def splits(relative: bool, per_step: bool):
    values = 40 + np.random.default_rng(0).normal(size=(120, 1)).cumsum(0)
    rows = SeriesRows(values, np.zeros(120, int), np.arange(120), ("",))
    masks = split_rows(rows, 0.2, 0.3)
    return forecast_splits(rows, ("a",), 6, 3, masks, 4, {}, per_step=per_step, relative=relative)


def whole(dataset):
    plan = make_plan(dataset.lengths, len(dataset))
    return collate(dataset, plan[0])


@pytest.mark.parametrize("per_step", [False, True])
def test_the_same_forecast_has_the_same_metrics(per_step):
    of_level, of_change = (splits(relative, per_step)["test"] for relative in (False, True))
    level, change = whole(of_level), whole(of_change)
    tasks = [Forecasting(data.spec, output="quantiles", quantiles=LEVELS) for data in (of_level, of_change)]
    values = torch.rand(*level.targets.shape, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    forecast = 38 + values.sort(-1).values * 4  # in the series' own units
    last = tasks[0].series(level.inputs.double())
    start = last if per_step else last[torch.arange(len(last)), level.lengths - 1]

    def scaled(task, quantiles):
        shift, scale = (torch.tensor(part, dtype=torch.float64) for part in (task.spec.shift, task.spec.scale))
        return ((quantiles - shift[:, None]) / scale[:, None]).flatten(-2)

    predictions = [scaled(tasks[0], forecast), scaled(tasks[1], forecast - start[..., None, None])]
    found = []
    for task, prediction, batch in zip(tasks, predictions, (level, change), strict=True):
        metrics = task.metrics()
        task.update(metrics, prediction, batch._replace(targets=batch.targets.double()))
        found.append(task.summary(metrics.compute()))
        for row, decoded in enumerate(task.decode(prediction, batch)):
            at = (row, -1) if per_step else (row,)
            np.testing.assert_allclose(decoded["forecast"], forecast[at][:, 1], rtol=1e-4)
            np.testing.assert_allclose(decoded["quantiles"]["0.9"], forecast[at][:, 2], rtol=1e-4)
    for name, value in found[0].items():
        assert found[1][name] == pytest.approx(value, rel=1e-3), name


@pytest.mark.parametrize("per_step", [False, True])
def test_naive_baselines_are_the_same(per_step):
    level, change = (splits(relative, per_step) for relative in (False, True))
    one, two = (Forecasting(s["train"].spec).baselines(s["train"], s["test"]) for s in (level, change))
    for name in ("last value", "seasonal naive"):
        for metric, value in one[name].items():
            assert two[name][metric] == pytest.approx(value, rel=1e-3), (name, metric)


def test_the_last_change_is_among_the_inputs():
    values = np.random.default_rng(0).normal(size=(40, 1)).cumsum(0)
    values[20] = np.nan
    rows = SeriesRows(values, np.zeros(40, int), None, ("",))
    train = np.arange(40) < 30
    context = Context.fit(rows, train, change=True)
    column = context.columns(rows, strict=True)(slice(0, 40))[:, context.names.index("change")] * context.change
    expected = np.nan_to_num(np.diff(values[:, 0], prepend=np.nan))
    np.testing.assert_allclose(column, expected)
    assert context.change == pytest.approx(np.nanstd(np.diff(values[:30, 0])))
    assert Context.from_plain(context.to_plain()) == context
