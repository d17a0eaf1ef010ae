"""Rows of a table by owner and time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from seqmodels.data.columns.times import parse_times
from seqmodels.data.read.table import Table
from seqmodels.quoting import shown


@dataclass(frozen=True)
class Order:
    """The rows of a table by owner (a series or a sequence) and, within each, by time.

    Fields:
        rows: int ``(N,)``, the table's rows in that order.
        owner: int ``(N,)``, the owner of each, in order of appearance in the file.
        times: ``(N,)``, of each; None where no column holds times.
        names: of the owners.
        sorted: whether rows of one owner had to change places.
        dated, written, time_format: as of `seqmodels.data.columns.times.Times`.
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
) -> Order:
    """Bring the rows of each owner together, in order of time if there is a column of times.

    Args:
        table: the file.
        owner_column, option: the column of owners, and the option that named it.
        time_column: the column of times.
        duplicates: of a time that an owner has twice: "error", or which counts, "first" or "last".
        timezone: of times without an offset.
        time_format: how times are written, where it is not to be found out.

    Raises:
        ValueError: an owner is blank, a time cannot be read, or an owner has a time twice.
    """
    cells = [""] * len(table) if owner_column is None else table.cells(owner_column, option)
    code = {key: i for i, key in enumerate(dict.fromkeys(cells))}
    if owner_column is not None and "" in code:
        raise ValueError(f"{table.place(cells.index(''), owner_column)}: expected a name (data.{option}), got a blank")
    owner = np.array([code[cell] for cell in cells], dtype=np.int64)
    read = None if time_column is None else parse_times(table, time_column, timezone, time_format, owner)
    times = None if read is None else read.values
    rows = np.argsort(owner, kind="stable") if times is None else np.lexsort((times, owner))
    owner = owner[rows]
    moved = bool((np.diff(rows)[np.diff(owner) == 0] < 0).any())
    order = Order(rows, owner, None if times is None else times[rows], tuple(code), moved)
    if read is not None:
        order = replace(order, dated=read.dated, written=read.written, time_format=read.time_format)
    if duplicates == "error":
        _refuse_repeats(table, order, option, time_column)
    return order if order.times is None else _without_repeats(order, order.times, duplicates)


def _without_repeats(order: Order, times: np.ndarray, duplicates: str) -> Order:
    """The first or the last of the rows that share a time."""
    again = (np.diff(order.owner) == 0) & (np.diff(times) == 0)
    keep = np.concatenate([[True], ~again] if duplicates == "first" else [~again, [True]])
    return replace(
        order,
        rows=order.rows[keep],
        owner=order.owner[keep],
        times=times[keep],
        repeated=int(again.sum()),
    )


def _refuse_repeats(table: Table, order: Order, option: str, time_column: str | None) -> None:
    if order.times is None or time_column is None:
        return
    again = np.flatnonzero((np.diff(order.owner) == 0) & (np.diff(order.times) == 0))
    if len(again) == 0:
        return
    first, second = sorted(order.rows[again[0] : again[0] + 2].tolist())
    name = order.names[order.owner[again[0]]]
    cure = f"remove one of the two {table.unit}s"
    if option == "series":
        cure += ", or keep one with data.duplicates=first or last"
    if order.dated:
        cure += ", or, where clocks were put back, write times with their offset from UTC"
    if not name:
        cure += ", or, if the file holds many series, name the column that tells them apart with data.series=COLUMN"
    raise ValueError(
        f"{table.place(second, time_column)}: the time {shown(table.columns[time_column][second])}"
        f"{f' of {option} {shown(name)}' if name else ''} is also on {table.unit} {table.lines[first]} "
        f"({len(again)} repeated in all); {cure}"
    )


def refuse_missing(table: Table, names: tuple[str, ...], rows: np.ndarray, absent: np.ndarray) -> None:
    """Name the first missing cell, if any.

    Args:
        names: the columns of `absent`.
        rows: the table's rows that `absent` is about.
        absent: bool ``(len(rows), len(names))``.

    Raises:
        ValueError: there is one.
    """
    if not absent.any():
        return
    where, column = np.nonzero(absent)
    first = int(np.argmin(rows[where]))
    row, name = int(rows[where[first]]), names[column[first]]
    raise ValueError(
        f"{table.place(row, name)}: expected a number, got {shown(table.columns[name][row])} "
        f"({int(absent.sum())} such cells in all); data.missing=drop leaves such rows out, "
        "data.missing=interpolate draws a line between the neighbours"
    )
