"""Numbers that are dates: written together, counted since 1970, or years with decimals.

N rows; dates are nanoseconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from seqmodels.data.columns.times.dates import DAY
from seqmodels.data.files.arrays import Space, blocks

# Numbers of these many digits are dates where all of a column are.
COMPACT = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
COMPACT_YEARS = (1700, 2200)
# Units of time since 1970, in nanoseconds, and what they count of the years 2001 to 2100 lies between.
EPOCHS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
SECONDS = (978_307_200, 4_133_980_800)
# Years with decimals: months where all lie this near to a twelfth or to the middle of one, in twelfths.
NEAR = 0.12


class Times(NamedTuple):
    """Time stamps that can be sorted, and how to write more of them.

    Fields:
        values: int64 nanoseconds in UTC ``(N,)``, or numbers as they are in the file.
        dated: whether they are dates.
        written: "iso"; of numbers that are dates the format, such as "%Y%m", or the unit since 1970; "clock" for
            times of day alone; "number".
        time_format: the format of the dates, where the cells alone left more than one; else None.
    """

    values: np.ndarray
    dated: bool
    written: str
    time_format: str | None = None


def read_numbers(values: np.ndarray, space: Space) -> Times:
    """Read numbers, none missing, as the dates that all of them are, else as themselves.

    >>> read_numbers(np.array([202412.0, 202501.0]), Space()).written
    '%Y%m'
    >>> read_numbers(np.array([202412.0, 202413.0]), Space()).written
    'number'
    >>> read_numbers(np.array([1704067200.0, 1704070800.0]), Space()).written
    's'
    """
    digits = len(str(int(values[0]))) if len(values) and values[0] >= 1 else 0
    if digits in COMPACT:
        found = _converted(values, space, lambda part: _compact(part, digits))
        if found is not None:
            return Times(found, True, COMPACT[digits])
    for unit, size in EPOCHS.items():
        low, high = (second * (10**9 // size) for second in SECONDS)
        if len(values) and values.min() >= low and values.max() < high:
            found = _converted(values, space, lambda part, size=size: _counted(part, size))  # type: ignore[misc]
            if found is not None:
                return Times(found, True, unit)
    months = _decimal_years(values)
    return Times(values, False, "number") if months is None else Times(months, True, "iso")


def _converted(
    values: np.ndarray, space: Space, convert: Callable[[np.ndarray], np.ndarray | None]
) -> np.ndarray | None:
    """Convert to dates block by block; None where one block has a number that is none."""
    found = space.empty(len(values), np.int64)
    for rows in blocks(len(values)):
        dates = convert(values[rows])
        if dates is None:
            return None
        found[rows] = dates
    return found


def _counted(values: np.ndarray, size: int) -> np.ndarray | None:
    return None if (values % 1).any() else values.astype(np.int64) * size


def _compact(values: np.ndarray, digits: int) -> np.ndarray | None:
    if (values % 1).any() or values.min() < 10 ** (digits - 1) or values.max() >= 10**digits:
        return None
    whole, fields = values.astype(np.int64), []
    for _ in range((digits - 4) // 2):
        fields.append(whole % 100)
        whole = whole // 100
    month, rest = fields[-1], iter(fields[-2::-1])
    day, hour, minute, second = (next(rest, None) for _ in range(4))
    if whole.min() < COMPACT_YEARS[0] or whole.max() >= COMPACT_YEARS[1] or month.min() < 1 or month.max() > 12:
        return None
    months = (whole * 12 + month - 1 - 1970 * 12).astype("datetime64[M]")
    days = months.astype("datetime64[D]")
    if day is not None:
        days = days + (day - 1).astype("timedelta64[D]")
        if day.min() < 1 or (days.astype("datetime64[M]") != months).any():
            return None
    found = days.astype(np.int64) * DAY
    of_day = np.zeros_like(found)
    for part, limit, unit in ((hour, 25, DAY // 24), (minute, 60, DAY // 1440), (second, 60, 10**9)):
        if part is not None:
            if part.max() >= limit:
                return None
            of_day += part * unit
    return None if (of_day > DAY).any() else found + of_day


def _decimal_years(values: np.ndarray) -> np.ndarray | None:
    """Read years with decimals, such as 1749.042 or 1749.25, as the months or quarters that they are.

    >>> times = _decimal_years(np.array([1749.042, 1749.123, 1749.204]))
    >>> times.astype("datetime64[ns]").astype("datetime64[D]").astype(str).tolist()
    ['1749-01-01', '1749-02-01', '1749-03-01']
    """
    if len(values) < 3 or values.min() < COMPACT_YEARS[0] or values.max() >= COMPACT_YEARS[1] or not (values % 1).any():
        return None
    months = values * 12
    for middle in (0.0, 0.5):
        near = np.round(months - middle)
        if np.abs(months - middle - near).max() <= NEAR and len(np.unique(near)) == len(np.unique(values)):
            dates = (near.astype(np.int64) - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]")
            return dates.astype(np.int64) * DAY
    return None
