"""Forecasting data: windows over time series.

L steps of history, H steps of horizon, F features, N rows of all series laid end to end.

    rows      0 1 2 3 4 5 6 7 8 9 | 10 11 12 | 13 14 15       L = 4, H = 2
    part      . . . train . . . . |   val    |   test
    windows   i i i i T T         |          |                first of train
                      i i i i T T |          |                last of train: its targets end with train
                          i i i i | T  T     |                first of val: its inputs are known by then
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.dataset import SequenceDataset
from seqmodels.data.scale import apply_scale, fit_scale
from seqmodels.data.splits import by_position

# How long a history is, unless the user says: so many steps, but no more than this share of the training rows.
USUAL_HISTORY, LARGEST_SHARE = 24, 4


@dataclass(frozen=True)
class SeriesRows:
    """N rows of all series, the rows of one series after those of another, each in order of time.

    Fields:
        values: float64 ``(N, F)``, the target first; NaN where missing.
        series: int ``(N,)``, which series a row is of.
        times: ``(N,)``, comparable from series to series; None where the file has no times.
        names: of the series.
        notes: what was done to the rows, in words.
    """

    values: np.ndarray
    series: np.ndarray
    times: np.ndarray | None
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


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


def split_rows(rows: SeriesRows, val_fraction: float, test_fraction: float) -> dict[str, np.ndarray]:
    """Which rows (bool masks) come first, next and last in time.

    Where there are times, all series are cut at the same ones, so that no split knows what happened
    to another series later; else each series is cut at the same fractions of its own length.
    """
    if rows.times is not None:
        distinct, position = np.unique(rows.times, return_inverse=True)
        parts = by_position(len(distinct), val_fraction, test_fraction)
        return {name: (position >= part.start) & (position < part.stop) for name, part in parts.items()}
    masks: dict[str, np.ndarray] = {}
    for one in np.unique(rows.series):
        own = np.flatnonzero(rows.series == one)
        for name, part in by_position(len(own), val_fraction, test_fraction).items():
            masks.setdefault(name, np.zeros(len(rows.series), dtype=bool))[own[part]] = True
    return masks


def usual_history(rows: SeriesRows, train: np.ndarray, period: int | None) -> int:
    """Steps of history where the user names none: 24, or one period, less where there is little to train on."""
    longest = int(np.bincount(rows.series[train]).max()) if train.any() else 0
    return max(2, min(max(USUAL_HISTORY, period or 0), longest // LARGEST_SHARE))


def forecast_splits(
    rows: SeriesRows,
    names: tuple[str, ...],
    history: int,
    horizon: int,
    masks: dict[str, np.ndarray],
    period: int | None = None,
    options: dict[str, Any] | None = None,
) -> dict[str, SeriesWindows]:
    """Windows of each split, at every step; shift and scale are the training rows'.

    A split's windows are those whose targets all lie in it; their inputs may reach back into the
    split before, because by then those values are known.

    Args:
        rows: the series; the first feature is the one to be forecast.
        names: of the features.
        history, horizon: L and H.
        masks: the rows of each split, from `split_rows`.
        period: steps in a season, for the baseline that repeats the last one.
        options: kept in the spec.

    Raises:
        ValueError: a split is too short for one window.
    """
    shift, scale = fit_scale(rows.values[masks["train"]])
    spec = _forecast_spec(names, horizon, period, shift, scale, options)
    values = apply_scale(interpolate(rows.values, rows.series), shift, scale)
    measured = np.isfinite(rows.values)
    splits = {}
    for name, mask in masks.items():
        starts = window_starts(rows.series, measured, 0, history, horizon, mask)
        if len(starts) == 0:
            _refuse_short(name, rows, mask, history, horizon)
        splits[name] = SeriesWindows(values, starts, history, spec)
    return splits


def _forecast_spec(
    names: tuple[str, ...],
    horizon: int,
    period: int | None,
    shift: tuple[float, ...],
    scale: tuple[float, ...],
    options: dict[str, Any] | None,
) -> BatchSpec:
    """The spec of windows in which the first feature is forecast."""
    return BatchSpec(
        inputs="features",
        input_size=len(names),
        targets="values",
        target_size=horizon,
        target_shape="sequence",
        input_names=names,
        target_names=tuple(f"{names[0]} +{step + 1}" for step in range(horizon)),
        horizon=horizon,
        period=period,
        shift=shift[:1] * horizon,
        scale=scale[:1] * horizon,
        input_shift=shift,
        input_scale=scale,
        target_feature=0,
        options=options,
    )


def _refuse_short(name: str, rows: SeriesRows, mask: np.ndarray, history: int, horizon: int) -> None:
    longest = int(np.bincount(rows.series[mask], minlength=1).max())
    raise ValueError(
        f"the {name} part of the series has {longest} rows (of {len(rows.series)} in all), too few for {history} steps "
        f"of history{'' if name in ('train', 'new') else ' (which may begin before it)'} and {horizon} of horizon "
        f"with no value missing among them; lower data.history or data.horizon, change data.val_fraction or "
        "data.test_fraction (0 for none), or give more rows"
    )


def new_windows(rows: SeriesRows, history: int, spec: BatchSpec, targets: bool) -> SeriesWindows:
    """Windows over series the model has not seen, scaled as in training.

    Args:
        rows: the series.
        history: L.
        spec: from training.
        targets: true for every window whose targets are in the rows; false for one window per
            series, its last L rows, with zeros for the targets that lie in the future.

    Raises:
        ValueError: a series is too short, or none is long enough.
    """
    horizon = spec.horizon or 1
    values = apply_scale(interpolate(rows.values, rows.series), spec.input_shift, spec.input_scale)
    if targets:
        everything = np.ones(len(values), dtype=bool)
        starts = window_starts(rows.series, np.isfinite(rows.values), 0, history, horizon, everything)
        if len(starts) == 0:
            _refuse_short("new", rows, everything, history, horizon)
        return SeriesWindows(values, starts, history, spec)
    future = np.zeros((horizon, values.shape[1]), dtype=np.float32)
    pieces, origins = [], []
    for one in np.unique(rows.series):
        own = values[rows.series == one]
        if len(own) < history:
            label = f"the series {rows.names[one]!r}" if rows.names[one] else "the series"
            raise ValueError(f"a forecast needs the last {history} rows of each series; {label} has {len(own)}")
        pieces += [own[len(own) - history :], future]
        origins.append({"series": rows.names[one]})
    starts = np.arange(len(pieces) // 2) * (history + horizon)
    windows = SeriesWindows(np.concatenate(pieces), starts, history, spec)
    windows.origins = origins if len(origins) > 1 else None
    return windows
