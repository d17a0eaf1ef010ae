"""Time stamps: steps, gaps, zones; what is wrong with them is named with its line."""

import numpy as np
import pandas as pd
import pytest

from seqmodels.data.columns.times.column import parse_times
from seqmodels.data.columns.times.frequency import DAY, Frequency, infer_frequency, time_text
from seqmodels.data.files.arrays import Space
from seqmodels.data.read.table import Table
from seqmodels.data.series.gaps import find_gaps, notes, resample
from seqmodels.data.sources.tables.table import CSVSource

MINUTE = DAY // 1440


def table(cells: list[str]) -> Table:
    return Table("a.csv", {"t": cells}, [i + 2 for i in range(len(cells))])


def days(first: str, count: int, step: str = "D") -> np.ndarray:
    return (np.datetime64(first).astype("datetime64[ns]") + np.arange(count) * np.timedelta64(1, step)).astype(np.int64)


def write(tmp_path, times: list[str], name: str = "a.csv") -> str:
    values = np.random.default_rng(0).normal(50, 5, len(times)).cumsum()
    path = tmp_path / name
    path.write_text("t,y\n" + "".join(f"{t},{y:.3f}\n" for t, y in zip(times, values, strict=True)))
    return str(path)


@pytest.mark.parametrize(
    ("times", "unit", "words"),
    [
        (days("2024-01-01", 50), "fixed", "1 day"),
        (days("2024-01-01", 50, "h"), "fixed", "1 hour"),
        (days("2024-01-01", 50, "m") * 1, "fixed", "1 minute"),
        (
            np.array([np.datetime64(f"{y}-{m:02d}-01", "ns") for y in (2020, 2021) for m in range(1, 13)]),
            "month",
            "1 month",
        ),
        (np.array([np.datetime64(f"{y}-04-01", "ns") for y in range(1990, 2010)]), "month", "12 months"),
        (
            np.array([np.datetime64(d, "ns") for d in ("2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29")]),
            "month_end",
            "1 month",
        ),
        (days("2024-01-01", 30)[np.arange(30) % 7 < 5], "business", "1 business day"),
        (
            pd.date_range("2003-01-01", periods=90, freq="BME").to_numpy("datetime64[ns]"),
            "business_month_end",
            "1 month",
        ),
        (
            pd.date_range("2003-01-01", periods=9, freq="3BMS").to_numpy("datetime64[ns]"),
            "business_month_start",
            "3 months",
        ),
    ],
)
def test_the_step_is_found_and_goes_on(times, unit, words):
    times = times.astype(np.int64)
    clock = infer_frequency(times, np.zeros(len(times), int), dated=True)
    assert (clock.unit, clock.words) == (unit, words)
    assert clock.between(times[:-1], times[1:]).tolist() == [1.0] * (len(times) - 1)
    for k in (1, len(times) - 1):
        assert clock.after(times[0].item(), k) == times[k]


def test_a_holiday_moves_the_last_business_day_of_a_month():
    times = pd.date_range("2003-01-01", periods=90, freq="BME").to_numpy("datetime64[ns]").copy()
    times[[16, 50]] -= np.timedelta64(1, "D")
    clock = infer_frequency(times.astype(np.int64), np.zeros(90, int), dated=True)
    assert clock.unit == "business_month_end"
    assert clock.between(times[:-1].astype(np.int64), times[1:].astype(np.int64)).tolist() == [1.0] * 89


@pytest.mark.parametrize("seed", range(5))
def test_filling_undoes_leaving_out(seed):
    random = np.random.default_rng(seed)
    step = int(random.integers(1, 90)) * MINUTE
    whole = days("2024-03-01", 1)[0] + step * np.arange(200)
    keep = random.random(200) < 0.9
    keep[[0, -1]] = True
    kept = whole[keep]
    found = resample(kept, np.zeros(len(kept), int), Frequency("fixed", step, True), "fill", Space())
    assert found.times.tolist() == whole.tolist()
    assert ((found.keep >= 0) == keep).all()
    split = resample(kept, np.zeros(len(kept), int), Frequency("fixed", step, True), "split", Space())
    assert (np.diff(split.blocks) > 0).tolist() == (np.diff(kept) > step).tolist()


def test_rows_off_the_grid_are_left_out_and_told():
    times = np.array([0, 5, 9, 10, 15, 20]) * MINUTE
    series, clock = np.zeros(6, int), Frequency("fixed", 5 * MINUTE, True)
    assert resample(times, series, clock, "split", Space()).keep.tolist() == [0, 1, 2, 4, 5]
    words = notes(times, clock, find_gaps(times, series, clock), lambda row: row + 2, "t", "split")
    assert "1 row less than half a step of 5 minutes after another, the first in line 5: left out" in words[0]


def test_offsets_are_the_same_moment():
    mixed = ["2024-03-31T00:30:00Z", "2024-03-31T02:30:00+01:00", "2024-03-31T04:30:00+0200", "2024-03-30T23:30-04:00"]
    values, dated, *_ = parse_times(table(mixed), "t")
    assert dated
    assert np.diff(values).tolist() == [DAY // 24, DAY // 24, DAY // 24]
    utc, *_ = parse_times(table(["2024-03-31 00:30", "2024-03-31 01:30", "2024-03-31 02:30", "2024-03-31 03:30"]), "t")
    assert utc.tolist() == values.tolist()


def test_clocks_that_are_put_forward_and_back():
    spring = ["2024-03-31 00:30", "2024-03-31 01:30", "2024-03-31 03:30"]
    values, *_ = parse_times(table(spring), "t", "Europe/Berlin")
    assert np.diff(values).tolist() == [DAY // 24] * 2
    autumn = ["2024-10-27 01:30", "2024-10-27 02:30", "2024-10-27 02:30", "2024-10-27 03:30"]
    values, *_ = parse_times(table(autumn), "t", "Europe/Berlin")
    assert np.diff(values).tolist() == [DAY // 24] * 3
    with pytest.raises(ValueError, match=r"data.timezone=Europe/Berlin: .*02:30.*write the times with their offset"):
        parse_times(table(["2024-03-31 01:30", "2024-03-31 02:30"]), "t", "Europe/Berlin")
    with pytest.raises(ValueError, match="there is no time zone 'Mars/Base'"):
        parse_times(table(spring), "t", "Mars/Base")


def test_a_series_is_the_same_in_every_zone(tmp_path):
    moments = np.datetime64("2024-03-29T00:00") + np.arange(120) * np.timedelta64(60, "m")
    utc = [f"{m}Z" for m in moments]
    other = [f"{m + np.timedelta64(2, 'h')}:00+02:00" if i % 2 else f"{m}:00Z" for i, m in enumerate(moments)]
    one, two = (
        CSVSource(
            write(tmp_path, cells, f"{i}.csv"), "y", time="t", history=3, calendar=["hour"], gaps="error"
        ).splits()
        for i, cells in enumerate((utc, other))
    )
    assert one["train"].spec.input_shift == two["train"].spec.input_shift
    assert (one["test"].values == two["test"].values).all()


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            ["2024-01-01T00:00Z", "2024-01-01T01:00"],
            "a.csv, line 3.*expected a time with an offset .*got '2024-01-01T01:00'",
        ),
        (["2024-01-01", "soon"], "a.csv, line 3, column 't': expected a time like the others, got 'soon'"),
        (["2024-02-28", "2024-02-30"], "a.csv, line 3, column 't': expected a time like the others, got '2024-02-30'"),
    ],
)
def test_times_that_cannot_be_read_are_named(cells, words):
    with pytest.raises(ValueError, match=words):
        parse_times(table(cells), "t")


def test_eight_digits_are_dates_where_all_are():
    values, dated, *_ = parse_times(table(["20240229", "20240307"]), "t")
    assert dated
    assert np.diff(values).tolist() == [7 * DAY]
    values, dated, *_ = parse_times(table(["20240229", "20240230"]), "t")
    assert not dated


def test_a_gap_a_repeat_and_disorder_are_told_with_their_line(tmp_path):
    times = [time_text(t.item()) for t in days("2024-01-01", 60)]
    gap = write(tmp_path, times[:20] + times[23:])
    with pytest.raises(ValueError, match=r"line 22: expected the time 2024-01-21 .*got 2024-01-24 \(1 gaps in all\)"):
        CSVSource(gap, "y", time="t", gaps="error").splits()
    for choice, words in (("allow", "read as if"), ("fill", "filled"), ("split", "no window reaches over one")):
        source = CSVSource(gap, "y", time="t", gaps=choice)
        source.splits()
        assert any("1 gap in 't' of 3 steps of 1 day" in note and words in note for note in source.notes)
    twice = write(tmp_path, [*times[:30], times[29], *times[30:]])
    with pytest.raises(
        ValueError, match=r"line 32, column 't': the time '2024-01-30' is also on line 31.*data\.duplicates"
    ):
        CSVSource(twice, "y", time="t").splits()
    first, last = (CSVSource(twice, "y", time="t", duplicates=which).splits()["train"] for which in ("first", "last"))
    assert len(first) == len(last)
    assert int((first.values != last.values).sum()) > 0
    moved = CSVSource(write(tmp_path, [times[1], times[0], *times[2:]]), "y", time="t")
    moved.splits()
    assert "rows sorted by time" in moved.notes


@pytest.mark.parametrize("words", ["{} Q{}", "{}Q{}", "{}-Q{}", "{} q{}"])
def test_quarters_of_a_year_are_found_and_read_as_their_first_days(words, tmp_path):
    cells = [words.format(1970 + i // 4, 1 + i % 4) for i in range(60)]
    times, dated, *_ = parse_times(Table("a.csv", {"when": cells}, list(range(2, 62))), "when")
    assert dated
    clock = infer_frequency(times, np.zeros(60, int), dated)
    assert (clock.words, time_text(times[5]), clock.text(clock.after(times[-1], 1))) == (
        "3 months", "1971-04-01", "1985-01-01"
    )  # fmt: skip
    (tmp_path / "a.csv").write_text("\n".join(["when,y", *(f"{cell},{i}" for i, cell in enumerate(cells))]))
    source = CSVSource(str(tmp_path / "a.csv"), "y", horizon=2)
    assert "rows in the order of 'when'" in source.describe()
    with pytest.raises(ValueError, match=r"line 3.*1970 Q5"):
        parse_times(Table("a.csv", {"when": ["1970 Q1", "1970 Q5"]}, [2, 3]), "when")


@pytest.mark.parametrize(
    ("size", "length"), [(DAY, 10), (7 * DAY, 10), (DAY // 24, 20), (DAY // 48, 20), (3 * DAY // 2, 20)]
)
def test_the_times_of_one_series_are_all_written_alike(size, length):
    clock = Frequency("fixed", size, dated=True)
    assert {len(clock.text(clock.after(0, step))) for step in range(60)} == {length}
