"""A column of numbers as classes: cut where a user says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from seqmodels.data.read.table import Table


def cut_numbers(table: Table, column: str, cuts: Sequence[float]) -> None:
    """Replace a column's numbers by the interval between cuts that they lie in; blanks stay blank.

    >>> table = Table("films.csv", {"score": ["-1.5", "0", "2", ""]}, [2, 3, 4, 5])
    >>> cut_numbers(table, "score", [0, 1])
    >>> table.columns["score"]
    ['below 0', '0 to below 1', '1 and above', '']

    Raises:
        ValueError: no such column, or cells that are no numbers.
    """
    names = cut_names(cuts)
    table.cells(column, "target")
    try:
        values = table.numbers(column, "target")
    except ValueError as error:
        raise ValueError(f"{error}; where the column holds classes, set data.target_cuts=null") from None
    places = np.searchsorted(np.asarray(cuts, dtype=np.float64), values, side="right")
    cells = zip(table.columns[column], places.tolist(), np.isfinite(values).tolist(), strict=True)
    table.columns[column] = [names[place] if known else cell for cell, place, known in cells]
    table.forget_numbers(column)


def cut_names(cuts: Sequence[float]) -> list[str]:
    """Name the classes.

    >>> cut_names([0.5])
    ['below 0.5', '0.5 and above']
    """
    shown = [f"{cut:g}" for cut in cuts]
    between = [f"{low} to below {high}" for low, high in pairwise(shown)]
    return [f"below {shown[0]}", *between, f"{shown[-1]} and above"]


def check_cuts(cuts: Sequence[float], layout: str | None) -> tuple[float, ...]:
    """Return the cuts, or refuse those that do not rise, and layouts without classes."""
    if any(high <= low for low, high in pairwise(cuts)):
        raise ValueError(f"data.target_cuts must rise, such as [0, 10], got {list(cuts)}")
    if cuts and layout == "series":
        raise ValueError("data.target_cuts has no meaning in the series layout; leave it out")
    return tuple(cuts)
