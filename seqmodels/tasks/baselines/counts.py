"""How often each of many things occurs, the things being whole numbers."""

from __future__ import annotations

import numpy as np


class Counts:
    """A sorted table of int64 keys and how often each was added; it grows with distinct keys only.

    >>> counts = Counts()
    >>> counts.add(np.array([7, 3, 7]))
    >>> counts.of(np.array([3, 5, 7])).tolist()
    [1, 0, 2]
    """

    def __init__(self, keys: np.ndarray | None = None, counts: np.ndarray | None = None) -> None:
        self.keys = np.empty(0, np.int64) if keys is None else keys
        self.counts = np.empty(0, np.int64) if counts is None else counts

    def add(self, keys: np.ndarray) -> None:
        """Count each of `keys` once."""
        new, times = np.unique(keys, return_counts=True)
        self.keys, place = np.unique(np.concatenate([self.keys, new]), return_inverse=True)
        weights = np.concatenate([self.counts, times])
        self.counts = np.bincount(place, weights, len(self.keys)).astype(np.int64)

    def of(self, keys: np.ndarray) -> np.ndarray:
        """The count of each of `keys`, 0 where it was never added."""
        return look_up(self.keys, self.counts, keys)


def look_up(table: np.ndarray, values: np.ndarray, keys: np.ndarray, absent: int = 0) -> np.ndarray:
    """The value that belongs to each key of a sorted table, `absent` where it has none."""
    if len(table) == 0:
        return np.full(len(keys), absent, dtype=values.dtype)
    place = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return np.where(table[place] == keys, values[place], absent)
