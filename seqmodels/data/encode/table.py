"""Sequences of a table as the model sees them: vocabulary, classes, shifts and scales are the training part's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.sequences import Reading, Sequences
from seqmodels.data.columns.targets.encoded import encode_targets, refuse_change, target_range, target_values, used_rows
from seqmodels.data.columns.targets.labels import Labels, sort_labels
from seqmodels.data.dataset import ArrayDataset, Origins
from seqmodels.data.encode.vocabulary import FEWEST_SEEN, UNKNOWN, describe
from seqmodels.data.files.arrays import Space
from seqmodels.data.files.ragged import Ragged
from seqmodels.data.numbers import apply_scale, fit_scale
from seqmodels.quoting import shown
from seqmodels.spec import Spec, Text

_log = logging.getLogger(__name__)


def make_spec(train: Sequences, how: Reading, min_count: int = FEWEST_SEEN) -> Spec:
    """Fit the spec of the data: vocabulary, classes, shifts and scales are the training sequences'.

    Args:
        train: the training sequences.
        how: they were read; kept in the spec, so that new files are read alike.
        min_count: tokens seen less often are unknown.

    Raises:
        ValueError: the training part has one class or one value only.
    """
    layout = train.layout
    encoder = {"layout": layout.to_plain(), **how.to_plain()}
    if layout.text is not None:
        names = (UNKNOWN, *frequent(train.inputs, train.tokens, min_count))
        spec = Spec("tokens", len(names), "labels", 0, layout.target_per, names, text=Text(how.level), encoder=encoder)
        return _with_targets(spec, train)
    names = layout.feature_names
    names = (*names, *(f"{name} change" for name in names)) if how.differences else names
    inputs = train.inputs
    shift, scale = _fit_scale(lambda: (inputs.flat(part) for part in inputs.parts()))
    spec = Spec("features", len(names), "labels", 0, layout.target_per, names, encoder=encoder)
    return _with_targets(replace(spec, input_shift=shift, input_scale=scale), train)


def reading_of(spec: Spec) -> tuple[Layout, Reading]:
    """Return how the table was read that a spec was fitted to."""
    return Layout.from_plain(spec.encoder["layout"]), Reading.from_plain(spec.encoder)


def _fit_scale(parts: Callable[[], Iterable[np.ndarray]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Fit shift and scale with the rounding of earlier versions, whose checkpoints hold the scales they had.

    Args:
        parts: gives the rows ``(n, F)`` block by block, the same ones at each call.
    """
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for rows in parts():
        count, total = count + len(rows), total + rows.sum(axis=0)
    mean = total / max(1, count)
    for rows in parts():
        squares = squares + ((rows - mean) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / max(1, count))
    return fit_scale(np.stack([mean - deviation, mean + deviation]))


def frequent(tokens: Ragged, names: Sequence[str], min_count: int) -> list[str]:
    """Return the names of the tokens that are there often enough, sorted.

    >>> frequent(Ragged.of([[0, 1], [0, 2, 2]]), ["c", "b", "a"], 2)
    ['a', 'c']
    """
    counts = np.zeros(len(names), np.int64)
    for part in tokens.parts():
        counts += np.bincount(tokens.flat(part), minlength=len(counts))
    return sorted(names[i] for i in np.flatnonzero(counts >= min_count).tolist())


def _with_targets(spec: Spec, train: Sequences) -> Spec:
    layout, rows = train.layout, used_rows(train)
    if layout.target_kind == "values":
        low, high = target_range(train)
        if int(rows.lengths.sum()) > 1 and (low == high).all():
            raise ValueError(
                f"column {', '.join(map(repr, layout.targets))}: expected different values to be learned, "
                f"got {low[0]:g} everywhere in the training part"
            )
        shift, scale = _fit_scale(
            lambda: (target_values(train.table, layout, rows.flat(part)) for part in rows.parts())
        )
        names = layout.targets
        return replace(spec, targets="values", target_size=len(names), target_names=names, shift=shift, scale=scale)
    labels = Labels(train.table, layout)
    seen = [labels.names[i] for i in np.flatnonzero(labels.counts(rows))]
    classes = layout.targets if layout.more_targets else sort_labels(seen)
    if layout.target_kind == "labels" and len(classes) < 2:
        raise ValueError(
            f"column {shown(layout.target)}: expected two classes or more in the training part, "
            f"got only {classes}; choose other splits (data.split, data.group, data.seed), or "
            "data.target_kind=values for numbers"
        )
    return replace(spec, targets=layout.target_kind, target_size=len(classes), target_names=classes)


def encode(
    sequences: Sequences,
    spec: Spec,
    targets: bool,
    weight: str | None = None,
    space: Space | None = None,
    name: str = "all",
) -> ArrayDataset:
    """Encode sequences as the model sees them.

    Args:
        sequences: to be encoded.
        spec: vocabulary, classes and scales.
        targets: false to put zeros for the targets.
        weight: column that says how much each sequence counts; None where all count the same.
        space: for the encoded arrays.
        name: of their files, where they come into files.

    Raises:
        ValueError: a label is none of the spec's, or a weight cannot be used.
    """
    space = space or sequences.table.space
    encoded = encode_targets(sequences, spec, targets, space, f"{name}.targets")
    dataset = ArrayDataset(spec, _encode_inputs(sequences, spec, space, f"{name}.inputs"), encoded)
    dataset.origins = origins(sequences)
    group = sequences.layout.group
    dataset.groups = sequences.cells(group) if group in sequences.table.columns else None
    dataset.weights = None if weight is None else sequence_weights(sequences, weight)
    return dataset


def _encode_inputs(sequences: Sequences, spec: Spec, space: Space, name: str) -> Ragged:
    inputs = sequences.inputs
    shape: tuple[int, ...] = (int(inputs.lengths.sum()),)
    if spec.inputs == "tokens":
        values = space.empty(shape, np.min_scalar_type(max(0, spec.input_size - 1)), name)
        code = {token: i for i, token in enumerate(spec.input_names)}
        number = np.array([code.get(token, code[UNKNOWN]) for token in sequences.tokens], values.dtype)
    else:
        values = space.empty((*shape, spec.input_size), np.float32, name)
    found = Ragged.packed(values, inputs.lengths)
    for part in inputs.parts():
        steps, begin = inputs.flat(part), int(found.starts[part.start])
        values[begin : begin + len(steps)] = (
            number[steps] if spec.inputs == "tokens" else apply_scale(steps, spec.input_shift, spec.input_scale)
        )
    return found


def sequence_weights(sequences: Sequences, column: str) -> np.ndarray:
    """Return the weights of sequences, float ``(N,)``, from a column.

    Raises:
        ValueError: a weight is missing or below 0, or it changes within a sequence.
    """
    table = sequences.table
    if sequences.layout.kind == "long":
        refuse_change(sequences, column, "a sequence has one weight")
    rows = sequences.rows.first
    weights: np.ndarray = table.numbers(column, "weight")[rows]
    wrong = np.flatnonzero(~(weights >= 0))
    if len(wrong):
        row = int(rows[wrong[0]])
        raise ValueError(
            f"{table.place(row, column)}: expected a weight, a number of 0 or more, "
            f"got {shown(table.columns[column][row])}"
        )
    return weights


def refuse_weightless(path: str, column: str | None, weights: np.ndarray | None) -> None:
    """Refuse weights ``(N,)`` of a training part from which nothing would be learned.

    Raises:
        ValueError: all are 0.
    """
    if weights is not None and not weights.any():
        raise ValueError(f"{path}, column {shown(column)}: all training weights are 0, so nothing would be learned")


def origins(sequences: Sequences) -> Origins:
    """Say of each sequence its name, where a column names it, else the line of the file it is from."""
    column, table = sequences.layout.sequence, sequences.table
    if column is not None:
        return Origins(column, *sequences.codes(column))
    lines = table.lines if isinstance(table.lines, np.ndarray) else np.fromiter(table.lines, np.int64, len(table))
    return Origins(table.unit, lines[sequences.rows.first])


def warn_of_unknown(sequences: Sequences, spec: Spec) -> None:
    """Say how many tokens of a new table training never saw: what is told of them rests on less."""
    if spec.inputs != "tokens":
        return
    unit = "value" if sequences.layout.kind == "long" else spec.level or "character"
    warn_of_lost(sequences.table.path, sequences.inputs, sequences.tokens, spec.input_names, unit)


def warn_of_lost(
    path: str, tokens: Ragged, names: Sequence[str], known: Iterable[str], unit: str = "character"
) -> None:
    """Say how many tokens of new sequences are none of those known.

    Args:
        path: of the file they are from.
        tokens: numbers among `names`.
        names: of the tokens.
        known: from training.
        unit: what a token is.
    """
    seen, counts = set(known), np.zeros(len(names), np.int64)
    for part in tokens.parts():
        counts += np.bincount(tokens.flat(part), minlength=len(counts))
    lost = {name: count for name, count in zip(names, counts.tolist(), strict=True) if count and name not in seen}
    if lost:
        what = describe(sum(lost.values()), list(lost), unit)
        _log.warning("%s: %s not known from training, read as %s", path, what, UNKNOWN)
