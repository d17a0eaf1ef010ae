"""Rows of series in files: read some at a time, so that memory does not grow with them.

N rows of all series laid end to end, F features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.series.rows import SeriesRows

# Rows read at a time.
ROWS = 1 << 18


class Records:
    """Records of one type in a file, one after the other; a copy in another process opens the file anew.

    Read, not mapped: pages of a map would count as this process's memory.

    Args:
        path: the file.
        dtype: of a record.
        width: numbers in a row ``(rows, width)``; None for plain records ``(rows,)``.
    """

    def __init__(self, path: Path, dtype: np.dtype, width: int | None = None) -> None:
        self.path, self.dtype, self.width = path, dtype, width

    def __len__(self) -> int:
        return self.path.stat().st_size // (self.dtype.itemsize * (self.width or 1))

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, each = rows.start or 0, self.width or 1
        stop = len(self) if rows.stop is None else rows.stop
        skipped = start * each * self.dtype.itemsize
        found = np.fromfile(self.path, self.dtype, max(0, stop - start) * each, offset=skipped)
        return found if self.width is None else found.reshape(-1, self.width)

    def pieces(self, rows: int | None = None) -> Iterator[np.ndarray]:
        """All records, some at a time."""
        rows, count = rows or ROWS, len(self)
        for start in range(0, count, rows):
            yield self[start : min(count, start + rows)]


def record_type(features: int, time: str | None, level: bool = False) -> np.dtype:
    """Of one row: its series, its stretch, its time (of this type, if any), its place in the file and its values.

    With `level`, also the target before it was transformed.
    """
    fields: list[Any] = [("series", "i4"), ("block", "i4"), ("place", "i8"), ("values", "f8", (features,))]
    fields += [] if time is None else [("time", time)]
    return np.dtype(fields + ([("level", "f8")] if level else []))


@dataclass(frozen=True)
class StoredRows:
    """Series in a folder: `past`, the rows up to the last target of each, and `future`, those after it.

    Fields:
        past, future: records of `record_type`; of each series the rows are together, in order of time.
        counts: rows of each series in `past`.
        about: rows without any, which say what is true of all: names, clock and so on.
    """

    past: Records
    future: Records
    counts: np.ndarray
    about: SeriesRows

    @property
    def timed(self) -> bool:
        """Whether there are time stamps."""
        return "time" in (self.past.dtype.names or ())

    def rows(self, start: int, stop: int) -> SeriesRows:
        """Some of the past rows."""
        return as_rows(self.past[start:stop], self.about)

    def pieces(self, before: int = 0, after: int = 0) -> Iterator[tuple[int, slice, SeriesRows]]:
        """All past rows, some at a time.

        Args:
            before, after: rows that each piece holds more, those of its neighbours, where there are any.

        Yields:
            The place of the piece's first row, which of its rows are its own, and the rows.
        """
        count = len(self.past)
        for start in range(0, count, ROWS):
            low, stop = max(0, start - before), min(count, start + ROWS)
            yield low, slice(start - low, stop - low), self.rows(low, min(count, stop + after))

    def ends(self, most: int) -> SeriesRows:
        """The last rows of each series, at most so many, and all of its future."""
        stops, later = np.cumsum(self.counts).tolist(), self.future[:]
        first = np.searchsorted(later["series"], np.arange(len(stops) + 1)).tolist()
        parts = []
        for one, (count, stop) in enumerate(zip(self.counts.tolist(), stops, strict=True)):
            parts += [self.past[stop - min(most, count) : stop], later[first[one] : first[one + 1]]]
        marks = np.repeat([False, True] * len(self.counts), [len(part) for part in parts])
        return replace(as_rows(np.concatenate(parts), self.about), future=marks)


def as_rows(records: np.ndarray, about: SeriesRows) -> SeriesRows:
    """Records as rows of series."""
    fields = records.dtype.names or ()
    return replace(
        about,
        values=np.ascontiguousarray(records["values"]),
        series=records["series"].astype(np.int64),
        times=np.ascontiguousarray(records["time"]) if "time" in fields else None,
        blocks=records["block"].astype(np.int64),
        future=np.zeros(len(records), dtype=bool),
        levels=np.ascontiguousarray(records["level"]) if "level" in fields else None,
        places=np.ascontiguousarray(records["place"]),
    )


def as_records(rows: SeriesRows, dtype: np.dtype) -> np.ndarray:
    """The inverse of `as_rows`."""
    records = np.zeros(len(rows.values), dtype)
    given: dict[str, np.ndarray | None] = {
        "series": rows.series,
        "block": rows.blocks,
        "place": rows.places,
        "values": rows.values,
    }
    given |= {"time": rows.times, "level": rows.levels}
    for name in dtype.names or ():
        records[name] = given[name]
    return records
