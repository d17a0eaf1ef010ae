"""Forecasting data: rows of series, cut by time, scaled by what was known then.

L steps of history, H steps of horizon, F features, N rows of all series laid end to end; see
`seqmodels.data.series.windows` for how windows lie in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.columns.clock import Clock
from seqmodels.data.numbers import apply_scale, fit_scale, interpolate
from seqmodels.data.series.covariates import Context
from seqmodels.data.series.windows import SeriesStreams, SeriesWindows, stream_bounds, window_starts


@dataclass(frozen=True)
class SeriesRows:
    """N rows of all series, the rows of one series after those of another, each in order of time.

    Fields:
        values: float64 ``(N, F)``, the target first, then what is observed with it, what is known ahead,
            and the columns of a `Context`; NaN where missing.
        series: int ``(N,)``, which series a row is of.
        times: ``(N,)``, comparable from series to series; None where the file has no times.
        names: of the series.
        notes: what was done to the rows, in words.
        known: how many of the columns are known ahead.
        context: how many of them, the last ones, are a `Context`'s, which are scaled already.
        static: column -> the one value of each series.
        clock: the step; None where there are no times.
        dated: whether the times are dates.
        blocks: int ``(N,)``, equal within a stretch that no window may leave; None for the series.
        time_format: of the dates, where there was a choice.
        future: bool ``(N,)``, rows after the last target, of which only what is known ahead is there.
        levels: ``(N,)``, the target before it was transformed; None where it was not.
        places: int ``(N,)``, which row of the file each is; -1 for one that was put in.
    """

    values: np.ndarray
    series: np.ndarray
    times: np.ndarray | None
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    known: int = 0
    context: int = 0
    static: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    clock: Clock | None = None
    dated: bool = False
    time_format: str | None = None
    blocks: np.ndarray = None  # type: ignore[assignment]  # None only until the next line that runs
    future: np.ndarray = None  # type: ignore[assignment]
    levels: np.ndarray | None = None
    places: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        usual = {"blocks": self.series, "future": np.zeros(len(self.values), dtype=bool)}
        for name, value in {**usual, "places": np.full(len(self.values), -1)}.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    @property
    def observed(self) -> int:
        """How many columns, the first ones, are not known ahead."""
        return self.values.shape[1] - self.known - self.context

    @property
    def ahead(self) -> slice | None:
        """The columns that are known ahead; None for none."""
        return slice(self.observed, self.observed + self.known) if self.known else None

    @property
    def measured(self) -> np.ndarray:
        """Bool ``(N, observed)``: which values a forecast may start from or be scored by."""
        return np.isfinite(self.values[:, : self.observed])

    def select(self, rows: np.ndarray) -> SeriesRows:
        """Some of the rows, by a mask or by their places."""
        parts: dict[str, Any] = {}
        for name in ("values", "series", "times", "blocks", "future", "levels", "places"):
            part = getattr(self, name)
            parts[name] = None if part is None else part[rows]
        return replace(self, **parts)

    def past(self) -> SeriesRows:
        """The rows up to the last target of each series."""
        return self.select(~self.future) if self.future.any() else self

    def within(self, context: Context, strict: bool = False) -> SeriesRows:
        """The rows with the columns of a context; `strict` as for `Context.columns`."""
        columns = context.columns(self, strict)
        return replace(self, values=np.concatenate([self.values, columns], axis=1), context=columns.shape[1])


def forecast_splits(
    rows: SeriesRows,
    names: tuple[str, ...],
    history: int,
    horizon: int,
    masks: dict[str, np.ndarray],
    period: int | None = None,
    options: dict[str, Any] | None = None,
    per_step: bool = False,
    relative: bool = False,
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
        per_step: streams with targets after every step, in the place of windows.
        relative: whether a target is the change from the last value to it, each step of the horizon scaled
            by itself.

    Raises:
        ValueError: a split is too short for one window.
    """
    shift, scale = fit_scale(rows.values[masks["train"]])
    plain = rows.values.shape[1] - rows.context
    shift, scale = shift[:plain] + (0.0,) * rows.context, scale[:plain] + (1.0,) * rows.context
    spec = forecast_spec(rows, names, horizon, period, shift, scale, options, per_step)
    if relative:
        changes, spread = fit_scale(changes_ahead(rows, horizon, masks["train"]))
        spec = replace(spec, shift=changes, scale=spread, options={**(options or {}), "relative": True})
    values = apply_scale(interpolate(rows.values, rows.blocks), shift, scale)
    splits = {}
    for name, mask in masks.items():
        found = _dataset(rows, values, history, spec, mask, stream=name == "train")
        splits[name] = found if len(found) else _refuse_short(name, rows, mask, history, horizon, per_step)
    return splits


def changes_ahead(rows: SeriesRows, horizon: int, wanted: np.ndarray) -> np.ndarray:
    """The changes of the target from each row to the H after it, ``(N, H)``; NaN where not both are wanted.

    >>> rows = SeriesRows(np.array([[1.0], [3.0], [6.0]]), np.zeros(3, int), None, ("",))
    >>> changes_ahead(rows, 2, np.ones(3, bool)).tolist()
    [[2.0, 5.0], [3.0, nan], [nan, nan]]
    """
    target = np.where(wanted, rows.values[:, 0], np.nan)
    changes = np.full((len(target), horizon), np.nan)
    for ahead in range(1, min(horizon, len(target) - 1) + 1):
        change = target[ahead:] - target[:-ahead]
        change[rows.blocks[ahead:] != rows.blocks[:-ahead]] = np.nan
        changes[:-ahead, ahead - 1] = change
    return changes


def _dataset(
    rows: SeriesRows, values: np.ndarray, history: int, spec: BatchSpec, wanted: np.ndarray, stream: bool = False
) -> SeriesWindows:
    """The windows or the streams whose targets lie in the wanted rows."""
    horizon = spec.horizon or 1
    if spec.target_shape == "step":
        starts, stops = stream_bounds(rows.blocks, rows.measured, 0, horizon, wanted)
        return SeriesStreams(values, starts, stops, spec, rows.ahead, stream)
    starts = window_starts(rows.blocks, rows.measured, 0, history, horizon, wanted)
    return SeriesWindows(values, starts, history, spec, rows.ahead)


def forecast_spec(
    rows: SeriesRows,
    names: tuple[str, ...],
    horizon: int,
    period: int | None,
    shift: tuple[float, ...],
    scale: tuple[float, ...],
    options: dict[str, Any] | None,
    per_step: bool,
) -> BatchSpec:
    """The spec of windows in which the first feature is forecast."""
    known = rows.ahead or slice(0, 0)
    ahead = tuple(f"{name} +{step + 1}" for name in names[known] for step in range(horizon))
    return BatchSpec(
        inputs="features",
        input_size=len(names) + len(ahead),
        targets="values",
        target_size=horizon,
        target_shape="step" if per_step else "sequence",
        input_names=names + ahead,
        target_names=tuple(f"{names[0]} +{step + 1}" for step in range(horizon)),
        horizon=horizon,
        period=period,
        shift=shift[:1] * horizon,
        scale=scale[:1] * horizon,
        input_shift=shift + tuple(value for value in shift[known] for _ in range(horizon)),
        input_scale=scale + tuple(value for value in scale[known] for _ in range(horizon)),
        target_feature=0,
        options=options,
    )


def _refuse_short(
    name: str, rows: SeriesRows, mask: np.ndarray, history: int, horizon: int, per_step: bool
) -> NoReturn:
    longest = int(np.bincount(rows.series[mask], minlength=1).max())
    refuse_short(name, longest, len(rows.series), history, horizon, per_step)


def refuse_short(name: str, longest: int, rows: int, history: int, horizon: int, per_step: bool) -> NoReturn:
    """Say that a split has no window.

    Args:
        name: of the split.
        longest: rows of its longest series.
        rows: of all of the file.
        history, horizon: L and H.
        per_step: whether streams are asked for.

    Raises:
        ValueError: always.
    """
    steps = "1 step" if per_step else f"{history} steps"
    raise ValueError(
        f"the {name} part of the series has {longest} rows (of {rows} in all), too few for {steps} "
        f"of history{'' if name in ('train', 'new') else ' (which may begin before it)'} and {horizon} of horizon "
        f"with no value missing among them; lower {'' if per_step else 'data.history or '}data.horizon, change "
        "data.val_fraction or data.test_fraction (0 for none), or give more rows"
    )


def new_windows(rows: SeriesRows, history: int, spec: BatchSpec) -> SeriesWindows:
    """Every window, or stream, whose targets are in the rows of series the model has not seen, scaled as in training.

    Args:
        rows: the series.
        history: L.
        spec: from training.

    Raises:
        ValueError: no series is long enough.
    """
    rows = rows.past()
    values = scaled(rows, spec)
    everything = np.ones(len(values), dtype=bool)
    found = _dataset(rows, values, history, spec, everything)
    per_step = spec.target_shape == "step"
    return found if len(found) else _refuse_short("new", rows, everything, history, spec.horizon or 1, per_step)


def scaled(rows: SeriesRows, spec: BatchSpec) -> np.ndarray:
    """The rows' values float32 ``(N, F)`` without gaps, scaled as in training."""
    width = rows.values.shape[1]
    return apply_scale(interpolate(rows.values, rows.blocks), spec.input_shift[:width], spec.input_scale[:width])
