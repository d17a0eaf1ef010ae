"""A CSV file larger than memory: its columns in a Parquet file of the cache, with the cells and errors of a small one.

DuckDB reads what it reads as the csv module does; any other file goes through the csv module row by row.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.files.arrays import BLOCK
from seqmodels.data.files.cache import PassingFolder, about, cached_folder, stamp
from seqmodels.data.files.find import find_file, text_pieces
from seqmodels.data.files.lazy import LazySequence
from seqmodels.data.files.unpack import is_packed
from seqmodels.data.number_text import SAMPLE, Style, styles_of
from seqmodels.data.read.database import (
    Store,
    connect,
    link,
    pattern,
    quoted,
    rows_of_file,
    system_fault,
    telling,
    write_rows,
)
from seqmodels.data.read.delimited.dialect import START, Dialect, find_dialect
from seqmodels.data.read.delimited.whole import Lines, no_rows, notes_of, rows_of
from seqmodels.data.read.stored_cells import StoredCells
from seqmodels.data.read.table import Table

FILE = "columns.parquet"


def read_large_lines(path: str, memory_limit: int, cache_dir: str | None) -> Table:
    """Read a file as `seqmodels.data.read.delimited.whole.read_lines` does, without ever holding all of it."""
    key = stamp(path)
    folder = cached_folder(cache_dir, path, ["lines", key], lambda folder: _write(path, folder), "columns")
    found, passing = about(folder), PassingFolder(cache_dir)
    connection = connect(passing.path, [folder / FILE])
    store = Store(path, "CSV", connection, (rows_of_file(folder / FILE, found["rows"]),), folder, passing)
    columns = {name: StoredCells(store, f"c{i}", f"c{i}") for i, name in enumerate(found["dialect"]["names"])}
    dialect = Dialect.from_plain(found["dialect"])
    first, rows = found["first"], found["rows"]
    lines = range(first, first + rows) if first else LazyLines(path, dialect, store)
    return Table(path, columns, lines, space=passing.space(memory_limit), notes=found["notes"], stamp=key)


@dataclass
class FirstPass:
    """Findings of a first pass through a file.

    Fields:
        start: its first characters.
        lines: how many it has, without blank ones at its end.
        blank: whether some line within it is blank.
        even: whether all lines end alike, in ``\\n`` or ``\\r\\n``.
    """

    start: str = ""
    lines: int = 0
    blank: bool = False
    even: bool = True


class LazyLines(LazySequence[int]):
    """The line on which each row ends, looked up in the file when the first is asked for."""

    def __init__(self, path: str, dialect: Dialect, store: Store) -> None:
        self.path, self.dialect, self.store = path, dialect, store

    @cached_property
    def _lines(self) -> np.ndarray:
        return self.store.kept("lines", np.int64, self._fill)

    def _fill(self, array: np.ndarray) -> None:
        for row, (_, line) in enumerate(rows_of(self.path, self.dialect, Lines(text_pieces(self.path)))):
            array[row] = line

    def __len__(self) -> int:
        return len(self.store)

    def __iter__(self) -> Iterator[int]:
        return map(int, self._lines)

    def item(self, index: int) -> int:
        return int(self._lines[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._lines, dtype)


def _first_pass(path: str, copy: Path | None) -> FirstPass:
    """Look through a file, and write it out unpacked if there is a place for it."""
    found, lines, last, returns, pairs = FirstPass(), 0, "", 0, 0
    with open(copy or "/dev/null", "w", encoding="utf-8", newline="") as file:
        for piece in text_pieces(path):
            found.start += piece[: START - len(found.start)]
            lines_here, held = piece.count("\n"), piece.rstrip("\r\n")
            if held:
                found.lines = lines + held.count("\n") + 1
            joined = last + piece
            returns, pairs = returns + piece.count("\r"), pairs + joined.count("\r\n")
            found.blank = found.blank or "\n\n" in joined or "\n\r\n" in joined
            lines, last = lines + lines_here, piece[-1:] or last
            if copy:
                file.write(piece)
    found.even = returns == 0 or returns == pairs == lines
    return found


def _write(path: str, folder: Path) -> dict[str, Any]:
    """Write the columns of a file to a folder, and return what is to be known of them."""
    source = find_file(path)
    copy = folder / "text" if is_packed(source) else None
    seen = _first_pass(path, copy)
    dialect = find_dialect(path, seen.start)
    with closing(rows_of(path, dialect, Lines(text_pieces(path)))) as rows:
        sample = list(itertools.islice(rows, SAMPLE))
    if not sample:
        raise no_rows(path)
    cells = zip(*(cells for cells, _ in sample), strict=True)
    styles = styles_of(dict(zip(dialect.names, map(list, cells), strict=True)), dialect.delimiter)
    place = copy or link(source, folder, "file")
    every = Lines(text_pieces(path))
    with telling(path, "CSV"), closing(connect(folder, [place, folder / FILE])) as connection:
        ahead = sample[0][1] - 1
        may = seen.even and not dialect.blanks and not (seen.blank and len(dialect.names) == 1)
        usual = may and ahead == dialect.skip + (not dialect.is_data)
        rows_found = _copy(connection, place, folder / FILE, dialect, styles) if usual else None
        if rows_found is None:
            rows_found = _insert(connection, rows_of(path, dialect, every), folder / FILE, dialect, styles)
    place.unlink()
    first = ahead + 1 if rows_found == seen.lines - ahead and seen.even else None
    notes = [*dialect.notes, *notes_of(styles, every)]
    return {"rows": rows_found, "first": first, "dialect": asdict(dialect), "notes": notes}


def _columns(dialect: Dialect, styles: dict[str, Style]) -> str:
    """Write the cells of each column as programs do, as SQL."""
    each = [(f"c{i}", styles.get(name)) for i, name in enumerate(dialect.names)]
    return ", ".join(f"{style.sql(key) if style else key} AS {key}" for key, style in each)


def _copy(connection: Any, place: Path, to: Path, dialect: Dialect, styles: dict[str, Style]) -> int | None:
    """Write the rows by DuckDB's reader; None where it finds anything out of the ordinary."""
    import duckdb

    keys = [f"c{i}" for i in range(max(dialect.width, len(dialect.names)))]
    kinds = ", ".join(f"{key}: 'VARCHAR'" for key in keys)
    mark = '"' if dialect.quoting == 0 else ""
    options = (
        f"auto_detect = false, header = false, skip = {dialect.skip + (not dialect.is_data)}, "
        f"delim = {quoted(dialect.delimiter)}, quote = {quoted(mark)}, escape = {quoted(mark)}, strict_mode = true, "
        f"columns = {{{kinds}}}"
    )
    filled = ", ".join(f"coalesce({key}, '') AS {key}" for key in keys)
    source = f"SELECT {filled} FROM read_csv({pattern(place)}, {options})"
    more = [f"{key} <> ''" for key in keys[len(dialect.names) :]]
    refuse = f"CASE WHEN {' OR '.join(more)} THEN error('more cells') END" if more else "NULL"
    try:
        cells = f"SELECT {_columns(dialect, styles)} FROM ({source}) WHERE ({refuse}) IS NULL"
        return write_rows(connection, cells, to)
    except duckdb.Error as error:
        if system_fault(error):
            raise
        to.unlink(missing_ok=True)
        return None


def _insert(
    connection: Any, rows: Iterator[tuple[list[str], int]], to: Path, dialect: Dialect, styles: dict[str, Style]
) -> int:
    """Write the rows one after the other, and return how many they are."""
    import pandas as pd

    keys = [f"c{i}" for i in range(len(dialect.names))]
    connection.execute(f"CREATE TABLE columns ({', '.join(f'{key} VARCHAR' for key in keys)})")
    size = max(1, BLOCK // len(keys))
    while some := [cells for cells, _ in itertools.islice(rows, size)]:
        connection.register("piece", pd.DataFrame(some, columns=keys, dtype=object))
        connection.execute(f"INSERT INTO columns SELECT {_columns(dialect, styles)} FROM piece")
        connection.unregister("piece")
    return write_rows(connection, "SELECT * FROM columns", to)
