"""A table read as sequences: the wide, long and text layouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.order import order_rows, refuse_missing
from seqmodels.data.columns.words import split_words
from seqmodels.data.numbers import interpolate
from seqmodels.data.read.table import Table

LEVELS = ("character", "word")
MISSING_CHOICES = ("error", "drop", "interpolate", "end")


@dataclass(frozen=True)
class Reading:
    """How the rows of a table become sequences.

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
        """As a dict of plain values."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Reading:
        """From a dict that may hold other things too, or lack some."""
        return cls(**{field.name: plain[field.name] for field in fields(cls) if field.name in plain})


@dataclass(frozen=True)
class Sequences:
    """N sequences as they are in a table, neither encoded nor scaled.

    Fields:
        table, layout: where they are from.
        inputs: of each, float64 ``(T, F)`` or a list of T tokens.
        rows: of each, the table's rows it is from: T of them in the long layout, else one.
        cut: how many were longer than was asked for.
    """

    table: Table
    layout: Layout
    inputs: list[Any]
    rows: list[np.ndarray]
    cut: int = 0

    def __len__(self) -> int:
        return len(self.inputs)

    def select(self, items: np.ndarray) -> Sequences:
        """Some of the sequences."""
        return replace(self, inputs=[self.inputs[i] for i in items], rows=[self.rows[i] for i in items])

    def cells(self, column: str) -> list[str]:
        """Of each sequence, the cell of a column in its first row."""
        cells = self.table.columns[column]
        return [cells[rows[0]] for rows in self.rows]


def read_sequences(table: Table, layout: Layout, how: Reading) -> Sequences:
    """The sequences of a table.

    Raises:
        ValueError: a number is missing, a sequence has no steps, or none is left.
    """
    sequences = read_piece(table, layout, how)
    if len(sequences) == 0:
        raise ValueError(f"{table.path}: no sequence is left after dropping rows with missing values (data.missing)")
    return sequences


def read_piece(table: Table, layout: Layout, how: Reading) -> Sequences:
    """The sequences of a table that is a piece of another, and may have none.

    Raises:
        ValueError: a number is missing, or a sequence has no steps.
    """
    if layout.kind == "wide":
        sequences = _read_wide(table, layout, how.missing)
    elif layout.kind == "long":
        sequences = _read_long(table, layout, how.missing)
    else:
        sequences = _read_text(table, layout, how)
    if how.differences:
        inputs = [np.concatenate([x, np.diff(x, axis=0, prepend=x[:1])], axis=1) for x in sequences.inputs]
        sequences = replace(sequences, inputs=inputs)
    return sequences if how.max_length is None else _cut(sequences, how.max_length)


def _cut(sequences: Sequences, steps: int) -> Sequences:
    """The first steps of each sequence."""
    cut = sum(len(x) > steps for x in sequences.inputs)
    inputs, rows = ([part[:steps] for part in parts] for parts in (sequences.inputs, sequences.rows))
    return replace(sequences, inputs=inputs, rows=rows, cut=cut) if cut else sequences


def _read_wide(table: Table, layout: Layout, missing: str) -> Sequences:
    values = np.stack([table.numbers(name) for name in layout.features], axis=1)
    absent = ~np.isfinite(values)
    rows, width = np.arange(len(table)), len(layout.feature_names)
    steps = values.reshape(len(table), -1, width)
    ends = np.full(len(table), steps.shape[1])
    if missing == "end":
        there = np.isfinite(steps).any(axis=2)
        ends = np.where(there.any(axis=1), there.shape[1] - there[:, ::-1].argmax(axis=1), 0)
        absent &= np.arange(values.shape[1]) < width * ends[:, None]
    if missing in ("error", "end"):
        refuse_missing(table, layout.features, rows, absent)
    empty = np.flatnonzero(absent.all(axis=1) | (ends == 0))
    if missing != "drop" and len(empty):
        raise ValueError(f"{table.place(int(empty[0]))}: the sequence has no steps; remove the line")
    kept = rows[~absent.any(axis=1)] if missing == "drop" else rows
    if missing == "interpolate":
        return Sequences(table, layout, [interpolate(x, np.zeros(len(x), int)) for x in steps], list(rows[:, None]))
    return Sequences(table, layout, [steps[i, : ends[i]] for i in kept], list(kept[:, None]))


def _read_long(table: Table, layout: Layout, missing: str) -> Sequences:
    order = order_rows(table, layout.sequence, "sequence", layout.time, time_format=layout.time_format)
    rows, owner = order.rows, order.owner
    if layout.text is not None:
        cells = np.array(table.cells(layout.text, "text"), dtype=object)[rows]
        absent = np.array([not cell.strip() for cell in cells])[:, None]
        if missing != "drop" and absent.any():
            row = int(rows[np.flatnonzero(absent)[0]])
            raise ValueError(f"{table.place(row, layout.text)}: expected a word, got a blank; fill it or drop the line")
    else:
        cells = np.stack([table.numbers(name) for name in layout.features], axis=1)[rows]
        absent = ~np.isfinite(cells)
        if missing == "error":
            refuse_missing(table, layout.features, rows, absent)
        cells = interpolate(cells, owner) if missing == "interpolate" else cells
    if missing == "drop":
        kept = ~absent.any(axis=1)
        cells, rows, owner = cells[kept], rows[kept], owner[kept]
    cuts = np.flatnonzero(np.diff(owner)) + 1
    inputs = [list(x) if layout.text else x for x in np.split(cells, cuts) if len(x)]
    return Sequences(table, layout, inputs, [part for part in np.split(rows, cuts) if len(part)])


def _read_text(table: Table, layout: Layout, how: Reading) -> Sequences:
    cells = table.cells(layout.text or "", "text")
    split = split_words if how.level == "word" else list
    steps = [split(cell.lower() if how.lowercase else cell) for cell in cells]
    empty = [row for row, tokens in enumerate(steps) if not tokens]
    if empty and how.missing != "drop":
        raise ValueError(
            f"{table.place(empty[0], layout.text)}: the text is empty ({len(empty)} such lines in all), so the "
            "sequence has no steps; fill it in, or leave such lines out with data.missing=drop"
        )
    kept = [row for row, tokens in enumerate(steps) if tokens]
    return Sequences(table, layout, [steps[row] for row in kept], [np.array([row]) for row in kept])
