"""Arrays and rows of series kept in a folder of the cache, for the next run."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.times.frequency import Frequency
from seqmodels.data.files.arrays import Space
from seqmodels.data.files.cache import cached_folder
from seqmodels.data.files.store import Store, StoreWriter
from seqmodels.data.read.table import Table
from seqmodels.data.series.reading import SeriesReading, read_series
from seqmodels.data.series.rows import ARRAYS, SeriesRows
from seqmodels.data.series.windows import SeriesStreams, SeriesWindows, WindowStarts, history_of
from seqmodels.spec import Spec


def stored_series(table: Table, layout: Layout, reading: SeriesReading, cache_dir: str | None) -> SeriesRows:
    """Return the series of a table; those of one that does not fit in memory lie in the cache, or are put there."""
    if table.space.folder is None:
        return read_series(table, layout, reading)

    def write(folder: Path) -> dict[str, Any]:
        with _workspace(folder, table.space) as space:
            return _keep(read_series(table, layout, reading, space), StoreWriter(folder))

    asked = ["series", table.stamp, layout.to_plain(), reading.to_plain()]
    return _opened(Store(cached_folder(cache_dir, table.path, asked, write, "rows")), table.space)


@contextlib.contextmanager
def _workspace(folder: Path, like: Space) -> Iterator[Space]:
    """Give room for arrays in a folder, of which nothing stays there but what is linked to from elsewhere."""
    work = folder / "work"
    work.mkdir()
    yield Space(work, like.memory_limit)
    shutil.rmtree(work)


def _keep(rows: SeriesRows, writer: StoreWriter) -> dict[str, Any]:
    """Write the arrays of rows, and return the rest as plain values."""
    for name in ARRAYS:
        if (array := getattr(rows, name)) is not None:
            writer.put(name, array)
    return writer.close(
        names=list(rows.names),
        notes=list(rows.notes),
        known=rows.known,
        static={column: list(cells) for column, cells in rows.static.items()},
        clock=None if rows.clock is None else vars(rows.clock),
        dated=rows.dated,
        time_format=rows.time_format,
    )


def _opened(store: Store, space: Space) -> SeriesRows:
    found = store.about
    rows = SeriesRows(
        np.zeros((0, 1)),
        np.zeros(0, np.int32),
        None,
        tuple(found["names"]),
        tuple(found["notes"]),
        found["known"],
        {column: tuple(cells) for column, cells in found["static"].items()},
        None if found["clock"] is None else Frequency(**found["clock"]),
        found["dated"],
        found["time_format"],
        space=space,
    )
    arrays: dict[str, Any] = {name: store.array(name) for name in found["arrays"]}
    return replace(rows, **arrays)


def write_windows(make: Callable[[Space], dict[str, SeriesWindows]], like: Space, folder: Path) -> dict[str, Any]:
    """Write the windows or streams of splits, which share their values; return the rest as plain values."""
    writer = StoreWriter(folder)
    with _workspace(folder, like) as space:
        splits = make(space)
        one = next(iter(splits.values()))
        writer.put("values", one.values)
        return writer.close(
            spec=one.spec.to_plain(),
            known=None if one.known is None else [one.known.start, one.known.stop],
            splits={name: _keep_starts(split, writer, name) for name, split in splits.items()},
        )


def _keep_starts(split: SeriesWindows, writer: StoreWriter, name: str) -> dict[str, Any]:
    """Write where the windows or streams of a split begin."""
    starts = split.starts
    if not isinstance(starts, WindowStarts):
        starts = WindowStarts(starts, starts + split.lengths)
    writer.put(f"{name}_first", starts.first)
    writer.put(f"{name}_stop", starts.stop)
    return {"stride": starts.stride, "stream": split.stream}


def opened_windows(folder: Path) -> dict[str, SeriesWindows]:
    """Return the windows or streams that `write_windows` has written."""
    store = Store(folder)
    found = store.about
    spec, values = Spec.from_plain(found["spec"]), store.array("values")
    known = None if found["known"] is None else slice(*found["known"])
    splits: dict[str, SeriesWindows] = {}
    for name, plain in found["splits"].items():
        first, stop = (np.array(store.array(f"{name}_{part}")) for part in ("first", "stop"))
        if spec.target_shape == "step":
            splits[name] = SeriesStreams(values, first, stop, spec, known, plain["stream"])
        else:
            starts = WindowStarts(first, stop, plain["stride"])
            splits[name] = SeriesWindows(values, starts, history_of(spec), spec, known)
    return splits
