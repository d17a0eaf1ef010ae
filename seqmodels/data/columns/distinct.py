"""Counts of different cells, or rows of cells, in a table of any size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqmodels.data.columns.roles import NAMES_OF_TIME
from seqmodels.data.files.arrays import blocks
from seqmodels.data.files.ragged import mix
from seqmodels.data.read.table import Table

# Of the rows: what is few names, and few repeated times. Of the repeated times: what the right column leaves.
FEW, FEW_REPEATS, LEFT = 0.1, 0.02, 0.05
# What a column of parts of a time is called, which names no series.
PARTS_OF_TIME = NAMES_OF_TIME | {"quarter", "season", "minute", "second", "weekday", "day_of_week", "dow", "yr", "hr"}


def count_distinct(table: Table, names: Sequence[str]) -> int:
    """Count the different rows of some columns.

    >>> count_distinct(Table("a.csv", {"shop": ["a", "b", "a"], "day": ["1", "1", "1"]}, [2, 3, 4]), ["shop", "day"])
    2
    """
    keys = table.space.empty(len(table), np.uint64)
    keys[:] = 0
    for name in names:
        codes = _keys(table, name)
        for part in blocks(len(table)):
            keys[part] = mix(keys[part] + mix(codes[part]))
    keys.sort()
    return int(len(keys) > 0) + sum(
        int(np.count_nonzero(np.diff(keys[max(0, part.start - 1) : part.stop]))) for part in blocks(len(keys))
    )


def stays_in_runs(table: Table, name: str) -> bool:
    """Say whether equal cells of a column all lie together, several of some, as the names of sequences do.

    >>> table = Table("a.csv", {"a": ["x", "x", "y", "z"], "b": ["x", "y", "x", "z"], "c": list("wxyz")}, [2, 3, 4, 5])
    >>> [stays_in_runs(table, name) for name in "abc"]
    [True, False, False]
    """
    keys = _keys(table, name)
    changes = 1 + sum(
        int(np.count_nonzero(np.diff(keys[max(0, part.start - 1) : part.stop]))) for part in blocks(len(keys))
    )
    return 1 < changes < len(table) and count_distinct(table, [name]) == changes


def told_apart_by(table: Table, time: str, others: Sequence[str]) -> str | None:
    """Find a column that tells series apart: times that repeat in the table do not within its names.

    >>> columns = {"day": ["1", "1", "2", "2"], "shop": ["a", "b", "a", "b"], "sales": ["3", "4", "5", "6"]}
    >>> told_apart_by(Table("a.csv", columns, [2, 3, 4, 5]), "day", ["sales", "shop"])
    'shop'
    """
    repeats = len(table) - count_distinct(table, [time])
    if repeats <= FEW_REPEATS * len(table):  # clocks that are put back repeat an hour of each
        return None
    left: dict[str, int] = {}
    for name in others:
        if name.lower() in PARTS_OF_TIME or not 1 < (found := count_distinct(table, [name])) <= len(table) / 2:
            continue
        if _may_name(table, name, found):
            left[name] = len(table) - count_distinct(table, [time, name])
            if not left[name]:
                return name
    best = min(left, key=left.__getitem__, default=None)
    # some of a series' own times may be there twice
    return best if best is not None and left[best] <= max(FEW_REPEATS * len(table), LEFT * repeats) else None


def _may_name(table: Table, name: str, count: int) -> bool:
    """Say whether a column may name things: by words, or by a few whole numbers."""
    if not table.is_numeric(name) or table.kind(name).text:
        return True
    numbers = table.numbers(name)
    return count <= FEW * len(table) and all((numbers[part] % 1 == 0).all() for part in blocks(len(numbers)))


def _keys(table: Table, name: str) -> np.ndarray:
    """Hash the cell of each row: uint64, the same for the same cell."""
    if table.is_numeric(name):
        try:
            return table.numbers(name).view(np.uint64)
        except ValueError:  # some of its cells are words
            pass
    return table.codes(name)[0].astype(np.uint64)
