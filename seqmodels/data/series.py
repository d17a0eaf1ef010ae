"""Forecasting data: windows over time series.

L steps of history, H steps of horizon, F features, N rows of all series laid end to end.

    rows      0 1 2 3 4 5 6 7 8 9 | 10 11 12 | 13 14 15       L = 4, H = 2
    part      . . . train . . . . |   val    |   test
    windows   i i i i T T         |          |                first of train
                      i i i i T T |          |                last of train: its targets end with train
                          i i i i | T  T     |                first of val: its inputs are known by then
"""

from __future__ import annotations

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.dataset import SequenceDataset


class SeriesWindows(SequenceDataset):
    """Item i: the L rows from ``starts[i]`` on, and the target feature in the H rows after them.

    Both are views: no window is stored.

    >>> spec = BatchSpec("features", 1, "values", 2, "sequence", horizon=2, target_feature=0)
    >>> windows = SeriesWindows(np.arange(6, dtype=np.float32)[:, None], np.array([0, 1]), 3, spec)
    >>> inputs, targets = windows.read(1, 0, 3)
    >>> inputs[:, 0].tolist(), targets.tolist()
    ([1.0, 2.0, 3.0], [4.0, 5.0])

    Args:
        values: float32 ``(N, F)``, scaled.
        starts: int64, the first row of each window.
        history: L.
        spec: with `horizon` and `target_feature`.
    """

    def __init__(self, values: np.ndarray, starts: np.ndarray, history: int, spec: BatchSpec) -> None:
        if spec.horizon is None or spec.target_feature is None:
            raise ValueError("windows over series need a spec with horizon and target_feature")
        self.values, self.starts, self.history, self.spec = values, starts, history, spec
        self.horizon, self.target_feature = spec.horizon, spec.target_feature
        self.lengths = np.full(len(starts), history, dtype=np.int64)

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        first = int(self.starts[index])
        origin = first + self.history
        targets = self.values[origin : origin + self.horizon, self.target_feature]
        return self.values[first + start : first + stop], targets


def window_starts(
    series: np.ndarray, measured: np.ndarray, target_feature: int, history: int, horizon: int, wanted: np.ndarray
) -> np.ndarray:
    """First rows of the windows whose targets lie in the wanted rows.

    A window stays within one series; its targets are all wanted and measured. Its last input row is
    measured too: a value interpolated there would have been made from the targets.

    Args:
        series: int ``(N,)``, the series of each row; the rows of a series are neighbours.
        measured: bool ``(N, F)``, false where a value was missing.
        target_feature: the feature being forecast.
        history, horizon: L and H.
        wanted: bool ``(N,)``.

    >>> series, measured = np.zeros(6, int), np.ones((6, 1), bool)
    >>> window_starts(series, measured, 0, history=2, horizon=2, wanted=np.arange(6) < 5).tolist()
    [0, 1]
    """
    start = np.arange(max(0, len(series) - history - horizon + 1))
    origin = start + history
    last = origin + horizon - 1
    refused = np.concatenate([[0], np.cumsum(~(wanted & measured[:, target_feature]))])
    fits = (series[start] == series[last]) & (refused[last + 1] == refused[origin]) & measured[origin - 1].all(axis=1)
    return start[fits]


def last_windows(values: np.ndarray, series: np.ndarray, history: int, spec: BatchSpec) -> SeriesWindows:
    """One window per series: its last L rows; the targets lie in the future and are zeros.

    Raises:
        ValueError: a series has fewer than L rows.
    """
    ends = np.flatnonzero(np.diff(series, append=-1))
    begins = np.concatenate([[0], ends[:-1] + 1])
    if (ends - begins + 1 < history).any():
        short = int(np.flatnonzero(ends - begins + 1 < history)[0])
        raise ValueError(
            f"data.history: a forecast needs the last {history} rows of a series; "
            f"series {short + 1} has {int(ends[short] - begins[short]) + 1}: give more rows"
        )
    future = np.zeros((spec.horizon or 0, values.shape[1]), dtype=values.dtype)
    pieces = [part for end in ends.tolist() for part in (values[end - history + 1 : end + 1], future)]
    return SeriesWindows(np.concatenate(pieces), np.arange(len(ends)) * (history + len(future)), history, spec)


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
