"""A table read as sequences: the wide, long and text layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.order import order_rows, refuse_missing
from seqmodels.data.columns.words import Characters, Words
from seqmodels.data.files.arrays import BLOCK, blocks
from seqmodels.data.files.ragged import Ragged, RaggedWriter
from seqmodels.data.numbers import interpolate
from seqmodels.data.read.table import Table

# Cells of text handled at a time.
TEXTS = 4096


@dataclass(frozen=True)
class Reading:
    """Options by which the rows of a table become sequences.

    Fields:
        missing: "error", "drop" (leave out the row), "interpolate" or, in the wide layout, "end" (blanks
            at the end of a row say that its sequence is shorter).
        differences: whether each step also holds its features' change from the step before.
        level: of the text layout, whether a step is a "character" or a "word".
        lowercase: whether text is read in lower case.
        max_length: steps after which a sequence is cut.
    """

    missing: str = "error"
    differences: bool = False
    level: str = "character"
    lowercase: bool = False
    max_length: int | None = None

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Reading:
        """Make one from a dict that may hold other things too, or lack some."""
        return cls(**{field.name: plain[field.name] for field in fields(cls) if field.name in plain})


@dataclass(frozen=True)
class Sequences:
    """N sequences as they are in a table, neither encoded nor scaled.

    Fields:
        table, layout: where they are from.
        inputs: float64 ``(T, F)`` each, or int32 ``(T,)``, numbers among `tokens`.
        rows: of each, the table's rows it is from: T of them in the long layout, else one.
        tokens: the distinct characters or words.
        cut: how many were longer than was asked for.
    """

    table: Table
    layout: Layout
    inputs: Ragged
    rows: Ragged
    tokens: Sequence[str] = ()
    cut: int = 0

    def __len__(self) -> int:
        return len(self.inputs)

    def select(self, items: np.ndarray) -> Sequences:
        return replace(self, inputs=self.inputs.take(items), rows=self.rows.take(items))

    def codes(self, column: str) -> tuple[np.ndarray, Sequence[str]]:
        """Return the cell of a column in the first row of each sequence: its number ``(N,)`` among names."""
        codes, names = self.table.codes(column)
        return codes[self.rows.first], names

    def cells(self, column: str) -> list[str]:
        codes, names = self.codes(column)
        return [names[code] for code in codes.tolist()]


def read_sequences(table: Table, layout: Layout, how: Reading) -> Sequences:
    """Read the sequences of a table.

    Raises:
        ValueError: a number is missing, a sequence has no steps, or none is left.
    """
    if layout.kind == "wide":
        sequences = _read_wide(table, layout, how.missing)
    elif layout.kind == "long":
        sequences = _read_long(table, layout, how.missing)
    else:
        sequences = _read_text(table, layout, how)
    if len(sequences) == 0:
        raise ValueError(f"{table.path}: no sequence is left after dropping rows with missing values (data.missing)")
    if how.differences:
        sequences = replace(sequences, inputs=_with_differences(table, sequences.inputs))
    return sequences if how.max_length is None else _cut(sequences, how.max_length)


def _cut(sequences: Sequences, steps: int) -> Sequences:
    cut = int((sequences.inputs.lengths > steps).sum())
    inputs, rows = sequences.inputs.cut(steps), sequences.rows.cut(steps)
    return replace(sequences, inputs=inputs, rows=rows, cut=cut)


def _with_differences(table: Table, inputs: Ragged) -> Ragged:
    """Append to each step ``(T, F)`` its change from the step before; of the first step 0."""
    width = inputs.values.shape[1]
    values = table.space.empty((int(inputs.lengths.sum()), 2 * width), np.float64)
    found = Ragged.packed(values, inputs.lengths)
    for part in inputs.parts():
        steps = inputs.flat(part)
        changes = np.diff(steps, axis=0, prepend=steps[:1])
        changes[found.starts[part] - found.starts[part.start]] = 0.0
        begin = int(found.starts[part.start])
        values[begin : begin + len(steps)] = np.concatenate([steps, changes], axis=1)
    return found


def _read_wide(table: Table, layout: Layout, missing: str) -> Sequences:
    """Read a row as a sequence: float64 ``(rows, T, F)``, filled some rows at a time."""
    count, columns, width = len(table), len(layout.features), len(layout.feature_names)
    steps = table.space.empty((count, columns // width, width), np.float64)
    inputs = Ragged.packed(steps.reshape(-1, width), np.full(count, columns // width))
    numbers = [table.numbers(name) for name in layout.features]
    lengths, lacking = inputs.lengths, _Lacking()
    for part in blocks(count, max(1, BLOCK // columns)):
        values = np.stack([column[part] for column in numbers], axis=1)
        steps[part] = values.reshape(-1, columns // width, width)
        absent = ~np.isfinite(values)
        if missing == "end":
            ends = _ends(~absent.reshape(-1, columns // width, width))
            lengths[part] = ends
            absent &= np.arange(columns) < width * ends[:, None]
            absent[ends == 0] = True
        lacking.add(part, absent)
    rows, absent = lacking.found(columns)
    empty = rows[absent.all(axis=1)]
    if missing in ("error", "end"):
        inside = lengths[rows] > 0
        refuse_missing(table, layout.features, rows[inside], absent[inside])
    if missing != "drop" and len(empty):
        raise ValueError(f"{table.place(int(empty[0]))}: the sequence has no steps; remove the line")
    if missing == "interpolate":
        _interpolate(inputs, rows)
    kept = np.delete(np.arange(count), rows) if missing == "drop" else np.arange(count)
    return Sequences(table, layout, inputs.take(kept), _one_each(kept))


class _Lacking:
    """The rows in which something is missing, as they are found."""

    def __init__(self) -> None:
        self._rows: list[np.ndarray] = []
        self._absent: list[np.ndarray] = []

    def add(self, part: slice, absent: np.ndarray) -> None:
        """Note what is missing, bool ``(n, F)``, in some rows."""
        rows = np.flatnonzero(absent.any(axis=1))
        self._rows.append(part.start + rows)
        self._absent.append(absent[rows])

    def found(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows ``(L,)``, and what is missing in each, bool ``(L, F)``."""
        rows = [np.zeros(0, np.int64), *self._rows]
        return np.concatenate(rows), np.concatenate([np.zeros((0, width), bool), *self._absent])


def _ends(there: np.ndarray) -> np.ndarray:
    """Count the steps up to the last that holds anything, of bool ``(N, T, F)``."""
    some = np.asarray(there.any(axis=2))
    return np.where(some.any(axis=1), some.shape[1] - some[:, ::-1].argmax(axis=1), 0)


def _one_each(rows: np.ndarray) -> Ragged:
    return Ragged(rows, np.arange(len(rows)), np.ones(len(rows), np.int64))


def _interpolate(inputs: Ragged, items: np.ndarray) -> None:
    for item in items.tolist():
        steps = inputs[item]
        steps[:] = interpolate(steps, np.zeros(len(steps), int))


def _read_long(table: Table, layout: Layout, missing: str) -> Sequences:
    order = order_rows(table, layout.sequence, "sequence", layout.time, time_format=layout.time_format)
    rows = order.rows
    values, tokens, lacking, absent = _steps(table, layout, rows)
    if layout.text is not None and missing != "drop" and len(lacking):
        row = int(rows[lacking[0]])
        raise ValueError(f"{table.place(row, layout.text)}: expected a word, got a blank; fill it or drop the line")
    if missing == "error":
        refuse_missing(table, layout.features, rows[lacking], absent)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(order.owner)) + 1])
    lengths = np.diff(np.append(starts, len(rows)))
    if missing == "interpolate":
        _interpolate(Ragged(values, starts, lengths), np.unique(np.searchsorted(starts, lacking, side="right") - 1))
    if missing == "drop" and len(lacking):
        lengths -= np.bincount(np.searchsorted(starts, lacking, side="right") - 1, minlength=len(starts))
        values, rows = _without(table, values, lacking), _without(table, rows, lacking)
    lengths = lengths[lengths > 0]
    return Sequences(table, layout, Ragged.packed(values, lengths), Ragged.packed(rows, lengths), tokens)


def _steps(table: Table, layout: Layout, rows: np.ndarray) -> tuple[np.ndarray, Sequence[str], np.ndarray, np.ndarray]:
    """Return numbers ``(N, F)`` or tokens ``(N,)``, the tokens' names, and what is missing: ``(L,)``, ``(L, F)``."""
    lacking, width = _Lacking(), max(1, len(layout.features))
    if layout.text is not None:
        codes, names = table.codes(layout.text, "text")
        blank = np.array([not name.strip() for name in names])
        found = table.space.empty(len(rows), np.int32)
        for part in blocks(len(rows)):
            found[part] = codes[rows[part]]
            lacking.add(part, blank[found[part]][:, None])
        return found, names, *lacking.found(1)
    numbers = [table.numbers(name) for name in layout.features]
    values = table.space.empty((len(rows), width), np.float64)
    for part in blocks(len(rows), max(1, BLOCK // width)):
        values[part] = np.stack([column[rows[part]] for column in numbers], axis=1)
        lacking.add(part, ~np.isfinite(values[part]))
    return values, (), *lacking.found(width)


def _without(table: Table, values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return an array without some of its rows; `places` rise."""
    kept = table.space.empty((len(values) - len(places), *values.shape[1:]), values.dtype)
    stop = 0
    for part in blocks(len(values)):
        own = places[np.searchsorted(places, part.start) : np.searchsorted(places, part.stop)] - part.start
        some = np.delete(values[part], own, axis=0)
        kept[stop : stop + len(some)] = some
        stop += len(some)
    return kept


def _read_text(table: Table, layout: Layout, how: Reading) -> Sequences:
    cells = table.cells(layout.text or "", "text")
    units = Words() if how.level == "word" else Characters()
    writer = RaggedWriter(table.space, np.int32)
    for part in blocks(len(cells), TEXTS):
        texts = [cell.lower() for cell in cells[part]] if how.lowercase else cells[part]
        writer.add(*units.tokens(texts))
    inputs = writer.close()
    empty = np.flatnonzero(inputs.lengths == 0)
    if len(empty) and how.missing != "drop":
        raise ValueError(
            f"{table.place(int(empty[0]), layout.text)}: the text is empty ({len(empty)} such lines in all), so the "
            "sequence has no steps; fill it in, or leave such lines out with data.missing=drop"
        )
    kept = np.flatnonzero(inputs.lengths)
    return Sequences(table, layout, inputs.take(kept), _one_each(kept), units.names)
