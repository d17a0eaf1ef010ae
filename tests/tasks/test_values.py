"""Regression, forecasting and generated values: known laws, original units, scikit-learn's numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.metrics import mean_absolute_error, mean_squared_error
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from seqmodels.batch import SequenceBatch
from seqmodels.data.dataset import ArrayDataset
from seqmodels.dataset import evenly_spaced
from seqmodels.spec import Series, Spec
from seqmodels.tasks import Forecasting, Regression
from seqmodels.tasks.baselines.reading import histories, item_count
from seqmodels.tasks.baselines.ridge import Moments, Ridge, _solve, squared_error
from tests.tasks.task_parts import make_batch, make_prediction, sales_spec, windows

H = 4


@pytest.mark.parametrize(
    ("name", "function"), [("mse", functional.mse_loss), ("mae", functional.l1_loss), ("huber", functional.huber_loss)]
)
def test_losses_are_torchs_on_scaled_values(name, function):
    spec = Spec("features", 3, "values", 3, "step", shift=(9.0,) * 3, scale=(5.0,) * 3)
    batch = make_batch(spec)
    prediction, real = make_prediction(spec, batch), torch.arange(5) < batch.lengths.unsqueeze(1)
    total, count = Regression(spec, loss=name).loss(prediction, batch)
    assert (total / count).item() == pytest.approx(function(prediction[real], batch.targets[real]).item(), rel=1e-9)


def test_metrics_are_scikit_learns_in_original_units():
    spec = Spec("features", 3, "values", 3, "sequence", shift=(1.0, 20.0, 300.0), scale=(1.0, 5.0, 50.0))
    task, batch = Regression(spec), make_batch(spec)
    prediction, real = make_prediction(spec, batch), batch.lengths > 0
    metrics = task.metrics()
    task.update(metrics, prediction, batch)
    found = task.summary({"loss": 0.0, **metrics.compute()})
    shift, scale = np.array(spec.shift), np.array(spec.scale)
    truth, predicted = (values[real].numpy() * scale + shift for values in (batch.targets, prediction))
    assert found["mae"] == pytest.approx(mean_absolute_error(truth, predicted), rel=1e-5)
    assert found["mse"] == pytest.approx(mean_squared_error(truth, predicted), rel=1e-5)
    assert found["rmse"] == pytest.approx(found["mse"] ** 0.5)
    own = mean_absolute_error(truth, predicted, multioutput="raw_values")
    assert [found[f"mae value {i}"] for i in (1, 2, 3)] == pytest.approx(own.tolist(), rel=1e-5)
    assert found["scaled_mae"] == pytest.approx((own / scale).mean(), rel=1e-5)


def test_monitor_follows_the_loss():
    spec = Spec("features", 1, "values", 1, "sequence")
    assert Regression(spec, loss="mae").monitor == ("mae", "min")
    assert Regression(spec).monitor == ("rmse", "min")
    assert Regression(replace(spec, target_size=2)).monitor == ("scaled_mae", "min")
    assert Forecasting(sales_spec()).monitor == ("mae", "min")


@pytest.mark.parametrize("shape", ["sequence", "step"])
def test_ridge_recovers_a_linear_law(shape):
    rng, spec = np.random.default_rng(0), Spec("features", 2, "values", 1, shape, shift=(3.0,), scale=(2.0,))

    def data(count: int) -> ArrayDataset:
        inputs = [rng.normal(size=(5, 2)) for _ in range(count)]
        if shape == "sequence":
            return ArrayDataset(spec, inputs, [np.array([x[0, 0] - 2 * x[3, 1] + 0.5]) for x in inputs])
        before = [np.concatenate([x[:1], x[:-1]]) for x in inputs]
        return ArrayDataset(spec, inputs, [x[:, :1] - 2 * b[:, 1:] for x, b in zip(inputs, before, strict=True)])

    found = Regression(spec, ridge_window=8).baselines(data(300), data(100))
    assert found["ridge regression"]["mae"] < 0.01
    assert found["mean of train"]["rmse"] == pytest.approx(2 * 5**0.5, rel=0.15)


def test_ridge_of_too_short_a_window_cannot_see_the_law():
    rng, spec = np.random.default_rng(0), Spec("features", 1, "values", 1, "sequence")
    inputs = [rng.normal(size=(5, 1)) for _ in range(200)]
    data = ArrayDataset(spec, inputs, [x[0] for x in inputs])
    assert Regression(spec, ridge_window=5).baselines(data, data)["ridge regression"]["mae"] < 0.01
    assert Regression(spec, ridge_window=4).baselines(data, data)["ridge regression"]["mae"] > 0.5


def test_ridge_is_scikit_learns_for_the_same_penalty():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)) * [1, 5, 0.1, 1, 1, 0] + 3
    y = x[:, :2] @ rng.normal(size=(2, 3)) + rng.normal(size=(200, 3))
    weight, bias, _ = _solve(Moments.of(x, y), np.array([0.05]))[0]
    scaler = StandardScaler().fit(x)
    theirs = SklearnRidge(alpha=0.05 * 200).fit(scaler.transform(x), y)
    assert x @ weight + bias == pytest.approx(theirs.predict(scaler.transform(x)), abs=1e-8)
    assert squared_error(Moments.of(x, y), weight, bias) == pytest.approx(((x @ weight + bias - y) ** 2).sum())


def test_ridge_chooses_the_penalty_that_is_best_on_the_last_items():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 50))
    noise = rng.normal(size=(60, 1))
    y = x[:, :1] * 0.1 + noise
    noisy, exact = Ridge.fit([(x, y)], 60), Ridge.fit([(x, x[:, :1])], 60)
    assert noisy.penalty > 100 * exact.penalty
    assert noisy.weight == pytest.approx(_solve(Moments.of(x, y), np.array([noisy.penalty]))[0][0])  # of all items
    parts = [(x[:7], y[:7]), (x[7:50], y[7:50]), (x[50:], y[50:])]
    assert Ridge.fit(parts, 60).weight == pytest.approx(noisy.weight, rel=1e-6)
    assert Ridge.fit([(x[:1], y[:1])], 1).predict(x[:1]) == pytest.approx(y[:1])


@pytest.mark.parametrize("shape", ["sequence", "step"])
def test_histories_are_the_last_steps_known_at_each_target(shape, monkeypatch):
    spec = Spec("features", 1, "values", 1, shape)
    inputs = [np.arange(1.0, 4)[:, None], np.array([[7.0]])]
    data = ArrayDataset(spec, inputs, inputs if shape == "step" else [np.array([3.0]), np.array([7.0])])
    expected = {
        "sequence": [([2, 3], 2, 3), ([7, 7], 1, 7)],
        "step": [([1, 1], 1, 1), ([1, 2], 2, 2), ([2, 3], 2, 3), ([7, 7], 1, 7)],
    }[shape]
    for numbers in (4, 2**22):
        monkeypatch.setattr("seqmodels.tasks.baselines.reading.NUMBERS", numbers)
        found = [
            (history[:, 0].tolist(), int(known), float(target[0]))
            for part in histories(data, 2)
            for history, known, target in zip(*part, strict=True)
        ]
        assert found == expected
        if shape == "sequence":
            assert next(histories(data, 4))[0][0, :, 0].tolist() == [1, 1, 2, 3]
        for stride in (2, 3):
            assert sum(len(part[0]) for part in histories(data, 2, stride)) == item_count(data, stride)


def test_tokens_are_one_hot_for_ridge():
    rng, spec = np.random.default_rng(0), Spec("tokens", 4, "values", 1, "sequence")
    worth, inputs = np.array([0.0, 5.0, -1.0, 2.0]), [rng.integers(0, 4, 3) for _ in range(200)]
    data = ArrayDataset(spec, inputs, [worth[x].sum(keepdims=True) for x in inputs])
    assert Regression(spec).baselines(data, data)["ridge regression"]["mae"] < 0.01


def test_ridge_is_skipped_in_words_where_a_step_is_too_wide(caplog):
    spec = Spec("tokens", 5000, "values", 1, "sequence")
    data = ArrayDataset(spec, [np.array([1, 2])] * 3, [np.ones(1)] * 3)
    assert list(Regression(spec).baselines(data, data)) == ["mean of train"]
    assert "ridge regression is skipped" in caplog.text


@pytest.mark.parametrize("shape", ["sequence", "step"])
def test_seasonal_naive_is_exact_on_a_season_and_last_value_is_not(shape):
    season = np.array([10.0, 60.0, 20.0, 35.0, 50.0, 15.0])
    values = np.tile(season, 12)
    spec = sales_spec(period=6, shape=shape)
    train, test = windows(values, spec), windows(values, spec)
    found = Forecasting(spec).baselines(train, test)
    exact = found["seasonal naive"]["mae"]
    assert exact < 1e-5 if shape == "sequence" else exact < 0.1 * found["last value"]["mae"]
    assert found["last value"]["mae"] > 10
    assert found["ridge regression"]["mae"] < 0.1 * found["last value"]["mae"]


@pytest.mark.parametrize("shape", ["sequence", "step"])
def test_last_value_repeats_the_last_known_value(shape):
    values, spec = np.arange(60.0), sales_spec(shape=shape)
    found = Forecasting(spec).baselines(windows(values, spec), windows(values, spec))
    assert found["last value"]["mae"] == pytest.approx(np.mean([1, 2, 3, 4]), rel=1e-5)
    assert found["last value"]["rmse"] == pytest.approx(np.mean([1, 4, 9, 16]) ** 0.5, rel=1e-5)
    assert found["ridge regression"]["mae"] < 0.05


def test_a_season_longer_than_the_horizon_or_shorter_is_repeated():
    for period, expected in ((2, [8, 9, 8, 9]), (6, [4, 5, 6, 7])):
        spec = sales_spec(period)
        history = ((np.arange(10.0) - 30) / 8)[None, :, None]
        forecast = Forecasting(spec).naive(history, np.array([10]), period)
        assert forecast[0].tolist() == pytest.approx(expected)


def test_where_less_than_a_season_is_known_the_last_value_is_repeated():
    history = ((np.array([[5.0, 5.0, 5.0, 7.0], [5.0, 4.0, 3.0, 7.0]]) - 30) / 8)[:, :, None]
    forecast = Forecasting(sales_spec(4)).naive(history, known=np.array([2, 4]), season=4)
    assert forecast == pytest.approx(np.array([[7, 7, 7, 7], [5, 4, 3, 7]]))


def test_seasonal_naive_is_skipped_in_words_where_the_history_is_too_short(caplog):
    spec = sales_spec(period=132)
    data = windows(np.arange(60.0), spec)
    assert "seasonal naive" not in Forecasting(spec).baselines(data, data)
    assert "a season of 132 steps, a history of 24" in caplog.text


@pytest.mark.parametrize("transform", ["log_return", "difference", None])
def test_a_series_of_changes_is_scored_against_no_change(transform):
    spec = sales_spec(series=Series(transform=transform))
    data = windows(np.random.default_rng(0).normal(size=80), spec)
    found = Forecasting(spec).baselines(data, data)
    assert ("no change" in found) == (transform is not None)
    if transform:
        assert found["no change"]["mae"] == pytest.approx(0.8, abs=0.1)  # the mean of |normal|


def test_mase_is_the_error_over_that_of_the_seasonal_naive_forecast_on_train():
    values = np.tile([0.0, 10.0, 20.0, 5.0], 20) + 2.0 * (np.arange(80) // 4)  # 2 more each season
    spec = sales_spec(period=4)
    task, train = Forecasting(spec), windows(values, spec)
    assert "mase" not in task.summary({"mae": 3.0, "mse": 9.0})
    task.prepare(train)
    assert task.summary({"mae": 3.0, "mse": 9.0})["mase"] == pytest.approx(1.5, rel=1e-4)
    assert task.baselines(train, train)["seasonal naive"]["mase"] == pytest.approx(1.0, rel=1e-4)
    constant = windows(np.zeros(60), spec)
    task.prepare(constant)
    assert "mase" not in task.summary({"mae": 3.0, "mse": 9.0})


def test_a_forecast_per_step_is_decoded_from_the_last_real_step():
    spec = sales_spec(shape="step")
    prediction = torch.arange(2 * 3 * H, dtype=torch.float32).view(2, 3, H)
    batch = SequenceBatch(torch.zeros(2, 3, 1), prediction, torch.tensor([2, 0]), torch.ones(2, dtype=torch.bool))
    assert Forecasting(spec).decode(prediction, batch) == [{"forecast": [62.0, 70.0, 78.0, 86.0]}, {"forecast": []}]


def test_values_per_step_are_decoded_by_name_up_to_the_length():
    spec = Spec("features", 1, "values", 2, "step", target_names=("x", "y"))
    prediction = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
    batch = SequenceBatch(torch.zeros(1, 3, 1), prediction, torch.tensor([2]), torch.tensor([True]))
    assert Regression(spec).decode(prediction, batch) == [{"values": {"x": [1.0, 3.0], "y": [2.0, 4.0]}}]


def test_forecasting_needs_a_horizon_as_wide_as_the_targets():
    with pytest.raises(ValueError, match=r"Forecasting is not for this data.*regression"):
        Forecasting(replace(sales_spec(), horizon=None))


@pytest.mark.parametrize(
    "options", [{"loss": "l2"}, {"huber_delta": 0.0}, {"ridge_window": 0}, {"ridge_window": 2.5}, {"shown": 0}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must be"):
        Forecasting(sales_spec(), **options)


def test_spread_keeps_first_and_last():
    assert evenly_spaced(1000, 3).tolist() == [0, 500, 999] or evenly_spaced(1000, 3).tolist() == [0, 499, 999]
    assert evenly_spaced(3, 10).tolist() == [0, 1, 2]
