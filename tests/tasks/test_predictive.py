"""Forecasts that say how sure they are: intervals hold what they promise, metrics count in original units."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from seqmodels.batch import SequenceBatch
from seqmodels.tasks import Forecasting
from seqmodels.tasks.forecasts.conformal import corrected, corrections, pairs
from seqmodels.tasks.forecasts.distributions import Gaussian
from seqmodels.tasks.forecasts.predictive import OUTPUTS, Predictive
from tests.tasks.task_parts import LEVELS, forecast, series_spec, windows

V = 3
SURE = [name for name in OUTPUTS if name != "point"]


def measured(task: Forecasting, prediction: torch.Tensor, batch: SequenceBatch) -> dict[str, float]:
    metrics = task.metrics()
    task.update(metrics, prediction, batch)
    return task.summary({"loss": 0.0, **metrics.compute()})


@pytest.mark.parametrize("share", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("relative", [False, True])
def test_on_exchangeable_data_the_corrected_interval_covers_what_it_promises(share, relative):
    """Lei et al. 2018, theorem 2.2: between share and share + 1 / (n + 1), on average over calibration sets."""
    rng = np.random.default_rng(0)
    levels, n, rounds, new = (0.5 - share / 2, 0.5, 0.5 + share / 2), 39, 200, 50
    inside = 0
    for _ in range(rounds):
        noise = torch.tensor(rng.gamma(1.5, size=(n + new, 2)) - 1)
        spread = torch.tensor(rng.uniform(0.2, 2, size=(n + new, 2, 1)))  # a model that is wrong about the spread
        quantiles = spread * torch.tensor([-0.3, 0.0, 0.4], dtype=torch.float64)
        targets = noise * spread[..., 0]
        correction = corrections(levels, quantiles[:n], targets[:n], relative)
        low, _, high = corrected(levels, quantiles[n:], correction, relative).unbind(-1)
        inside += int(((low <= targets[n:]) & (targets[n:] <= high)).sum())
    observed = inside / (rounds * new * 2)
    spread_of_mean = 3 * (share * (1 - share) / (n + 2) / (rounds * 2)) ** 0.5 + 0.005
    assert share - spread_of_mean <= observed <= share + 1 / (n + 1) + spread_of_mean


def test_the_correction_is_the_rank_that_the_theorem_asks_for():
    quantiles = torch.zeros(10, 1, 2)
    targets = torch.arange(1.0, 11.0).unsqueeze(1)
    # ceil(11 * 0.8) = 9th smallest.
    assert corrections((0.1, 0.9), quantiles, targets, relative=False).tolist() == [[9.0, 9.0]]
    assert corrections((0.1, 0.9), quantiles[:9], targets[:9], relative=False).tolist() == [[8.0, 8.0]]
    inside = torch.tensor([[[-5.0, 5.0]]]).expand(10, 1, 2)
    shrunk = corrections((0.1, 0.9), inside, torch.linspace(-1, 1, 10).unsqueeze(1), relative=False)
    assert (shrunk < 0).all()  # an interval too wide is made narrower


def test_a_value_that_is_missing_is_not_calibrated_with():
    quantiles, targets = torch.zeros(10, 1, 2), torch.arange(1.0, 11.0).unsqueeze(1)
    holes = torch.cat([targets, torch.full((5, 1), torch.nan)])
    found = corrections((0.1, 0.9), torch.zeros(15, 1, 2), holes, relative=False)
    assert torch.equal(found, corrections((0.1, 0.9), quantiles, targets, relative=False))
    with pytest.raises(ValueError, match="the validation split has no target"):
        corrections((0.1, 0.9), torch.zeros(5, 1, 2), torch.full((5, 1), torch.nan), relative=False)


def test_too_few_items_are_said(caplog):
    corrections((0.01, 0.99), torch.zeros(20, 1, 2), torch.arange(20.0).unsqueeze(1), relative=False)
    assert caplog.text.count("20 items, too few to calibrate an interval of 0.98") == 1


def test_levels_that_bound_no_interval_are_refused():
    assert pairs(LEVELS) == [(0, 4), (1, 3)]
    with pytest.raises(ValueError, match=r"quantiles must lie evenly around 0\.5.*0\.2 has no partner 0\.8"):
        Forecasting(series_spec(), output="quantiles", quantiles=(0.1, 0.2, 0.5, 0.9), conformal=True)


@pytest.mark.parametrize("name", OUTPUTS)
def test_quantiles_rise_after_calibration_too_and_the_median_stays(name):
    task = Forecasting(series_spec(), output=name, quantiles=LEVELS, conformal=True)
    prediction, batch = forecast(task, rows=6)
    before = task.predictive.median(prediction)
    task.calibrate([(prediction, batch), forecast(task, 5)])
    quantiles = task.predictive.quantiles(prediction)
    assert (quantiles.diff(dim=-1) >= 0).all()
    assert torch.equal(task.predictive.median(prediction), before)
    assert task.predictive.correction.shape == (V, 5)


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("shape", ["sequence", "step"])
def test_state_brings_the_same_intervals_back(name, shape, tmp_path):
    spec = series_spec(shape)
    task = Forecasting(spec, output=name, quantiles=LEVELS, conformal=True)
    prediction, batch = forecast(task)
    task.calibrate([forecast(task, 7), forecast(task, 8)])
    torch.save(task.state(), tmp_path / "state.pt")
    other = Forecasting(spec, output=name, quantiles=LEVELS, conformal=True)
    assert (name == "point") == ("quantiles" not in other.decode(prediction, batch)[1])
    other.load_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert other.decode(prediction, batch) == task.decode(prediction, batch)
    assert measured(other, prediction, batch) == measured(task, prediction, batch)


@pytest.mark.parametrize("name", SURE)
def test_metrics_are_those_of_the_values_in_original_units(name):
    task = Forecasting(series_spec(), output=name, quantiles=LEVELS)
    prediction, batch = forecast(task)
    real = batch.lengths > 0
    truth = (batch.targets[real] * 25 + 40).numpy()
    quantiles = (task.predictive.quantiles(prediction[real]) * 25 + 40).numpy()
    found = measured(task, prediction, batch)
    assert found["mae"] == pytest.approx(np.abs(truth - quantiles[..., 2]).mean(), rel=1e-5)
    inside = (quantiles[..., 0] <= truth) & (truth <= quantiles[..., 4])
    assert found["coverage"] == pytest.approx(inside.mean(), rel=1e-6)
    assert found["width"] == pytest.approx((quantiles[..., 4] - quantiles[..., 0]).mean(), rel=1e-5)
    error = truth[..., None] - quantiles
    pinball = np.maximum(np.array(LEVELS) * error, (np.array(LEVELS) - 1) * error)
    assert found["wql"] == pytest.approx(2 * pinball.sum((0, 1)).mean() / np.abs(truth).sum(), rel=1e-5)
    if name == "quantiles":
        assert found["crps"] == pytest.approx(2 * pinball.mean(), rel=1e-5)


@pytest.mark.parametrize("name", ["gaussian", "student_t", "quantiles"])
def test_scaled_and_unscaled_series_give_the_same_scores(name):
    """The same forecast of the same series, said in two units."""
    scaled = Forecasting(series_spec(), output=name, quantiles=LEVELS)
    plain_spec = replace(series_spec(), shift=(), scale=(), input_shift=(), input_scale=())
    plain = Forecasting(plain_spec, output=name, quantiles=LEVELS)
    prediction, batch = forecast(scaled)
    numbers = scaled.predictive.numbers(prediction).clone()
    if name == "quantiles":
        numbers = numbers * 25 + 40
    else:
        place, spread = (0, 1) if name == "gaussian" else (1, 2)
        numbers[..., place] = numbers[..., place] * 25 + 40
        wide = 25 * (torch.nn.functional.softplus(numbers[..., spread]) + 1e-3) - 1e-3
        numbers[..., spread] = torch.log(torch.expm1(wide))
    other = measured(plain, numbers.flatten(-2), batch._replace(targets=batch.targets * 25 + 40))
    assert measured(scaled, prediction, batch) == pytest.approx(other, rel=1e-4)


def test_a_well_specified_distribution_is_calibrated_without_correction():
    task = Forecasting(series_spec(), output="gaussian")
    n = 4000
    generator = torch.Generator().manual_seed(0)
    place, raw = torch.randn(n, V, generator=generator), torch.randn(n, V, generator=generator)
    spread = torch.nn.functional.softplus(raw) + 1e-3
    targets = place + spread * torch.randn(n, V, generator=generator)
    ones = torch.ones(n, dtype=torch.long)
    batch = SequenceBatch(torch.zeros(n, 1, V), targets, ones, ones.bool())
    found = measured(task, torch.stack([place, raw], dim=-1).flatten(-2), batch)
    low, high = stats.binom.interval(0.9999, n * V, 0.8)
    assert low / (n * V) <= found["coverage"] <= high / (n * V)


def test_decode_names_quantiles_and_interval_in_original_units():
    task = Forecasting(series_spec(), output="gaussian", quantiles=(0.25, 0.5, 0.75), interval=0.9)
    prediction, batch = forecast(task)
    rows = task.decode(prediction, batch)
    assert rows[0] == {
        "forecast": [],
        "quantiles": {level: [] for level in ("0.05", "0.25", "0.5", "0.75", "0.95")},
        "interval": {"share": 0.9, "low": [], "high": []},
    }
    own = Gaussian().distribution(task.predictive.numbers(prediction[1]))
    expected = stats.norm(own.loc * 25 + 40, own.scale * 25)
    assert rows[1]["forecast"] == pytest.approx(expected.ppf(0.5))
    assert rows[1]["quantiles"]["0.25"] == pytest.approx(expected.ppf(0.25))
    assert rows[1]["interval"]["low"] == rows[1]["quantiles"]["0.05"] == pytest.approx(expected.ppf(0.05))
    assert rows[1]["interval"]["high"] == rows[1]["quantiles"]["0.95"]


def test_a_forecast_per_step_is_that_of_the_last_real_step():
    task = Forecasting(series_spec("step"), output="quantiles")
    prediction, batch = forecast(task)
    alone = Forecasting(series_spec(), output="quantiles")
    last = prediction[torch.arange(6), (batch.lengths - 1).clamp(min=0)]
    assert task.decode(prediction, batch) == alone.decode(last, batch)


@pytest.mark.parametrize("name", ["quantiles", "negative_binomial"])
def test_baselines_have_intervals_from_their_own_errors(name):
    rng = np.random.default_rng(0)
    spec = series_spec()
    train, test = (windows(rng.poisson(40, 400).astype(float), spec, 12) for _ in range(2))
    task = Forecasting(spec, output=name, quantiles=LEVELS)
    task.prepare(train)
    found = task.baselines(train, test)
    assert {"mean of train", "ridge regression", "last value", "exponential smoothing"} <= set(found)
    for values in found.values():
        assert {"mae", "crps", "wql", "coverage", "width"} <= set(values)
        assert 0.74 < values["coverage"] < 0.86
        assert values["crps"] < values["mae"]
    exact = stats.norm(40, 40**0.5)  # nearly Poisson's
    assert found["mean of train"]["width"] == pytest.approx(exact.ppf(0.9) - exact.ppf(0.1), rel=0.1)
    assert found["mean of train"]["crps"] == pytest.approx(
        40**0.5 / np.pi**0.5, rel=0.1 if name != "quantiles" else 0.2
    )


def test_counts_are_refused_where_they_are_none():
    spec = series_spec()
    task = Forecasting(spec, output="negative_binomial")
    task.prepare(windows(np.arange(60.0), spec, 12))
    for wrong in (np.arange(60.0) + 0.5, np.arange(60.0) - 70):
        with pytest.raises(ValueError, match=r"negative_binomial is for counts.*choose task\.output=student_t"):
            task.prepare(windows(wrong, spec, 12))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "normal"}, "output must be one of point, quantiles, gaussian, student_t, negative_binomial"),
        ({"quantiles": [0.5, 0.1]}, "quantiles must be a rising list"),
        ({"quantiles": []}, "quantiles must be a list such as"),
        ({"quantiles": [0.0, 0.5]}, "each item a number between 0 and 1"),
        ({"interval": 1.0}, "interval must be a number"),
        ({"output": "quantiles", "interval": 0.9}, r"interval=0\.9 reaches from the quantile 0\.05 to 0\.95"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Forecasting(series_spec(), **options)


def test_calibration_is_plotted():
    task = Forecasting(series_spec(), output="quantiles", quantiles=LEVELS)
    prediction, batch = forecast(task)
    metrics = task.metrics()
    task.update(metrics, prediction, batch)
    metrics.compute()
    assert set(task.plots(prediction, batch, metrics)) == {"forecast", "calibration"}


def test_a_predictive_without_an_interval_has_none():
    predictive = Predictive(Gaussian(), 2, (0.5,), 0.8)
    assert predictive.levels == (0.1, 0.5, 0.9)
    assert not Forecasting(series_spec()).predictive.has_interval
