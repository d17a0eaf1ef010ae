"""What a scale is told from, put together piece by piece, and where series of any length are cut by time.

N rows, F features.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seqmodels.atomic import reserve
from seqmodels.data.columns.splits import NAMES
from seqmodels.data.numbers import CONSTANT
from seqmodels.data.series.rows import SeriesRows
from seqmodels.data.series.splits import parts_of
from seqmodels.data.series.store import ROWS, StoredRows


class Moments:
    """Mean and deviation of features, of which NaNs do not count.

    >>> moments = Moments(2)
    >>> for rows in ([[1.0, 7.0]], [[3.0, 7.0], [np.nan, 7.0]]):
    ...     moments.add(np.array(rows))
    >>> moments.scale()
    ((2.0, 7.0), (1.0, 1.0))

    Source: Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance", equation 2.1.
    """

    def __init__(self, features: int) -> None:
        self.count, self.mean, self.squares = np.zeros(features), np.zeros(features), np.zeros(features)

    def add(self, rows: np.ndarray) -> None:
        """Some more rows ``(n, F)``."""
        known = np.isfinite(rows)
        added = known.sum(axis=0)
        mean = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(added, 1)
        squares = (np.where(known, rows - mean, 0.0) ** 2).sum(axis=0)
        total = np.maximum(self.count + added, 1)
        apart = np.where(added > 0, mean - self.mean, 0.0)
        self.squares += squares + apart**2 * self.count * added / total
        self.mean += apart * added / total
        self.count += added

    def constant(self, feature: int) -> bool:
        """Whether a feature has one value only, two times or more."""
        deviation = np.sqrt(self.squares[feature] / max(self.count[feature], 1))
        return bool(self.count[feature] > 1 and deviation <= CONSTANT * max(1.0, abs(self.mean[feature])))

    def scale(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Shift and scale, as `seqmodels.data.numbers.fit_scale` has them."""
        scale = np.sqrt(self.squares / np.maximum(self.count, 1))
        scale = np.where(scale > CONSTANT * np.maximum(1.0, np.abs(self.mean)), scale, 1.0)
        return tuple(self.mean.tolist()), tuple(scale.tolist())


class Cuts:
    """Which rows are in which split, as `seqmodels.data.series.splits.split_rows` has it.

    Args:
        stored: the rows.
        val_fraction, test_fraction, fold, train_steps: as for `split_rows`.
        scratch: a file that may be written to.
    """

    def __init__(
        self,
        stored: StoredRows,
        val_fraction: float,
        test_fraction: float,
        fold: tuple[int, int] | None,
        train_steps: int | None,
        scratch: str,
    ) -> None:
        self.timed, self.starts = stored.timed, np.cumsum(stored.counts) - stored.counts
        # Of each split the first time and the one after its last; without times, of each series' own rows.
        self.bounds: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        options = (val_fraction, test_fraction, fold, train_steps)
        if stored.timed:
            times = _Times(stored, scratch)
            for name, part in parts_of(times.distinct, *options).items():
                self.bounds[name] = times.at(part.start), times.at(part.stop)
            return
        parts = [parts_of(int(count), *options) for count in stored.counts]
        for name in NAMES:
            own = [part.get(name, slice(0, 0)) for part in parts]
            if any(part.stop > part.start for part in own):
                self.bounds[name] = np.array([part.start for part in own]), np.array([part.stop for part in own])

    def masks(self, rows: SeriesRows, first: int) -> dict[str, np.ndarray]:
        """Bool ``(n,)`` for each split, of rows of which the first is the stored rows' so-and-so-manieth."""
        if self.timed:
            return {name: (rows.times >= low) & (rows.times < high) for name, (low, high) in self.bounds.items()}
        place = np.arange(first, first + len(rows.series)) - self.starts[rows.series]
        return {
            name: (place >= low[rows.series]) & (place < high[rows.series]) for name, (low, high) in self.bounds.items()
        }


class _Times:
    """The distinct time stamps, sorted in a file."""

    def __init__(self, stored: StoredRows, scratch: str) -> None:
        dtype = stored.past.dtype["time"]
        reserve(Path(scratch), max(1, len(stored.past)) * dtype.itemsize)
        self.times = np.memmap(scratch, dtype, "r+", shape=(max(1, len(stored.past)),))
        first = 0
        for records in stored.past.pieces():
            self.times[first : first + len(records)] = records["time"]
            first += len(records)
        if len(stored.counts) > 1:
            self.times.sort()
        # Of each piece of the file, how many distinct ones come before it.
        self.before, self.distinct = [], 0
        for start in range(0, len(self.times), ROWS):
            self.before.append(self.distinct)
            self.distinct += len(self._new(start))

    def _new(self, start: int) -> np.ndarray:
        """The time stamps of a piece that are not there before."""
        piece = self.times[start : start + ROWS]
        fresh = np.diff(piece, prepend=piece[:1]) != 0
        fresh[0] = start == 0 or self.times[start - 1] != piece[0]
        return np.array(piece[fresh])

    def at(self, rank: int) -> np.ndarray:
        """The time stamp before which there are so many others; after the last, one that none reaches."""
        if rank >= self.distinct:
            return np.array(np.iinfo(np.int64).max if self.times.dtype.kind == "i" else np.inf)
        piece = int(np.searchsorted(self.before, rank, side="right")) - 1
        return self._new(piece * ROWS)[rank - self.before[piece]]
