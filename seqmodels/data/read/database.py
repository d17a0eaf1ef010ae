"""Columns of tables larger than memory, in DuckDB: cells, numbers and codes, block by block.

DuckDB is told how a file is written and never guesses. A connection sees only the files that it is given, writes
only below its own folder, and loads no extension.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.atomic import FULL, replacing, reserve
from seqmodels.data.files.arrays import BLOCK, Mapped, open_array
from seqmodels.data.files.cache import PassingFolder
from seqmodels.data.number_text import sql_is_odd, sql_is_text, sql_value
from seqmodels.data.numbers import LARGEST
from seqmodels.data.read.table import Cells, Kind

# Bytes that DuckDB keeps in memory, cores that it takes at most, and vectors of 2,048 rows handed over at once.
MEMORY, CORES, VECTORS = "500MB", 2, BLOCK // 2048
FILE = "table.duckdb"  # in the folder of a table


def quoted(text: str) -> str:
    """Return text as SQL writes it.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def connect(folder: Path, readable: Sequence[Path] = (), database: Path | None = None, write: bool = False) -> Any:
    """Open DuckDB, which from then on reads no other file than those given.

    Args:
        folder: for what does not fit in memory.
        readable: files that it may read.
        database: one of its own, called ``kept``, to be read, or written and made anew.
        write: whether it is written.
    """
    import duckdb

    cores = min(CORES, int(os.environ.get("OMP_NUM_THREADS", "") or CORES) or CORES, os.cpu_count() or 1)
    config: dict[str, Any] = {
        "threads": cores,
        "memory_limit": MEMORY,
        "temp_directory": str(folder),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": True,
    }
    connection = duckdb.connect(":memory:", config=config)
    if database is not None:
        with telling(str(database), "a database"):
            connection.execute(f"ATTACH {quoted(str(database))} AS kept{'' if write else ' (READ_ONLY)'}")
    if readable:
        connection.execute(f"SET allowed_paths = [{', '.join(quoted(str(path)) for path in readable)}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def system_fault(error: Exception) -> int | None:
    """Return the system's number of an error of DuckDB's that is a full disk; None of others."""
    return next((number for number in FULL if os.strerror(number) in str(error)), None)


@contextmanager
def telling(path: str, kind: str) -> Iterator[None]:
    """Say what DuckDB finds wrong with a file of some kind.

    Raises:
        OSError: the disk is full.
        ValueError: the file cannot be read.
    """
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
    """Rows that DuckDB reads, in order.

    Fields:
        source: what follows FROM.
        row: an expression, the number of a row in it.
        rows: how many there are.
    """

    source: str
    row: str
    rows: int


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
        """Return the rows that a query finds.

        Raises:
            ValueError: the file cannot be read.
        """
        with telling(self.path, self.kind):
            found: list[tuple[Any, ...]] = self.connection.cursor().execute(query).fetchall()
            return found

    def stream(self, query: str) -> Iterator[Any]:
        """Yield what a query finds as data frames of about `BLOCK` rows.

        Raises:
            ValueError: the file cannot be read.
        """
        with telling(self.path, self.kind):
            cursor = self.connection.cursor().execute(query)
            while len(frame := cursor.fetch_df_chunk(VECTORS)):
                yield frame

    def kept(self, name: str, dtype: Any, fill: Callable[[np.ndarray], None]) -> np.ndarray:
        """Return an array with a number for each row, which is made once and kept.

        Args:
            name: of its file.
            dtype: of the numbers.
            fill: sets them, in an array of nothing in particular.

        Raises:
            ValueError: the disk is full.
        """
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


class StoredCells(Cells):
    """A column that lies in a `Store`.

    Args:
        store: of its table.
        key: a name for what is kept of it, letters and digits.
        text: an SQL expression, its cells as text.
        number: an SQL expression, its cells as numbers; None where they have to be read from text.
        word: an SQL expression, whether a cell is a word, of a column without numbers.
    """

    def __init__(self, store: Store, key: str, text: str, number: str | None = None, word: str | None = None) -> None:
        self.store, self.key, self.text, self.number, self.word = store, key, text, number, word

    def __len__(self) -> int:
        return len(self.store)

    def _range(self, start: int, stop: int) -> list[str]:
        found: list[str] = []
        first = 0
        for part in self.store.parts:
            low, high = max(start - first, 0), min(stop - first, part.rows)
            if low < high:
                query = f"SELECT {self.text} FROM {part.source} WHERE {part.row} >= {low} AND {part.row} < {high}"
                found += [cell for (cell,) in self.store.ask(query)]
            first += part.rows
        return found

    def pieces(self) -> Iterator[list[str]]:
        """Yield all cells in order, in lists of any length."""
        for part in self.store.parts:
            for frame in self.store.stream(f"SELECT {self.text} AS cell FROM {part.source}"):
                yield frame["cell"].tolist()

    def count(self, condition: str) -> int:
        """Count the rows for which an SQL expression of ``cell`` is true."""
        (found,) = self.store.ask(f"SELECT count(*) FROM ({self.store.rows(f'{self.text} AS cell')}) WHERE {condition}")
        return int(found[0])

    def kind(self) -> Kind:
        """Count the numbers and the words."""
        path = self.store.folder / f"{self.key}.json"
        if path.exists():
            return Kind(*json.loads(path.read_text(encoding="utf-8")))
        if self.number or self.word:
            each = self.store.rows(f"{self.number or 'NULL'} AS value, {self.word or 'false'} AS text")
        else:
            cells = self.store.rows(f"{self.text} AS cell")
            each = f"SELECT row, {sql_value('cell')} AS value, {sql_is_text('cell', 'value')} AS text FROM ({cells})"
        finite = f"coalesce(abs(value) <= {LARGEST!r}, false) AND NOT text"
        counts = f"count(*) FILTER ({finite}), count(*) FILTER (text), min(row) FILTER (text)"
        found = Kind(*self.store.ask(f"SELECT {counts} FROM ({each})")[0])
        with replacing(path) as file:
            file.write_text(json.dumps(list(found)), encoding="utf-8")
        return found

    def numbers(self) -> np.ndarray:
        """The cells as float64, see `seqmodels.data.number_text.to_numbers`."""
        return self.store.kept(f"{self.key}.numbers", np.float64, self._fill_numbers)

    def _fill_numbers(self, array: np.ndarray) -> None:
        start = 0
        for values in self.values():
            array[start : start + len(values)] = values
            start += len(values)

    def values(self) -> Iterator[np.ndarray]:
        """Yield the numbers in order, in arrays of any length; of missing and unusable ones, and of words, NaN."""
        value = self.number or f"CASE WHEN {sql_is_odd('cell')} THEN NULL ELSE {sql_value('cell')} END"
        for part in self.store.parts:
            cells = f"(SELECT {self.text} AS cell FROM {part.source})"
            source = part.source if self.number else cells
            for frame in self.store.stream(f"SELECT ({value})::DOUBLE AS value FROM {source}"):
                values = frame["value"].to_numpy(np.float64, na_value=np.nan)
                yield np.where(np.abs(values) <= LARGEST, values, np.nan)

    def codes(self) -> tuple[np.ndarray, list[str]]:
        """The number of each row's cell in order of first appearance, and the cells by their number."""
        cells = self.store.rows(f"{self.text} AS cell")
        firsts = f"SELECT cell, min(row) AS first FROM ({cells}) GROUP BY cell"
        words = f"SELECT cell, row_number() OVER (ORDER BY first) - 1 AS code FROM ({firsts})"
        names = [name for (name,) in self.store.ask(f"SELECT cell FROM ({words}) ORDER BY code")]

        def fill(array: np.ndarray) -> None:
            for frame in self.store.stream(f"SELECT row, code FROM ({cells}) JOIN ({words}) USING (cell)"):
                array[frame["row"].to_numpy()] = frame["code"].to_numpy()

        return self.store.kept(f"{self.key}.codes", np.int32, fill), names


def link(path: Path, folder: Path, name: str) -> Path:
    """Return another name for a file, in which nothing means anything to DuckDB."""
    place = folder / re.sub(r"[^a-z0-9.]", "", name)
    place.symlink_to(path.resolve())
    return place
