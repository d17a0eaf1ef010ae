"""A column of times: read one way from its first cell to its last.

N rows; dates are nanoseconds since 1970 in UTC, other numbers are as they are in the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from seqmodels.data.columns.times.dates import DAY, LONGEST, OFFSET, YEARS, split_time, time_of_day, tokens_of
from seqmodels.data.columns.times.numbered import EPOCHS, Times, read_numbers
from seqmodels.data.columns.times.orders import (
    Order,
    choose,
    commonest_share,
    evenness,
    format_of,
    has_order,
    is_usual,
    order_of,
    orders_of,
    read_dates,
)
from seqmodels.data.columns.times.zones import localise
from seqmodels.data.files.arrays import blocks
from seqmodels.data.read.table import Cells, Table
from seqmodels.quoting import listed, shown

# A date, a time of day, and an offset from UTC.
WITH_OFFSET = re.compile(rf"(?:.*\d{{1,2}}:\d{{2}}.*?|\d{{8}}T\d{{4,6}})({OFFSET})\s*", re.IGNORECASE)
ISO = re.compile(
    rf"\d{{4}}-\d{{1,2}}-\d{{1,2}}(?:[T ]\d{{1,2}}(?::\d{{2}}){{0,2}}(?:[.,]\d+)?\s*(?:{OFFSET})?)?", re.IGNORECASE
)
# The fields of a format that make a date.
DATE_FIELDS = frozenset("YymbBdjVGqh")
# Dates of digits alone, or of two numbers that look like one with decimals; and how much more even they are.
DIGITS = tuple(map(re.compile, (r"\d{8}", r"\d{7}", r"\d{6}", r"\d{1,2}\.\d{4}", r"\d{4}\.\d{1,2}")))
EVEN = 0.9
YEAR_MONTH = "%Y.%m"


def parse_times(
    table: Table,
    name: str,
    timezone: str | None = None,
    time_format: str | None = None,
    owner: np.ndarray | None = None,
) -> Times:
    """Read a column of times.

    One reading holds for the whole column: the order of day and month that makes the steps even, where
    the cells alone do not tell. Dates with an offset are made UTC; those without one are what the clocks of
    `timezone`, or UTC, showed.

    >>> table = Table("a.csv", {"t": ["31.12.23 23:30", "1.1.24 0:00"]}, [2, 3])
    >>> (parse_times(table, "t").values // DAY).tolist()
    [19722, 19723]

    Args:
        table, name: the column.
        timezone: of times without an offset; None for UTC.
        time_format: how the cells are written, as for `datetime.strptime`; None to find out.
        owner: int ``(N,)``, the series of each row, within which clocks that are put back show a time twice.

    Raises:
        ValueError: a cell is neither like the others a number, nor a date; day and month could be either
            way round; some have an offset and some none; a time that the zone's clocks showed twice or never; or
            no such zone.
    """
    cells = table.cells(name, "time")
    if time_format is None and table.is_numeric(name):
        values = table.numbers(name, "time")
        _refuse_bad(table, name, np.flatnonzero(np.isnan(values)))
        found = read_numbers(values, table.space)
        if not found.dated:
            found = _Column(table, name, cells, owner).digits(values) or found
        wall = found.dated and found.written not in EPOCHS
    elif time_format is None and isinstance(cells, Cells) and (dates := cells.dates()) is not None:
        found, wall = Times(dates.values, True, "iso"), not dates.offset
    else:
        _refuse_mixed(table, name, cells)
        reader = _Column(table, name, cells, owner)
        found = reader.formatted(time_format) if time_format else reader.read()
        wall = found.written == "iso" and not _has_offset(cells[0])
    if timezone is not None and wall:
        return found._replace(values=localise(found.values, timezone, owner))
    return found


class _Column:
    """Cells that are text, with what is known of them."""

    def __init__(self, table: Table, name: str, cells: Sequence[str], owner: np.ndarray | None) -> None:
        self.table, self.name, self.cells, self.owner = table, name, cells, owner

    def read(self) -> Times:
        """Read dates with or without a time of day, or times of day alone."""
        if ISO.fullmatch(self.cells[0].strip()[:LONGEST]):
            values, bad = self._by_pandas(format="ISO8601")
            if not len(bad):
                return Times(values, True, "iso")
        return self._by_parts()

    def formatted(self, time_format: str) -> Times:
        """Read dates by a given format; a time of day may follow one that has none."""
        if DATE_FIELDS.issuperset(re.findall(r"%(.)", time_format)):
            self.cells = _with_zeros(self.cells) if time_format == YEAR_MONTH else self.cells
            return self._by_parts(time_format)
        values, bad = self._by_pandas(format=time_format)
        if len(bad):
            row = int(bad[0])
            raise ValueError(
                f"{self.table.place(row, self.name)}: expected a time such as data.time_format={time_format} says, "
                f"got {shown(self.cells[row])}; mend one of the two"
            )
        return Times(values, True, "iso")

    def _by_pandas(self, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return nanoseconds in UTC, and the rows that cannot be read."""
        import pandas as pd

        values, bad = self.table.space.empty(len(self.cells), np.int64), []
        for rows in blocks(len(self.cells)):
            # pandas would take minutes to refuse longer ones
            part = pd.Series([cell if len(cell) <= LONGEST else "" for cell in self.cells[rows]], dtype=object)
            try:
                read: Any = pd.to_datetime(part, errors="coerce", utc=True, **options)
            except ValueError as error:
                raise ValueError(f"data.time_format: {error}") from None
            years = read.dt.year
            unread = (read.isna() | (years < YEARS[0]) | (years > YEARS[1])).to_numpy()
            bad.append(np.flatnonzero(unread) + rows.start)
            read = read.dt.tz_localize(None)
            values[rows] = read.where(~unread, None).to_numpy(dtype="datetime64[ns]").astype(np.int64)
        return values, np.concatenate(bad)

    def digits(self, numbers: np.ndarray) -> Times | None:
        """Read numbers such as 31122023 or 12.2023 as dates, where all are and their steps are far more even so."""
        cells = [cell.strip() for cell in self.cells[:LONGEST]]
        pattern = next((one for one in DIGITS if all(map(one.fullmatch, cells))), None)
        if pattern is None or not all(pattern.fullmatch(cell.strip()) for cell in self.cells):
            return None
        self.cells = _with_zeros(self.cells) if pattern is DIGITS[-1] else self.cells
        try:
            found = self._by_parts()
        except ValueError:
            return None
        even = evenness(found.values // DAY)
        return found if even >= EVEN and even > commonest_share(np.diff(np.unique(numbers)).round(6)) else None

    def _by_parts(self, time_format: str | None = None) -> Times:
        """Read each distinct date and each distinct time of day once."""
        dates: dict[str, int] = {}
        clocks: dict[str, int] = {}
        size = len(self.cells)
        date, clock = (self.table.space.empty(size, np.int32) for _ in range(2))
        for rows in blocks(size):
            pairs = [split_time(cell.strip()) for cell in self.cells[rows]]
            date[rows] = [dates.setdefault(first, len(dates)) for first, _ in pairs]
            clock[rows] = [clocks.setdefault(second, len(clocks)) for _, second in pairs]
        of_day = np.zeros(len(clocks), np.int64)
        wrong = np.zeros(len(clocks), dtype=bool)
        for text, place in clocks.items():
            read = time_of_day(text) if text else (0, None)
            wrong[place] = read is None
            of_day[place] = 0 if read is None else read[0] - (read[1] or 0)
        if list(dates) == [""]:
            _refuse_bad(self.table, self.name, np.flatnonzero(wrong[clock]))
            return Times(_past_midnight(of_day[clock], self.owner), True, "clock")
        days, found = self._days(list(dates), date, time_format)
        unread = np.array([day is None for day in days])
        _refuse_bad(self.table, self.name, np.flatnonzero(unread[date] | wrong[clock]))
        values, starts = self.table.space.empty(size, np.int64), np.array(days, np.int64) * DAY
        for rows in blocks(size):
            values[rows] = starts[date[rows]] + of_day[clock[rows]]
        return Times(values, True, "iso", found)

    def _days(
        self, dates: list[str], of_row: np.ndarray, time_format: str | None
    ) -> tuple[list[int | None], str | None]:
        """Return days since 1970 of each distinct date, and their format where there was a choice."""
        tokens = [tokens_of(text) for text in dates]
        usual = tuple(kind for kind, _ in tokens[0])
        like = [one for one in tokens if tuple(kind for kind, _ in one) == usual]
        orders = orders_of(like) or orders_of(tokens[:1])  # one cell may be odd
        if ("d", "m", "y") in orders and "." in dates[0]:  # nobody writes the month first between points
            orders = [("d", "m", "y")]
        if time_format is not None:
            asked = order_of(time_format)
            orders = [order for order in orders if has_order(order, asked)] or [asked]
        if not orders:
            return [None] * len(dates), None
        readings = {order: read_dates(tokens, order) for order in orders}
        changes = np.flatnonzero(np.diff(of_row, prepend=-1))
        order = choose(readings, of_row[changes].tolist(), self._unclear(dates, readings))
        # A part of numbers may be too few to be told from numbers.
        is_clear = is_usual(order) and sum(map(is_usual, readings)) == 1 and not self.table.is_numeric(self.name)
        return readings[order], None if is_clear else format_of(dates[0], order)

    def _unclear(
        self, dates: list[str], readings: dict[Order, list[int | None]]
    ) -> Callable[[list[Order]], ValueError]:
        def error(orders: list[Order]) -> ValueError:
            place = next(i for i in range(len(dates)) if len({readings[order][i] for order in orders}) > 1)
            found = [str(np.datetime64(readings[order][place], "D")) for order in orders]
            formats = [format_of(dates[place], order) for order in orders]
            return ValueError(
                f"{self.table.path}, column {shown(self.name)}: {shown(dates[place])} may be {' or '.join(found)}; "
                f"say which order it is with data.time_format={listed(formats).replace(', ', ' or ')}"
            )

        return error


def _with_zeros(cells: Sequence[str]) -> Sequence[str]:
    """Write months as 1871.10, where a program that took them for numbers wrote 1871.1 beside 1871.01."""
    return [cell.strip().ljust(7, "0") for cell in cells] if any(cell.strip()[4:6] == ".0" for cell in cells) else cells


def _past_midnight(times: np.ndarray, owner: np.ndarray | None) -> np.ndarray:
    """Count the days of times of day: a new one begins where an owner's go back, unless most of them do.

    >>> (_past_midnight(np.array([23, 0, 1]) * (DAY // 24), None) // (DAY // 24)).tolist()
    [23, 24, 25]
    """
    whose = np.zeros(len(times), np.int32) if owner is None else np.asarray(owner)
    order = np.argsort(whose, kind="stable")
    moves, same = np.diff(times[order]), np.diff(whose[order]) == 0
    if (moves[same] < 0).sum() > (moves[same] > 0).sum():  # the newest row comes first
        return times
    days = np.concatenate([[0], np.cumsum((moves < 0) & same)])
    first = np.concatenate([[0], np.maximum.accumulate(np.where(same, 0, np.arange(1, len(times))))])
    found = np.empty_like(times)
    found[order] = times[order] + (days - days[first]) * DAY
    return found


def looks_like_time(cell: str) -> bool:
    """Say whether a cell is a date, with or without a time of day, or a time of day.

    >>> [looks_like_time(cell) for cell in ("31.1.24", "Jan-01", "8:30", "1970 Q3", "room 12", "3-2")]
    [True, True, True, True, False, False]
    """
    date, clock = split_time(cell.strip())
    if clock and time_of_day(clock) is None:
        return False
    tokens = tokens_of(date)
    if not date or len(date) > LONGEST:
        return bool(clock)
    if len(tokens) < 2 and not (clock and len(date) == 8):
        return False
    short = all(kind == "n" and len(text) < 4 for kind, text in tokens)
    orders = [] if short and len(tokens) < 3 else orders_of([tokens])
    return any(is_usual(order) and read_dates([tokens], order) != [None] for order in orders)


def _has_offset(cell: str) -> bool:
    return len(cell) <= LONGEST and WITH_OFFSET.fullmatch(cell) is not None


def _refuse_bad(table: Table, name: str, bad: np.ndarray) -> None:
    if len(bad):
        row = int(bad[0])
        raise ValueError(
            f"{table.place(row, name)}: expected a time like the others, got {shown(table.columns[name][row])}; "
            f"write dates as 2024-01-31 or 2024-01-31 17:30, of the years {YEARS[0]} to {YEARS[1]}"
        )


def _refuse_mixed(table: Table, name: str, cells: Sequence[str]) -> None:
    first = _has_offset(cells[0])
    for rows in blocks(len(cells)):
        for place, cell in enumerate(cells[rows]):
            if _has_offset(cell) != first:
                raise ValueError(
                    f"{table.place(rows.start + place, name)}: expected a time {'with' if first else 'without'} an "
                    f"offset from UTC as in the lines before, got {shown(cell)}; write all times with their offset "
                    "(2024-01-31T17:30+01:00), or none"
                )
