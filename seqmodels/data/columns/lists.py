"""List columns, rows that hold whole sequences, written out: a row for each step, as in the long layout.

row  label  x            row  label  x
1    up     [3, 4]   ->  1    up     3
2    down   [5]          1    up     4
                         2    down   5
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from seqmodels.data.columns.roles import Columns
from seqmodels.data.files.arrays import blocks
from seqmodels.data.files.lazy import LazySequence
from seqmodels.data.number_text import to_numbers
from seqmodels.data.read.table import Cells, Kind, Table
from seqmodels.quoting import listed, shown

# The column that says which row a step is of.
ROW = "row"


def unnest(table: Table, asked: Columns, missing: str) -> tuple[Table, Columns, tuple[str, ...]]:
    """Return the table with its lists written out if they are to be, the roles of its columns, and which lists.

    They are if `asked` names one of them or the layout nested, or names nothing to learn from.

    Raises:
        ValueError: lists of one row have different lengths, a row has no steps, or there are no lists at all.
    """
    lists = table.lists
    targets = (asked.target, *asked.more_targets)
    named = [name for name in (*targets, asked.text, *(asked.features or ())) if name in lists]
    free = asked.features is None and asked.text is None and asked.sequence is None and asked.series is None
    if asked.layout == "nested" and not lists:
        raise ValueError(
            f"data.layout=nested: {table.path} has no column of lists (its columns: {listed(table.columns)}); "
            "choose another layout"
        )
    if not lists or not (asked.layout == "nested" or named or (free and asked.layout is None)):
        return table, asked, ()
    numbers = [name for name, column in lists.items() if column.is_numeric(name)]
    chosen = tuple(dict.fromkeys([*named, *(numbers if free else [])])) or tuple(lists)[:1]
    if asked.text is None and free and not [name for name in chosen if name not in targets]:
        texts = [name for name in lists if name not in targets]
        if len(texts) == 1:  # words with their tags
            chosen, asked = (*chosen, *texts), replace(asked, text=texts[0])
    features = asked.features
    if features is not None:
        features = tuple(key for name in features for key in (lists[name].columns if name in lists else (name,)))
    elif asked.text is None:
        features = tuple(key for name in chosen if name not in targets for key in lists[name].columns)
    asked = replace(asked, layout="long", sequence=asked.sequence or ROW, features=features)
    return explode(table, chosen, missing), asked, chosen


def explode(table: Table, chosen: tuple[str, ...], missing: str) -> Table:
    """Return a row for each step of the chosen lists; all other columns are repeated."""
    for name in chosen:
        if name not in table.lists:
            raise ValueError(
                f"{table.path} has no column of lists {shown(name)}; it has {listed(table.lists) or 'none'}"
            )
    lists = {name: table.lists[name] for name in chosen}
    lengths = lists[chosen[0]].lengths
    for name, column in lists.items():
        other = np.flatnonzero(column.lengths != lengths)
        if len(other):
            row = int(other[0])
            raise ValueError(
                f"{table.place(row, name)}: expected {lengths[row]} steps as in {shown(chosen[0])}, got "
                f"{column.lengths[row]}; the lists of a row must be of one length"
            )
    empty = np.flatnonzero(lengths == 0)
    if len(empty) and missing != "drop":
        raise ValueError(
            f"{table.place(int(empty[0]), chosen[0])}: the sequence has no steps ({len(empty)} such rows in all); "
            "leave such rows out with data.missing=drop"
        )
    owner = _owners(table, lengths)
    large = any(isinstance(cells, Cells) for name in chosen for cells in table.lists[name].columns.values())
    lines = _Lines(table.lines, owner)
    columns: dict[str, Sequence[str]] = {ROW: _Repeated(_Rows(table.lines), owner, lengths)}
    for name, cells in table.columns.items():
        columns.setdefault(name, _Repeated(cells, owner, lengths))
    if not large:
        columns = {name: list(cells) for name, cells in columns.items()}
    for column in lists.values():
        columns |= column.columns
    return table.having(columns, lines if large else list(lines))


def _owners(table: Table, lengths: np.ndarray) -> np.ndarray:
    """Return the row that each step is of, int64 ``(steps,)``."""
    ends = np.cumsum(lengths)
    owner = table.space.empty(int(ends[-1]) if len(ends) else 0, np.int64)
    for part in blocks(len(table)):
        start = int(ends[part.start]) - int(lengths[part.start])
        owner[start : int(ends[part.stop - 1])] = np.repeat(np.arange(part.start, part.stop), lengths[part])
    return owner


class _Lines(LazySequence[int]):
    """The line of the row that each step is of."""

    def __init__(self, lines: Sequence[int], owner: np.ndarray) -> None:
        self.lines, self.owner = lines, owner

    def __len__(self) -> int:
        return len(self.owner)

    def item(self, index: int) -> int:
        return self.lines[int(self.owner[index])]


class _Rows(LazySequence[str]):
    """The line of each row as text."""

    def __init__(self, lines: Sequence[int]) -> None:
        self.lines = lines

    def __len__(self) -> int:
        return len(self.lines)

    def item(self, index: int) -> str:
        return str(self.lines[index])


class _Repeated(Cells):
    """The cells of rows, of which each comes once for each of its steps."""

    def __init__(self, cells: Sequence[str], owner: np.ndarray, lengths: np.ndarray) -> None:
        self.cells, self.owner, self.lengths = cells, owner, lengths

    def __len__(self) -> int:
        return len(self.owner)

    def pieces(self) -> Iterator[list[str]]:
        return (self._range(part.start, part.stop) for part in blocks(len(self)))

    def _range(self, start: int, stop: int) -> list[str]:
        rows = self.owner[start:stop].tolist()
        some = self.cells[rows[0] : rows[-1] + 1]
        return [some[row - rows[0]] for row in rows]

    def kind(self) -> Kind:
        finite = text = 0
        first: int | None = None
        for part in blocks(len(self.cells)):
            values, rows = to_numbers(self.cells[part])
            lengths = self.lengths[part]
            finite += int(lengths[np.isfinite(values)].sum())
            text += int(lengths[rows].sum())
            there = [row for row in rows if lengths[row]]
            if first is None and there:
                first = int(self.lengths[: part.start + there[0]].sum())
        return Kind(finite, text, first)

    def numbers(self) -> np.ndarray:
        values = self.cells.numbers() if isinstance(self.cells, Cells) else to_numbers(self.cells)[0]
        return values[self.owner]

    def codes(self) -> tuple[np.ndarray, list[str]]:
        names: dict[str, int] = {}
        rows = np.empty(len(self.cells), np.int32)
        for part in blocks(len(self.cells)):
            kept = zip(self.cells[part], self.lengths[part].tolist(), strict=True)
            rows[part] = [names.setdefault(cell, len(names)) if steps else -1 for cell, steps in kept]
        return rows[self.owner], list(names)
