"""The step of a series: how far its time stamps are apart, and what comes after them.

N time stamps: dates are nanoseconds since 1970 in UTC, other numbers are as they are in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np

from seqmodels.data.columns.times.dates import DAY
from seqmodels.data.columns.times.numbered import EPOCHS
from seqmodels.data.columns.times.zones import local, local_one, utc
from seqmodels.data.files.arrays import blocks

# Named units of a fixed step, in nanoseconds, largest first.
UNITS = (("day", DAY), ("hour", DAY // 24), ("minute", DAY // 1440), ("second", DAY // 86400), ("ms", 1_000_000))
# The shortest month, less an hour that clocks were put forward.
MONTH = 28 * DAY - DAY // 24

Unit = Literal["fixed", "day", "month", "month_end", "business_month_start", "business_month_end", "business"]
# Business days that a holiday moves the first or last one of a month by, and the share that none does.
MOVED, UNMOVED = np.timedelta64(4, "D"), 0.85


@dataclass(frozen=True)
class Frequency:
    """The step of a series, from one time stamp to the next.

    >>> days = Frequency("fixed", DAY, dated=True)
    >>> days.text(days.after(0, 31)), days.words
    ('1970-02-01', '1 day')
    >>> months = Frequency("month", 1, dated=True, day=30)
    >>> [months.text(months.after(29 * DAY, count)) for count in (1, 2)]
    ['1970-02-28', '1970-03-30']

    Fields:
        unit: "fixed", "day" (of local time), "month" (the same day of every month), "month_end",
            "business_month_start" and "business_month_end" (its first or last, Monday to Friday, but for holidays), or
            "business" (Monday to Friday).
        size: nanoseconds, days, months; for times that are no dates, in the unit of the file.
        dated: whether the time stamps are dates.
        timezone: in which days and months are counted and written; None for UTC.
        written: how time stamps are written, as `seqmodels.data.columns.times.numbered.Times` says.
        day: of the month, or its last where it has fewer; None for the day of the time that one starts from.
    """

    unit: Unit
    size: float
    dated: bool
    timezone: str | None = None
    written: str = "iso"
    day: int | None = None

    @property
    def words(self) -> str:
        """The step, in words."""
        if self.unit == "business":
            return "1 business day"
        if self.is_monthly:
            return f"{int(self.size)} month{'s' if self.size != 1 else ''}"
        if not self.dated:
            return f"{self.size:g}"
        length = self.size * (DAY if self.unit == "day" else 1)
        name, unit = next(((n, u) for n, u in UNITS if length % u == 0), ("ns", 1))
        count = int(length // unit)
        return f"{count} {name}{'s' if count != 1 and name not in ('ms', 'ns') else ''}"

    @property
    def is_monthly(self) -> bool:
        return "month" in self.unit

    def _day_in(self, month: np.ndarray) -> np.ndarray:
        """Return the date of the step in each month."""
        first, after = month.astype("datetime64[D]"), (month + 1).astype("datetime64[D]")
        if self.unit == "business_month_start":
            return np.busday_offset(first, 0, roll="forward")
        if self.unit == "business_month_end":
            return np.busday_offset(after, -1, roll="forward")
        day = 31 if self.unit == "month_end" else self.day or 1
        return np.minimum(first + np.timedelta64(day - 1, "D"), after - np.timedelta64(1, "D"))

    def off(self, dates: np.ndarray) -> np.ndarray:
        """Return how far dates are from those of the step in their months."""
        return dates - self._day_in(dates.astype("datetime64[M]"))

    def between(self, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
        """Count the steps between time stamps; not whole where one is off the grid."""
        if self.unit == "fixed":
            return (later - earlier) / self.size
        earlier, later = local(earlier, self.timezone), local(later, self.timezone)
        if self.unit == "day":
            return (later - earlier) / (DAY * self.size)
        first, last = (time.astype("datetime64[ns]").astype("datetime64[D]") for time in (earlier, later))
        if self.unit == "business":
            return np.busday_count(first, last) + (later % DAY - earlier % DAY) / DAY
        months = (last.astype("datetime64[M]") - first.astype("datetime64[M]")).astype(np.int64)
        off = 0 if self.unit.startswith("business") else (self.off(last) - self.off(first)).astype(np.int64)
        return (months + off / 31) / self.size

    def after(self, time: float, count: int) -> float:
        """Return the time stamp `count` steps after one."""
        if self.unit == "fixed":
            return time + count * (int(self.size) if self.dated else self.size)
        wall = local_one(time, self.timezone)
        date: Any = np.datetime64(wall // DAY, "D")
        rest = wall % DAY
        if self.unit == "day":
            moved: Any = date + np.timedelta64(count * int(self.size), "D")
        elif self.unit == "business":
            moved = np.busday_offset(date, count, roll="forward")
        else:
            step = self if self.day or self.unit != "month" else replace(self, day=int(_day_of(date)))
            moved = step._day_in(date.astype("datetime64[M]") + count * int(self.size))
        return utc(int(moved.astype(np.int64)) * DAY + rest, self.timezone)

    def text(self, time: float) -> str:
        """Write a time stamp as the file writes its own numbers, dates as ISO 8601 in the zone's time or UTC."""
        if not self.dated:
            return number_text(time)
        if self.written in EPOCHS:
            return str(int(time) // EPOCHS[self.written])
        wall = local_one(time, self.timezone)
        if self.written.startswith("%"):
            return (datetime(1970, 1, 1) + timedelta(microseconds=wall // 1000)).strftime(self.written)
        if self.written == "clock":
            return time_text(wall % DAY, whole=True).partition("T")[2].removesuffix("Z")
        whole = self.unit == "fixed" and self.size % DAY != 0
        return time_text(wall, whole, None if self.timezone is None else wall - int(time))


def number_text(time: float) -> str:
    """Write a number with all its digits.

    >>> number_text(1705507200.0), number_text(0.1 + 0.2)
    ('1705507200', '0.3')
    """
    return str(int(time)) if float(time).is_integer() else f"{time:.15g}"


def time_text(time: float, whole: bool = False, offset: int | None = None) -> str:
    """Write nanoseconds since 1970, in UTC or local time with an `offset`, as a date, with the time where needed.

    >>> time_text(0), time_text(90 * 60 * 10**9)
    ('1970-01-01', '1970-01-01T01:30:00Z')
    """
    seconds, rest = divmod(int(time), 10**9)  # which hold times that nanoseconds in 64 bits do not
    date, _, clock = str(np.datetime64(seconds, "s")).partition("T")
    clock = f"{clock}.{rest:09d}".rstrip("0").rstrip(".")
    if clock == "00:00:00" and not whole:
        return date
    minutes = 0 if offset is None else round(offset / 60e9)
    ahead = "Z" if offset is None else f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    return f"{date}T{clock}{ahead}"


def _day_of(dates: np.ndarray) -> np.ndarray:
    days = dates.astype("datetime64[D]")
    return (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1


def infer_frequency(
    times: np.ndarray, series: np.ndarray, dated: bool, timezone: str | None = None, written: str = "iso"
) -> Frequency | None:
    """Infer the step that most time stamps, in order within each series, are apart; None for none.

    >>> infer_frequency(np.array([0, 10, 20, 40]), np.zeros(4, int), dated=False, written="number").size
    10
    """
    size = _commonest(np.diff(part)[np.diff(whose) == 0] for part, whose in _neighbours(times, series))
    if size is None:
        return None
    found = _by_calendar(times, series, size, timezone, written) if dated and size >= DAY - DAY // 24 else None
    return found or Frequency("fixed", size, dated, timezone, written)


def _neighbours(times: np.ndarray, series: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield blocks of rows, each with the first row of the next."""
    for rows in blocks(len(times)):
        yield times[rows.start : rows.stop + 1], series[rows.start : rows.stop + 1]


def _commonest(parts: Iterator[np.ndarray]) -> float | None:
    """Return the commonest number above zero, the smallest of several; None for none."""
    counts: dict[float, int] = {}
    for part in parts:
        found = np.unique(part[part > 0], return_counts=True)
        for value, count in zip(*(numbers.tolist() for numbers in found), strict=True):
            counts[value] = counts.get(value, 0) + count
    return min(counts, key=lambda value: (-counts[value], value)) if counts else None


def _in_months(parts: Iterator[np.ndarray], day: int) -> Unit | None:
    """Return which day of a month all dates are, "month" for the one given."""
    units: tuple[Unit, ...] = ("month_end", "month", "business_month_start", "business_month_end")
    moved, furthest, count = dict.fromkeys(units, 0), dict.fromkeys(units, np.timedelta64(0, "D")), 0
    for part in parts:
        count += len(part)
        for unit in units:
            off = np.abs(Frequency(unit, 1, True, day=day).off(part))
            moved[unit] += int(np.count_nonzero(off))
            furthest[unit] = max(furthest[unit], off.max())
    exact = next((unit for unit in units if not moved[unit]), None)
    return exact or next(
        (unit for unit in units[2:] if moved[unit] <= (1 - UNMOVED) * count and furthest[unit] <= MOVED), None
    )


def _by_calendar(
    times: np.ndarray, series: np.ndarray, size: float, timezone: str | None, written: str
) -> Frequency | None:
    """Return a step of months, business days or local days, where all dates are such."""

    def wall() -> Iterator[tuple[np.ndarray, np.ndarray]]:  # block by block, each time anew
        return ((local(part, timezone), np.diff(whose) == 0) for part, whose in _neighbours(times, series))

    def dates() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return ((part.astype("datetime64[ns]").astype("datetime64[D]"), same) for part, same in wall())

    of_day = local(np.asarray(times[:1]), timezone)[0] % DAY
    if any((part % DAY != of_day).any() for part, _ in wall()):
        return None
    if size >= MONTH:
        day = max(int(_day_of(part).max()) for part, _ in dates())
        months = _commonest(np.diff(part.astype("datetime64[M]").astype(np.int64))[same] for part, same in dates())
        if months is not None and (unit := _in_months((part for part, _ in dates()), day)) is not None:
            return Frequency(unit, months, True, timezone, written, day if unit == "month" else None)
    over_weekends = any((np.diff(part)[same] == np.timedelta64(3, "D")).any() for part, same in dates())
    if size == DAY and over_weekends and all(np.is_busday(part).all() for part, _ in dates()):
        return Frequency("business", 1, True, timezone, written)
    return Frequency("day", size // DAY, True, timezone, written) if timezone is not None and size % DAY == 0 else None
