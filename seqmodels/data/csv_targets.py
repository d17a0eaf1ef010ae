"""What is to be learned from a table: targets checked, described in a spec, and encoded by it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.csv_sequences import Sequences
from seqmodels.data.scale import apply_scale, fit_scale


def check_targets(sequences: Sequences, missing: str) -> Sequences:
    """Refuse blank targets; with missing="drop", leave out the sequences that have one.

    Raises:
        ValueError: a target is blank, a number that is missing, or not the same throughout a sequence
            that should have one only.
    """
    table, layout = sequences.table, sequences.layout
    cells = table.cells(layout.target, "target")
    for rows in sequences.rows if layout.target_per == "sequence" else []:
        other = next((int(row) for row in rows if cells[row] != cells[rows[0]]), None)
        if other is not None:
            raise ValueError(
                f"{table.place(other, layout.target)}: got {cells[other]!r}, but {cells[rows[0]]!r} on line "
                f"{table.lines[rows[0]]} of the same sequence; mend it, or say data.target_per=step"
            )
    if layout.target_kind == "labels":
        blank = np.array([not cell.strip() for cell in cells])
    else:
        blank = np.isnan(table.numbers(layout.target, "target"))
    lacking = [i for i, rows in enumerate(sequences.rows) if blank[rows].any()]
    if lacking and missing != "drop":
        row = next(int(row) for row in sequences.rows[lacking[0]] if blank[row])
        raise ValueError(
            f"{table.place(row, layout.target)}: expected a target, got {cells[row]!r} "
            f"({len(lacking)} sequences lack one); fill it in, or leave such sequences out with data.missing=drop"
        )
    return sequences.select(np.setdiff1d(np.arange(len(sequences)), lacking)) if lacking else sequences


def refuse_one_class(sequences: Sequences) -> None:
    table, layout = sequences.table, sequences.layout
    cells = table.columns[layout.target]
    found = {cells[row] for rows in sequences.rows for row in rows}
    if len(found) < 2:
        raise ValueError(
            f"{table.path}, column {layout.target!r}: expected two classes or more to tell apart, got only "
            f"{found.pop()!r}; if it holds numbers to be predicted, say data.target_kind=values"
        )


def target_spec(train: Sequences, spec: BatchSpec) -> BatchSpec:
    """A spec with what the training sequences' targets are: their classes, or their shift and scale."""
    table, layout = train.table, train.layout
    rows = np.concatenate([rows if layout.target_per == "step" else rows[:1] for rows in train.rows])
    if layout.target_kind == "labels":
        classes = sort_labels({table.columns[layout.target][row] for row in rows})
        return replace(spec, target_size=len(classes), target_names=classes)
    shift, scale = fit_scale(table.numbers(layout.target, "target")[rows][:, None])
    return replace(spec, targets="values", target_size=1, target_names=(layout.target,), shift=shift, scale=scale)


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
    sequences: Sequences, spec: BatchSpec, inputs: list[np.ndarray], targets: bool
) -> Sequence[np.ndarray]:
    """Labels as numbers of classes, values scaled: one per sequence, or one per step."""
    table, layout = sequences.table, sequences.layout
    per_step = spec.target_shape == "step"
    width = (1,) if spec.targets == "values" else ()
    if not targets:
        return [np.zeros((len(x), *width) if per_step else width) for x in inputs]
    if spec.targets == "values":
        values: np.ndarray = apply_scale(table.numbers(layout.target, "target")[:, None], spec.shift, spec.scale)
        return [values[rows] if per_step else values[rows[0]] for rows in sequences.rows]
    return encode_labels(sequences, spec.target_names, per_step)


def encode_labels(sequences: Sequences, classes: tuple[str, ...], per_step: bool) -> list[np.ndarray]:
    """The numbers of the sequences' labels among the classes, ``()`` or ``(T,)`` each.

    Raises:
        ValueError: a label is none of them.
    """
    table, column = sequences.table, sequences.layout.target
    cells, code = table.columns[column], {label: i for i, label in enumerate(classes)}
    used = [rows if per_step else rows[:1] for rows in sequences.rows]
    for row in (int(row) for rows in used for row in rows):
        if cells[row] not in code:
            known = ", ".join(classes[:12]) + (" ..." if len(code) > 12 else "")
            raise ValueError(
                f"{table.place(row, column)}: the label {cells[row]!r} was never seen in training, which "
                f"had: {known}; mend it, leave the line out, or train with examples of it"
            )
    return [np.array([code[cells[row]] for row in rows]).reshape(-1 if per_step else ()) for rows in used]
