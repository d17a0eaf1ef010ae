"""Series larger than memory, as `seqmodels.data.series.reading.read_series` would read them, in files of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.columns.clock import Clock, infer_clock
from seqmodels.data.columns.infer import Layout
from seqmodels.data.read.columnar import ARROW_SUFFIXES
from seqmodels.data.read.hub import DATASETS
from seqmodels.data.read.table_cache import about, cached_folder, stamp
from seqmodels.data.series.gather import Gathered, gather
from seqmodels.data.series.reading import SeriesReading, transformed, without_gaps
from seqmodels.data.series.rows import SeriesRows
from seqmodels.data.series.store import ROWS, Records, StoredRows, as_records, as_rows, record_type
from seqmodels.quoting import shown

# Notes on single gaps that are told.
MOST_NOTES = 3


def stored_rows(path: str, layout: Layout, reading: SeriesReading, cache_dir: str | None) -> StoredRows:
    """The series of a table, from the cache or read now.

    Raises:
        ValueError: as `read_series`.
    """

    def write(folder: Path) -> dict[str, Any]:
        records, found = gather(path, layout, reading, folder)
        return _Settling(path, layout, reading, records, found).write(folder)

    asked = ["series", stamp(path), layout.to_plain(), reading.to_plain()]
    return _opened(cached_folder(cache_dir, path, asked, write, "rows"), reading)


def _opened(folder: Path, reading: SeriesReading) -> StoredRows:
    found, counts = about(folder), np.load(folder / "counts.npy")
    dtype = record_type(found["features"], found["time"], reading.transform is not None)
    clock = None if found["clock"] is None else Clock(**found["clock"])
    static = {column: tuple(cells) for column, cells in found["static"].items()}
    rows = SeriesRows(
        np.zeros((0, found["features"])),
        np.zeros(0, np.int64),
        None,
        tuple(found["names"]),
        tuple(found["notes"]),
        known=len(reading.known),
        static=static,
        clock=clock,
        dated=bool(found["dated"]),
    )
    return StoredRows(Records(folder / "past", dtype), Records(folder / "future", dtype), counts, rows)


class _Settling:
    """Missing numbers, repeated times, gaps and the transform, dealt with as the user says, piece by piece."""

    def __init__(self, path: str, layout: Layout, reading: SeriesReading, records: Records, found: Gathered) -> None:
        self.path, self.layout, self.reading, self.records, self.found = path, layout, reading, records, found
        self.names = tuple(found.names)
        # Of lines the first names the columns.
        self.header = int(not path.startswith(DATASETS) and Path(path).suffix not in ARROW_SUFFIXES)
        none = np.zeros(0, np.int64)
        self.about = SeriesRows(np.zeros((0, 1)), none, None, self.names, known=len(reading.known))
        self.about = replace(self.about, dated=bool(found.dated), clock=self._clock())
        self.last = self._last_targets() if reading.known else None
        self.repeated, self.notes = 0, list[str]()

    def _clock(self) -> Clock | None:
        """The step, as the first rows have it."""
        some = self.records[0 : min(len(self.records), 4 * ROWS)]
        if "time" not in (some.dtype.names or ()):
            return None
        return infer_clock(np.ascontiguousarray(some["time"]), some["series"].astype(np.int64), bool(self.found.dated))

    def _last_targets(self) -> np.ndarray:
        """Of each series the row of its last target; -1 for none."""
        last, first = np.full(len(self.names), -1), 0
        for piece in self.records.pieces():
            there = np.flatnonzero(np.isfinite(piece["values"][:, 0]))
            np.maximum.at(last, piece["series"][there], there + first)
            first += len(piece)
        return last

    def write(self, folder: Path) -> dict[str, Any]:
        """Write `past`, `future` and `counts.npy`; what else is to be known of them."""
        features = len(self.layout.features) + len(self.reading.known)
        raw = self.records.dtype
        time = raw["time"].str if "time" in (raw.names or ()) else None
        dtype = record_type(features, time, self.reading.transform is not None)
        counts, future = np.zeros(len(self.names), np.int64), 0
        with (folder / "past").open("wb") as past, (folder / "future").open("wb") as later:
            for rows in self._settled():
                own = rows.past()
                past.write(as_records(own, dtype).tobytes())
                later.write(as_records(rows.select(rows.future), dtype).tobytes())
                counts += np.bincount(own.series, minlength=len(counts))
                future += int(rows.future.sum())
        self.records.path.unlink()
        np.save(folder / "counts.npy", counts)
        clock = None if self.about.clock is None else vars(self.about.clock)
        static = {column: [cells[one] for one in range(len(self.names))] for column, cells in self.found.static.items()}
        return {"names": list(self.names), "static": static, "clock": clock, "dated": self.about.dated, "time": time,
                "features": features, "notes": self._words(future)}  # fmt: skip

    def _words(self, future: int) -> list[str]:
        found = self.found
        notes = ["rows sorted by time"] if found.unsorted else []
        notes += [f"{self.repeated} rows with a time that is there twice left out"] if self.repeated else []
        absent = found.absent - (future if self.reading.known else 0)
        notes += [f"{absent} rows with missing numbers: {self.reading.missing}"] if absent > 0 else []
        more = len(self.notes) - MOST_NOTES
        return [*notes, *self.notes[:MOST_NOTES], *([f"{more} more such notes"] if more > 0 else [])]

    def _settled(self) -> Iterator[SeriesRows]:
        """The rows, some at a time. The last row of each piece leads the next, to be compared with."""
        lead, blocks = self.records[0:0], 0
        for start, piece in self._pieces():
            joined = np.concatenate([lead, piece])
            rows = self._without_missing(self._without_repeats(joined, start - len(lead)))
            if not len(rows.values):
                continue
            rows, notes = without_gaps(rows, self.reading, rows.places + self.header, self.layout.time, self.path)
            self.notes += notes
            local = np.cumsum(np.diff(rows.blocks, prepend=rows.blocks[0]) != 0)
            rows, led = replace(rows, blocks=local + blocks), len(lead) > 0
            blocks = int(rows.blocks[-1])
            lead = joined[joined["place"] == rows.places[rows.places >= 0][-1]]
            rows = transformed(rows, self.reading.transform)
            # A transform has left out the first row already.
            yield rows.select(np.arange(len(rows.values)) > 0) if led and self.reading.transform is None else rows

    def _pieces(self) -> Iterator[tuple[int, np.ndarray]]:
        """Records, some at a time, and the place of the first; rows of one time are together."""
        rest, first = self.records[0:0], 0
        for piece in self.records.pieces():
            joined = np.concatenate([rest, piece])
            cut = len(joined) - 1
            if "time" in (joined.dtype.names or ()):
                same = (joined["time"] == joined["time"][-1]) & (joined["series"] == joined["series"][-1])
                cut = int(np.flatnonzero(~same)[-1]) + 1 if not same.all() else 0
            if cut:
                yield first, joined[:cut]
            first, rest = first + cut, joined[cut:]
        if len(rest):
            yield first, rest

    def _without_repeats(self, records: np.ndarray, start: int) -> SeriesRows:
        """The rows, of those with one time only the one that counts; `start` is the first's place in order."""
        rows = as_rows(records, self.about)
        rows = replace(rows, blocks=rows.series)
        if self.last is not None:
            rows = replace(rows, future=np.arange(start, start + len(records)) > self.last[rows.series])
        if rows.times is None:
            return rows
        again = (np.diff(rows.series) == 0) & (np.diff(rows.times) == 0)
        if self.reading.duplicates == "error" and again.any():
            first = int(np.argmax(again))
            low, high = sorted(rows.places[first : first + 2].tolist())
            name = self.names[rows.series[first]]
            time = rows.clock.text(rows.times[first]) if rows.clock else f"{rows.times[first]}"
            raise ValueError(
                f"{self.path}, row {high}, column {shown(self.layout.time)}: the time {shown(time)}"
                f"{f' of series {shown(name)}' if name else ''} is also on row {low}; remove one of the two, or keep "
                "one with data.duplicates=first or last"
                + ("" if name else ", or name the column that tells series apart with data.series=COLUMN")
            )
        self.repeated += int(again.sum())
        keep = [[True], ~again] if self.reading.duplicates == "first" else [~again, [True]]
        return rows.select(np.concatenate(keep))

    def _without_missing(self, rows: SeriesRows) -> SeriesRows:
        absent = ~np.isfinite(rows.values)
        absent[rows.future, : len(self.layout.features)] = False
        if self.reading.missing == "drop":
            return rows.select(~absent.any(axis=1))
        if self.reading.missing == "error" and absent.any():
            row, column = (int(found[0]) for found in np.nonzero(absent))
            name = (*self.layout.features, *self.reading.known)[column]
            raise ValueError(
                f"{self.path}, row {rows.places[row]}, column {shown(name)}: expected a number, got a blank; "
                "data.missing=drop leaves such rows out, data.missing=interpolate draws a line between the neighbours"
            )
        return rows
