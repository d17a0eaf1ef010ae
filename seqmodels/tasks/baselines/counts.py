"""Counts of integer keys."""

import numpy as np


class Counts:
    """Sorted table of distinct int64 keys and their counts.

    >>> counts = Counts()
    >>> counts.add(np.array([7, 3, 7]))
    >>> counts.of(np.array([3, 5, 7])).tolist()
    [1, 0, 2]
    """

    def __init__(self, keys: np.ndarray | None = None, counts: np.ndarray | None = None) -> None:
        self.keys = np.empty(0, np.int64) if keys is None else keys
        self.counts = np.empty(0, np.int64) if counts is None else counts

    def add(self, keys: np.ndarray) -> None:
        """Add one count for each of `keys`."""
        new, times = np.unique(keys, return_counts=True)
        self.keys, place = np.unique(np.concatenate([self.keys, new]), return_inverse=True)
        weights = np.concatenate([self.counts, times])
        self.counts = np.bincount(place, weights, len(self.keys)).astype(np.int64)

    def of(self, keys: np.ndarray) -> np.ndarray:
        """Return the count of each of `keys`, 0 if never added."""
        return look_up(self.keys, self.counts, keys)


def look_up(table: np.ndarray, values: np.ndarray, keys: np.ndarray, absent: int = 0) -> np.ndarray:
    """Return the value of each key in a sorted table, `absent` if missing."""
    if len(table) == 0:
        return np.full(len(keys), absent, dtype=values.dtype)
    place = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return np.where(table[place] == keys, values[place], absent)
