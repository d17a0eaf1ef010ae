"""Plans: the steps of sequences that lie in each row of each batch.

A *plan* says so for one epoch, before any data is read. Batch i of it is an int64 array
``(B, 4)`` with one row (sequence, start, stop, reset) per row of the batch; an empty row is
(-1, 0, 0, 1). A plan is computed from a few arrays when asked, never kept as a list of batches,
so its size does not grow with the length of a text.

Windows of k steps over a stream of 20 steps in B = 2 rows, k = 4 (one letter is one step):

    row 0   abcd|efgh|ij        batch 0 = abcd, klmn    (both rows reset)
    row 1   klmn|opqr|st        batch 1 = efgh, opqr
                                batch 2 = ij, st
"""

from __future__ import annotations

import heapq
from typing import Protocol

import numpy as np

EMPTY_ROW = (-1, 0, 0, 1)
# Sequences of similar length are sought among this many batches, so that batches stay random.
POOL_BATCHES = 50
# Merity, Keskar & Socher 2018 (AWD-LSTM), section 4.1: how random window lengths are drawn.
FULL_WINDOW_SHARE, WINDOW_DEVIATION, SHORTEST_WINDOW = 0.95, 5.0, 5


class Plan(Protocol):
    """The batches of one epoch, each an int64 array ``(B, 4)``."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> np.ndarray: ...


class WholePlan:
    """Whole sequences, `batch_size` at a time.

    Shuffled: batches of similar length, in random order, others in each epoch. Not shuffled: in
    the data set's order.

    >>> WholePlan(np.array([3, 5, 2]), batch_size=2)[1].tolist()
    [[2, 0, 2, 1], [-1, 0, 0, 1]]
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, shuffle: bool = False, seed: int = 0, epoch: int = 0):
        self.lengths, self.batch_size = lengths, batch_size
        # As narrow as can be: of tens of millions of sequences this is what takes memory.
        order = np.arange(len(lengths), dtype=np.int32 if len(lengths) < 2**31 else np.int64)
        if shuffle:
            generator = np.random.default_rng([seed, epoch])
            order = generator.permutation(order)
            pool = POOL_BATCHES * batch_size
            for start in range(0, len(order), pool):
                own = order[start : start + pool]
                own[:] = own[np.argsort(lengths[own], kind="stable")]
        batches = -(-len(order) // batch_size)
        padded = np.full(batches * batch_size, -1, order.dtype)
        padded[: len(order)] = order
        self.rows = padded.reshape(batches, batch_size)
        if shuffle:
            del order
            self.rows = generator.permutation(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> np.ndarray:
        sequence = self.rows[index]
        stop = np.where(sequence >= 0, self.lengths[sequence], 0)
        return np.stack([sequence, np.zeros_like(stop), stop, np.ones_like(stop)], axis=1)


class WindowPlan:
    """Windows of the pieces that were dealt to each row, one window per row and batch.

    Args:
        pieces: int64 ``(P, 4)`` of (row, sequence, start, stop), ordered by row.
        rows: B.
        window: steps in a window; a piece's last one may be shorter.
        windows: where given, the length of each batch's window instead. There must then be one
            piece per row, because where a second one begins would depend on the draw.

    >>> plan = WindowPlan(np.array([[0, 0, 0, 5], [1, 0, 5, 9]]), rows=2, window=3)
    >>> plan[0].tolist(), plan[1].tolist()
    ([[0, 0, 3, 1], [0, 5, 8, 1]], [[0, 3, 5, 0], [0, 8, 9, 0]])
    """

    def __init__(self, pieces: np.ndarray, rows: int, window: int, windows: np.ndarray | None = None) -> None:
        self.row, self.sequence, self.start, self.stop = pieces.T
        self.rows = rows
        steps = self.stop - self.start
        if windows is None:
            count = -(-steps // window)
            end = np.cumsum(count)
            row_start = (end - count)[np.searchsorted(self.row, self.row)]
            self.first, self.end = end - count - row_start, end - row_start
            self.edges = window * np.arange(self.end.max() + 1)
        else:
            self.edges = np.concatenate([[0], np.cumsum(windows)])
            self.first, self.end = np.zeros_like(steps), np.searchsorted(self.edges, steps)
        self.batches = int(self.end.max())
        # One sorted key per piece: the piece that a row is in at batch i is one binary search away.
        self.key = self.row * self.batches + self.first

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < self.batches:
            raise IndexError(f"batch {index} of a plan of {self.batches}")
        row = np.arange(self.rows)
        piece = np.searchsorted(self.key, row * self.batches + index, side="right") - 1
        first = self.first[piece]
        start = self.start[piece] + self.edges[index] - self.edges[first]
        stop = np.minimum(start + self.edges[index + 1] - self.edges[index], self.stop[piece])
        batch = np.stack([self.sequence[piece], start, stop, index == first], axis=1)
        batch[(piece < 0) | (self.row[piece] != row) | (index >= self.end[piece])] = EMPTY_ROW
        return batch


def cut_stream(lengths: np.ndarray, rows: int) -> np.ndarray:
    """Cut long sequences, laid end to end, into `rows` parts equal to within one step: pieces ``(P, 4)``.

    >>> cut_stream(np.array([7]), rows=2).tolist()
    [[0, 0, 0, 3], [1, 0, 3, 7]]
    """
    total = int(lengths.sum())
    cuts = total * np.arange(rows + 1) // rows
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    edges = np.unique(np.concatenate([cuts, offsets]))
    start, stop = edges[:-1], edges[1:]
    row = np.searchsorted(cuts, start, side="right") - 1
    sequence = np.searchsorted(offsets, start, side="right") - 1
    return np.stack([row, sequence, start - offsets[sequence], stop - offsets[sequence]], axis=1)


def deal_sequences(
    lengths: np.ndarray, rows: int, window: int, shuffle: bool = False, seed: int = 0, epoch: int = 0
) -> np.ndarray:
    """Deal whole sequences, each to the row with the fewest windows so far: pieces ``(P, 4)``.

    Shuffled: which row a sequence goes to depends on the seed, its place there on the epoch too.
    So every epoch has the same number of batches, which Lightning takes for granted.

    >>> deal_sequences(np.array([4, 1, 2]), rows=2, window=2).tolist()
    [[0, 0, 0, 4], [1, 1, 0, 1], [1, 2, 0, 2]]
    """
    order = np.random.default_rng(seed).permutation(len(lengths)) if shuffle else np.arange(len(lengths))
    row = np.empty(len(lengths), dtype=np.int64)
    heap = [(0, r) for r in range(rows)]
    for sequence in order.tolist():
        load, to = heap[0]
        row[sequence] = to
        heapq.heapreplace(heap, (load + -(-int(lengths[sequence]) // window), to))
    place = np.random.default_rng([seed, epoch]).permutation(len(lengths)) if shuffle else np.arange(len(lengths))
    sequence = np.lexsort((place, row))
    return np.stack([row[sequence], sequence, np.zeros_like(sequence), lengths[sequence]], axis=1)


def draw_windows(steps: int, window: int, seed: int = 0, epoch: int = 0) -> np.ndarray:
    """Draw window lengths that add up to `steps`, about `window` and, one time in twenty, about its half.

    Every epoch has the same lengths in another order, and so the same number of batches.

    >>> int(draw_windows(100, window=10).sum())
    100
    """
    generator = np.random.default_rng(seed)
    shortest = min(SHORTEST_WINDOW, window)
    count = -(-steps // shortest)
    base = np.where(generator.random(count) < FULL_WINDOW_SHARE, window, window / 2)
    lengths = np.maximum(generator.normal(base, WINDOW_DEVIATION).astype(np.int64), shortest)
    edges = np.minimum(np.cumsum(lengths), steps)
    lengths = np.diff(edges[: np.searchsorted(edges, steps) + 1], prepend=0)
    return np.random.default_rng([seed, epoch]).permutation(lengths)


def make_plan(
    lengths: np.ndarray,
    batch_size: int,
    window: int | None = None,
    stream: bool = False,
    shuffle: bool = False,
    random_window: bool = False,
    seed: int = 0,
    epoch: int = 0,
) -> Plan:
    """Make the plan of one epoch.

    Args:
        lengths: steps of each sequence.
        batch_size: B, rows of a batch.
        window: k1, steps of a window; None for whole sequences (of a stream: each row's whole part).
        stream: whether sequences may be cut anywhere to fill the rows.
        shuffle: whether the order changes from epoch to epoch (a stream keeps its order).
        random_window: whether window lengths are drawn, about `window`.
        seed, epoch: what the plan depends on, besides the above.

    >>> make_plan(np.array([20]), batch_size=2, window=4, stream=True)[2].tolist()
    [[0, 8, 10, 0], [0, 18, 20, 0]]

    Raises:
        ValueError: no sequences, an empty one, numbers out of range, or a random window where
            there is no stream of one sequence.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    _check(lengths, batch_size, window, stream, random_window)
    if not stream:
        if window is None:
            return WholePlan(lengths, batch_size, shuffle, seed, epoch)
        return WindowPlan(deal_sequences(lengths, batch_size, window, shuffle, seed, epoch), batch_size, window)
    pieces = cut_stream(lengths, batch_size)
    longest = int((pieces[:, 3] - pieces[:, 2]).max())
    window = window or longest
    windows = draw_windows(longest, window, seed, epoch) if random_window else None
    return WindowPlan(pieces, batch_size, window, windows)


def _check(lengths: np.ndarray, batch_size: int, window: int | None, stream: bool, random_window: bool) -> None:
    if len(lengths) == 0:
        raise ValueError("there are no sequences to make batches of; give data with at least one")
    if lengths.min() < 1:
        raise ValueError(f"sequence {int(lengths.argmin())} has {lengths.min()} steps; each needs at least 1: drop it")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size!r}")
    if window is not None and window < 1:
        raise ValueError(f"window must be at least 1, or null for whole sequences, got {window!r}")
    if random_window and (window is None or not stream or len(lengths) > 1):
        raise ValueError(
            f"random_window needs a window and one long stream, such as a text; got window={window!r} "
            f"and {len(lengths)} sequences: set random_window=false"
        )
