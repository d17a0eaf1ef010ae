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

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from seqmodels.data.files.arrays import blocks
from seqmodels.data.files.lazy import LazySequence
from seqmodels.dataset import SequenceDataset
from seqmodels.spec import Spec


class WindowStarts(LazySequence[int]):
    """First rows of windows, as runs of neighbouring rows, so that their number takes no memory.

    >>> starts = WindowStarts(np.array([0, 10]), np.array([3, 12]))
    >>> list(starts), starts[3], list(starts.thinned(3))
    ([0, 1, 2, 10, 11], 10, [0, 2, 11])

    Args:
        first: int ``(R,)``, the first row of each run, in order.
        stop: int ``(R,)``, the row after the last of each.
        stride: rows, of all runs in order, from one start to the next.
    """

    def __init__(self, first: np.ndarray, stop: np.ndarray, stride: int = 1) -> None:
        self.first, self.stop, self.stride = first, stop, stride
        self._before = np.concatenate([[0], np.cumsum(stop - first)])

    @property
    def found(self) -> int:
        """How many starts there are without thinning."""
        return int(self._before[-1])

    def __len__(self) -> int:
        return -(-self.found // self.stride)

    def item(self, index: int) -> int:
        place = index * self.stride
        run = int(np.searchsorted(self._before, place, side="right")) - 1
        return int(self.first[run]) + place - int(self._before[run])

    def thinned(self, most: int) -> WindowStarts:
        """Return every second of the starts, or fourth, and so on, so that there are at most `most`."""
        stride = 1
        while self.found > most * stride:
            stride *= 2
        return WindowStarts(self.first, self.stop, stride)


class SeriesWindows(SequenceDataset):
    """Windows over series: the L rows from ``starts[i]`` on, and the target feature in the H rows after them.

    No window is stored: of the values, which may lie in a file, the rows that are asked for are read.

    >>> spec = Spec("features", 1, "values", 2, "sequence", horizon=2, target_feature=0)
    >>> windows = SeriesWindows(np.arange(6, dtype=np.float32)[:, None], np.array([0, 1]), 3, spec)
    >>> inputs, targets = windows.read(1, 0, 3)
    >>> inputs[:, 0].tolist(), targets.tolist()
    ([1.0, 2.0, 3.0], [4.0, 5.0])

    Args:
        values: float32 ``(N, F)``, scaled, in memory or mapped into it.
        starts: the first row of each window.
        history: L.
        spec: with `horizon` and `target_feature`.
        known: which of the F columns are known ahead; None for none.
    """

    def __init__(
        self,
        values: np.ndarray,
        starts: WindowStarts | np.ndarray,
        history: int,
        spec: Spec,
        known: slice | None = None,
    ) -> None:
        self._over(values, spec, known)
        self.starts, self.history = starts, history
        self.lengths = np.full(len(starts), history, dtype=np.int64)

    def _over(self, values: np.ndarray, spec: Spec, known: slice | None) -> None:
        if spec.horizon is None or spec.target_feature is None:
            raise ValueError("windows over series need a spec with horizon and target_feature")
        self.values, self.spec = values, spec
        self.horizon, self.target_feature = spec.horizon, spec.target_feature
        self.known = known
        self.change = _Change(spec) if spec.series is not None and spec.series.relative else None

    def _inputs(self, first: int, last: int) -> np.ndarray:
        """Return rows first to last, with what is known of the steps ahead of each."""
        rows = np.asarray(self.values[first:last])
        if self.known is None:
            return rows
        later = np.asarray(self.values[first + 1 : last + self.horizon, self.known])
        # (last - first, K, H)
        ahead = sliding_window_view(later, self.horizon, axis=0)
        return np.concatenate([rows, ahead.reshape(len(rows), -1)], axis=1)

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        first = int(self.starts[index])
        origin = first + self.history
        targets = np.asarray(self.values[origin : origin + self.horizon, self.target_feature])
        if self.change is not None:
            targets = self.change(targets, self.values[origin - 1, self.target_feature])
        return self._inputs(first + start, first + stop), targets


class SeriesStreams(SeriesWindows):
    """Streams: the rows from ``starts[i]`` to before ``stops[i]``, and after each the target feature in the H next.

    >>> spec = Spec("features", 1, "values", 2, "step", horizon=2, target_feature=0)
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
        values: np.ndarray,
        starts: np.ndarray,
        stops: np.ndarray,
        spec: Spec,
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
        later = np.asarray(self.values[first + 1 : last + self.horizon, self.target_feature])
        targets = sliding_window_view(later, self.horizon)
        if self.change is not None:
            targets = self.change(targets, np.asarray(self.values[first:last, self.target_feature, None]))
        return self._inputs(first, last), targets


def history_of(spec: Spec) -> int:
    """Return L, the steps that a window of series looks back."""
    if spec.series is None or spec.series.history is None:
        raise ValueError("windows over series need a spec with series.history")
    return spec.series.history


class _Change:
    """Scale of changes, from values and the last one before them."""

    def __init__(self, spec: Spec) -> None:
        self.factor = np.float32(spec.input_scale[spec.target_feature or 0] / np.array(spec.scale))
        self.shift = np.float32(np.array(spec.shift) / np.array(spec.scale))

    def __call__(self, values: np.ndarray, last: np.ndarray) -> np.ndarray:
        return (values - last) * self.factor - self.shift


def window_runs(
    values: np.ndarray,
    stretches: np.ndarray,
    wanted: np.ndarray,
    history: int,
    horizon: int,
    observed: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the runs of neighbouring rows at which windows begin: their first rows, and those after their last.

    A window stays within one stretch; its targets, of the first feature, are all wanted and there. Of its last
    input row all that is observed is there too: a value interpolated there would have been made from the targets.

    >>> values, stretches = np.ones((6, 1)), np.zeros(6, int)
    >>> [part.tolist() for part in window_runs(values, stretches, np.arange(6) < 5, history=2, horizon=2)]
    [[0], [2]]

    Args:
        values: float ``(N, F)``, NaN where missing.
        stretches: int ``(N,)``, the stretch of each row; those of one are neighbours.
        wanted: bool ``(N,)``.
        history, horizon: L and H.
        observed: how many features, the first ones, count; None for all.
    """
    first, stop, last = list[np.ndarray](), list[np.ndarray](), -1
    reach = history + horizon - 1
    for part in blocks(max(0, len(values) - reach)):
        rows, origin = part.stop - part.start, part.start + history
        targets = slice(origin, part.stop + reach)
        refused = np.cumsum(~(wanted[targets] & np.isfinite(values[targets, 0])))
        before = np.concatenate([[0], refused[: rows - 1]])
        fits = (refused[horizon - 1 :] == before) & (
            stretches[part] == stretches[part.start + reach : part.stop + reach]
        )
        fits &= np.isfinite(values[origin - 1 : origin - 1 + rows, :observed]).all(axis=1)
        edges = np.flatnonzero(np.diff(fits, prepend=False, append=False)) + part.start
        begins, ends = edges[::2], edges[1::2]
        if len(begins) and begins[0] == last:  # goes on from the block before
            stop[-1][-1], begins, ends = ends[0], begins[1:], ends[1:]
        if len(begins):
            first.append(begins)
            stop.append(ends)
        last = int(stop[-1][-1]) if stop else -1
    none = [np.zeros(0, np.int64)]
    return np.concatenate(first or none), np.concatenate(stop or none)
