"""How series are cut by time into training, validation and test, and into folds that walk forward."""

from __future__ import annotations

import numpy as np

from seqmodels.data.columns.splits import by_position
from seqmodels.data.series.rows import SeriesRows

# How long a history is, unless the user says: so many steps, but no more than this share of the training rows.
USUAL_HISTORY, LARGEST_SHARE = 24, 4


def split_rows(
    rows: SeriesRows,
    val_fraction: float,
    test_fraction: float,
    fold: tuple[int, int] | None = None,
    train_steps: int | None = None,
) -> dict[str, np.ndarray]:
    """Which rows (bool masks) come first, next and last in time.

    Where there are times, all series are cut at the same ones, so that no split knows what happened
    to another series later; else each series is cut at the same fractions of its own length.

    Args:
        rows: the series.
        val_fraction, test_fraction: shares of the time stamps, or of each series.
        fold: (k, n) for the k-th of n folds that walk forward: the test part is cut into n equal blocks,
            the k-th is tested on, and all that comes before it is for training and validation.
        train_steps: time stamps to train on, the last ones before validation; None for all of them.
    """
    if rows.times is not None:
        distinct, position = np.unique(rows.times, return_inverse=True)
        parts = parts_of(len(distinct), val_fraction, test_fraction, fold, train_steps)
        return {name: (position >= part.start) & (position < part.stop) for name, part in parts.items()}
    masks: dict[str, np.ndarray] = {}
    for one in np.unique(rows.series):
        own = np.flatnonzero(rows.series == one)
        for name, part in parts_of(len(own), val_fraction, test_fraction, fold, train_steps).items():
            masks.setdefault(name, np.zeros(len(rows.series), dtype=bool))[own[part]] = True
    return masks


def parts_of(
    count: int, val_fraction: float, test_fraction: float, fold: tuple[int, int] | None, train_steps: int | None
) -> dict[str, slice]:
    """The places of each split among so many; arguments as for `split_rows`.

    >>> parts_of(100, 0.1, 0.2, (2, 4), 30)
    {'train': slice(45, 75, None), 'val': slice(75, 85, None), 'test': slice(85, 90, None)}
    """
    parts = by_position(count, val_fraction, test_fraction)
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


def usual_history(rows: SeriesRows, train: np.ndarray, period: int | None) -> int:
    """Steps of history where the user names none: 24, or one period, less where there is little to train on."""
    return usual_steps(int(np.bincount(rows.series[train]).max()) if train.any() else 0, period)


def usual_steps(longest: int, period: int | None) -> int:
    """As `usual_history`, by the rows of the longest training series."""
    return max(2, min(max(USUAL_HISTORY, period or 0), longest // LARGEST_SHARE))
