"""A table read as time series: rows in order of time, one series after the other.

N rows, F features.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqmodels.data.columns.grouped import bounds, counted
from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.order import Order, order_rows, refuse_missing, series_among
from seqmodels.data.columns.times.frequency import Frequency, infer_frequency
from seqmodels.data.files.arrays import Space, blocks
from seqmodels.data.read.table import Table
from seqmodels.data.series.gaps import find_gaps, refuse, resample
from seqmodels.data.series.gaps import notes as notes_on_gaps
from seqmodels.data.series.rows import SeriesRows
from seqmodels.quoting import listed, shown

# Rows that the step is inferred from.
CLOCK_ROWS = 1 << 20


@dataclass(frozen=True)
class SeriesReading:
    """Options by which a table is read as series; plain values only, for a checkpoint.

    Fields:
        transform: what becomes of the target: None, "difference" (each value less the one before) or
            "log_return" (logarithm of each value over the one before).
        missing: of blank numbers: "error", "drop" (leave the row out) or "interpolate" (keep it, as NaN).
        gaps: of missing time stamps, as for `seqmodels.data.series.gaps.resample`.
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
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> SeriesReading:
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in plain.items()}
        return cls(**fields)


def read_series(table: Table, layout: Layout, reading: SeriesReading, space: Space | None = None) -> SeriesRows:
    """Read the rows of a table in the series layout.

    With known columns, the rows of a series after its last target are its future: their known values
    must be there, and nothing else need be.

    Raises:
        ValueError: as `order_rows` and `resample`; a missing value where those are errors; a value of 0 or
            less where logarithms are taken; a static column that changes within a series.
    """
    space = table.space if space is None else space
    how = reading.duplicates, reading.timezone, layout.time_format
    order = order_rows(table, layout.series, "series", layout.time, *how, space)
    rows = SeriesRows(
        _values(table, layout, reading, order.rows, space),
        order.owner,
        order.times,
        order.names,
        known=len(reading.known),
        static={column: static_cells(table, column, order) for column in reading.static},
        clock=_clock(order, reading.timezone),
        time_format=order.time_format,
        dated=order.dated,
        places=order.rows,
        space=space,
    )
    if reading.known:
        rows = replace(rows, future=_future(rows))
    notes = ["rows sorted by time"] if order.sorted else []
    notes += [_repeats(table, layout, order.repeated)] if order.repeated else []
    rows, words = _without_missing(table, layout, reading, rows)
    rows, found = without_gaps(table, layout.time, reading.gaps, rows)
    return replace(transformed(rows, reading.transform), notes=(*notes, *words, *found))


def _repeats(table: Table, layout: Layout, count: int) -> str:
    """Tell how many rows are left out, and of a column that would have kept them."""
    note = f"{count} rows with a time that is there twice left out"
    apart = series_among(table, layout.time) if layout.series is None and layout.time is not None else None
    return f"{note}; {shown(apart)} tells them apart: keep them with data.series={listed([apart])}" if apart else note


def _values(table: Table, layout: Layout, reading: SeriesReading, rows: np.ndarray, space: Space) -> np.ndarray:
    """Return the numbers of rows, the target first: float64 ``(N, F)``."""
    names, option = (*layout.features, *reading.known), dict.fromkeys(reading.known, "future_covariates")
    values = space.empty((len(rows), len(names)), np.float64)
    for column, name in enumerate(names):
        numbers = table.numbers(name, option.get(name, "features"))
        for part in blocks(len(rows)):
            values[part, column] = numbers[rows[part]]
    return values


def _clock(order: Order, timezone: str | None) -> Frequency | None:
    """Infer the step; of many rows, from the beginning of each series."""
    times, series = order.times, order.owner
    if times is None:
        return None
    if len(times) > CLOCK_ROWS:
        starts = bounds(counted(series, len(order.names)))
        each = max(2, CLOCK_ROWS // len(order.names))
        parts = [slice(first, min(first + each, last)) for first, last in itertools.pairwise(starts.tolist())]
        times, series = (np.concatenate([array[part] for part in parts]) for array in (times, series))
    return infer_frequency(times, series, order.dated, timezone, order.written)


def _future(rows: SeriesRows) -> np.ndarray:
    """Return a mask of the rows of each series after its last target."""
    last = np.full(len(rows.names), -1)
    for part in blocks(len(rows)):
        there = np.flatnonzero(np.isfinite(rows.values[part, 0])) + part.start
        last[rows.series[there]] = there  # the last one stays
    future = rows.space.empty(len(rows), bool)
    for part in blocks(len(rows)):
        future[part] = np.arange(part.start, part.stop) > last[rows.series[part]]
    return future


def _without_missing(
    table: Table, layout: Layout, reading: SeriesReading, rows: SeriesRows
) -> tuple[SeriesRows, list[str]]:
    """Deal with missing numbers, and say how many rows have some."""
    absent, count = rows.space.empty(rows.values.shape, bool), 0
    for part in blocks(len(rows)):
        missing = ~np.isfinite(rows.values[part])
        missing[rows.future[part], : len(layout.features)] = False
        absent[part] = missing
        count += int(missing.any(axis=1).sum())
    if count and reading.missing == "error":
        refuse_missing(table, (*layout.features, *reading.known), rows.places, absent)
    if count and reading.missing == "drop":
        keep = rows.space.empty(len(rows), bool)
        for part in blocks(len(rows)):
            keep[part] = ~absent[part].any(axis=1)
        rows = rows.select(keep)
    if reading.transform == "log_return":
        for part in blocks(len(rows)):
            refuse_logarithm(table, layout.target, rows.values[part, 0], rows.places[part])
    return rows, [f"{count} rows with missing numbers: {reading.missing}"] if count else []


def without_gaps(table: Table, column: str | None, gaps: str, rows: SeriesRows) -> tuple[SeriesRows, list[str]]:
    """Deal with missing time stamps, and say what was done.

    Raises:
        ValueError: a gap, where they are errors; too many rows to put in.
    """
    times, clock, space = rows.times, rows.clock, rows.space
    if times is None or column is None or clock is None:
        return rows, []
    found = find_gaps(times, rows.series, clock)
    if not found.gaps and not found.crowded:
        return rows, []

    def line(row: int) -> int:
        return table.lines[int(rows.places[row])]

    if gaps == "error":
        refuse(times, clock, found, line, column, table.path)
    words = notes_on_gaps(times, clock, found, line, column, gaps)
    if gaps == "allow":
        return rows, words
    result = resample(times, rows.series, clock, gaps, space)
    values = space.empty((len(result.keep), rows.values.shape[1]), np.float64)
    future = space.empty(len(result.keep), bool)
    places = space.empty(len(result.keep), rows.places.dtype)
    for part in blocks(len(result.keep)):
        keep = result.keep[part]
        put_in = keep < 0
        values[part] = np.where(put_in[:, None], np.nan, rows.values[keep])
        future[part] = ~put_in & rows.future[keep]
        places[part] = np.where(put_in, -1, rows.places[keep])
    arrays: dict[str, Any] = {"values": values, "future": future, "places": places}
    arrays |= {"series": result.series, "times": result.times, "blocks": result.blocks}
    return replace(rows, **arrays), words


def transformed(rows: SeriesRows, transform: str | None) -> SeriesRows:
    """Put changes in the place of the target; the first row of a stretch has nothing to be compared with."""
    if transform is None:
        return rows
    values, keep = rows.space.empty(rows.values.shape, np.float64), rows.space.empty(len(rows), bool)
    for part in blocks(len(rows)):
        low = max(part.start - 1, 0)
        level = rows.values[low : part.stop, 0]
        level = np.log(level) if transform == "log_return" else level
        values[part] = rows.values[part]
        values[part, 0] = np.diff(level) if part.start else np.diff(level, prepend=np.nan)
        same = np.diff(rows.blocks[low : part.stop]) == 0
        keep[part] = same if part.start else np.concatenate([[False], same])
    return replace(rows, values=values, levels=rows.values[:, 0]).select(keep)


def static_cells(table: Table, column: str, order: Order) -> tuple[str, ...]:
    """Return the one value, which there must be, of each series in a column; blanks do not count."""
    values, names = table.codes(column, "static_covariates")
    blank = np.array([not name.strip() for name in names])
    first = np.full(len(order.names), -1)  # the row that says it
    for part in blocks(len(order.rows)):
        rows, owner = order.rows[part], order.owner[part]
        there = ~blank[values[rows]]
        rows, owner = rows[there], owner[there]
        new = first[owner] < 0
        first[owner[new][::-1]] = rows[new][::-1]  # the earliest one stays
        other = np.flatnonzero(values[rows] != values[first[owner]])
        if len(other):
            row, known = int(rows[other[0]]), int(first[owner[other[0]]])
            raise ValueError(
                f"{table.place(row, column)}: a column of data.static_covariates has one value per series, but "
                f"{shown(order.names[owner[other[0]]])} has {shown(names[values[row]])} and, on line "
                f"{table.lines[known]}, {shown(names[values[known]])}; name it in data.future_covariates or "
                "data.features"
            )
    empty = next((name for name, row in zip(order.names, first.tolist(), strict=True) if row < 0), None)
    if empty is not None:
        raise ValueError(
            f"{table.path}, column {shown(column)}: the series {shown(empty)} has no value in it; write one"
        )
    return tuple(names[values[row]] for row in first.tolist())


def refuse_logarithm(table: Table, name: str, target: np.ndarray, rows: np.ndarray) -> None:
    """Refuse values that have no logarithm, and name the first."""
    bad = np.flatnonzero(target <= 0)
    if len(bad):
        raise ValueError(
            f"{table.place(int(rows[bad[0]]), name)}: data.transform=log_return needs values above 0, "
            f"got {target[bad[0]]:g}; use data.transform=difference"
        )
