"""Shift and scale of features, taken from training data only."""

from __future__ import annotations

import numpy as np

# Below this share of a feature's size its spread is rounding, and the feature a constant.
CONSTANT = 1e-9
# Nothing that is measured is larger: such a number, like an infinite one, is taken for a mistake.
LARGEST = 1e30


def usable(values: np.ndarray) -> np.ndarray:
    """Bool of the same shape: which are numbers, neither NaN nor infinite nor above `LARGEST`.

    >>> usable(np.array([1.0, np.nan, -np.inf, 1e300])).tolist()
    [True, False, False, False]
    >>> usable(np.array([60000, np.inf], np.float16)).tolist()
    [True, False]
    """
    # In the values' own type, half precision too: its largest number is below the limit.
    limit = min(LARGEST, float(np.finfo(values.dtype).max)) if values.dtype.kind == "f" else LARGEST
    found: np.ndarray = np.abs(values) <= limit
    return found


def fit_scale(rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each feature, over rows ``(N, F)``; NaNs do not count.

    The scale of a constant feature, or of one without a number, is 1.

    >>> fit_scale(np.array([[1.0, 7.0], [3.0, 7.0]]))
    ((2.0, 7.0), (1.0, 1.0))
    """
    known = np.isfinite(rows)
    count = np.maximum(known.sum(axis=0), 1)
    shift = np.where(known, rows, 0.0).sum(axis=0) / count
    scale = np.sqrt((np.where(known, rows - shift, 0.0) ** 2).sum(axis=0) / count)
    scale = np.where(scale > CONSTANT * np.maximum(1.0, np.abs(shift)), scale, 1.0)
    return tuple(shift.tolist()), tuple(scale.tolist())


def apply_scale(rows: np.ndarray, shift: tuple[float, ...], scale: tuple[float, ...]) -> np.ndarray:
    """``(rows - shift) / scale`` as float32.

    >>> apply_scale(np.array([[5.0]]), (1.0,), (2.0,)).tolist()
    [[2.0]]
    """
    return ((rows - np.asarray(shift)) / np.asarray(scale)).astype(np.float32)


def interpolate(values: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Each missing value on the straight line between its neighbours in its series; at the ends, the nearest.

    >>> interpolate(np.array([[1.0], [np.nan], [3.0], [np.nan]]), np.zeros(4, int))[:, 0].tolist()
    [1.0, 2.0, 3.0, 3.0]

    A feature that a series has no value of becomes 0.
    """
    filled = values.copy()
    for name in np.unique(series[~np.isfinite(values).all(axis=1)]):
        rows = np.flatnonzero(series == name)
        for feature in range(values.shape[1]):
            known = rows[np.isfinite(values[rows, feature])]
            filled[rows, feature] = np.interp(rows, known, values[known, feature]) if len(known) else 0.0
    return filled
