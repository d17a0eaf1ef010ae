"""A table read as time series: rows in order of time, one series after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqmodels.data.clock import infer_clock, parse_times
from seqmodels.data.csv_layout import Layout
from seqmodels.data.csv_read import Table
from seqmodels.data.gaps import regular
from seqmodels.data.series import SeriesRows
from seqmodels.quoting import shown

TRANSFORMS = ("difference", "log_return")
DUPLICATES = ("error", "first", "last")


@dataclass(frozen=True)
class Order:
    """The rows of a table by owner (a series or a sequence) and, within each, by time.

    Fields:
        rows: int ``(N,)``, the table's rows in that order.
        owner: int ``(N,)``, the owner of each, in order of appearance in the file.
        times: ``(N,)``, of each; None where no column holds times.
        names: of the owners.
        sorted: whether rows of one owner had to change places.
        dated: whether the times are dates.
        repeated: rows left out because their time is there twice.
    """

    rows: np.ndarray
    owner: np.ndarray
    times: np.ndarray | None
    names: tuple[str, ...]
    sorted: bool
    dated: bool = False
    repeated: int = 0


def order_rows(
    table: Table,
    owner_column: str | None,
    option: str,
    time_column: str | None,
    duplicates: str = "error",
    timezone: str | None = None,
) -> Order:
    """Bring the rows of each owner together, in order of time if there is a column of times.

    Args:
        table: the file.
        owner_column, option: the column of owners, and the option that named it.
        time_column: the column of times.
        duplicates: of a time that an owner has twice: "error", or which counts, "first" or "last".
        timezone: of times without an offset.

    Raises:
        ValueError: an owner is blank, a time cannot be read, or an owner has a time twice.
    """
    cells = [""] * len(table) if owner_column is None else table.cells(owner_column, option)
    code = {key: i for i, key in enumerate(dict.fromkeys(cells))}
    if owner_column is not None and "" in code:
        raise ValueError(f"{table.place(cells.index(''), owner_column)}: expected a name (data.{option}), got a blank")
    owner = np.array([code[cell] for cell in cells], dtype=np.int64)
    times, dated = (None, False) if time_column is None else parse_times(table, time_column, timezone)
    rows = np.argsort(owner, kind="stable") if times is None else np.lexsort((times, owner))
    owner = owner[rows]
    moved = bool((np.diff(rows)[np.diff(owner) == 0] < 0).any())
    order = Order(rows, owner, None if times is None else times[rows], tuple(code), moved, dated)
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


@dataclass(frozen=True)
class SeriesReading:
    """How a table is read as series, besides what its columns mean; plain values only, for a checkpoint.

    Fields:
        transform: what becomes of the target: None, "difference" (each value less the one before) or
            "log_return" (logarithm of each value over the one before).
        missing: of blank numbers: "error", "drop" (leave the row out) or "interpolate" (keep it, as NaN).
        gaps: of missing time stamps, as for `seqmodels.data.gaps.regular`.
        duplicates: of a time stamp that a series has twice: "error", or which line counts, "first" or "last".
        timezone: of times without an offset.
        known: columns of numbers known ahead.
        static: columns with one value per series.
    """

    transform: str | None = None
    missing: str = "error"
    gaps: str = "allow"
    duplicates: str = "error"
    timezone: str | None = None
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """As a dict of plain values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> SeriesReading:
        """The inverse of `to_plain`."""
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in plain.items()}
        return cls(**fields)


def read_series(table: Table, layout: Layout, reading: SeriesReading) -> SeriesRows:
    """The rows of a table in the series layout.

    With known columns, the rows of a series after its last target are its future: their known values
    must be there, and nothing else need be.

    Raises:
        ValueError: as `order_rows` and `regular`; a missing value where those are errors; a value of 0 or
            less where logarithms are taken; a static column that changes within a series.
    """
    order = order_rows(table, layout.series, "series", layout.time, reading.duplicates, reading.timezone)
    names = (*layout.features, *reading.known)
    option = dict.fromkeys(reading.known, "known")
    values = np.stack([table.numbers(name, option.get(name, "features")) for name in names], axis=1)[order.rows]
    future = _future(values[:, 0], order.owner) if reading.known else np.zeros(len(values), dtype=bool)
    absent = ~np.isfinite(values)
    absent[future, : len(layout.features)] = False
    if reading.missing == "error":
        refuse_missing(table, names, order.rows, absent)
    kept = np.flatnonzero(~absent.any(axis=1) if reading.missing == "drop" else np.ones(len(values), dtype=bool))
    notes = ["rows sorted by time"] if order.sorted else []
    notes += [f"{order.repeated} rows with a time that is there twice left out"] if order.repeated else []
    if absent.any():
        notes.append(f"{int(absent.any(axis=1).sum())} rows with missing numbers: {reading.missing}")
    if reading.transform == "log_return":
        refuse_logarithm(table, layout.target, values[kept, 0], order.rows[kept])
    rows = SeriesRows(
        values[kept],
        order.owner[kept],
        None if order.times is None else order.times[kept],
        order.names,
        known=len(reading.known),
        static={column: static_cells(table, column, order) for column in reading.static},
        clock=infer_clock(order.times, order.owner, order.dated) if order.times is not None else None,
        dated=order.dated,
        future=future[kept],
        places=order.rows[kept],
    )
    rows, found = without_gaps(rows, reading, np.array(table.lines)[rows.places], layout.time, table.path)
    rows = transformed(rows, reading.transform)
    return replace(rows, notes=(*notes, *found))


def _future(target: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Bool: the rows of each series after its last target."""
    last = np.full(int(series.max(initial=-1)) + 1, -1)
    there = np.flatnonzero(np.isfinite(target))
    np.maximum.at(last, series[there], there)
    return np.arange(len(target)) > last[series]


def without_gaps(
    rows: SeriesRows, reading: SeriesReading, lines: np.ndarray, column: str | None, path: str
) -> tuple[SeriesRows, tuple[str, ...]]:
    """The rows with missing time stamps dealt with, and words on what was done.

    Args:
        rows: the series.
        reading: what is to be done.
        lines: int ``(N,)``, of the file.
        column: of the times, or None.
        path: of the file.

    Raises:
        ValueError: as `seqmodels.data.gaps.regular`.
    """
    if rows.times is None or column is None:
        return rows, ()
    result = regular(rows.times, rows.series, rows.clock, reading.gaps, lines, column, path)
    added = result.keep < 0
    values, future = rows.values[result.keep], rows.future[result.keep]
    values[added] = np.nan
    places = np.where(added, -1, rows.places[result.keep])
    future[added] = False
    return (
        replace(
            rows,
            values=values,
            series=result.series,
            times=result.times,
            blocks=result.blocks,
            future=future,
            places=places,
        ),
        result.notes,
    )


def transformed(rows: SeriesRows, transform: str | None) -> SeriesRows:
    """Changes in the place of the target; the first row of a stretch has nothing to be compared with."""
    if transform is None:
        return rows
    values = rows.values.copy()
    level = np.log(values[:, 0]) if transform == "log_return" else values[:, 0]
    values[:, 0] = np.diff(level, prepend=np.nan)
    return replace(rows, values=values, levels=rows.values[:, 0]).select(np.diff(rows.blocks, prepend=-1) == 0)


def static_cells(table: Table, column: str, order: Order) -> tuple[str, ...]:
    """The one value that each series has in a column; blanks do not count.

    Raises:
        ValueError: two values in one series, or none.
    """
    cells = table.cells(column, "static")
    first: dict[int, int] = {}
    for row, owner in zip(order.rows.tolist(), order.owner.tolist(), strict=True):
        if not cells[row].strip():
            continue
        if cells[row] != cells[first.setdefault(owner, row)]:
            raise ValueError(
                f"{table.place(row, column)}: a column of data.static has one value per series, but "
                f"{shown(order.names[owner])} has {shown(cells[row])} and, on line {table.lines[first[owner]]}, "
                f"{shown(cells[first[owner]])}; name it in data.known or data.features"
            )
    empty = next((name for owner, name in enumerate(order.names) if owner not in first), None)
    if empty is not None:
        raise ValueError(
            f"{table.path}, column {shown(column)}: the series {shown(empty)} has no value in it; write one"
        )
    return tuple(cells[first[owner]] for owner in range(len(order.names)))


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


def refuse_logarithm(table: Table, name: str, target: np.ndarray, rows: np.ndarray) -> None:
    """Name the first value that has no logarithm, if any.

    Raises:
        ValueError: there is one.
    """
    bad = np.flatnonzero(target <= 0)
    if len(bad):
        raise ValueError(
            f"{table.place(int(rows[bad[0]]), name)}: data.transform=log_return needs values above 0, "
            f"got {target[bad[0]]:g}; use data.transform=difference"
        )
