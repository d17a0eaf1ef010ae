"""Rows brought together by owner and put in order of time, whatever their number.

N rows, G owners. Nothing here holds more than a few blocks of rows outside the arrays that a `Space` allocates.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from seqmodels.data.files import arrays
from seqmodels.data.files.arrays import Space, blocks

# Blocks of rows that are sorted at once; more rows of one owner are cut by time first.
AT_ONCE = 8
# Times that are looked at to choose where to cut, for each part.
SAMPLED = 64


def index_type(count: int) -> type[np.signedinteger]:
    """Return the smaller integer type that counts that far."""
    return np.int32 if count < 1 << 31 else np.int64


def counted(owner: np.ndarray, owners: int, keep: np.ndarray | None = None) -> np.ndarray:
    """Return the number of rows of each owner, int64 ``(G,)``.

    >>> counted(np.array([0, 2, 2]), 3).tolist()
    [1, 0, 2]
    """
    found = np.zeros(owners, np.int64)
    for part in blocks(len(owner)):
        found += np.bincount(owner[part] if keep is None else owner[part][keep[part]], minlength=owners)
    return found


def bounds(counts: np.ndarray) -> np.ndarray:
    """Return where the rows of each owner begin once they are together, and, last, where they end: ``(G + 1,)``."""
    return np.concatenate([[0], np.cumsum(counts)])


def together(owner: np.ndarray, counts: np.ndarray, space: Space) -> np.ndarray:
    """Return the places of the rows with those of each owner together, in the order in which they came.

    >>> together(np.array([1, 0, 1]), np.array([1, 2]), Space()).tolist()
    [1, 0, 2]
    """
    rows = space.empty(len(owner), index_type(len(owner)))
    free = bounds(counts)[:-1]
    narrow = np.uint16 if len(counts) <= 1 << 16 else owner.dtype  # numpy sorts short integers much faster
    for part in blocks(len(owner)):
        order = np.argsort(owner[part].astype(narrow), kind="stable")
        own, first, count = np.unique(owner[part][order], return_index=True, return_counts=True)
        rows[np.repeat(free[own] - first, count) + np.arange(len(order))] = order + part.start
        free[own] += count
    return rows


def sort_within(rows: np.ndarray, starts: np.ndarray, times: np.ndarray, space: Space) -> bool:
    """Sort the rows of each owner by time, in place and stably; return whether a row moved."""
    moved = False
    for low, high in _batches(starts):
        first, last = int(starts[low]), int(starts[high])
        if last - first > AT_ONCE * arrays.BLOCK:
            moved |= _sort_long(rows[first:last], times, space)
            continue
        own = np.asarray(rows[first:last])
        when = times[own]
        owner = np.repeat(np.arange(low, high), np.diff(starts[low : high + 1]))
        if ((np.diff(when) < 0) & (np.diff(owner) == 0)).any():
            order = np.argsort(when, kind="stable") if high - low == 1 else np.lexsort((when, owner))
            rows[first:last] = own[order]
            moved = True
    return moved


def _batches(starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield ranges of neighbouring owners that have a block of rows together, one owner at least."""
    low, count = 0, len(starts) - 1
    while low < count:
        high = int(np.searchsorted(starts, starts[low] + arrays.BLOCK, side="right")) - 1
        high = min(max(high, low + 1), count)
        yield low, high
        low = high


def _sort_long(rows: np.ndarray, times: np.ndarray, space: Space) -> bool:
    """Sort more rows of one owner than are sorted at once: cut by time into parts, each of which is sorted alone."""
    if not _goes_back(rows, times):
        return False
    parts = -(-len(rows) // arrays.BLOCK)
    sample = np.sort(times[rows[:: max(1, len(rows) // (SAMPLED * parts))]])
    edges = np.unique(sample[SAMPLED::SAMPLED])
    which = space.empty(len(rows), np.int32)
    for part in blocks(len(rows)):
        which[part] = np.searchsorted(edges, times[rows[part]], side="right")
    counts = counted(which, len(edges) + 1)
    dealt = together(which, counts, space)
    for part in blocks(len(dealt)):
        dealt[part] = rows[dealt[part]]
    starts = bounds(counts).tolist()
    for first, last in itertools.pairwise(starts):
        own = np.asarray(dealt[first:last])
        rows[first:last] = own[np.argsort(times[own], kind="stable")]
    return True


def _goes_back(rows: np.ndarray, times: np.ndarray) -> bool:
    """Return whether a time is before the one of the row before."""
    for part in blocks(len(rows)):
        when = times[rows[max(part.start - 1, 0) : part.stop]]
        if (when[1:] < when[:-1]).any():
            return True
    return False
