"""Tables of series larger than memory, brought into order on disk: a series' rows together, in order of time.

The table is read in pieces and its rows are written as records. Where series lie mixed they are dealt to their
places, and a series that is out of order is sorted by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from seqmodels.atomic import reserve
from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.order import refuse_missing
from seqmodels.data.columns.times import parse_times
from seqmodels.data.read.chunks import table_chunks
from seqmodels.data.read.table import Table
from seqmodels.data.series.reading import SeriesReading, refuse_logarithm
from seqmodels.data.series.store import ROWS, Records, record_type
from seqmodels.quoting import shown


@dataclass
class Gathered:
    """What was found out while rows were written.

    Fields:
        names: of the series, in order of appearance.
        counts: rows of each.
        static: column -> series -> its cell.
        dated: whether times are dates; None before the first.
        grouped: whether the rows of each series are together.
        unsorted: series whose times go back somewhere.
        absent: rows with a missing number.
    """

    names: dict[str, int] = field(default_factory=dict)
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    static: dict[str, dict[int, str]] = field(default_factory=dict)
    dated: bool | None = None
    grouped: bool = True
    unsorted: set[int] = field(default_factory=set)
    absent: int = 0


class _UnreadTime(ValueError):
    """A time that is not written in the order of day and month that was tried."""


def gather(path: str, layout: Layout, reading: SeriesReading, folder: Path) -> tuple[Records, Gathered]:
    """The rows of a table as records in order of series and time, in a file of a folder.

    Raises:
        ValueError: as `seqmodels.data.series.reading.read_series`, but for repeated times and gaps.
    """
    first: ValueError | None = None
    for order in list[dict[str, Any]]([{}]):
        try:
            gathering = _Gathering(path, layout, reading, order)
            return gathering.run(folder)
        except _UnreadTime as error:
            first = first or error
    raise ValueError(str(first)) from None


class _Gathering:
    """One reading of the table."""

    def __init__(self, path: str, layout: Layout, reading: SeriesReading, order: Mapping[str, Any]) -> None:
        self.path, self.layout, self.reading, self.order = path, layout, reading, order
        self.found = Gathered(static={column: {} for column in reading.static})
        self.dtype: np.dtype | None = None
        self.last_series, self.last_time = 0, np.zeros(0)

    def run(self, folder: Path) -> tuple[Records, Gathered]:
        """Read, write and sort."""
        with (folder / "raw").open("wb") as file:
            for piece in table_chunks(self.path):
                self._add(piece, file)
        for column, cells in self.found.static.items():
            empty = next((name for name, one in self.found.names.items() if one not in cells), None)
            if empty is not None:
                raise ValueError(
                    f"{self.path}, column {shown(column)}: the series {shown(empty)} has no value in it; write one"
                )
        raw = Records(folder / "raw", self.dtype or record_type(len(self.layout.features), None))
        return _in_order(raw, self.found), self.found

    def _add(self, piece: Table, file: IO[bytes]) -> None:
        layout, reading, found = self.layout, self.reading, self.found
        series, times = self._series(piece), self._times(piece)
        names = (*layout.features, *reading.known)
        values = np.stack([piece.numbers(name, "features") for name in names], axis=1)
        absent, rows = ~np.isfinite(values), np.arange(len(values))
        if reading.missing == "error" and not reading.known:
            refuse_missing(piece, names, rows, absent)
        found.absent += int(absent.any(axis=1).sum())
        if reading.transform == "log_return":
            kept = ~absent.any(axis=1) if reading.missing == "drop" else rows >= 0
            refuse_logarithm(piece, layout.target, values[kept, 0], rows[kept])
        for column, cells in found.static.items():
            self._note_static(piece, column, cells, series)
        self.dtype = self.dtype or record_type(len(names), None if times is None else times.dtype.str)
        records = np.zeros(len(values), self.dtype)
        records["series"], records["values"], records["place"] = series, values, np.array(piece.lines)
        if times is not None:
            records["time"] = times
        self._note_order(series, times)
        file.write(records.tobytes())

    def _series(self, piece: Table) -> np.ndarray:
        """Int ``(n,)``: the number of each row's series."""
        import pandas as pd

        found, column = self.found, self.layout.series
        if column is None:
            found.names.setdefault("", 0)
            return np.zeros(len(piece), np.int64)
        cells = piece.cells(column, "series")
        own, names = pd.factorize(np.array(cells, dtype=object))
        if "" in names:
            raise ValueError(f"{piece.place(cells.index(''), column)}: expected a name (data.series), got a blank")
        return np.array([found.names.setdefault(name, len(found.names)) for name in names], np.int64)[own]

    def _times(self, piece: Table) -> np.ndarray | None:
        column = self.layout.time
        if column is None:
            return None
        try:
            times, dated, *_ = parse_times(piece, column, self.reading.timezone)
        except ValueError as error:
            raise _UnreadTime(str(error)) from None
        if self.found.dated not in (None, dated):
            raise ValueError(
                f"{piece.place(0, column)}: the column holds dates in some rows and plain numbers in others; write "
                "all of them as 2024-01-31 or 2024-01-31 17:30"
            )
        self.found.dated = dated
        return times

    def _note_static(self, piece: Table, column: str, cells: dict[int, str], series: np.ndarray) -> None:
        import pandas as pd

        given = np.array(piece.cells(column, "static"), dtype=object)
        frame = pd.DataFrame({"series": series, "cell": given}).drop_duplicates()
        for row, one, cell in zip(frame.index.tolist(), frame["series"].tolist(), frame["cell"].tolist(), strict=True):
            if cell.strip() and cells.setdefault(one, cell) != cell:
                name = list(self.found.names)[one]
                raise ValueError(
                    f"{piece.place(row, column)}: a column of data.static has one value per series, but {shown(name)} "
                    f"has {shown(cell)} and, further up, {shown(cells[one])}; name it in data.known or data.features"
                )

    def _note_order(self, series: np.ndarray, times: np.ndarray | None) -> None:
        """Whether series are together and times go up."""
        found = self.found
        found.grouped &= bool((np.diff(series, prepend=self.last_series) >= 0).all())
        self.last_series = int(series[-1])
        counts = np.bincount(series, minlength=len(found.names))
        counts[: len(found.counts)] += found.counts
        found.counts = counts
        if times is None:
            return
        lowest = np.iinfo(np.int64).min if times.dtype.kind == "i" else -np.inf
        last = np.full(len(found.names), lowest, times.dtype)
        last[: len(self.last_time)] = self.last_time
        order = np.argsort(series, kind="stable")
        own, when = series[order], times[order]
        first = np.diff(own, prepend=-1) != 0
        before = np.concatenate([when[:1], when[:-1]])
        before[first] = last[own[first]]
        found.unsorted |= set(own[when < before].tolist())
        ends = np.concatenate([first[1:], [True]])
        last[own[ends]] = when[ends]
        self.last_time = last


def _in_order(raw: Records, found: Gathered) -> Records:
    """The records, those of one series together and in order of time."""
    if not found.grouped:
        raw = _dealt(raw, found.counts)
    return _sorted(raw, found) if found.unsorted else raw


def _dealt(raw: Records, counts: np.ndarray) -> Records:
    """Records brought to where their series lies."""
    target = Records(raw.path.with_name("dealt"), raw.dtype)
    reserve(target.path, len(raw) * raw.dtype.itemsize)
    free = np.cumsum(counts) - counts
    for records in raw.pieces():
        records = records[np.argsort(records["series"], kind="stable")]
        series = records["series"]
        own, first, count = np.unique(series, return_index=True, return_counts=True)
        # Opened anew for each piece, so that its pages do not stay.
        place = np.memmap(target.path, raw.dtype, "r+")
        place[np.repeat(free[own] - first, count) + np.arange(len(series))] = records
        free[own] += count
        place.flush()
        del place
    raw.path.unlink()
    return target


def _sorted(raw: Records, found: Gathered) -> Records:
    """Records with the series that are out of order sorted by time."""
    target = Records(raw.path.with_name("sorted"), raw.dtype)
    stops = np.cumsum(found.counts).tolist()
    with target.path.open("wb") as file:
        for one, (count, stop) in enumerate(zip(found.counts.tolist(), stops, strict=True)):
            for rows in _by_time(raw, stop - count, stop) if one in found.unsorted else _ranges(stop - count, stop):
                low, high = int(rows.min()), int(rows.max()) + 1
                if high - low <= 2 * ROWS:
                    file.write(raw[low:high][rows - low].tobytes())
                else:
                    place = np.memmap(raw.path, raw.dtype, "r")
                    file.write(place[rows].tobytes())
                    del place
    raw.path.unlink()
    return target


def _ranges(start: int, stop: int) -> Iterator[np.ndarray]:
    """Rows as they are, some at a time."""
    return (np.arange(low, min(stop, low + ROWS)) for low in range(start, stop, ROWS))


def _by_time(raw: Records, start: int, stop: int) -> Iterator[np.ndarray]:
    """Rows in order of time, some at a time."""
    times = np.concatenate([raw[low : min(stop, low + ROWS)]["time"] for low in range(start, stop, ROWS)])
    order = np.argsort(times, kind="stable")
    return (order[low : low + ROWS] + start for low in range(0, len(order), ROWS))
