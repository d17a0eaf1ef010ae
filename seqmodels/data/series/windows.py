"""Windows and streams over series, as data sets.

L steps of history, H steps of horizon, F features, K known columns, N rows of all series laid end to end.

    rows       0 1 2 3 4 5 6 7 8 9 | 10 11 12 | 13 14 15       L = 4, H = 2
    part       . . . train . . . . |   val    |   test
    windows    i i i i T T         |          |                first of train
                       i i i i T T |          |                last of train: its targets end with train
                           i i i i | T  T     |                first of val: its inputs are known by then
    streams    s s s s s s s s     |          |                of train: after each step, the targets are the next two
                                 s | s        |                of val: from the last step before it

What is known ahead (a holiday, a price) is given at every step: the K columns' values at this step, as any
feature, and then those of each of the H steps ahead, K * H numbers more. So a window is L steps long with or
without them, a stream can have them too, and its last step alone tells a baseline all that may be known.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from seqmodels.batch import BatchSpec
from seqmodels.data.dataset import SequenceDataset


class Values(Protocol):
    """An array ``(N, F)``, or what gives one for a slice of its rows."""

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


class SeriesWindows(SequenceDataset):
    """Item i: the L rows from ``starts[i]`` on, and the target feature in the H rows after them.

    No window is stored: of the values it reads the rows it needs, so that they may lie in a file.

    >>> spec = BatchSpec("features", 1, "values", 2, "sequence", horizon=2, target_feature=0)
    >>> windows = SeriesWindows(np.arange(6, dtype=np.float32)[:, None], np.array([0, 1]), 3, spec)
    >>> inputs, targets = windows.read(1, 0, 3)
    >>> inputs[:, 0].tolist(), targets.tolist()
    ([1.0, 2.0, 3.0], [4.0, 5.0])

    Args:
        values: float32 ``(N, F)``, scaled; an array, or what gives one for a slice of rows.
        starts: int64, the first row of each window.
        history: L.
        spec: with `horizon` and `target_feature`.
        known: which of the F columns are known ahead; None for none.
    """

    def __init__(
        self, values: Values, starts: np.ndarray, history: int, spec: BatchSpec, known: slice | None = None
    ) -> None:
        self._over(values, spec, known)
        self.starts, self.history = starts, history
        self.lengths = np.full(len(starts), history, dtype=np.int64)

    def _over(self, values: Values, spec: BatchSpec, known: slice | None) -> None:
        if spec.horizon is None or spec.target_feature is None:
            raise ValueError("windows over series need a spec with horizon and target_feature")
        self.values, self.spec = values, spec
        self.horizon, self.target_feature = spec.horizon, spec.target_feature
        self.known = known
        self.change = _Change(spec) if (spec.options or {}).get("relative") else None

    def _inputs(self, first: int, last: int) -> np.ndarray:
        """Rows first to last, with what is known of the steps ahead of each."""
        rows = self.values[first:last]
        if self.known is None:
            return rows
        later = self.values[first + 1 : last + self.horizon][:, self.known]
        # (last - first, K, H)
        ahead = sliding_window_view(later, self.horizon, axis=0)
        return np.concatenate([rows, ahead.reshape(len(rows), -1)], axis=1)

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        first = int(self.starts[index])
        origin = first + self.history
        targets = self.values[origin : origin + self.horizon][:, self.target_feature]
        if self.change is not None:
            targets = self.change(targets, self.values[origin - 1 : origin][0, self.target_feature])
        return self._inputs(first + start, first + stop), targets


class SeriesStreams(SeriesWindows):
    """Item i: the rows from ``starts[i]`` to before ``stops[i]``, and after each the target feature in the H next.

    >>> spec = BatchSpec("features", 1, "values", 2, "step", horizon=2, target_feature=0)
    >>> streams = SeriesStreams(np.arange(6, dtype=np.float32)[:, None], np.array([0]), np.array([4]), spec)
    >>> inputs, targets = streams.read(0, 1, 3)
    >>> inputs[:, 0].tolist(), targets.tolist()
    ([1.0, 2.0], [[2.0, 3.0], [3.0, 4.0]])

    Args:
        values, spec, known: as for `SeriesWindows`.
        starts, stops: int64, rows.
        stream: whether a stream may be cut into as many rows as a batch has.
    """

    def __init__(
        self,
        values: Values,
        starts: np.ndarray,
        stops: np.ndarray,
        spec: BatchSpec,
        known: slice | None = None,
        stream: bool = False,
    ) -> None:
        self._over(values, spec, known)
        self.starts, self.stream = starts, stream
        self.lengths = stops - starts

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        first = int(self.starts[index]) + start
        last = first + stop - start
        # (last - first, H)
        later = self.values[first + 1 : last + self.horizon][:, self.target_feature]
        targets = sliding_window_view(later, self.horizon)
        if self.change is not None:
            targets = self.change(targets, self.values[first:last][:, self.target_feature, None])
        return self._inputs(first, last), targets


class _Change:
    """From values and the last one before them, scaled as inputs are, to changes, scaled as targets are."""

    def __init__(self, spec: BatchSpec) -> None:
        self.factor = np.float32(spec.input_scale[spec.target_feature or 0] / np.array(spec.scale))
        self.shift = np.float32(np.array(spec.shift) / np.array(spec.scale))

    def __call__(self, values: np.ndarray, last: np.ndarray) -> np.ndarray:
        return (values - last) * self.factor - self.shift


def window_starts(
    series: np.ndarray, measured: np.ndarray, target_feature: int, history: int, horizon: int, wanted: np.ndarray
) -> np.ndarray:
    """First rows of the windows whose targets lie in the wanted rows.

    A window stays within one series; its targets are all wanted and measured. Its last input row is
    measured too: a value interpolated there would have been made from the targets.

    Args:
        series: int ``(N,)``, the series (or stretch of one) of each row; those of one are neighbours.
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


def stream_bounds(
    series: np.ndarray, measured: np.ndarray, target_feature: int, horizon: int, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First rows, and rows after the last, of the longest streams whose every step has its targets in the wanted rows.

    >>> series, measured = np.zeros(9, int), np.ones((9, 1), bool)
    >>> measured[3] = False
    >>> [bounds.tolist() for bounds in stream_bounds(series, measured, 0, 2, np.arange(9) < 8)]
    [[0, 4], [1, 6]]

    Arguments as for `window_starts`.
    """
    step = window_starts(series, measured, target_feature, 1, horizon, wanted)
    breaks: Any = np.flatnonzero((np.diff(step) != 1) | (np.diff(series[step]) != 0)) + 1 if len(step) else []
    runs = [run for run in np.split(step, breaks) if len(run)]
    return np.array([run[0] for run in runs], np.int64), np.array([run[-1] + 1 for run in runs], np.int64)
