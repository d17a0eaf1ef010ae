"""Splits of series by time into training, validation and test, and into folds that walk forward.

N rows, H steps of horizon.
"""

from __future__ import annotations

import itertools

import numpy as np

from seqmodels.data.columns.grouped import counted
from seqmodels.data.columns.splits.shares import NAMES, by_position
from seqmodels.data.files.arrays import blocks
from seqmodels.data.series.rows import SeriesRows

# Default history: steps, and the training rows for each of them at least.
USUAL_HISTORY, LARGEST_SHARE = 24, 4


def split_rows(
    rows: SeriesRows,
    val_fraction: float,
    test_fraction: float,
    fold: tuple[int, int] | None = None,
    train_steps: int | None = None,
    horizon: int = 1,
) -> dict[str, np.ndarray]:
    """Return one mask per split: which rows come first, next and last in time.

    Where there are times, all series are cut at the same ones, so that no split knows what happened
    to another series later; else each series is cut at the same fractions of its own length.

    Args:
        rows: the series.
        val_fraction, test_fraction: shares of the time stamps, or of each series.
        fold: (k, n) for the k-th of n folds that walk forward: the test part is cut into n equal blocks,
            the k-th is tested on, and all that comes before it is for training and validation.
        train_steps: time stamps to train on, the last ones before validation; None for all of them.
        horizon: H, which validation and test should hold.
    """
    options = (val_fraction, test_fraction, fold, train_steps, horizon)
    masks: dict[str, np.ndarray] = {}
    if rows.times is None:
        starts = rows.starts.tolist()
        for first, last in itertools.pairwise(starts):
            for name, part in parts_of(last - first, *options).items():
                if name not in masks:
                    masks[name] = rows.space.empty(len(rows), bool)
                    masks[name][:] = False
                masks[name][first + part.start : first + part.stop] = True
        return {name: masks[name] for name in NAMES if name in masks}
    times = sorted_times(rows, rows.times)
    before = _distinct_before(times)
    count = int(before[-1])
    for name, cut in parts_of(count, *options).items():
        low = _time_at(times, before, cut.start) if cut.start else None
        high = _time_at(times, before, cut.stop) if cut.stop < count else None
        masks[name] = rows.space.empty(len(rows), bool)
        for part in blocks(len(rows)):
            when = rows.times[part]
            inside = np.full(len(when), cut.stop > cut.start)
            inside &= True if low is None else when >= low
            masks[name][part] = inside & (True if high is None else when < high)
    return masks


def sorted_times(rows: SeriesRows, times: np.ndarray) -> np.ndarray:
    """Return the time stamps of all series in order; those of one series are."""
    if len(rows.names) < 2:
        return times
    found = rows.space.empty(len(times), times.dtype)
    for part in blocks(len(times)):
        found[part] = times[part]
    found.sort()
    return found


def _fresh(times: np.ndarray, part: slice) -> np.ndarray:
    """Return which of some sorted times are not there before."""
    new = np.diff(times[max(part.start - 1, 0) : part.stop]) != 0
    return new if part.start else np.concatenate([[True], new])


def _distinct_before(times: np.ndarray) -> np.ndarray:
    """Return how many distinct times come before each block, and, last, how many there are."""
    return np.cumsum([0, *(int(_fresh(times, part).sum()) for part in blocks(len(times)))])


def _time_at(times: np.ndarray, before: np.ndarray, rank: int) -> np.generic:
    """Return the distinct time of a rank, from 0."""
    block = int(np.searchsorted(before, rank, side="right")) - 1
    part = next(part for i, part in enumerate(blocks(len(times))) if i == block)
    found: np.generic = times[part][_fresh(times, part)][rank - before[block]]
    return found


def parts_of(
    count: int,
    val_fraction: float,
    test_fraction: float,
    fold: tuple[int, int] | None = None,
    train_steps: int | None = None,
    horizon: int = 1,
) -> dict[str, slice]:
    """Return the places of each split among a number of time stamps; arguments as for `split_rows`.

    >>> parts_of(100, 0.1, 0.2, (2, 4), 30)
    {'train': slice(45, 75, None), 'val': slice(75, 85, None), 'test': slice(85, 90, None)}

    A part that cannot hold one horizon is made to hold one, where as much is left to train on:

    >>> parts_of(48, 0.1, 0.1, horizon=8)
    {'train': slice(0, 32, None), 'val': slice(32, 40, None), 'test': slice(40, 48, None)}
    """
    parts = _widened(by_position(count, val_fraction, test_fraction), horizon)
    if fold is not None:
        first, (k, n) = parts["test"].start, fold
        low, high = first + (count - first) * (k - 1) // n, first + (count - first) * k // n
        if high == low:
            raise ValueError(f"data.fold={k}/{n}: the test part has {count - first} time steps, too few for {n} folds")
        val = parts["val"].stop - parts["val"].start if "val" in parts else 0
        parts = {"train": slice(0, low - val), "val": slice(low - val, low), "test": slice(low, high)}
        parts = {name: part for name, part in parts.items() if part.stop > part.start}
    if train_steps is not None:
        stop = parts["train"].stop
        parts["train"] = slice(max(0, stop - train_steps), stop)
    return parts


def _widened(parts: dict[str, slice], horizon: int) -> dict[str, slice]:
    """Make validation and test hold one horizon, where two of them are left to train on."""
    sizes = {name: part.stop - part.start for name, part in parts.items()}
    wide = {name: max(size, horizon) for name, size in sizes.items() if name != "train"}
    train = sum(sizes.values()) - sum(wide.values())
    if train >= sizes["train"] or train < 2 * horizon:
        return parts
    edges = np.cumsum([0, train, *wide.values()]).tolist()
    return {name: slice(low, high) for name, low, high in zip(parts, edges, edges[1:], strict=False)}


def usual_history(rows: SeriesRows, train: np.ndarray, period: int | None) -> int:
    """Return the steps of history where the user names none: 24, or one period, less where there is little."""
    longest = int(counted(rows.series, len(rows.names), train).max(initial=0))
    return max(2, min(max(USUAL_HISTORY, period or 0), longest // LARGEST_SHARE))
