"""Sequences of a table as the model sees them: vocabulary, classes, shifts and scales are the training part's."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.columns.sequences import Reading, Sequences
from seqmodels.data.columns.targets import encode_targets, refuse_change
from seqmodels.data.dataset import ArrayDataset
from seqmodels.data.encode.summary import FEWEST_SEEN, Summary
from seqmodels.data.encode.vocabulary import UNKNOWN, describe
from seqmodels.data.numbers import apply_scale
from seqmodels.quoting import shown

_log = logging.getLogger(__name__)


def make_spec(train: Sequences, how: Reading, min_count: int = FEWEST_SEEN) -> BatchSpec:
    """The spec of the data: vocabulary, classes, shifts and scales are the training sequences'.

    Args:
        train: the training sequences.
        how: they were read; kept in the spec, so that new files are read alike.
        min_count: tokens seen less often are unknown.
    """
    summary = Summary(train.layout)
    summary.add(train)
    return summary.spec(how, min_count)


def encode(sequences: Sequences, spec: BatchSpec, targets: bool, weight: str | None = None) -> ArrayDataset:
    """Sequences as the model sees them.

    Args:
        targets: false to put zeros for the targets.
        weight: column that says how much each sequence counts; None where all count the same.

    Raises:
        ValueError: a label is none of the spec's, or a weight cannot be used.
    """
    if spec.inputs == "tokens":
        code = {token: i for i, token in enumerate(spec.input_names)}
        inputs = [np.array([code.get(token, code[UNKNOWN]) for token in x]) for x in sequences.inputs]
    else:
        inputs = [apply_scale(x, spec.input_shift, spec.input_scale) for x in sequences.inputs]
    dataset = ArrayDataset(spec, inputs, encode_targets(sequences, spec, inputs, targets))
    dataset.origins = origins(sequences)
    group = sequences.layout.group
    dataset.groups = sequences.cells(group) if group in sequences.table.columns else None
    dataset.weights = None if weight is None else sequence_weights(sequences, weight)
    return dataset


def sequence_weights(sequences: Sequences, column: str) -> np.ndarray:
    """Float ``(N,)``, from a column.

    Raises:
        ValueError: a weight is missing or below 0, or it changes within a sequence.
    """
    table = sequences.table
    if sequences.layout.kind == "long":
        refuse_change(sequences, column, "a sequence has one weight")
    rows = np.array([rows[0] for rows in sequences.rows])
    weights = table.numbers(column, "weight")[rows]
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


def origins(sequences: Sequences) -> list[dict[str, Any]]:
    """Of each sequence its name, where a column names it, else the line of the file it is from."""
    column = sequences.layout.sequence
    if column is not None:
        return [{column: name} for name in sequences.cells(column)]
    return [{sequences.table.unit: sequences.table.lines[rows[0]]} for rows in sequences.rows]


def warn_of_unknown(sequences: Sequences, spec: BatchSpec) -> None:
    """Say how many tokens of a new table training never saw: what is told of them rests on less."""
    if spec.inputs != "tokens":
        return
    unit = "value" if sequences.layout.kind == "long" else (spec.options or {}).get("level", "character")
    warn_of_lost(sequences.table.path, sequences.inputs, spec.input_names, unit)


def warn_of_lost(path: str, sequences: Iterable[Iterable[str]], known: Iterable[str], unit: str = "character") -> None:
    """Say how many units of new sequences are none of those known."""
    seen = set(known)
    lost = Counter(token for steps in sequences for token in steps if token not in seen)
    if lost:
        what = describe(sum(lost.values()), list(lost), unit)
        _log.warning("%s: %s not known from training, read as %s", path, what, UNKNOWN)
