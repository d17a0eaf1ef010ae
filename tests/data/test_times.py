"""Columns of times: one reading for a whole column, whatever it is written like."""

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqmodels.data.columns.times.column import looks_like_time, parse_times
from seqmodels.data.columns.times.frequency import DAY, infer_frequency
from seqmodels.data.columns.times.numbered import Times
from seqmodels.data.read.open import read_table
from seqmodels.data.read.table import Table
from seqmodels.data.sources.tables.table import CSVSource

DAYS = pd.date_range("2023-01-01", periods=400, freq="D")
MONTHS = pd.date_range("2001-01-01", periods=240, freq="MS")
HOURS = pd.date_range("2023-03-01", periods=500, freq="h")
WEEKS = pd.date_range("2023-01-02", periods=120, freq="W-MON")


def table(cells: list[str]) -> Table:
    return Table("a.csv", {"t": cells}, range(2, len(cells) + 2))


def read(cells: list[str], **options: object) -> Times:
    return parse_times(table(cells), "t", **options)  # type: ignore[arg-type]


FORMATS = [
    (DAYS, "%d.%m.%y"),
    (DAYS, "%d.%m.%Y"),
    (DAYS, "%m/%d/%Y"),
    (DAYS, "%d/%m/%y"),
    (DAYS, "%d-%b-%Y"),
    (DAYS, "%b %d, %Y"),
    (DAYS, "%A, %d %B %Y"),
    (DAYS, "%Y/%m/%d"),
    (DAYS, "%d%b%Y"),
    (DAYS, "%Y%m%d"),
    (MONTHS, "%b-%y"),
    (MONTHS, "%y-%b"),
    (MONTHS, "%B %Y"),
    (MONTHS, "%Y-%m"),
    (MONTHS, "%m/%Y"),
    (MONTHS, "%Y%m"),
    (MONTHS, "%d/%m/%Y"),
    (MONTHS, "%m/%d/%Y"),
    (MONTHS, "%d/%m/%y"),
    (HOURS, "%d.%m.%Y %H:%M"),
    (HOURS, "%m/%d/%Y %I:%M %p"),
    (HOURS, "%Y-%m-%dT%H:%M:%S"),
    (HOURS, "%Y%m%d%H"),
    (HOURS, "%Y%m%d %H:%M"),
    (WEEKS, "%G-W%V"),
    (WEEKS, "%G-W%V-%u"),
    (WEEKS, "%d/%m/%Y"),
    (DAYS, "%d %b %y"),
    (DAYS, "%y%m%d"),
    (DAYS, "%d%m%Y"),
    (DAYS, "%Y%j"),
    (DAYS, "%Y年%m月%d日"),
    (MONTHS, "%YM%m"),
    (MONTHS, "%Y.%m"),
    (MONTHS, "%m.%Y"),
    (MONTHS, "%m%Y"),
    (HOURS, "%Y%m%dT%H%M%S"),
    (HOURS, "%d.%m.%Y %H:%M Uhr"),
    (HOURS, "%d.%m.%Y um %H:%M"),
    (HOURS, "%H:%M %d.%m.%Y"),
    (HOURS, "%H:%M:%S, %d/%m/%Y"),
    (HOURS, "%Y-%m-%d %I %p"),
    (HOURS, "%d/%b/%Y:%H:%M:%S +0000"),
    (WEEKS, "%V/%G"),
    (WEEKS, "%G%V"),
    (WEEKS, "CW%V %G"),
    (WEEKS, "%V.%G"),
]


@pytest.mark.parametrize(("dates", "form"), FORMATS, ids=[form for _, form in FORMATS])
@pytest.mark.parametrize("order", ["in order", "backwards"])
def test_a_column_is_read_as_it_was_written(dates: pd.DatetimeIndex, form: str, order: str) -> None:
    dates = dates if order == "in order" else dates[::-1]
    cells = [date.strftime(form) for date in dates]
    found = read(cells)
    assert found.dated
    assert found.values.tolist() == dates.as_unit("ns").asi8.tolist()
    # A part of the file, by the format that was found, is read as the whole is.
    part = read(cells[-2:], time_format=found.time_format)
    assert part.values.tolist() == found.values.tolist()[-2:]


@pytest.mark.parametrize(
    "cells", [["01/02/2024", "02/03/2025"], ["01/01/2020", "01/02/2020"], ["3-4-2021", "5-6-2022"]]
)
def test_an_order_that_nothing_tells_is_asked_for(cells: list[str]) -> None:
    with pytest.raises(ValueError, match=r"may be .* or .*; say which order it is with data\.time_format=%d.%m.%Y or"):
        read(cells)
    forms = (form.replace("/", "-" if "-" in cells[0] else "/") for form in ("%d/%m/%Y", "%m/%d/%Y"))
    first, second = (read(cells, time_format=form) for form in forms)
    assert first.values.tolist() != second.values.tolist()


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%d/%m/%Y %H:%M"])
def test_a_format_that_is_given_is_kept(form: str) -> None:
    cells = [date.strftime("%d/%m/%Y") + " 10:30" * ("%H" in form) for date in DAYS[:10]]
    found = read(cells, time_format=form)
    assert np.diff(found.values).tolist() == [DAY] * 9
    with pytest.raises(ValueError, match=r"line 3, column 't': expected a time .*got '13/13/2024"):
        read([cells[0], "13/13/2024" + " 10:30" * ("%H" in form)], time_format=form)


@pytest.mark.parametrize(("years", "first"), [((49, 61), 1949), ((96, 106), 1996), ((0, 21), 2000), ((69, 76), 1969)])
def test_two_digit_years_lie_together_and_not_in_the_future(years: tuple[int, int], first: int) -> None:
    found = read([f"Jan-{year % 100:02d}" for year in range(*years)])
    assert found.values.astype("datetime64[ns]").astype("datetime64[Y]").astype(int).tolist() == [
        year - 1970 for year in range(first, first + years[1] - years[0])
    ]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2024-01-31 23:00", "2024-01-31 24:00", "2024-02-01 01:00"], [23, 24, 25]),
        (["31.1.24 23:00", "31.1.24 24:00", "1.2.24 1:00"], [23, 24, 25]),
        (["1/31/2024 11:00 PM", "2/1/2024", "2/1/2024 1:00 AM"], [23, 24, 25]),
        (["31 Jan 2024 23:00+00:00", "1 Feb 2024 01:00+01:00", "1 Feb 2024 00:00-01:00"], [23, 24, 25]),
    ],
)
def test_hours_beside_dates(cells: list[str], expected: list[int]) -> None:
    start = np.datetime64("2024-01-31", "ns").astype(np.int64)
    assert ((read(cells).values - start) // (DAY // 24)).tolist() == expected


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_numbers_since_1970_are_dates_and_are_written_as_they_came(unit: str) -> None:
    numbers = HOURS.as_unit(unit).asi8.tolist()
    found = read(list(map(str, numbers)))
    assert found.values.tolist() == HOURS.as_unit("ns").asi8.tolist()
    clock = infer_frequency(found.values, np.zeros(500, int), found.dated, written=found.written)
    assert clock is not None
    assert clock.words == "1 hour"
    assert clock.text(clock.after(found.values[-2].item(), 1)) == str(numbers[-1])


PERIODS = {
    "quarters": ("{y}Q{q}", 3),
    "quarters of two-digit years": ("{q}Q{s}", 3),
    "quarters without a mark": ("{y}-{q}", 3),
    "quarters after a point": ("{y}.{q}", 3),
    "trimesters": ("{q}T{y}", 3),
    "quarters in words": ("{q}. Quartal {y}", 3),
    "quarters of Scandinavia": ("{y}K{q}", 3),
    "half-years": ("{y}H{h}", 6),
    "half-years of Spain": ("{y}S{h}", 6),
    "months without their zero": ("{y}.{m}", 1),
    "months that a spreadsheet took for numbers": ("{n:.10g}", 1),
}


@pytest.mark.parametrize("name", PERIODS)
def test_parts_of_years(name: str) -> None:
    form, months = PERIODS[name]
    dates = MONTHS[::months]
    cells = [
        form.format(
            y=d.year, s=f"{d.year % 100:02d}", q=d.quarter, h=d.quarter // 3 + 1, m=d.month, n=d.year + d.month / 100
        )
        for d in dates
    ]
    found = read(cells)
    assert found.values.tolist() == dates.as_unit("ns").asi8.tolist()
    assert read(cells, time_format=found.time_format).values.tolist() == found.values.tolist()


def test_an_hour_that_is_24_is_the_next_day() -> None:
    ends = HOURS + pd.Timedelta("1h")
    cells = [f"{start:%Y%m%d}{start.hour + 1:02d}" for start in HOURS]
    assert read(cells).values.tolist() == ends.as_unit("ns").asi8.tolist()
    assert not read([*cells[:30], cells[30][:-2] + "25"]).written.startswith("%")


@pytest.mark.parametrize("clock", ["{0:%H}:00-{0:%H}:59", "{0:%H}:00 - {0:%H}:59"])
def test_from_one_time_to_another_is_no_offset(clock: str) -> None:
    with pytest.raises(ValueError, match="line 2, column 't': expected a time like the others"):
        read([f"{hour:%Y-%m-%d} " + clock.format(hour) for hour in HOURS])


@pytest.mark.parametrize("cells", [["1950/51", "1951/52", "1952/53"], ["12-31", "1-2"], ["5h", "room 2"]])
def test_what_may_be_seasons_or_scores_does_not_look_like_times(cells: list[str]) -> None:
    assert not all(map(looks_like_time, cells))


@pytest.mark.parametrize(
    "cells",
    [["3000", "3001"], ["202413", "202414"], ["12", "13"], ["1.5", "2.5"], ["2000.5", "2001.2"], ["123456", "123458"]],
)
def test_other_numbers_stay_numbers(cells: list[str]) -> None:
    assert read(cells) == Times(pytest.approx(np.array(cells, float)), False, "number")  # type: ignore[comparison-overlap]


def test_years_with_decimals_are_months() -> None:
    for offset in (0.0, 0.5):
        cells = [f"{1749 + (month + offset) / 12:.3f}" for month in range(60)]
        found = read(cells)
        clock = infer_frequency(found.values, np.zeros(60, int), found.dated)
        assert clock is not None
        assert (clock.unit, clock.size) == ("month", 1)


@pytest.mark.parametrize(
    "cells", [["1500-01-01", "1500-02-01"], ["01.01.0020", "01.02.0020"], ["9999-12-31", "9999-12-30"]]
)
def test_nothing_wraps(cells: list[str]) -> None:
    with pytest.raises(ValueError, match="of the years 1678 to 2261"):
        read(cells)


def test_times_of_day_alone() -> None:
    found = read(["08:00", "08:30", "9:00"])
    assert found.written == "clock"
    clock = infer_frequency(found.values, np.zeros(3, int), found.dated, written=found.written)
    assert clock is not None
    assert clock.text(clock.after(found.values[-1].item(), 1)) == "09:30:00"


def test_times_of_day_go_on_past_midnight_series_by_series() -> None:
    cells = ["22:00", "23:00", "23:00", "00:00", "00:00", "01:00", "01:00", "02:00"]
    found = read(cells, owner=np.tile([0, 1], 4))
    assert (found.values // (DAY // 24)).tolist() == [22, 23, 23, 24, 24, 25, 25, 26]
    assert (read(cells[::-2]).values // (DAY // 24)).tolist() == [2, 1, 0, 23]


def test_a_month_after_the_thirtieth_of_january_is_the_end_of_february() -> None:
    dates = np.array(["2023-11-30", "2023-12-30", "2024-01-30", "2024-02-29", "2024-03-30"], "datetime64[ns]").astype(
        np.int64
    )
    clock = infer_frequency(dates, np.zeros(5, int), dated=True)
    assert clock is not None
    assert (clock.unit, clock.words) == ("month", "1 month")
    assert [clock.after(dates[0].item(), step) for step in range(5)] == dates.tolist()
    assert clock.between(dates[:-1], dates[1:]).tolist() == [1.0] * 4


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("freq", ["MS", "B", "D", "h"])
def test_steps_are_counted_in_local_time(zone: str, freq: str) -> None:
    wall = pd.date_range("2023-01-02", periods=400, freq=freq)
    dates = (
        wall.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
        if freq != "h"
        else pd.date_range("2023-01-02", periods=400, freq="h", tz=zone)
    )
    found = read([date.strftime("%Y-%m-%d %H:%M") for date in dates], timezone=zone)
    assert found.values.tolist() == dates.as_unit("ns").asi8.tolist()
    clock = infer_frequency(found.values, np.zeros(400, int), True, zone, found.written)
    assert clock is not None
    for step in (1, 90, 399):
        assert clock.after(found.values[0].item(), step) == found.values[step]
    expected = wall[-1].strftime("%Y-%m-%d") if freq != "h" else dates[-1].isoformat()
    assert clock.text(found.values[-1].item()) == expected


@pytest.mark.parametrize("backwards", [False, True])
def test_clocks_put_back_are_told_series_by_series(backwards: bool) -> None:
    dates = pd.date_range("2023-10-28T22:00", periods=10, freq="h", tz="UTC").tz_convert("Europe/Berlin")
    cells, owner = [date.strftime("%Y-%m-%d %H:%M") for date in dates for _ in range(2)], np.tile([0, 1], 10)
    wanted = np.repeat(dates.as_unit("ns").asi8, 2)
    if backwards:
        cells, owner, wanted = cells[::-1], owner[::-1], wanted[::-1]
    assert read(cells, timezone="Europe/Berlin", owner=owner).values.tolist() == wanted.tolist()


CASES = {
    "dates": ([f"{date:%d.%m.%y}" for date in DAYS], "datum;wert", "wert", "2024-02-05"),
    "months": ([f"{date:%b-%y}" for date in MONTHS], "month;sales", "sales", "2021-01-01"),
    "first days": ([f"{date:%d/%m/%Y}" for date in MONTHS], "date;sales", "sales", "2021-01-01"),
    "compact": ([f"{date:%Y%m}" for date in MONTHS], "month;sales", "sales", "202101"),
    "epoch": (
        [str(date) for date in HOURS.as_unit("s").asi8],
        "timestamp;load",
        "load",
        str(HOURS.as_unit("s").asi8[-1] + 3600),
    ),
}


@pytest.mark.parametrize(("cells", "header", "target", "expected"), CASES.values(), ids=CASES)
def test_a_forecast_is_stamped_with_the_next_time(
    tmp_path: Path, cells: list[str], header: str, target: str, expected: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join([header, *(f"{cell};{i % 17}" for i, cell in enumerate(cells))]))
    source = CSVSource(str(path), target)
    spec = source.splits()["train"].spec
    assert CSVSource.ahead(str(path), spec).times(0, 1) == [expected]


def test_a_new_file_is_read_in_the_order_of_the_training_file(tmp_path: Path) -> None:
    train, new = tmp_path / "train.csv", tmp_path / "new.csv"
    rows = [f"{date:%d/%m/%Y},{i % 7}" for i, date in enumerate(DAYS)]
    train.write_text("\n".join(["day,y", *rows]))
    new.write_text(
        "\n".join(["day,y", *(f"{date:%d/%m/%Y},{i % 7}" for i, date in enumerate(DAYS[DAYS.day <= 12][:48]))])
    )
    spec = CSVSource(str(train), "y", history=4).splits()["train"].spec
    assert CSVSource.ahead(str(new), spec).times(0, 1) == ["2023-04-13"]


def dates_alike(rng: random.Random) -> list[str]:
    """Cells of ISO dates that are, but for a few, written alike."""
    clock = rng.choice(["", " %H:%M", "T%H:%M", " %H:%M:%S", "T%H:%M:%S.%f"])
    start = pd.Timestamp(rng.choice(["1678-06-01", "1969-12-31 23:00", "2024-02-28", "2261-11-30"]))
    offset = rng.choice(["", "", "Z", "+01:00", "-09:30"]) if clock else ""
    cells = [(start + pd.Timedelta(hours=7 * i)).strftime(f"%Y-%m-%d{clock}") + offset for i in range(60)]
    odd = [
        "",
        " ",
        "2024-02-30",
        "24:00",
        "2024-01-01",
        "2024-1-1",
        "2024-01-01 24:00",
        "2024-01-01T10:00:00.123456789",
    ]
    odd += ["2024-01-01 10:00+0100", "2024-01-01 10:00Z", "2024-01-01 10:00 ", "1500-01-01", "2300-01-01", "20240101"]
    for _ in range(rng.choice([0, 0, 1])):
        cells[rng.randrange(60)] = rng.choice(odd)
    return cells


@pytest.mark.parametrize("seed", range(40))
def test_dates_of_a_table_on_disk_are_those_of_one_in_memory(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text("t,x\n" + "".join(f"{cell},1\n" for cell in dates_alike(random.Random(seed))))

    def seen(**options: object) -> object:
        try:
            found = parse_times(read_table(str(path), **options), "t")  # type: ignore[arg-type]
        except ValueError as error:
            return str(error)
        return np.array(found.values).tolist(), found[1:]

    assert seen(memory_limit=0, cache_dir=str(tmp_path / "cache")) == seen()
