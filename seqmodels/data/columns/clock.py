"""Time stamps: read as UTC, their step, what is missing between them, and what comes after them.

N time stamps: dates are nanoseconds since 1970 in UTC, other numbers are as they are in the file.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from seqmodels.data.read.table import Table
from seqmodels.quoting import shown

DAY = 86_400_000_000_000
# A date, a time of day, and an offset from UTC.
WITH_OFFSET = re.compile(r".*\d{1,2}:\d{2}.*?(Z|UTC|GMT|[+-]\d{2}:?(\d{2})?)\s*", re.IGNORECASE)
# Eight digits are dates where all of a column are dates between these years.
COMPACT_YEARS = (1700, 2200)
# A quarter of a year, such as 1970 Q1 or 1970Q1: its first day.
QUARTER = re.compile(r"\s*(\d{4})[ -]?Q([1-4])\s*", re.IGNORECASE)
# All of whose times nanoseconds since 1970 can count in 64 bits.
YEARS = (1678, 2261)
# Characters of the longest time stamp there is, many times over: longer cells are none, and are not searched for one.
LONGEST = 200
# How dates are read, tried in this order: month first, as pandas reads 01/02/2024; day first where only that does.
DATE_ORDERS: tuple[dict[str, Any], ...] = ({"format": "ISO8601"}, {"dayfirst": False}, {"dayfirst": True})
# Named units of a fixed step, in nanoseconds, largest first.
UNITS = (("day", DAY), ("hour", DAY // 24), ("minute", DAY // 1440), ("second", DAY // 86400), ("ms", 1_000_000))


@dataclass(frozen=True)
class Clock:
    """The step of a series, from one time stamp to the next.

    >>> days = Clock("fixed", DAY, dated=True)
    >>> days.text(days.after(0, 31)), days.words
    ('1970-02-01', '1 day')

    Fields:
        unit: "fixed", "month" (the same day of every month), "month_end", or "business" (Monday to Friday).
        size: nanoseconds, months, days; for times that are no dates, in the unit of the file.
        dated: whether the time stamps are dates.
    """

    unit: Literal["fixed", "month", "month_end", "business"]
    size: float
    dated: bool

    @property
    def words(self) -> str:
        """The step, in words."""
        if self.unit == "business":
            return "1 business day"
        if self.unit != "fixed":
            return f"{int(self.size)} month{'s' if self.size != 1 else ''}"
        if not self.dated:
            return f"{self.size:g}"
        name, unit = next(((n, u) for n, u in UNITS if self.size % u == 0), ("ns", 1))
        count = int(self.size // unit)
        return f"{count} {name}{'s' if count != 1 and name not in ('ms', 'ns') else ''}"

    def between(self, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
        """How many steps lie between time stamps; not whole where one is off the grid."""
        if self.unit == "fixed":
            return (later - earlier) / self.size
        first, last = (time.astype("datetime64[ns]") for time in (earlier, later))
        rest = (later % DAY - earlier % DAY) / DAY
        if self.unit == "business":
            return np.busday_count(first.astype("datetime64[D]"), last.astype("datetime64[D]")) + rest
        months = (last.astype("datetime64[M]") - first.astype("datetime64[M]")).astype(np.int64)
        return (months + (_day_of(last, self.unit) - _day_of(first, self.unit)) / 31) / self.size

    def after(self, time: float, count: int) -> float:
        """The time stamp `count` steps after one."""
        if self.unit == "fixed":
            return time + count * (int(self.size) if self.dated else self.size)
        day = np.int64(time).astype("datetime64[ns]")
        rest = np.int64(time) % DAY
        if self.unit == "business":
            moved = np.busday_offset(day.astype("datetime64[D]"), count, roll="forward")
        else:
            ends = self.unit == "month_end"
            month = day.astype("datetime64[M]") + (count * int(self.size) + ends)
            inside = day - day.astype("datetime64[M]") if not ends else np.timedelta64(-1, "D")
            moved = month.astype("datetime64[D]") + inside.astype("timedelta64[D]")
        return int(moved.astype("datetime64[D]").astype(np.int64)) * DAY + int(rest)

    def text(self, time: float) -> str:
        """A time stamp as it is shown to people: a date in UTC, or a number."""
        if not self.dated:
            return f"{time:g}"
        return time_text(time, whole=self.unit == "fixed" and self.size % DAY != 0)


def time_text(time: float, whole: bool = False) -> str:
    """Nanoseconds since 1970 as a date, with the time of day where there is one.

    >>> time_text(0), time_text(90 * 60 * 10**9)
    ('1970-01-01', '1970-01-01T01:30:00Z')

    Args:
        time: in UTC.
        whole: whether midnight is written too, as beside other times of day.
    """
    seconds, rest = divmod(int(time), 10**9)  # which hold times that nanoseconds in 64 bits do not
    date, _, clock = str(np.datetime64(seconds, "s")).partition("T")
    clock = f"{clock}.{rest:09d}".rstrip("0").rstrip(".")
    return date if clock == "00:00:00" and not whole else f"{date}T{clock}Z"


def _day_of(dates: np.ndarray, unit: str) -> np.ndarray:
    """Days into the month; from its end where months are counted by their ends."""
    day = (dates - dates.astype("datetime64[M]")).astype("timedelta64[D]").astype(np.int64)
    if unit == "month":
        return day
    length = ((dates.astype("datetime64[M]") + 1).astype("datetime64[D]") - dates.astype("datetime64[M]")).astype(int)
    return day - length


def infer_clock(times: np.ndarray, series: np.ndarray, dated: bool) -> Clock | None:
    """The step that most time stamps are apart; None where no series has two.

    >>> infer_clock(np.array([0, 10, 20, 40]), np.zeros(4, int), dated=False)
    Clock(unit='fixed', size=10, dated=False)

    Args:
        times: ``(N,)``, in order within each series.
        series: int ``(N,)``, the series of each.
        dated: whether they are dates.
    """
    apart = np.diff(times)[np.diff(series) == 0]
    apart = apart[apart > 0]
    if len(apart) == 0:
        return None
    distinct, count = np.unique(apart, return_counts=True)
    size = distinct[np.argmax(count)].item()
    return (_by_calendar(times, series, size) if dated else None) or Clock("fixed", size, dated)


def _by_calendar(times: np.ndarray, series: np.ndarray, size: int) -> Clock | None:
    """A step of months or business days, where all dates are such."""
    dates = times.astype("datetime64[ns]")
    same = np.diff(series) == 0
    if len(np.unique(times % DAY)) > 1:
        return None
    for unit in ("month", "month_end"):
        days = _day_of(dates, unit)
        if size >= 28 * DAY and (days == days[0]).all() and (unit == "month" or days[0] == -1):
            months = np.diff(dates.astype("datetime64[M]").astype(np.int64))[same]
            distinct, count = np.unique(months, return_counts=True)
            return Clock("month" if unit == "month" else "month_end", int(distinct[np.argmax(count)]), True)
    weekend = ~np.is_busday(dates.astype("datetime64[D]"))
    over_weekends = bool((np.diff(times)[same] == 3 * DAY).any())
    return Clock("business", 1, True) if size == DAY and over_weekends and not weekend.any() else None


def parse_times(
    table: Table, name: str, timezone: str | None = None, orders: Sequence[Mapping[str, Any]] = DATE_ORDERS
) -> tuple[np.ndarray, bool]:
    """Time stamps that can be sorted, and whether they are dates.

    Numbers stay what they are, but for columns of eight digits that are all dates (20240131). Dates
    with an offset are made UTC; those without one are taken to be in `timezone`, or UTC. Of the `orders` the first
    is taken that reads all.

    Raises:
        ValueError: a cell is neither like the others a number, nor a date; some have an offset and some
            none; a time that the zone's clocks showed twice or never; or no such zone.
    """
    cells = table.cells(name, "time")
    if table.is_numeric(name):
        values = table.numbers(name, "time")
        compact = _parse_compact(values)
        if compact is not None:
            return compact, True
        _refuse_bad(table, name, np.flatnonzero(np.isnan(values)))
        return values, False
    _refuse_mixed(table, name, cells)
    dates, bad = _parse_dates(cells, timezone, orders)
    _refuse_bad(table, name, bad)
    return dates, True


def _parse_compact(values: np.ndarray) -> np.ndarray | None:
    """Numbers such as 20240131 as nanoseconds; None where one of them is no date."""
    year, month, day = values // 10000, values // 100 % 100, values % 100
    low, high = COMPACT_YEARS
    likely = (year >= low) & (year < high) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (day % 1 == 0)
    if not likely.all():
        return None
    dates, bad = _parse_dates(
        [f"{int(y):04d}-{int(m):02d}-{int(d):02d}" for y, m, d in zip(year, month, day, strict=True)]
    )
    return None if len(bad) else dates


def _refuse_bad(table: Table, name: str, bad: np.ndarray) -> None:
    if len(bad):
        row = int(bad[0])
        raise ValueError(
            f"{table.place(row, name)}: expected a time like the others, got {shown(table.columns[name][row])}; "
            f"write dates as 2024-01-31 or 2024-01-31 17:30, of the years {YEARS[0]} to {YEARS[1]}"
        )


def _refuse_mixed(table: Table, name: str, cells: Sequence[str]) -> None:
    has = [_has_offset(cell) for cell in cells]
    if any(has) and not all(has):
        row = has.index(not has[0])
        raise ValueError(
            f"{table.place(row, name)}: expected a time {'with' if has[0] else 'without'} an offset from UTC as in the "
            f"lines before, got {shown(cells[row])}; write all times with their offset (2024-01-31T17:30+01:00), "
            "or none"
        )


def _parse_dates(
    cells: Sequence[str], timezone: str | None = None, orders: Sequence[Mapping[str, Any]] = DATE_ORDERS
) -> tuple[np.ndarray, np.ndarray]:
    """Dates as int64 nanoseconds in UTC, and the rows that hold none."""
    import pandas as pd

    short = [cell if len(cell) <= LONGEST else "" for cell in cells]  # pandas would take minutes to refuse the others
    column = pd.Series([_first_day(cell) for cell in short] if _is_quarter(short) else short, dtype=object)
    zoned = bool(cells) and _has_offset(cells[0])
    dates: Any = column
    bad = np.arange(len(cells) + 1)
    read: Any
    for options in orders:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # pandas tells of the order that it guessed
            read = pd.to_datetime(column, errors="coerce", utc=True, **options)
        years = read.dt.year
        unread = np.flatnonzero((read.isna() | (years < YEARS[0]) | (years > YEARS[1])).to_numpy())
        if len(unread) < len(bad):
            dates, bad = read, unread
        if len(bad) == 0:
            break
    if len(bad):
        return np.zeros(len(cells), np.int64), bad
    if timezone is not None and not zoned:
        dates = _localised(dates.dt.tz_localize(None), timezone)
    return dates.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[ns]").astype(np.int64), bad


def _has_offset(cell: str) -> bool:
    return len(cell) <= LONGEST and WITH_OFFSET.fullmatch(cell) is not None


def _is_quarter(cells: Sequence[str]) -> bool:
    return bool(cells) and QUARTER.fullmatch(cells[0]) is not None


def _first_day(cell: str) -> str:
    """
    >>> _first_day("1970 Q3"), _first_day("1970-05-01")
    ('1970-07-01', '1970-05-01')
    """
    found = QUARTER.fullmatch(cell)
    return cell if found is None else f"{found[1]}-{3 * int(found[2]) - 2:02d}-01"


def _localised(dates: Any, timezone: str) -> Any:
    """Dates without an offset as what the clocks of a zone showed."""
    check_timezone(timezone)
    for ambiguous in ("infer", "raise"):
        try:
            return dates.dt.tz_localize(timezone, ambiguous=ambiguous)
        except ValueError as error:
            reason = str(error).split("\n")[0].partition(", try using")[0]  # pandas' own arguments mean nothing here
    raise ValueError(
        f"data.timezone={timezone}: {reason}: where clocks are put forward or back a time is shown twice or never; "
        "write the times with their offset (2024-10-27T02:30+01:00), or in UTC"
    )


def check_timezone(name: str) -> None:
    """Refuse a zone that does not exist.

    Raises:
        ValueError: such a name.
    """
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"data.timezone: there is no time zone {name!r}; write its name as Europe/Berlin, America/New_York or UTC"
        ) from None
