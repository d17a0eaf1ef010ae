"""A column that DuckDB reads: its cells, numbers and codes, block by block, kept for the next run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seqmodels.data.files.arrays import blocks
from seqmodels.data.number_text import sql_is_text, sql_value, to_numbers
from seqmodels.data.numbers import LARGEST
from seqmodels.data.read.database import Store
from seqmodels.data.read.table import Cells, Dates, Kind
from seqmodels.files.atomic import replacing

# Dates that DuckDB reads as everybody does, and their offset from UTC.
ISO = r"\d{4}-\d{2}-\d{2}([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.]\d{1,6})?)?)?"
ISO_OFFSET = r"\d{4}-\d{2}-\d{2}[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.]\d{1,6})?)?(Z|[+-](0\d|1[0-4]):(00|15|30|45))"
# Years that nanoseconds count in 64 bits, with any offset.
ISO_YEARS = ("1679", "2261")
NO_DATE = np.iinfo(np.int64).min
LOOKED_AT = 1000  # cells that tell whether a column may be of numbers


class StoredCells(Cells):
    """A column that lies in a `Store`, by SQL: its cells as text, as numbers, and whether a cell is a word."""

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
        path = self._kind_path
        if not path.exists() and self.number is None and self.word is None and self._begins_with_numbers():
            self.numbers()  # which counts them on its way
        if not path.exists():
            each = f"{self._value} AS value, {self._is_text} AS text"
            rows = self.store.rows(
                f"{self.text} AS cell, {self.number or 'NULL'} AS number, {self.word or 'NULL'} AS word"
            )
            finite = f"coalesce(abs(value) <= {LARGEST!r}, false) AND NOT text"
            counts = f"count(*) FILTER ({finite}), count(*) FILTER (text), min(row) FILTER (text)"
            self._keep_kind(Kind(*self.store.ask(f"SELECT {counts} FROM (SELECT row, {each} FROM ({rows}))")[0]))
        return Kind(*json.loads(path.read_text(encoding="utf-8")))

    @property
    def _kind_path(self) -> Path:
        return self.store.folder / f"{self.key}.json"

    def _keep_kind(self, kind: Kind) -> None:
        with replacing(self._kind_path) as file:
            file.write_text(json.dumps(list(kind)), encoding="utf-8")

    def _begins_with_numbers(self) -> bool:
        values, text = to_numbers(self[:LOOKED_AT])
        return int(np.isfinite(values).sum()) > len(text)

    def numbers(self) -> np.ndarray:
        """Return the cells as float64, see `seqmodels.data.number_text.to_numbers`."""
        return self.store.kept(f"{self.key}.numbers", np.float64, self._fill_numbers)

    def _fill_numbers(self, array: np.ndarray) -> None:
        start = finite = texts = 0
        first: int | None = None
        for values, text in self.values():
            array[start : start + len(values)] = values
            finite, texts = finite + int(np.isfinite(values).sum()), texts + int(text.sum())
            first = start + int(text.argmax()) if first is None and text.any() else first
            start += len(values)
        self._keep_kind(Kind(finite, texts, first))

    def values(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the numbers, NaN where there is no usable one, and whether a cell is text, in arrays of any length."""
        each = f"{self._value} AS value, {self._is_text} AS text"
        for part in self.store.parts:
            for frame in self.store.stream(f"SELECT {each} FROM (SELECT {self._items} FROM {part.source})"):
                values, text = frame["value"].to_numpy(np.float64, na_value=np.nan), frame["text"].to_numpy(bool)
                yield np.where((np.abs(values) <= LARGEST) & ~text, values, np.nan), text

    @property
    def _items(self) -> str:
        return f"{self.text} AS cell, {self.number or 'NULL'} AS number, {self.word or 'NULL'} AS word"

    @property
    def _value(self) -> str:
        return "number::DOUBLE" if self.number or self.word else f"({sql_value('cell')})::DOUBLE"

    @property
    def _is_text(self) -> str:
        return "false" if self.number else "word" if self.word else f"({sql_is_text('cell', sql_value('cell'))})"

    def codes(self) -> tuple[np.ndarray, list[str]]:
        """Enumerate the cells in order of first appearance; return each row's number, and the cells."""
        cells = self.store.rows(f"{self.text} AS cell")
        firsts = f"SELECT cell, min(row) AS first FROM ({cells}) GROUP BY cell"
        words = f"SELECT cell, row_number() OVER (ORDER BY first) - 1 AS code FROM ({firsts})"
        path = self.store.folder / f"{self.key}.names"
        if not path.exists():
            names = [name for (name,) in self.store.ask(f"SELECT cell FROM ({words}) ORDER BY code")]
            with replacing(path) as file:
                file.write_text(json.dumps(names), encoding="utf-8")

        def fill(array: np.ndarray) -> None:
            for frame in self.store.stream(f"SELECT row, code FROM ({cells}) JOIN ({words}) USING (cell)"):
                array[frame["row"].to_numpy()] = frame["code"].to_numpy()

        codes = self.store.kept(f"{self.key}.codes", np.int32, fill)
        return codes, json.loads(path.read_text(encoding="utf-8"))

    def dates(self) -> Dates | None:
        """Read the cells as ISO dates all at once; None where they have to be read one by one."""
        pattern = next((one for one in (ISO, ISO_OFFSET) if re.fullmatch(one, self[0])), None)
        if pattern is None:
            return None
        kind = "TIMESTAMPTZ" if pattern is ISO_OFFSET else "TIMESTAMP"
        fits = f"regexp_full_match(cell, '{pattern}') AND cell BETWEEN '{ISO_YEARS[0]}' AND '{ISO_YEARS[1]}'"
        value = f"CASE WHEN {fits} THEN epoch_us(try_cast(cell AS {kind})) * 1000 END"
        each = f"SELECT row, coalesce({value}, {NO_DATE}) AS value FROM ({self.store.rows(f'{self.text} AS cell')})"

        def fill(array: np.ndarray) -> None:
            for frame in self.store.stream(each):
                array[frame["row"].to_numpy()] = frame["value"].to_numpy()

        values = self.store.kept(f"{self.key}.dates", np.int64, fill)
        if any((values[rows] == NO_DATE).any() for rows in blocks(len(values))):
            return None
        return Dates(values, pattern is ISO_OFFSET)
