"""A table read as time series: rows in order of time, one series after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqmodels.data.columns.clock import Clock, infer_clock
from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.order import Order, order_rows, refuse_missing
from seqmodels.data.read.table import Table
from seqmodels.data.series.gaps import regular
from seqmodels.data.series.rows import SeriesRows
from seqmodels.quoting import shown

TRANSFORMS = ("difference", "log_return")
DUPLICATES = ("error", "first", "last")


@dataclass(frozen=True)
class SeriesReading:
    """How a table is read as series, besides what its columns mean; plain values only, for a checkpoint.

    Fields:
        transform: what becomes of the target: None, "difference" (each value less the one before) or
            "log_return" (logarithm of each value over the one before).
        missing: of blank numbers: "error", "drop" (leave the row out) or "interpolate" (keep it, as NaN).
        gaps: of missing time stamps, as for `seqmodels.data.series.gaps.regular`.
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
    order = order_rows(
        table, layout.series, "series", layout.time, reading.duplicates, reading.timezone, layout.time_format
    )
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
        clock=clock_of(order, reading.timezone),
        time_format=order.time_format,
        dated=order.dated,
        future=future[kept],
        places=order.rows[kept],
    )
    rows, found = without_gaps(rows, reading, np.array(table.lines)[rows.places], layout.time, table.path)
    rows = transformed(rows, reading.transform)
    return replace(rows, notes=(*notes, *found))


def clock_of(order: Order, timezone: str | None) -> Clock | None:
    """The step of rows in order; None where they have no times."""
    if order.times is None:
        return None
    return infer_clock(order.times, order.owner, order.dated, timezone, order.written)


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
        ValueError: as `seqmodels.data.series.gaps.regular`.
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
