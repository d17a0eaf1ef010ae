"""Windows over series: what they hold, and that no split, scale or filled gap knows the future."""

import numpy as np
import pytest

from seqmodels.data.files import arrays
from seqmodels.data.numbers import interpolate
from seqmodels.data.series.ahead import SeriesAhead
from seqmodels.data.series.covariates import Context
from seqmodels.data.series.forecasting import forecast_splits, new_windows
from seqmodels.data.series.rows import SeriesRows
from seqmodels.data.series.splits import split_rows, usual_history
from seqmodels.data.series.windows import WindowStarts, window_runs

NAMES = ("a", "b")


def make_rows(seed: int = 0, lengths=(60, 45), features: int = 2, gaps: float = 0.0, times: bool = True) -> SeriesRows:
    random = np.random.default_rng(seed)
    total = sum(lengths)
    values = random.normal(10.0, 3.0, (total, features))
    values[random.random(values.shape) < gaps] = np.nan
    series = np.repeat(np.arange(len(lengths)), lengths)
    # The series end at the same time, as stocks do, and begin at different ones.
    clock = np.concatenate([np.arange(max(lengths) - n, max(lengths)) for n in lengths])
    return SeriesRows(values, series, clock if times else None, tuple(f"s{i}" for i in range(len(lengths))))


def make_splits(rows: SeriesRows, history: int = 6, horizon: int = 3):
    return forecast_splits(rows, NAMES[: rows.values.shape[1]], history, horizon, split_rows(rows, 0.2, 0.2))


def contents(dataset) -> list[tuple[list, list]]:
    reads = [dataset.read(i, 0, int(n)) for i, n in enumerate(dataset.lengths)]
    return [(inputs.tolist(), targets.tolist()) for inputs, targets in reads]


@pytest.mark.parametrize("times", [True, False])
def test_windows_are_the_rows_they_should_be(times):
    rows = make_rows(times=times)
    masks = split_rows(rows, 0.2, 0.2)
    for name, split in make_splits(rows).items():
        found = 0
        for start in range(len(rows.series) - 8):
            stop = start + 6
            if len(set(rows.series[start : stop + 3])) > 1 or not masks[name][stop : stop + 3].all():
                continue
            inputs, targets = split.read(found, 0, 6)
            spec = split.spec
            back = inputs * np.array(spec.input_scale) + np.array(spec.input_shift)
            np.testing.assert_allclose(back, rows.values[start:stop], rtol=1e-5)
            np.testing.assert_allclose(
                targets * np.array(spec.scale) + np.array(spec.shift), rows.values[stop : stop + 3, 0], rtol=1e-5
            )
            found += 1
        assert found == len(split) > 0


def test_reading_makes_views_and_any_piece_of_a_window():
    train = make_splits(make_rows())["train"]
    whole, targets = train.read(4, 0, 6)
    piece, again = train.read(4, 2, 5)
    assert np.shares_memory(whole, train.values)
    assert np.shares_memory(targets, train.values)
    assert (piece == whole[2:5]).all()
    assert (again == targets).all()
    assert whole.dtype == targets.dtype == np.float32


@pytest.mark.parametrize("gaps", [0.0, 0.2])
@pytest.mark.parametrize("times", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_training_does_not_know_what_comes_later(seed, times, gaps):
    rows = make_rows(seed, gaps=gaps, times=times)
    masks = split_rows(rows, 0.2, 0.2)
    before = make_splits(rows, history=3)
    changed = rows.values.copy()
    changed[~masks["train"]] = 1e3 * np.random.default_rng(seed + 1).random(changed[~masks["train"]].shape)
    after = make_splits(SeriesRows(changed, rows.series, rows.times, rows.names), history=3)
    assert before["train"].spec == after["train"].spec
    assert contents(before["train"]) == contents(after["train"])
    assert contents(before["val"]) != contents(after["val"])


@pytest.mark.parametrize("seed", range(5))
def test_inputs_of_a_window_do_not_know_its_targets(seed):
    """With gaps filled in, whatever happens from a window's first target on changes none of its inputs."""
    rows = make_rows(seed, lengths=(40,), gaps=0.25)
    splits = forecast_splits(rows, NAMES, 4, 2, {"train": np.ones(40, bool)})["train"]
    assert len(splits) > 3
    shift, scale = splits.spec.input_shift, splits.spec.input_scale
    for i, start in enumerate(list(splits.starts)):
        known = rows.values.copy()
        known[start + 4 :] = -50.0
        alone = (interpolate(known, rows.series) - shift) / scale
        np.testing.assert_allclose(splits.read(i, 0, 4)[0], alone[start : start + 4], rtol=1e-4)


def test_filled_values_are_never_targets():
    rows = make_rows(lengths=(80,), gaps=0.2)
    measured = np.isfinite(rows.values)
    for split in make_splits(rows, history=3).values():
        for start in list(split.starts):
            assert measured[start + 3 : start + 6, 0].all()
            assert measured[start + 2].all()


def test_all_series_are_cut_at_the_same_time():
    rows = make_rows(lengths=(60, 20))
    masks = split_rows(rows, 0.2, 0.2)
    assert rows.times[masks["train"]].max() < rows.times[masks["val"]].min()
    assert rows.times[masks["val"]].max() < rows.times[masks["test"]].min()
    assert int(masks["train"].sum()) == 36  # the short series begins after the cut
    without = split_rows(make_rows(lengths=(60, 20), times=False), 0.2, 0.2)
    assert int(without["train"].sum()) == 36 + 12


def test_constant_features_are_not_blown_up():
    rows = make_rows()
    rows.values[:, 1] = 0.1
    spec = make_splits(rows)["train"].spec
    assert spec.input_scale[1] == 1.0
    assert spec.input_shift[1] == pytest.approx(0.1)


def test_the_spec_says_what_is_forecast():
    spec = make_splits(make_rows())["test"].spec
    assert (spec.horizon, spec.target_size, spec.target_feature, spec.target_shape) == (3, 3, 0, "sequence")
    assert spec.shift == (spec.input_shift[0],) * 3
    assert spec.target_names == ("a +1", "a +2", "a +3")
    assert type(spec).from_plain(spec.to_plain()) == spec


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("block", [3, 7, 1000])
def test_window_starts_agree_with_trying_each(seed, block, monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK", block)
    random = np.random.default_rng(seed)
    series = np.sort(random.integers(0, 3, 30))
    measured, wanted = random.random((30, 2)) < 0.9, random.random(30) < 0.9
    history, horizon = int(random.integers(1, 5)), int(random.integers(1, 4))
    expected = [
        s
        for s in range(30 - history - horizon + 1)
        if len(set(series[s : s + history + horizon])) == 1
        and measured[s + history - 1].all()
        and (measured[:, 0] & wanted)[s + history : s + history + horizon].all()
    ]
    values = np.where(measured, 1.0, np.nan)
    starts = WindowStarts(*window_runs(values, series, wanted, history, horizon))
    assert list(starts) == expected
    assert [starts[i] for i in range(-len(starts), 0)] == expected
    assert list(starts.thinned(4)) == expected[:: starts.thinned(4).stride]
    assert (np.diff(starts.first) > 1).all()


def test_a_series_too_short_is_refused():
    rows = make_rows(lengths=(12,))
    with pytest.raises(ValueError, match=r"the train part of the series has 8 rows \(of 12 in all\), too few for 6 st"):
        make_splits(rows)
    with pytest.raises(ValueError, match="the val part of the series has 8 rows"):
        make_splits(make_rows(lengths=(40,)), history=2, horizon=9)


def test_usual_history_is_a_season_where_there_is_room():
    rows = make_rows(lengths=(400,))
    everything = np.ones(400, dtype=bool)
    assert usual_history(rows, everything, None) == 24
    assert usual_history(rows, everything, 52) == 52
    assert usual_history(rows, everything[:400] & (np.arange(400) < 40), 52) == 10


def test_new_series_are_scaled_as_in_training_and_forecast_from_their_end():
    spec = make_splits(make_rows())["train"].spec
    new = make_rows(seed=5, lengths=(9, 30))
    ahead = SeriesAhead(new, 6, spec, Context()).windows()
    scaled = (new.values - spec.input_shift) / spec.input_scale
    assert len(ahead) == 2
    np.testing.assert_allclose(ahead.read(0, 0, 6)[0], scaled[3:9], rtol=1e-5)
    np.testing.assert_allclose(ahead.read(1, 0, 6)[0], scaled[-6:], rtol=1e-5)
    assert ahead.read(0, 0, 6)[1].tolist() == [0.0, 0.0, 0.0]
    every = new_windows(new, spec)
    assert len(every) == 1 + 22
    np.testing.assert_allclose(every.read(0, 0, 6)[1], scaled[6:9, 0], rtol=1e-5)
    with pytest.raises(ValueError, match="last 20 rows of each series; the series 's0' has 9"):
        SeriesAhead(new, 20, spec, Context()).windows()
