"""Kinds of targets: labels, values, or sets of labels."""

from __future__ import annotations

from typing import Literal

import numpy as np

from seqmodels.data.columns.roles import Columns, looks_like_labels
from seqmodels.data.files.arrays import blocks
from seqmodels.data.read.table import Table
from seqmodels.quoting import listed, shown

TargetKind = Literal["labels", "values", "sets"]
# Whole numbers that count up may be classes or amounts, from this many on.
FEWEST_GRADES = 5
# Columns of 0 and 1 of which one holds in each row are classes, from this many on.
FEWEST_COLUMNS = 3


def target_kind(table: Table, asked: Columns) -> TargetKind:
    """Decide what the targets are.

    Raises:
        ValueError: they are not of the kind that was asked for.
    """
    if asked.more_targets:
        return _kind_of_several(table, asked)
    if asked.target_kind == "sets":
        return "sets"
    if asked.target_kind == "labels" or (asked.target_kind is None and looks_like_labels(table, asked.target)):
        return "labels"
    table.numbers(asked.target, "target")
    return "values"


def _kind_of_several(table: Table, asked: Columns) -> TargetKind:
    """Tell several columns apart: one label each that holds (1) or not (0), or one number each."""
    names = (asked.target, *asked.more_targets)
    words = [name for name in names if not table.is_numeric(name)]
    one_holds = not words and asked.target_kind in (None, "labels") and _one_holds(table, names)
    if one_holds and (asked.target_kind == "labels" or len(names) >= FEWEST_COLUMNS):
        return "labels"
    if asked.target_kind == "labels" or words:
        what = f"{words[0]!r} holds words" if words else "got data.target_kind=labels"
        raise ValueError(
            f"data.target: several columns are learned as numbers, or as labels that hold (1) or not (0); {what}; "
            "name one column, or write each label as a column of 0 and 1"
        )
    if asked.target_kind is not None:
        return "sets" if asked.target_kind == "sets" else "values"
    columns = [table.numbers(name, "target") for name in names]
    parts = [column[part] for column in columns for part in blocks(len(table))]
    return "sets" if all((np.isin(part, (0, 1)) | np.isnan(part)).all() for part in parts) else "values"


def _one_holds(table: Table, names: tuple[str, ...]) -> bool:
    """Say whether the columns are 0 and 1, and one of them is 1 in every row."""
    columns = [table.numbers(name, "target") for name in names]
    for part in blocks(len(table)):
        rows = np.stack([column[part] for column in columns], axis=1)
        if not np.isin(rows, (0, 1)).all() or (rows.sum(axis=1) != 1).any():
            return False
    return True


def grades_note(table: Table, asked: Columns, found: TargetKind) -> tuple[str, ...]:
    """Say that whole numbers that count up, or columns of which one holds, were taken for classes."""
    if found == "labels" and asked.more_targets:
        names = listed((asked.target, *asked.more_targets))
        return (f"one of {names} holds in each row: taken for classes (else data.target_kind=sets)",)
    if found != "labels" or asked.target_kind is not None or not table.is_numeric(asked.target):
        return ()
    values = np.unique(table.numbers(asked.target, "target"))
    values = values[np.isfinite(values)]
    if len(values) < FEWEST_GRADES or (np.diff(values) != 1).any():
        return ()
    return (
        f"{values[0]:g} to {values[-1]:g} in {shown(asked.target)} taken for classes; if they are amounts, say "
        "data.target_kind=values",
    )
