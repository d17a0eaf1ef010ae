"""A date in one column and the time of day in another, as one column of times."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from copy import copy

from seqmodels.data.read.database import quoted
from seqmodels.data.read.stored_cells import StoredCells
from seqmodels.data.read.table import Table

# Both Python and DuckDB (RE2) read these. A time with points has seconds: 18.50 may be a price.
DATE = r"\s*(?:[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}|[0-9]{1,2}[- ][A-Za-z]{3,9}[- ][0-9]{2,4})\s*"
TIME = (
    r"\s*(?:[01]?[0-9]|2[0-4])(?::[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]+)?)?|\.[0-5][0-9]\.[0-5][0-9])"
    r"(?: ?[AaPp][Mm])?\s*"
)
POINTS = r"^([0-9]{1,2})\.([0-9]{2})\.([0-9]{2})"
# Rows that are looked at before all are.
FIRST = 100


def join_times(table: Table) -> Table:
    """Join the two under the name of the date, and note it; return the table as it is where there are none.

    >>> found = join_times(Table("a.csv", {"Date": ["10/03/2004"], "Time": ["18.00.00"], "T": ["13"]}, [2]))
    >>> found.columns, found.notes
    ({'Date': ['10/03/2004 18:00:00'], 'T': ['13']}, ("'Date' and 'Time' joined as 'Date'",))
    """
    found = _date_and_time(table)
    if found is None:
        return table
    date, time = found
    columns = {name: cells for name, cells in table.columns.items() if name != time}
    columns[date] = _joined(table.columns[date], table.columns[time])
    note = f"{date!r} and {time!r} joined as {date!r}"
    joined = copy(table)
    joined.columns, joined.notes = columns, (*table.notes, note)
    joined.left_out = table.left_out | {time: f"the time of day, joined with {date!r}"}
    joined.forget_numbers(date)
    return joined


def _date_and_time(table: Table) -> tuple[str, str] | None:
    """Return the one column of dates and the one of times; 01.02.03 may be either, and is what the other is not."""
    dates = {name: None for name, cells in table.columns.items() if _holds(cells, DATE)}
    times = {name: None for name, cells in table.columns.items() if _holds(cells, TIME)}
    sure = [[name for name in own if name not in other] for own, other in ((dates, times), (times, dates))]
    either = [name for name in dates if name in times]
    if len(either) == 1:
        sure = [own or either for own in sure]
    (date, *more), (time, *others) = (own or [""] for own in sure)
    return None if more or others or not date or not time or date == time else (date, time)


def _holds(cells: Sequence[str], pattern: str) -> bool:
    compiled = re.compile(pattern)
    if not all(compiled.fullmatch(cell) for cell in itertools.islice(cells[:FIRST], FIRST)):
        return False
    if isinstance(cells, StoredCells):
        return cells.count(f"NOT regexp_full_match(cell, {quoted(pattern)})") == 0
    return all(compiled.fullmatch(cell) for cell in cells)


def _joined(dates: Sequence[str], times: Sequence[str]) -> Sequence[str]:
    if isinstance(dates, StoredCells) and isinstance(times, StoredCells):
        text = f"trim({dates.text}) || ' ' || regexp_replace(trim({times.text}), {quoted(POINTS)}, '\\1:\\2:\\3')"
        return StoredCells(dates.store, f"{dates.key}{times.key}", text)
    colons = [re.sub(POINTS, r"\1:\2:\3", time.strip()) for time in times]
    return [f"{date.strip()} {time}" for date, time in zip(dates, colons, strict=True)]
