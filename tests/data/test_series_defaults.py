"""What suits series where their user does not say, by the training part alone."""

import numpy as np
import pytest

from seqmodels.build import build_source, suggestions
from seqmodels.cli.config.compose import jobs, select
from seqmodels.cli.config.library import Library
from seqmodels.cli.prepare import prepare
from seqmodels.data.columns.times.frequency import Frequency, infer_frequency
from seqmodels.data.series.defaults import default_history, holds_on, infer_defaults, usual_period
from seqmodels.data.series.rows import SeriesRows
from seqmodels.data.sources.tables.table import CSVSource

STEPS = {
    "5min": 288,
    "15min": 96,
    "30min": 48,
    "h": 24,
    "2h": 12,
    "D": 7,
    "B": 5,
    "7D": 52,
    "MS": 12,
    "ME": 12,
    "QS": 4,
}


def stamps(step, count):
    import pandas as pd

    return pd.date_range("2001-01-01", periods=count, freq=step).as_unit("ns").asi8


def rows_of(values, step="MS"):
    times, series = stamps(step, len(values)), np.zeros(len(values), np.int64)
    return SeriesRows(
        np.asarray(values)[:, None], series, times, ("",), clock=infer_frequency(times, series, True), dated=True
    )


@pytest.mark.parametrize(("step", "period"), [*STEPS.items(), ("YS", None), ("3D", None), ("7h", None), ("1min", None)])
def test_a_season_follows_from_the_step(step, period):
    times = stamps(step, 100)
    assert usual_period(infer_frequency(times, np.zeros(100, int), dated=True), 5000) == period


def test_no_season_without_dates_or_with_too_few_of_them():
    assert usual_period(None, 1000) is None
    assert usual_period(Frequency("fixed", 1, dated=False), 1000) is None
    assert usual_period(Frequency("month", 1, dated=True), 35) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_history_leaves_windows_to_train_on(seed):
    draw = np.random.default_rng(seed)
    horizon = int(draw.integers(1, 40))
    longest, period = int(draw.integers(horizon + 30, 3000)), draw.choice([None, 4, 7, 12, 24, 48, 52, 288])
    history = default_history(longest, period, horizon)
    assert 2 <= history <= 300
    assert longest - history - horizon + 1 >= 20


def test_changes_suit_what_drifts_and_levels_what_returns_at_once():
    draw, everything = np.random.default_rng(0), np.ones(400, dtype=bool)
    assert holds_on(rows_of(np.cumsum(draw.normal(size=400))), everything, 12)
    assert holds_on(rows_of(np.arange(400.0)), everything, 12)
    there_and_back = np.tile([5.0, -5.0], 200) + draw.normal(size=400)
    assert not holds_on(rows_of(there_and_back), everything, 1)


@pytest.mark.parametrize("seed", range(5))
def test_what_comes_after_the_training_part_changes_nothing(seed):
    draw = np.random.default_rng(seed)
    values, train = np.cumsum(draw.normal(size=300)), np.arange(300) < 200
    other = np.where(train, values, draw.normal(size=300) * 1000)
    assert infer_defaults(rows_of(values), train, 6) == infer_defaults(rows_of(other), train, 6)


@pytest.mark.parametrize(
    ("step", "count", "calendar"),
    [
        ("h", 2000, ["hour", "day_of_week"]),
        ("30min", 100, []),
        ("D", 300, ["day_of_week"]),
        ("D", 900, ["day_of_week", "day_of_year"]),
        ("7D", 200, ["day_of_year"]),
        ("MS", 60, ["month"]),
        ("MS", 20, []),
        ("B", 900, []),
        ("YS", 60, []),
    ],
)
def test_the_calendar_is_of_what_has_come_round(step, count, calendar):
    assert infer_defaults(rows_of(np.arange(float(count)), step), np.ones(count, bool), 1)["calendar"] == calendar


def csv(tmp_path, count=900):
    times = stamps("D", count).astype("datetime64[ns]").astype("datetime64[D]")
    walk = np.cumsum(np.random.default_rng(0).normal(size=count))
    lines = [f"{day},{value:.6g}" for day, value in zip(times, walk, strict=True)]
    (tmp_path / "walk.csv").write_text("\n".join(["day,y", *lines]))
    return str(tmp_path / "walk.csv")


def test_a_file_of_series_suggests_what_its_user_left_open(tmp_path):
    found = suggestions(build_source({"data": {"name": "csv", "path": csv(tmp_path), "target": "y", "horizon": 14}}))
    assert found == {
        "task": "forecasting",
        "model/head": "many_to_one",
        "data.period": "7",
        "data.history": "28",
        "data.relative": "true",
        "data.calendar": "[day_of_week]",  # two years less the test part
    }


def test_what_the_user_said_is_not_suggested(tmp_path):
    path = csv(tmp_path)
    found = CSVSource(path, "y", period=30, history=9, calendar=["month"], horizon=2).suggest()
    assert [name for name in found if name.startswith("data.")] == ["data.relative"]
    assert "data.relative" not in CSVSource(path, "y", transform="difference").suggest()
    assert not [name for name in CSVSource(path, "y", target_per="step").suggest() if name.startswith("data.")]


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ([], {"data.relative": True, "task.conformal": True, "model.skip_fit": "ridge"}),
        (["task.output=negative_binomial"], {"data.relative": False, "task.conformal": True}),
        (["data.val_fraction=0"], {"data.relative": True, "task.conformal": False}),
        (["data.relative=false", "data.history=9"], {"data.relative": False, "data.history": 9}),
        (["task.conformal=false", "task.output=gaussian"], {"task.conformal": False, "task.output": "gaussian"}),
    ],
)
def test_what_is_taken_for_the_user_goes_with_what_the_user_said(tmp_path, said, changed):
    base = ["data=csv", f"data.path={csv(tmp_path)}", "data.target=y", "data.horizon=3"]
    found, wrong = jobs(Library(), [*base, *said])
    prepared = prepare(Library(), found[0])
    assert not wrong
    assert prepared.problems == []
    assert {name: select(prepared.config, name) for name in changed} == changed
    assert prepared.choices["recipe"] == "forecast"
