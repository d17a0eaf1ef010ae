"""Rows of series laid end to end.

F features, N rows, S series.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from seqmodels.data.columns.grouped import bounds, counted
from seqmodels.data.columns.times.frequency import Frequency
from seqmodels.data.files.arrays import Space, compress, gather

# The fields of `SeriesRows` that have one entry per row.
ARRAYS = ("values", "series", "times", "blocks", "future", "levels", "places")


@dataclass(frozen=True)
class SeriesRows:
    """N rows of all series, the rows of one series after those of another, each in order of time.

    Fields:
        values: float64 ``(N, F)``, the target first, then what is observed with it, and what is known ahead;
            NaN where missing.
        series: int ``(N,)``, which series a row is of.
        times: ``(N,)``, comparable from series to series; None where the file has no times.
        names: of the series.
        notes: what was done to the rows, in words.
        known: how many of the columns are known ahead.
        static: column -> the one value of each series.
        clock: the step; None where there are no times.
        dated: whether the times are dates.
        blocks: int ``(N,)``, equal within a stretch that no window may leave; None for the series.
        time_format: of the dates, where there was a choice.
        future: bool ``(N,)``, rows after the last target, of which only what is known ahead is there.
        levels: ``(N,)``, the target before it was transformed; None where it was not.
        places: int ``(N,)``, which row of the file each is; -1 for one that was put in.
        space: for arrays made of these.
    """

    values: np.ndarray
    series: np.ndarray
    times: np.ndarray | None
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    known: int = 0
    static: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    clock: Frequency | None = None
    dated: bool = False
    time_format: str | None = None
    blocks: np.ndarray = None  # type: ignore[assignment]  # None only until the next line that runs
    future: np.ndarray = None  # type: ignore[assignment]
    levels: np.ndarray | None = None
    places: np.ndarray = None  # type: ignore[assignment]
    space: Space = field(default_factory=Space)

    def __post_init__(self) -> None:
        usual = {"blocks": self.series, "future": np.zeros(len(self.values), dtype=bool)}
        for name, value in {**usual, "places": np.broadcast_to(-1, (len(self.values),))}.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def observed(self) -> int:
        """How many columns, the first ones, are not known ahead."""
        return self.values.shape[1] - self.known

    @property
    def ahead(self) -> slice | None:
        """The columns that are known ahead; None for none."""
        return slice(self.observed, self.observed + self.known) if self.known else None

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the rows of each series begin, and, last, where they end: int64 ``(S + 1,)``."""
        return bounds(counted(self.series, len(self.names)))

    def select(self, rows: np.ndarray) -> SeriesRows:
        """Return some of the rows, by a mask or by their places."""
        pick = compress if rows.dtype == bool else gather
        parts: dict[str, Any] = {}
        for name in ARRAYS:
            part = getattr(self, name)
            parts[name] = None if part is None else pick(part, rows, self.space)
        return replace(self, **parts)

    def past(self) -> SeriesRows:
        """Return the rows up to the last target of each series."""
        return self.select(~self.future) if self.future.any() else self


def changes(rows: SeriesRows, part: slice) -> np.ndarray:
    """Return the target's change from the row before; NaN where one of the two is missing, or there is none.

    >>> rows = SeriesRows(np.array([[1.0], [3.0], [6.0]]), np.zeros(3, int), None, ("",))
    >>> changes(rows, slice(0, 3)).tolist(), changes(rows, slice(2, 3)).tolist()
    ([nan, 2.0, 3.0], [3.0])
    """
    low = max(part.start - 1, 0)
    found = np.diff(rows.values[low : part.stop, 0])
    found[np.diff(rows.blocks[low : part.stop]) != 0] = np.nan
    return found if part.start else np.concatenate([[np.nan], found])
