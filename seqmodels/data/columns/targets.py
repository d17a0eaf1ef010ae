"""What is to be learned from a table: targets checked and encoded.

T steps of a sequence, V classes or values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.sequences import Sequences
from seqmodels.data.numbers import apply_scale
from seqmodels.data.read.table import Table
from seqmodels.quoting import listed, shown

# Between the names of several labels in one cell.
BETWEEN_LABELS = "|"


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
        lacking = [i for i, rows in enumerate(sequences.rows) if blank[rows].any()]
        if lacking and missing != "drop":
            row = next(int(row) for row in sequences.rows[lacking[0]] if blank[row])
            raise ValueError(
                f"{table.place(row, name)}: expected a target, got {shown(cells[row])} "
                f"({len(lacking)} sequences lack one); fill it in, or leave such sequences out with data.missing=drop"
            )
        if lacking:
            sequences = sequences.select(np.setdiff1d(np.arange(len(sequences)), lacking))
    return sequences


def refuse_change(sequences: Sequences, column: str, cure: str) -> None:
    """Refuse a column that is not the same in all rows of a sequence.

    Raises:
        ValueError: it changes.
    """
    table, cells = sequences.table, sequences.table.columns[column]
    for rows in sequences.rows:
        other = next((int(row) for row in rows if cells[row] != cells[rows[0]]), None)
        if other is not None:
            raise ValueError(
                f"{table.place(other, column)}: got {shown(cells[other])}, but {shown(cells[rows[0]])} on "
                f"{table.unit} {table.lines[rows[0]]} of the same sequence; {cure}"
            )


def _blank(table: Table, layout: Layout, name: str) -> np.ndarray:
    """Bool ``(rows,)``: where a target is missing. A cell without any name of a label is a set too, the empty one."""
    if layout.target_kind == "labels":
        return np.array([not cell.strip() for cell in table.columns[name]])
    if layout.target_kind == "sets" and not layout.more_targets:
        return np.zeros(len(table), dtype=bool)
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


def refuse_one_class(sequences: Sequences) -> None:
    """Refuse labels or values that are all the same, or sets that are all empty.

    Raises:
        ValueError: they are.
    """
    table, layout = sequences.table, sequences.layout
    column = f"{table.path}, column {listed(layout.targets, quoted=True)}"
    if layout.target_kind == "values":
        values = target_values(table, layout)[np.concatenate(sequences.rows)]
        if len(values) > 1 and not np.ptp(values, axis=0).any():
            raise ValueError(f"{column}: expected different values to be learned, got {values[0, 0]:g} everywhere")
        return
    lists = label_lists(sequences)
    if layout.target_kind == "sets":
        if not any(labels for rows in lists for labels in rows):
            raise ValueError(
                f"{column}: no sequence has any of the labels; "
                f"write names with {BETWEEN_LABELS!r} between them, or columns of 0 and 1"
            )
        return
    found = {label for rows in lists for labels in rows for label in labels}
    if len(found) < 2:
        raise ValueError(
            f"{column}: expected two classes or more to tell apart, got only "
            f"{shown(found.pop())}; if it holds numbers to be predicted, say data.target_kind=values"
        )


def label_lists(sequences: Sequences) -> list[list[tuple[str, ...]]]:
    """Of each sequence the labels that hold: of all of it, or of each of its steps."""
    table, layout = sequences.table, sequences.layout
    used = [rows if layout.target_per == "step" else rows[:1] for rows in sequences.rows]
    if layout.more_targets:
        holds = np.stack([table.numbers(name) for name in layout.targets], axis=1) == 1
        return [[tuple(np.array(layout.targets)[holds[row]].tolist()) for row in rows] for rows in used]
    cells = table.columns[layout.target]
    if layout.target_kind == "sets":
        return [[_names(cells[row]) for row in rows] for rows in used]
    return [[(cells[row],) for row in rows] for rows in used]


def _names(cell: str) -> tuple[str, ...]:
    return tuple(name for part in cell.split(BETWEEN_LABELS) if (name := part.strip()))


def target_values(table: Table, layout: Layout) -> np.ndarray:
    """The target columns as float64 ``(rows, V)``."""
    return np.stack([table.numbers(name, "target") for name in layout.targets], axis=1)


def sort_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """In the order of numbers where all are numbers, else of the alphabet.

    >>> sort_labels({"10", "9"}), sort_labels({"b", "a"})
    (('9', '10'), ('a', 'b'))
    """
    try:
        return tuple(sorted(labels, key=lambda label: (float(label), label)))
    except ValueError:
        return tuple(sorted(labels))


def encode_targets(
    sequences: Sequences, spec: BatchSpec, inputs: Sequence[np.ndarray], targets: bool
) -> Sequence[np.ndarray]:
    """Labels as numbers of classes, sets as a 0 or 1 for each, values scaled: one per sequence, or one per step.

    Args:
        inputs: of each sequence, for its number of steps.
        targets: false for zeros.

    Raises:
        ValueError: a label is none of the spec's.
    """
    table, layout = sequences.table, sequences.layout
    per_step = spec.target_shape == "step"
    width = () if spec.targets == "labels" else (spec.target_size,)
    if not targets:
        return [np.zeros((len(x), *width) if per_step else width) for x in inputs]
    if spec.targets == "values":
        values: np.ndarray = apply_scale(target_values(table, layout), spec.shift, spec.scale)
        return [values[rows] if per_step else values[rows[0]] for rows in sequences.rows]
    if spec.targets == "sets":
        return _encode_sets(sequences, spec.target_names, per_step)
    return encode_labels(sequences, spec.target_names, per_step)


def _encode_sets(sequences: Sequences, classes: tuple[str, ...], per_step: bool) -> list[np.ndarray]:
    """``(V,)`` or ``(T, V)`` each: 1 for each class that holds, else 0."""
    code = {label: i for i, label in enumerate(classes)}
    encoded = []
    for rows, lists in zip(sequences.rows, label_lists(sequences), strict=True):
        holds = np.zeros((len(lists), len(classes)), dtype=np.float32)
        for row, labels, own in zip(rows, lists, holds, strict=False):
            for label in labels:
                if label not in code:
                    _refuse_new(sequences, int(row), label, classes)
                own[code[label]] = 1.0
        encoded.append(holds if per_step else holds[0])
    return encoded


def encode_labels(sequences: Sequences, classes: tuple[str, ...], per_step: bool) -> list[np.ndarray]:
    """The numbers of the sequences' labels among the classes, ``()`` or ``(T,)`` each.

    Raises:
        ValueError: a label is none of them.
    """
    cells = sequences.table.columns[sequences.layout.target]
    code = {label: i for i, label in enumerate(classes)}
    used = [rows if per_step else rows[:1] for rows in sequences.rows]
    for row in (int(row) for rows in used for row in rows):
        if cells[row] not in code:
            _refuse_new(sequences, row, cells[row], classes)
    return [np.array([code[cells[row]] for row in rows]).reshape(-1 if per_step else ()) for rows in used]


def _refuse_new(sequences: Sequences, row: int, label: str, classes: tuple[str, ...]) -> None:
    raise ValueError(
        f"{sequences.table.place(row, sequences.layout.target)}: the label {shown(label)} was never seen in training, "
        f"which had: {listed(classes)}; mend it, leave the line out, or train with examples of it"
    )
