"""Tables larger than memory, read by DuckDB.

DuckDB is told how a file is written and never guesses. A connection sees only the files that it is given, writes
only below its own folder, and loads no extension.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.files.arrays import BLOCK, Mapped, open_array
from seqmodels.data.files.cache import PassingFolder
from seqmodels.files.atomic import FULL, replacing, reserve

# Bytes that DuckDB keeps in memory, cores that it takes at most, and vectors of 2,048 rows handed over at once.
MEMORY, CORES, VECTORS = "500MB", 2, BLOCK // 2048
ROWS = 1 << 17  # in a group of a Parquet file of ours


def identifier(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """Return text as SQL writes it.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def pattern(path: Path) -> str:
    """Return a path as SQL writes the pattern that only it fits.

    >>> pattern(Path("a[1]*.parquet"))
    "'a[[]1][*].parquet'"
    """
    return quoted(re.sub(r"([*?[])", r"[\1]", str(path)))


def connect(folder: Path, files: Sequence[Path] = ()) -> Any:
    """Open DuckDB, which from then on reads and writes no other files than those given."""
    import duckdb

    cores = min(CORES, int(os.environ.get("OMP_NUM_THREADS", "") or CORES) or CORES, os.cpu_count() or 1)
    config = dict.fromkeys(("autoinstall_known_extensions", "autoload_known_extensions"), False)
    room: dict[str, Any] = {"threads": cores, "memory_limit": MEMORY, "temp_directory": str(folder)}
    connection = duckdb.connect(":memory:", config={**config, **room, "preserve_insertion_order": True})
    if files:
        named = [name for path in files for name in (quoted(str(path)), pattern(path))]
        connection.execute(f"SET allowed_paths = [{', '.join(named)}]")
    connection.execute("SET enable_progress_bar = false")  # which goes among what a program prints
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def write_rows(connection: Any, query: str, path: Path) -> int:
    """Write what a query finds to a Parquet file, and return how many rows that are."""
    how = f"FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {ROWS}, USE_TMP_FILE false"
    (rows,) = connection.execute(f"COPY ({query}) TO {quoted(str(path))} ({how})").fetchone()
    return int(rows)


def system_fault(error: Exception) -> int | None:
    """Return the system's number of an error of DuckDB's that is a full disk; None of others."""
    return next((number for number in FULL if os.strerror(number) in str(error)), None)


@contextmanager
def telling(path: str, kind: str) -> Iterator[None]:
    """Say what DuckDB finds wrong with a file of some kind."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        if number := system_fault(error):
            raise OSError(number, os.strerror(number)) from None
        raise ValueError(
            f"{path}: cannot be read as {kind} ({str(error).splitlines()[0][:120]}); the file is damaged, cut short or "
            "of another format: write it anew"
        ) from None


@dataclass(frozen=True)
class Part:
    """Rows that DuckDB reads, in order: what follows FROM, an expression of a row's number, and how many."""

    source: str
    row: str
    rows: int


def rows_of_file(path: Path, rows: int) -> Part:
    """Return the rows of a Parquet file of ours."""
    return Part(f"read_parquet({pattern(path)}, hive_partitioning = false)", "file_row_number", rows)


@dataclass(frozen=True)
class Store:
    """Tables that DuckDB reads, one below the other, and a folder where what is made of them is kept.

    Fields:
        path: named in errors.
        kind: of file, in words.
        connection: of DuckDB.
        parts: the rows.
        folder: of the cache, for arrays that the next run finds there; None where nothing is kept.
        passing: for files that go with this process.
    """

    path: str
    kind: str
    connection: Any
    parts: tuple[Part, ...]
    folder: Path = Path()
    passing: PassingFolder | None = None

    def __len__(self) -> int:
        return sum(part.rows for part in self.parts)

    def rows(self, items: str) -> str:
        """Return a query for what is selected of all rows, beside the number of each, ``row``."""
        starts = np.cumsum([0, *(part.rows for part in self.parts)]).tolist()
        each = zip(self.parts, starts, strict=False)
        return " UNION ALL ".join(
            f"SELECT {items}, {part.row} + {start} AS row FROM {part.source}" for part, start in each
        )

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows that a query finds."""
        with telling(self.path, self.kind):
            found: list[tuple[Any, ...]] = self.connection.cursor().execute(query).fetchall()
            return found

    def stream(self, query: str) -> Iterator[Any]:
        """Yield what a query finds as data frames of about `BLOCK` rows."""
        with telling(self.path, self.kind):
            cursor = self.connection.cursor().execute(query)
            while len(frame := cursor.fetch_df_chunk(VECTORS)):
                yield frame

    def kept(self, name: str, dtype: Any, fill: Callable[[np.ndarray], None]) -> np.ndarray:
        """Return an array with a number for each row, filled by `fill` once and kept under a name."""
        path = self.folder / name
        if not path.exists():
            try:
                with replacing(path) as file:
                    reserve(file, len(self) * np.dtype(dtype).itemsize)
                    array = Mapped(file, np.dtype(dtype), "r+", shape=(len(self),))
                    fill(array)
                    array.flush()
            except OSError as error:
                raise ValueError(
                    f"what is made of a table cannot be written to {path.parent} ({error.strerror or error}); make "
                    "room there or set data.cache_dir to another folder"
                ) from None
        return open_array(path, dtype, (len(self),))


def link(path: Path, folder: Path, name: str) -> Path:
    """Return another name for a file, in which nothing means anything to DuckDB."""
    place = folder / re.sub(r"[^a-z0-9.]", "", name)
    place.symlink_to(path.resolve())
    return place
