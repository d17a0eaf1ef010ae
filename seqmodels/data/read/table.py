"""Columns of text by name, and text as numbers, with errors that name line and column.

Cells are kept as the text they are, so that a label 007 stays 007 and a name "NA" stays a name;
a column becomes numbers only when it is asked for as numbers.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqmodels.data.files.arrays import Space, blocks
from seqmodels.data.files.lazy import LazySequence
from seqmodels.data.number_text import to_numbers, to_truth
from seqmodels.data.read.delimited.dialect import names_by_place
from seqmodels.quoting import listed, nearest, shown

# Spellings of true, false and nothing that one column may have.
WORDS_OF_TRUTH = 40


class Kind(NamedTuple):
    """Counts of numbers and of text in a column.

    Fields:
        finite: cells that are numbers of a usable size.
        text: cells that are neither numbers nor missing.
        first: the row of the first of those; None where there is none.
    """

    finite: int
    text: int
    first: int | None


class Dates(NamedTuple):
    """The cells of a column of ISO dates, all written alike.

    Fields:
        values: int64 ``(rows,)``, nanoseconds since 1970, in UTC where the cells have an offset.
        offset: whether they have one.
    """

    values: np.ndarray
    offset: bool


class Cells(LazySequence[str]):
    """A column that is not in memory: its cells are read when they are asked for, in blocks."""

    @abstractmethod
    def pieces(self) -> Iterator[list[str]]:
        """Yield all cells in order, in lists of any length."""

    @abstractmethod
    def _range(self, start: int, stop: int) -> list[str]: ...

    @abstractmethod
    def kind(self) -> Kind:
        """Count the numbers and the words."""

    @abstractmethod
    def numbers(self) -> np.ndarray:
        """Return the cells as float64; NaN where they are none."""

    @abstractmethod
    def codes(self) -> tuple[np.ndarray, list[str]]:
        """Enumerate the cells in order of first appearance; return each row's number, and the cells."""

    def dates(self) -> Dates | None:
        """Read the cells as ISO dates all at once; None where they have to be read one by one."""
        return None

    def __iter__(self) -> Iterator[str]:
        return itertools.chain.from_iterable(self.pieces())

    def item(self, index: int) -> str:
        return self._range(index, index + 1)[0]

    def items(self, places: range) -> list[str]:
        if places.step != 1:
            return super().items(places)
        return self._range(places.start, places.stop) if places else []


@dataclass(frozen=True)
class ListColumn:
    """A column whose cells are lists, the steps of a sequence each.

    Fields:
        lengths: int64 ``(rows,)``, steps of each row.
        columns: the steps of all rows, one after the other; several columns where a step is several numbers.
    """

    lengths: np.ndarray
    columns: dict[str, Sequence[str]]

    def is_numeric(self, name: str) -> bool:
        cells = self.columns.get(name, [])
        return not (cells.kind().text if isinstance(cells, Cells) else to_numbers(cells)[1])


class Table:
    """The columns of a file, and where in the file each row lies.

    A table that does not fit in memory gives the same through the same methods: its cells are read in blocks
    when they are asked for, and its arrays are files mapped into memory. So nothing that works block by block
    has to know which of the two it has.

    >>> table = Table("sales.csv", {"day": ["1", "2"], "sales": ["3.5", ""]}, [2, 3])
    >>> table.numbers("sales").tolist()
    [3.5, nan]
    >>> table.place(1, "sales")
    "sales.csv, line 3, column 'sales'"

    Args:
        path: named in errors.
        columns: name -> cells, all of one length.
        lines: the line of the file on which each row ends.
        unit: what `lines` count: lines, or rows where a file has no lines.
        lists: columns whose cells are lists, by name.
        left_out: columns that could not be read, with their types.
        space: room for arrays made from the table, in memory or on disk.
        notes: what was decided in reading it, in words.
        stamp: plain values that tell the file's contents from others, a key for what is kept of them.
    """

    def __init__(
        self,
        path: str,
        columns: Mapping[str, Sequence[str]],
        lines: Sequence[int],
        unit: str = "line",
        lists: dict[str, ListColumn] | None = None,
        left_out: dict[str, str] | None = None,
        space: Space | None = None,
        notes: Sequence[str] = (),
        stamp: Sequence[object] = (),
    ) -> None:
        self.path = path
        self.columns = dict(columns)
        self.lines = lines
        self.unit = unit
        self.lists = lists or {}
        self.left_out = left_out or {}
        self.space = space or Space()
        self.notes = tuple(notes)
        self.stamp = list(stamp)
        self._parsed: dict[str, tuple[Kind, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.lines)

    def place(self, row: int, name: str | None = None) -> str:
        """Say where a row, or a cell of it, is."""
        where = f"{self.path}, {self.unit} {self.lines[row]}"
        return where if name is None else f"{where}, column {shown(name)}"

    def cells(self, name: str, option: str) -> Sequence[str]:
        """Return the text of a column that the option named `option` asks for.

        Raises:
            ValueError: no column has that name.
        """
        if name not in self.columns:
            close = nearest(name, self.columns)
            hint = f"; did you mean {shown(close)}?" if close else "."
            found = listed([*self.columns, *(f"{other} (lists)" for other in self.lists)])
            if name in self.left_out:
                hint = f" that can be read (it is of type {self.left_out[name]})."
            elif list(self.columns) == names_by_place(len(self.columns)):
                hint = "; a file whose first line does not name its columns has them called by their place."
            elif sum(np.isfinite(to_numbers(list(self.columns))[0])) > 1:
                hint = "; where its first line is data, put a line with the columns' names above it."
            raise ValueError(f"data.{option}: {self.path} has no column {shown(name)}{hint} Its columns: {found}")
        return self.columns[name]

    def blocks(self, name: str) -> Iterator[list[str]]:
        """Yield the cells of a column in order, `BLOCK` rows at a time; of a large table no more are in memory."""
        cells = self.columns[name]
        if not isinstance(cells, Cells):
            yield from (list(cells[part]) for part in blocks(len(cells)))
            return
        pieces, rest = cells.pieces(), list[str]()
        for part in blocks(len(cells)):
            while len(rest) < part.stop - part.start:
                rest += next(pieces)
            yield rest[: part.stop - part.start]
            rest = rest[part.stop - part.start :]

    def codes(self, name: str, option: str = "series") -> tuple[np.ndarray, list[str]]:
        """Enumerate the distinct cells of a column in order of their first appearance.

        >>> Table("a.csv", {"shop": ["b", "a", "b"]}, [2, 3, 4]).codes("shop")
        (array([0, 1, 0], dtype=int32), ['b', 'a'])

        Raises:
            ValueError: no column has that name.
        """
        cells = self.cells(name, option)
        if isinstance(cells, Cells):
            return cells.codes()
        numbers = self.space.empty(len(self), np.int32)
        seen: dict[str, int] = {}
        for part in blocks(len(self)):
            numbers[part] = [seen.setdefault(cell, len(seen)) for cell in cells[part]]
        return numbers, list(seen)

    def is_numeric(self, name: str) -> bool:
        """Say whether the column is meant as numbers: most of its cells that are not missing are."""
        kind = self.kind(name)
        return kind.finite > kind.text

    def numbers(self, name: str, option: str = "features") -> np.ndarray:
        """Return the column as float64 ``(rows,)``; missing, infinite and huge values are NaN.

        A column of nothing but true and false, yes and no, or t and f is 1 and 0.

        Raises:
            ValueError: a cell holds text.
        """
        self.cells(name, option)
        kind = self.kind(name)
        if kind.first is not None:
            if kind.finite == 0 and (truth := self._truth(name)) is not None:
                return truth
            cell = self.columns[name][kind.first]
            comma = ", with a point, not a comma, before the decimals" if cell.count(",") == 1 else ""
            leave = ", or leave the column out with data.features=[...]" if option == "features" else ""
            raise ValueError(
                f"{self.place(kind.first, name)}: expected a number, got {shown(cell)}; write a number{comma}{leave}"
            )
        return self._values(name)

    def know_numbers(self, numbers: dict[str, np.ndarray]) -> None:
        """Take columns as numbers ``(rows,)`` that need not be read from text."""
        self._parsed |= {name: (Kind(len(own), 0, None), own) for name, own in numbers.items()}

    def forget_numbers(self, name: str) -> None:
        """Read a column anew, which has changed."""
        self._parsed.pop(name, None)

    def kind(self, name: str) -> Kind:
        """Return what the cells of a column are."""
        cells = self.columns[name]
        if name not in self._parsed and isinstance(cells, Cells):
            return cells.kind()
        if name not in self._parsed:
            values, text = to_numbers(cells)
            finite = int(np.isfinite(values).sum())
            self._parsed[name] = Kind(finite, len(text), text[0] if text else None), values
        return self._parsed[name][0]

    def _values(self, name: str) -> np.ndarray:
        cells = self.columns[name]
        return cells.numbers() if name not in self._parsed and isinstance(cells, Cells) else self._parsed[name][1]

    def _truth(self, name: str) -> np.ndarray | None:
        """Return a column of yes and no, or of true and false, as 1 and 0; None where it holds other words."""
        numbers, words = self.codes(name)
        values = to_truth(words) if len(words) <= WORDS_OF_TRUTH else None
        return None if values is None else np.array(values)[numbers]

    def without(self, names: Sequence[str]) -> Table:
        """Return the same rows without some columns; what is known of the others is kept.

        >>> list(Table("a.csv", {"x": ["1"], "y": ["2"]}, [2]).without(["x"]).columns)
        ['y']
        """
        found = copy(self)
        found.columns = {name: cells for name, cells in self.columns.items() if name not in names}
        return found

    def having(self, columns: Mapping[str, Sequence[str]], lines: Sequence[int]) -> Table:
        """Return other rows made of these, with their place in the file."""
        space, notes = self.space, self.notes
        return Table(self.path, columns, lines, self.unit, space=space, notes=notes, stamp=self.stamp)
