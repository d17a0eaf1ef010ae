"""Rows of a table by owner and time.

N rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from seqmodels.data.columns.distinct import told_apart_by
from seqmodels.data.columns.grouped import bounds, counted, index_type, sort_within, together
from seqmodels.data.columns.times.column import parse_times
from seqmodels.data.files.arrays import Space, blocks, gather
from seqmodels.data.read.table import Table
from seqmodels.quoting import listed, shown


@dataclass(frozen=True)
class Order:
    """The rows of a table by owner (a series or a sequence) and, within each, by time.

    Fields:
        rows: int ``(N,)``, the table's rows in that order.
        owner: int ``(N,)``, the owner of each, in order of appearance in the file.
        times: ``(N,)``, of each; None where no column holds times.
        names: of the owners.
        sorted: whether rows of one owner had to change places.
        dated, written, time_format: as of `seqmodels.data.columns.times.numbered.Times`.
        repeated: rows left out because their time is there twice.
    """

    rows: np.ndarray
    owner: np.ndarray
    times: np.ndarray | None
    names: tuple[str, ...]
    sorted: bool
    dated: bool = False
    written: str = "number"
    time_format: str | None = None
    repeated: int = 0


def order_rows(
    table: Table,
    owner_column: str | None,
    option: str,
    time_column: str | None,
    duplicates: str = "error",
    timezone: str | None = None,
    time_format: str | None = None,
    space: Space | None = None,
) -> Order:
    """Bring the rows of each owner together, in order of time if there is a column of times.

    Args:
        table: the file, of any size.
        owner_column, option: the column of owners, and the option that named it.
        time_column: the column of times.
        duplicates: of a time that an owner has twice: "error", or which counts, "first" or "last".
        timezone: of times without an offset.
        time_format: how times are written, where it is not to be found out.
        space: for the result; None for the table's.

    Raises:
        ValueError: an owner is blank, a time cannot be read, or an owner has a time twice.
    """
    space, count = table.space if space is None else space, len(table)
    owner, names = _owners(table, owner_column, option)
    if timezone is not None and time_column is not None and owner_column is None and duplicates == "error":
        _refuse_several(table, time_column, timezone)
    read = None if time_column is None else parse_times(table, time_column, timezone, time_format, owner)
    times = None if read is None else read.values
    counts = counted(owner, len(names))
    rows, starts = together(owner, counts, space), bounds(counts)
    moved = times is not None and sort_within(rows, starts, times, space)
    own = space.empty(count, index_type(count))
    for part in blocks(count):
        own[part] = np.searchsorted(starts, np.arange(part.start, part.stop), side="right") - 1
    order = Order(rows, own, None if times is None else gather(times, rows, space), names, moved)
    if read is not None:
        order = replace(order, dated=read.dated, written=read.written, time_format=read.time_format)
    if duplicates == "error":
        _refuse_repeats(table, order, option, time_column)
    return order if order.times is None else _without_repeats(order, order.times, duplicates)


def _owners(table: Table, column: str | None, option: str) -> tuple[np.ndarray, tuple[str, ...]]:
    if column is None:
        return np.zeros(len(table), np.int32), ("",) if len(table) else ()
    owner, names = table.codes(column, option)
    if "" in names:
        blank = names.index("")
        first = next(
            part.start + int(np.argmax(owner[part] == blank))
            for part in blocks(len(owner))
            if (owner[part] == blank).any()
        )
        raise ValueError(f"{table.place(first, column)}: expected a name (data.{option}), got a blank")
    return owner, tuple(names)


def _without_repeats(order: Order, times: np.ndarray, duplicates: str) -> Order:
    """Keep the first or the last of the rows that share a time, packed in place."""
    rows, owner, kept = order.rows, order.owner, 0
    for part in blocks(len(rows)):
        # The row before the first, and the one after the last, to compare with.
        low, high = max(part.start - 1, 0), min(part.stop + 1, len(rows))
        again = np.zeros(high - low + 1, dtype=bool)
        again[1:-1] = (np.diff(owner[low:high]) == 0) & (np.diff(times[low:high]) == 0)
        shift = low if duplicates == "first" else low - 1
        keep = ~again[part.start - shift : part.stop - shift]
        stop = kept + int(keep.sum())
        for array in (rows, owner, times):
            array[kept:stop] = array[part][keep]
        kept = stop
    if kept == len(rows):
        return order
    return replace(order, rows=rows[:kept], owner=owner[:kept], times=times[:kept], repeated=len(rows) - kept)


def series_among(table: Table, time: str) -> str | None:
    """Find the column that names the series, where each has its own times."""
    return told_apart_by(table, time, [name for name in table.columns if name != time])


def _refuse_several(table: Table, time: str, timezone: str) -> None:
    """Refuse times that clocks may have shown twice where they are those of many series."""
    apart = series_among(table, time)
    if apart is not None:
        raise ValueError(
            f"data.timezone={timezone}: {shown(time)} comes again for each {shown(apart)}: name the series with "
            f"data.series={listed([apart])}"
        )


def _refuse_repeats(table: Table, order: Order, option: str, time_column: str | None) -> None:
    if order.times is None or time_column is None:
        return
    first, count = -1, 0
    for part in blocks(len(order.rows)):
        low = max(part.start - 1, 0)
        again = (np.diff(order.owner[low : part.stop]) == 0) & (np.diff(order.times[low : part.stop]) == 0)
        first = low + int(np.argmax(again)) if first < 0 and again.any() else first
        count += int(again.sum())
    if not count:
        return
    one, other = sorted(order.rows[first : first + 2].tolist())
    name = order.names[order.owner[first]]
    apart = None if name else series_among(table, time_column)
    cure = f"name the series with data.series={listed([apart])}, or " if apart else ""
    cure += f"remove one of the two {table.unit}s"
    if option == "series":
        cure += ", or keep one with data.duplicates=first or last"
    if order.dated:
        cure += ", or, where clocks were put back, write times with their offset from UTC"
    if not name and not apart:
        cure += ", or, if the file holds many series, name the column that tells them apart with data.series=COLUMN"
    raise ValueError(
        f"{table.place(other, time_column)}: the time {shown(table.columns[time_column][other])}"
        f"{f' of {option} {shown(name)}' if name else ''} is also on {table.unit} {table.lines[one]} "
        f"({count} repeated in all); {cure}"
    )


def refuse_missing(table: Table, names: tuple[str, ...], rows: np.ndarray, absent: np.ndarray) -> None:
    """Refuse missing cells, bool ``(rows, names)``, and name the first."""
    found, count = None, 0
    for part in blocks(len(rows)):
        where, column = np.nonzero(absent[part])
        if len(where):
            own = rows[part][where]
            first = int(np.argmin(own))
            place = int(own[first]), int(column[first])
            found, count = place if found is None or place[0] < found[0] else found, count + len(where)
    if found is None:
        return
    row, name = found[0], names[found[1]]
    raise ValueError(
        f"{table.place(row, name)}: expected a number, got {shown(table.columns[name][row])} "
        f"({count} such cells in all); data.missing=drop leaves such rows out, "
        "data.missing=interpolate draws a line between the neighbours"
    )
