"""Exponential smoothing is statsmodels'; climatology finds harmonics; both read the training part alone."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from seqmodels.data.dataset import ArrayDataset
from seqmodels.spec import Series
from seqmodels.tasks import Forecasting
from seqmodels.tasks.baselines.climatology import Climatology, calendar_columns
from seqmodels.tasks.baselines.reading import last_stretch
from seqmodels.tasks.baselines.smoothing import Smoothing
from tests.tasks.task_parts import sales_spec, windows

H, SPEC = 4, sales_spec()


@pytest.mark.parametrize("period", [None, 4])
def test_smoothing_is_what_statsmodels_makes_of_the_same_parameters_and_start(period):
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    rng = np.random.default_rng(0)
    history = rng.normal(size=(3, 20)).cumsum(axis=1) + 50
    own = Smoothing(alpha=0.5, beta=0.2, phi=0.9, gamma=0.3 if period else 0.0, period=period)
    for row, forecast in zip(history, own.forecast(history, 6), strict=True):
        m = period or 1
        seasons = row.reshape(-1, m)
        start = {"initial_level": seasons[0].mean(), "initial_trend": 0.0}
        values = [0.5, 0.2, *([0.3] if period else []), 0.9]
        options = {}
        if period:
            usual = (seasons - seasons.mean(1, keepdims=True)).mean(0)
            options = {"seasonal": "add", "seasonal_periods": period, "initial_seasonal": usual}
        model = ETSModel(
            row, error="add", trend="add", damped_trend=True, initialization_method="known", **start, **options
        )
        assert forecast == pytest.approx(model.smooth(np.array(values)).forecast(6), rel=1e-6)


def test_the_fit_takes_a_season_where_it_pays_only():
    rng, steps = np.random.default_rng(0), np.arange(200)
    noise = rng.normal(size=200)
    assert Smoothing.fit(noise.cumsum() + 100, period=6).period is None
    assert Smoothing.fit(10 * np.sin(2 * np.pi * steps / 6) + noise, period=6).period == 6
    with pytest.raises(ValueError, match="no stretch of 12 steps in which something changes"):
        Smoothing.fit(np.ones(50))


def test_smoothing_beats_the_last_value_on_a_noisy_level(caplog):
    rng = np.random.default_rng(0)
    values = 30 + 0.2 * rng.normal(size=300).cumsum() + 4 * rng.normal(size=300)
    task = Forecasting(SPEC)
    found = task.baselines(windows(values[:200], SPEC), windows(values[150:], SPEC))
    assert found["exponential smoothing"]["mae"] < 0.85 * found["last value"]["mae"]
    assert "skipped" not in caplog.text


def test_without_statsmodels_smoothing_is_skipped_in_words(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "statsmodels.tsa.exponential_smoothing.ets", None)
    values = np.random.default_rng(0).normal(size=100) * 8 + 30
    assert "exponential smoothing" not in Forecasting(SPEC).baselines(windows(values, SPEC), windows(values, SPEC))
    assert "pip install 'seqmodels[forecast]'" in caplog.text


def test_unbroken_puts_overlapping_windows_together_up_to_a_gap():
    values = np.arange(100.0)
    data = windows(values, SPEC)
    found = last_stretch(data, 1000)[:, 0] * 8 + 30
    assert found == pytest.approx(values[: len(values) - H])
    assert last_stretch(data, 30)[:, 0] * 8 + 30 == pytest.approx(values[-30 - H : -H])
    kept = [*range(40), *range(45, len(data))]
    holes = ArrayDataset(SPEC, [data.inputs[i] for i in kept], [data.targets[i] for i in kept])
    assert last_stretch(holes, 1000)[:, 0] * 8 + 30 == pytest.approx(values[45:-H])


def test_climatology_finds_two_harmonics_of_each_part_of_the_calendar():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, size=(400, 2))
    waves = np.stack([f(angle[:, i]) for i in range(2) for f in (np.sin, np.cos)], axis=1)
    targets = np.stack([3 + np.sin(angle[:, 0] + h) + 2 * np.cos(2 * angle[:, 1]) for h in range(3)], axis=1)
    assert Climatology(waves[:300], targets[:300]).predict(waves[300:]) == pytest.approx(targets[300:])
    names = ("sales", "hour sin", "hour cos", "price", "month sin", "month cos", "odd sin")
    assert calendar_columns(names) == [(1, 2), (4, 5)]


@pytest.mark.parametrize("relative", [False, True])
def test_climatology_is_exact_on_a_yearly_series(relative):
    angle = 2 * np.pi * np.arange(300) / 40
    spec = replace(
        SPEC, input_size=3, input_names=("sales", "day_of_year sin", "day_of_year cos"),
        input_shift=(30.0, 0.0, 0.0), input_scale=(8.0, 1.0, 1.0),
    )  # fmt: skip
    if relative:
        spec = replace(spec, shift=(0.0,) * H, series=Series(relative=True))
    values = 30 + 8 * np.sin(angle + 0.5)
    data = windows(values, spec, waves=np.stack([np.sin(angle), np.cos(angle)], axis=1))
    found = Forecasting(spec).baselines(data, data)
    assert found["harmonic climatology"]["mae"] < 1e-4
    assert found["last value"]["mae"] > 1
