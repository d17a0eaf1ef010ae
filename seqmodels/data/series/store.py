"""Arrays and rows of series kept in a folder of the cache, for the next run."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.times.frequency import Frequency
from seqmodels.data.files.arrays import Mapped, Space, blocks, open_array
from seqmodels.data.files.cache import about, cached_folder
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
            return _plain(read_series(table, layout, reading, space), folder)

    asked = ["series", table.stamp, layout.to_plain(), reading.to_plain()]
    return _opened(cached_folder(cache_dir, table.path, asked, write, "rows"), table.space)


@contextlib.contextmanager
def _workspace(folder: Path, like: Space) -> Iterator[Space]:
    """Give room for arrays in a folder, of which nothing stays there but what is linked to from elsewhere."""
    work = folder / "work"
    work.mkdir()
    yield Space(work, like.memory_limit)
    shutil.rmtree(work)


def _plain(rows: SeriesRows, folder: Path) -> dict[str, Any]:
    """Write the arrays of rows, and return the rest as plain values."""
    given = {name: getattr(rows, name) for name in ARRAYS if getattr(rows, name) is not None}
    return {
        "arrays": {name: write_array(array, folder / name) for name, array in given.items()},
        "names": list(rows.names),
        "notes": list(rows.notes),
        "known": rows.known,
        "static": {column: list(cells) for column, cells in rows.static.items()},
        "clock": None if rows.clock is None else vars(rows.clock),
        "dated": rows.dated,
        "time_format": rows.time_format,
    }


def _opened(folder: Path, space: Space) -> SeriesRows:
    found = about(folder)
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
    arrays: dict[str, Any] = {name: read_array(folder / name, plain) for name, plain in found["arrays"].items()}
    return replace(rows, **arrays)


def write_windows(make: Callable[[Space], dict[str, SeriesWindows]], like: Space, folder: Path) -> dict[str, Any]:
    """Write the windows or streams of splits, which share their values; return the rest as plain values."""
    with _workspace(folder, like) as space:
        splits = make(space)
        one = next(iter(splits.values()))
        return {
            "spec": one.spec.to_plain(),
            "known": None if one.known is None else [one.known.start, one.known.stop],
            "values": write_array(one.values, folder / "values"),
            "splits": {name: _plain_starts(split, folder, name) for name, split in splits.items()},
        }


def _plain_starts(split: SeriesWindows, folder: Path, name: str) -> dict[str, Any]:
    """Write where the windows or streams of a split begin."""
    starts = split.starts
    if not isinstance(starts, WindowStarts):
        starts = WindowStarts(starts, starts + split.lengths)
    return {
        "first": write_array(starts.first, folder / f"{name}_first"),
        "stop": write_array(starts.stop, folder / f"{name}_stop"),
        "stride": starts.stride,
        "stream": split.stream,
    }


def opened_windows(folder: Path) -> dict[str, SeriesWindows]:
    """Return the windows or streams that `write_windows` has written."""
    found = about(folder)
    spec, values = Spec.from_plain(found["spec"]), read_array(folder / "values", found["values"])
    known = None if found["known"] is None else slice(*found["known"])
    splits: dict[str, SeriesWindows] = {}
    for name, plain in found["splits"].items():
        first, stop = (np.array(read_array(folder / f"{name}_{part}", plain[part])) for part in ("first", "stop"))
        if spec.target_shape == "step":
            splits[name] = SeriesStreams(values, first, stop, spec, known, plain["stream"])
        else:
            starts = WindowStarts(first, stop, plain["stride"])
            splits[name] = SeriesWindows(values, starts, history_of(spec), spec, known)
    return splits


def write_array(array: np.ndarray, path: Path) -> list[Any]:
    """Put an array into a file; return its type and shape, by which `read_array` opens it.

    A file that holds it already is linked, not copied.
    """
    plain = [array.dtype.str, list(array.shape)]
    if isinstance(array, Mapped) and not isinstance(array.base, np.ndarray) and array.filename is not None:
        if Path(array.filename) != path:
            os.link(array.filename, path)
        return plain
    with path.open("wb") as file:
        for part in blocks(len(array)):
            file.write(np.ascontiguousarray(array[part]).data)
    return plain


def read_array(path: Path, plain: list[Any]) -> np.ndarray:
    """Open an array that `write_array` has written, mapped into memory."""
    dtype, shape = plain
    return open_array(path, dtype, tuple(shape))
