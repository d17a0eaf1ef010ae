"""A table read as sequences, each with a target or with one per step: the wide, long and text layouts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.csv_layout import Layout
from seqmodels.data.csv_read import Table
from seqmodels.data.csv_series import order_rows, refuse_missing
from seqmodels.data.dataset import ArrayDataset
from seqmodels.data.scale import apply_scale, fit_scale
from seqmodels.data.series import interpolate
from seqmodels.data.splits import by_group, stratified
from seqmodels.data.vocabulary import UNKNOWN

# What was seen less often in training is unknown, so that the model learns what an unknown token is like.
FEWEST_SEEN = 2


@dataclass(frozen=True)
class Sequences:
    """N sequences as they are in a table, neither encoded nor scaled.

    Fields:
        table, layout: where they are from.
        inputs: of each, float64 ``(T, F)`` or a list of T tokens.
        rows: of each, the table's rows it is from: T of them in the long layout, else one.
    """

    table: Table
    layout: Layout
    inputs: list[Any]
    rows: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.inputs)

    def select(self, items: np.ndarray) -> Sequences:
        """Some of the sequences."""
        return replace(self, inputs=[self.inputs[i] for i in items], rows=[self.rows[i] for i in items])

    def cells(self, column: str) -> list[str]:
        """Of each sequence, the cell of a column in its first row."""
        cells = self.table.columns[column]
        return [cells[rows[0]] for rows in self.rows]


def read_sequences(table: Table, layout: Layout, missing: str, differences: bool) -> Sequences:
    """The sequences of a table.

    Args:
        missing: "error", "drop" (leave out the row), "interpolate" or, in the wide layout, "end" (blanks
            at the end of a row say that its sequence is shorter).
        differences: whether each step also holds its features' change from the step before.

    Raises:
        ValueError: a number is missing, a sequence has no steps, or none is left.
    """
    if layout.kind == "wide":
        sequences = _read_wide(table, layout, missing)
    elif layout.kind == "long":
        sequences = _read_long(table, layout, missing)
    else:
        sequences = _read_text(table, layout, missing)
    if len(sequences) == 0:
        raise ValueError(f"{table.path}: no sequence is left after dropping rows with missing values (data.missing)")
    if differences:
        inputs = [np.concatenate([x, np.diff(x, axis=0, prepend=x[:1])], axis=1) for x in sequences.inputs]
        sequences = replace(sequences, inputs=inputs)
    return sequences


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
    order = order_rows(table, layout.sequence, "sequence", layout.time)
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


def _read_text(table: Table, layout: Layout, missing: str) -> Sequences:
    cells = table.cells(layout.text or "", "text")
    empty = [row for row, cell in enumerate(cells) if not cell]
    if empty and missing != "drop":
        raise ValueError(
            f"{table.place(empty[0], layout.text)}: the text is empty ({len(empty)} such lines in all), so the "
            "sequence has no steps; fill it in, or leave such lines out with data.missing=drop"
        )
    kept = [row for row, cell in enumerate(cells) if cell]
    return Sequences(table, layout, [list(cells[row]) for row in kept], [np.array([row]) for row in kept])


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


def split_sequences(
    sequences: Sequences, val_fraction: float, test_fraction: float, seed: int
) -> tuple[dict[str, np.ndarray], int]:
    """Which sequences are in which split, and how many are copies of an earlier one.

    Copies stay together: one in training and one in test would reward learning by heart. With a
    `group` column, whole groups stay together instead. Classes have the same shares in all splits.

    Raises:
        ValueError: there is one class only, or a class has too few different sequences.
    """
    layout = sequences.layout
    labelled = layout.target_kind == "labels"
    if labelled:
        _refuse_one_class(sequences)
    if layout.group is not None:
        return by_group(sequences.cells(layout.group), val_fraction, test_fraction, seed), 0
    keys = [_content(x) for x in sequences.inputs]
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    copies = len(keys) - len(first)
    if not (labelled and layout.target_per == "sequence"):
        return by_group(keys, val_fraction, test_fraction, seed), copies
    labels = sequences.cells(layout.target)
    leaders = sorted(first.values())
    parts = stratified([labels[i] for i in leaders], val_fraction, test_fraction, seed)
    owner = np.array([first[key] for key in keys])
    return {name: np.flatnonzero(np.isin(owner, np.array(leaders)[part])) for name, part in parts.items()}, copies


def _content(steps: Any) -> Hashable:
    return tuple(steps) if isinstance(steps, list) else (len(steps), steps.tobytes())


def _refuse_one_class(sequences: Sequences) -> None:
    table, layout = sequences.table, sequences.layout
    cells = table.columns[layout.target]
    found = {cells[row] for rows in sequences.rows for row in rows}
    if len(found) < 2:
        raise ValueError(
            f"{table.path}, column {layout.target!r}: expected two classes or more to tell apart, got only "
            f"{found.pop()!r}; if it holds numbers to be predicted, say data.target_kind=values"
        )


def make_spec(train: Sequences, differences: bool, options: dict[str, Any]) -> BatchSpec:
    """The spec of the data: vocabulary, classes, shifts and scales are the training sequences'."""
    table, layout = train.table, train.layout
    if layout.text is not None:
        seen = Counter(token for steps in train.inputs for token in steps)
        tokens = (UNKNOWN, *sorted(token for token, count in seen.items() if count >= FEWEST_SEEN))
        spec = BatchSpec("tokens", len(tokens), "labels", 0, layout.target_per, input_names=tokens, options=options)
    else:
        names = layout.feature_names
        names = (*names, *(f"{name} change" for name in names)) if differences else names
        shift, scale = fit_scale(np.concatenate(train.inputs))
        spec = BatchSpec("features", len(names), "labels", 0, layout.target_per, input_names=names, options=options)
        spec = replace(spec, input_shift=shift, input_scale=scale)
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


def encode(sequences: Sequences, spec: BatchSpec, targets: bool) -> ArrayDataset:
    """Sequences as the model sees them.

    Args:
        targets: false to put zeros for the targets.

    Raises:
        ValueError: a label is none of the spec's.
    """
    if spec.inputs == "tokens":
        code = {token: i for i, token in enumerate(spec.input_names)}
        inputs = [np.array([code.get(token, code[UNKNOWN]) for token in x]) for x in sequences.inputs]
    else:
        inputs = [apply_scale(x, spec.input_shift, spec.input_scale) for x in sequences.inputs]
    dataset = ArrayDataset(spec, inputs, _encode_targets(sequences, spec, inputs, targets))
    dataset.origins = origins(sequences)
    return dataset


def origins(sequences: Sequences) -> list[dict[str, Any]]:
    """Of each sequence its name, where a column names it, else the line of the file it is from."""
    column = sequences.layout.sequence
    if column is not None:
        return [{column: name} for name in sequences.cells(column)]
    return [{"line": sequences.table.lines[rows[0]]} for rows in sequences.rows]


def _encode_targets(
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
