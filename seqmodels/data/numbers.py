"""Shift and scale of features, taken from training data only.

N rows, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from seqmodels.data.files.arrays import blocks

# Below this share of a feature's size its spread is rounding, and the feature a constant.
CONSTANT = 1e-9
# Nothing that is measured is larger: such a number, like an infinite one, is taken for a mistake.
LARGEST = 1e30


def usable(values: np.ndarray) -> np.ndarray:
    """Return which values are numbers, neither NaN nor infinite nor above `LARGEST`: bool of the same shape.

    >>> usable(np.array([1.0, np.nan, -np.inf, 1e300])).tolist()
    [True, False, False, False]
    >>> usable(np.array([60000, np.inf], np.float16)).tolist()
    [True, False]
    """
    # In the values' own type, half precision too: its largest number is below the limit.
    limit = min(LARGEST, float(np.finfo(values.dtype).max)) if values.dtype.kind == "f" else LARGEST
    found: np.ndarray = np.abs(values) <= limit
    return found


def fit_scale(rows: np.ndarray, keep: np.ndarray | None = None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each feature, over rows ``(N, F)``; NaNs do not count.

    The scale of a constant feature, or of one without a number, is 1.

    >>> fit_scale(np.array([[1.0, 7.0], [3.0, 7.0]]))
    ((2.0, 7.0), (1.0, 1.0))
    """

    def parts() -> Iterator[np.ndarray]:
        for part in list(blocks(len(rows))) or [slice(0, 0)]:
            yield rows[part] if keep is None else rows[part][keep[part]]

    return scale_of(parts)


def scale_of(parts: Callable[[], Iterable[np.ndarray]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what `fit_scale` returns, of rows given block by block, the same blocks at each of two calls.

    >>> scale_of(lambda: [np.array([[1.0]]), np.array([[np.nan], [3.0]])])
    ((2.0,), (1.0,))

    Deviations are taken from the mean of all blocks, so that a large level does not swallow a small spread.
    """
    count = total = squares = np.zeros(())
    for rows in parts():
        known = np.isfinite(rows)
        count = count + known.sum(axis=0)
        total = total + np.where(known, rows, 0.0).sum(axis=0)
    shift = total / np.maximum(count, 1)
    for rows in parts():
        squares = squares + (np.where(np.isfinite(rows), rows - shift, 0.0) ** 2).sum(axis=0)
    scale = np.sqrt(squares / np.maximum(count, 1))
    scale = np.where(scale > CONSTANT * np.maximum(1.0, np.abs(shift)), scale, 1.0)
    return tuple(shift.tolist()), tuple(scale.tolist())


def apply_scale(rows: np.ndarray, shift: tuple[float, ...], scale: tuple[float, ...]) -> np.ndarray:
    """Return ``(rows - shift) / scale``, computed in float64, as float32.

    >>> apply_scale(np.array([[5.0]]), (1.0,), (2.0,)).tolist()
    [[2.0]]
    """
    return ((rows - np.asarray(shift)) / np.asarray(scale)).astype(np.float32)


def interpolate(values: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Return values with each missing one on the line between its neighbours in its series; at the ends, the nearest.

    >>> interpolate(np.array([[1.0], [np.nan], [3.0], [np.nan]]), np.zeros(4, int))[:, 0].tolist()
    [1.0, 2.0, 3.0, 3.0]

    A feature that a series has no value of becomes 0.
    """
    filled = np.empty_like(values)
    for part, rows in interpolated(values, series):
        filled[part] = rows
    return filled


def interpolated(values: np.ndarray, series: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the rows that `interpolate` returns, block by block, each with its place."""
    parts = list(blocks(len(values)))
    # By block and feature the first row at or after its start that has a value; N for none.
    later = np.full((len(parts) + 1, values.shape[1]), len(values))
    for i in range(len(parts) - 1, -1, -1):
        there = np.isfinite(values[parts[i]])
        later[i] = np.where(there.any(axis=0), there.argmax(axis=0) + parts[i].start, later[i + 1])
    earlier = np.full(values.shape[1], -1)
    for i, part in enumerate(parts):
        rows = np.array(values[part])
        there = np.isfinite(rows)
        for feature in np.flatnonzero(~there.all(axis=0)).tolist():
            known = np.flatnonzero(there[:, feature]) + part.start
            known = np.concatenate([[earlier[feature]], known, [later[i + 1, feature]]])
            missing = np.flatnonzero(~there[:, feature])
            rows[missing, feature] = _between(values[:, feature], series, known, missing + part.start)
        any_there = there.any(axis=0)
        earlier = np.where(any_there, part.stop - 1 - there[::-1].argmax(axis=0), earlier)
        yield part, rows


def _between(values: np.ndarray, series: np.ndarray, known: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return what stands in the missing places of one feature, between the known ones."""
    after = np.searchsorted(known, missing)
    low, high = known[after - 1], known[after]
    own, count = series[missing], len(values)
    has_low = (low >= 0) & (series[np.maximum(low, 0)] == own)
    has_high = (high < count) & (series[np.minimum(high, count - 1)] == own)
    below, above = values[np.maximum(low, 0)], values[np.minimum(high, count - 1)]
    line = (above - below) / np.maximum(high - low, 1) * (missing - low) + below
    return np.where(has_low & has_high, line, np.where(has_low, below, np.where(has_high, above, 0.0)))
