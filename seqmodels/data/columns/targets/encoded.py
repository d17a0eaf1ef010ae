"""Targets of a table, checked and encoded.

T steps of a sequence, V classes or values.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.sequences import Sequences
from seqmodels.data.columns.targets.labels import BETWEEN_LABELS, Labels
from seqmodels.data.files.arrays import Space
from seqmodels.data.files.ragged import Ragged
from seqmodels.data.numbers import apply_scale
from seqmodels.data.read.table import Table
from seqmodels.quoting import listed, shown
from seqmodels.spec import Spec

_log = logging.getLogger(__name__)


def check_targets(sequences: Sequences, missing: str) -> Sequences:
    """Refuse blank targets; with missing="drop", leave out the sequences that have one.

    Raises:
        ValueError: a target is blank, a number that is missing or, of several labels in columns, neither
            0 nor 1; or not the same throughout a sequence that should have one only.
    """
    table, layout = sequences.table, sequences.layout
    for name in layout.targets:
        cells = table.cells(name, "target")
        if layout.target_per == "sequence":
            refuse_change(sequences, name, "mend it, or say data.target_per=step")
        blank = _blank(table, layout, name)
        lacking = np.zeros(0, np.int64) if blank is None else _lacking(sequences.rows, blank)
        if len(lacking) and missing != "drop" and blank is not None:
            row = next(int(row) for row in sequences.rows[int(lacking[0])] if blank[row])
            raise ValueError(
                f"{table.place(row, name)}: expected a target, got {shown(cells[row])} "
                f"({len(lacking)} sequences lack one); fill it in, or leave such sequences out with data.missing=drop"
            )
        if len(lacking):
            sequences = sequences.select(np.delete(np.arange(len(sequences)), lacking))
    return sequences


def has_targets(sequences: Sequences, spec: Spec) -> bool:
    """Say whether every sequence has targets that training knew; where some have, a warning tells of the others."""
    table, layout = sequences.table, sequences.layout
    if not set(layout.targets) <= set(table.columns):
        return False
    for name in layout.targets:
        blank = _blank(table, layout, name)
        lacking = 0 if blank is None else len(_lacking(sequences.rows, blank))
        if lacking:
            _log.warning("%s: %d of %d sequences have no target: none is used", table.path, lacking, len(sequences))
            return False
    if spec.targets == "values":
        return True
    labels = Labels(table, layout)
    seen = np.flatnonzero(labels.counts(used_rows(sequences)))
    new = [labels.names[i] for i in seen if labels.names[i] not in spec.target_names]
    if new:
        _log.warning("%s: labels that training never saw (%s): no target is used", table.path, listed(new, quoted=True))
    return not new


def _lacking(rows: Ragged, blank: np.ndarray) -> np.ndarray:
    found = np.zeros(len(rows), dtype=bool)
    for part in rows.parts():
        lengths = rows.lengths[part]
        found[part] = np.logical_or.reduceat(blank[rows.flat(part)], np.cumsum(lengths) - lengths)
    return np.flatnonzero(found)


def refuse_change(sequences: Sequences, column: str, cure: str) -> None:
    """Refuse a column that is not the same in all rows of a sequence."""
    rows, table = sequences.rows, sequences.table
    if len(rows) == int(rows.lengths.sum()):  # one row each
        return
    codes, names = table.codes(column)
    for part in rows.parts():
        own = rows.flat(part)
        first = np.repeat(rows.first[part], rows.lengths[part])
        changed = np.flatnonzero(codes[own] != codes[first])
        if len(changed):
            other, of = int(own[changed[0]]), int(first[changed[0]])
            raise ValueError(
                f"{table.place(other, column)}: got {shown(names[codes[other]])}, but {shown(names[codes[of]])} on "
                f"{table.unit} {table.lines[of]} of the same sequence; {cure}"
            )


def _blank(table: Table, layout: Layout, name: str) -> np.ndarray | None:
    """Mark blank targets, bool ``(rows,)``, None for nowhere; a cell without a name is a set too, the empty one."""
    if layout.target_kind == "labels" and not layout.more_targets:
        codes, names = table.codes(name, "target")
        blank = np.array([not cell.strip() for cell in names])
        return blank[codes] if blank.any() else None
    if layout.target_kind == "sets" and not layout.more_targets:
        return None
    values = table.numbers(name, "target")
    blank = np.isnan(values)
    if layout.target_kind == "sets":
        wrong = np.flatnonzero(~blank & ~np.isin(values, (0, 1)))
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(
                f"{table.place(row, name)}: expected 1 (the label holds) or 0 (it does not), got "
                f"{shown(table.columns[name][row])}; mend it, or say data.target_kind=values to learn the number"
            )
    return blank


def used_rows(sequences: Sequences) -> Ragged:
    """Return the rows of each sequence whose targets count: all of them, or the first."""
    return sequences.rows if sequences.layout.target_per == "step" else sequences.rows.cut(1)


def refuse_one_class(sequences: Sequences) -> None:
    """Refuse labels or values that are all the same, or sets that are all empty."""
    table, layout = sequences.table, sequences.layout
    column = f"{table.path}, column {listed(layout.targets, quoted=True)}"
    if layout.target_kind == "values":
        low, high = target_range(sequences)
        if int(used_rows(sequences).lengths.sum()) > 1 and (low == high).all():
            raise ValueError(f"{column}: expected different values to be learned, got {low[0]:g} everywhere")
        return
    labels = Labels(table, layout)
    counts = labels.counts(used_rows(sequences))
    if layout.target_kind == "sets":
        if not counts.any():
            raise ValueError(
                f"{column}: no sequence has any of the labels; "
                f"write names with {BETWEEN_LABELS!r} between them, or columns of 0 and 1"
            )
        return
    if np.count_nonzero(counts) < 2:
        raise ValueError(
            f"{column}: expected two classes or more to tell apart, got only "
            f"{shown(labels.names[int(counts.argmax())])}; if it holds numbers to be predicted, say "
            "data.target_kind=values"
        )


def target_range(sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
    rows, table, layout = used_rows(sequences), sequences.table, sequences.layout
    low, high = np.full(len(layout.targets), np.inf), np.full(len(layout.targets), -np.inf)
    for part in rows.parts():
        values = target_values(table, layout, rows.flat(part))
        low, high = np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0))
    return low, high


def target_values(table: Table, layout: Layout, rows: np.ndarray) -> np.ndarray:
    """Return the target columns of some rows as float64 ``(n, V)``."""
    return np.stack([table.numbers(name, "target")[rows] for name in layout.targets], axis=1)


def encode_targets(
    sequences: Sequences, spec: Spec, targets: bool, space: Space, name: str | None = None
) -> Ragged | np.ndarray:
    """Encode labels as numbers, sets as a 0 or 1 for each, values scaled: per sequence or per step.

    Raises:
        ValueError: a label is none of the spec's.
    """
    per_step = spec.target_shape == "step"
    rows = sequences.rows if per_step else sequences.rows.cut(1)
    lengths = sequences.inputs.lengths if per_step else np.ones(len(sequences), np.int64)
    width = () if spec.targets == "labels" else (spec.target_size,)
    dtype = np.int64 if spec.targets == "labels" else np.float32
    values = space.empty((int(lengths.sum()), *width), dtype, name)
    found = Ragged.packed(values, lengths)
    if not targets:
        values[:] = 0
        return found if per_step else values
    encoded = _encoder(sequences, spec)
    for part in rows.parts():
        begin, own = int(found.starts[part.start]), rows.flat(part)
        values[begin : begin + len(own)] = encoded(own)
    return found if per_step else values


def _encoder(sequences: Sequences, spec: Spec) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that encodes the targets of some rows of the table."""
    table, layout = sequences.table, sequences.layout
    if spec.targets == "values":
        return lambda rows: apply_scale(target_values(table, layout, rows), spec.shift, spec.scale)
    labels = Labels(table, layout)
    code = {label: i for i, label in enumerate(spec.target_names)}
    number = np.array([code.get(name, -1) for name in labels.names], np.int64)

    def encode(rows: np.ndarray) -> np.ndarray:
        holding, place = labels.holding(rows)
        classes = number[holding]
        new = np.flatnonzero(classes < 0)
        if len(new):
            _refuse_new(sequences, int(rows[place[new[0]]]), labels.names[holding[new[0]]], spec.target_names)
        if spec.targets == "labels":
            return classes
        holds = np.zeros((len(rows), len(code)), np.float32)
        holds[place, classes] = 1.0
        return holds

    return encode


def _refuse_new(sequences: Sequences, row: int, label: str, classes: tuple[str, ...]) -> None:
    raise ValueError(
        f"{sequences.table.place(row, sequences.layout.target)}: the label {shown(label)} was never seen in training, "
        f"which had: {listed(classes)}; mend it, leave the line out, or train with examples of it"
    )
