"""Forecasting data: rows of series, cut by time, scaled by what was known then.

L steps of history, H steps of horizon, F features, C columns of a context, N rows of all series laid end to end; see
`seqmodels.data.series.windows` for how windows lie in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from seqmodels.data.columns.grouped import counted
from seqmodels.data.files.arrays import blocks
from seqmodels.data.numbers import apply_scale, fit_scale, interpolated, scale_of
from seqmodels.data.series.covariates import Context
from seqmodels.data.series.rows import SeriesRows
from seqmodels.data.series.windows import SeriesStreams, SeriesWindows, WindowStarts, history_of, window_runs
from seqmodels.spec import Series, Spec

# Windows of a split from which on only every second one is read, from twice as many on every fourth, and so on.
MOST_WINDOWS = 1 << 20


def forecast_splits(
    rows: SeriesRows,
    names: tuple[str, ...],
    history: int,
    horizon: int,
    masks: dict[str, np.ndarray],
    period: int | None = None,
    encoder: Mapping[str, Any] | None = None,
    transform: str | None = None,
    per_step: bool = False,
    relative: bool = False,
    context: Context | None = None,
) -> dict[str, SeriesWindows]:
    """Make the windows of each split, at every step; shift and scale are the training rows'.

    A split's windows are those whose targets all lie in it; their inputs may reach back into the
    split before, because by then those values are known.

    Args:
        rows: the series; the first feature is the one to be forecast.
        names: of the features and the columns of the context.
        history, horizon: L and H.
        masks: the rows of each split, from `split_rows`.
        period: steps in a season, for the baseline that repeats the last one.
        encoder: kept in the spec.
        transform: of the target, kept in the spec.
        per_step: streams with targets after every step, in the place of windows.
        relative: whether a target is the change from the last value to it, each step of the horizon scaled
            by itself.
        context: of the training part.

    Raises:
        ValueError: a split is too short for one window.
    """
    context = Context() if context is None else context
    shift, scale = fit_scale(rows.values, masks["train"])
    extra = len(context.names)
    shift, scale = shift + (0.0,) * extra, scale + (1.0,) * extra
    spec = forecast_spec(rows, names, horizon, period, shift, scale, encoder, per_step)
    spec = replace(spec, series=Series(history, transform, relative))
    if relative:
        change, spread = fit_changes(rows, horizon, masks["train"])
        spec = replace(spec, shift=change, scale=spread)
    values = scaled(rows, context, spec)
    splits = {}
    for name, mask in masks.items():
        found = _dataset(rows, values, history, spec, mask, stream=name == "train")
        splits[name] = found if len(found) else _refuse_short(name, rows, mask, history, horizon, per_step)
    return splits


def fit_changes(rows: SeriesRows, horizon: int, wanted: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of the changes of the target from one row to each of the H after it.

    >>> rows = SeriesRows(np.array([[1.0], [3.0], [7.0]]), np.zeros(3, int), None, ("",))
    >>> fit_changes(rows, 2, np.ones(3, bool))
    ((3.0, 6.0), (1.0, 1.0))
    """
    return scale_of(lambda: (changes_ahead(rows, horizon, wanted, part) for part in blocks(len(rows))))


def changes_ahead(rows: SeriesRows, horizon: int, wanted: np.ndarray, part: slice) -> np.ndarray:
    """Return the changes of the target from some rows to the H after each, ``(n, H)``; NaN where not both are wanted.

    >>> rows = SeriesRows(np.array([[1.0], [3.0], [6.0]]), np.zeros(3, int), None, ("",))
    >>> changes_ahead(rows, 2, np.ones(3, bool), slice(0, 3)).tolist()
    [[2.0, 5.0], [3.0, nan], [nan, nan]]
    """
    reach = slice(part.start, min(part.stop + horizon, len(rows)))
    target = np.where(wanted[reach], rows.values[reach, 0], np.nan)
    stretches, count = rows.blocks[reach], part.stop - part.start
    changes = np.full((count, horizon), np.nan)
    for ahead in range(1, min(horizon, len(target) - 1) + 1):
        there = min(count, len(target) - ahead)
        change = target[ahead : ahead + there] - target[:there]
        change[stretches[ahead : ahead + there] != stretches[:there]] = np.nan
        changes[:there, ahead - 1] = change
    return changes


def _dataset(
    rows: SeriesRows, values: np.ndarray, history: int, spec: Spec, wanted: np.ndarray, stream: bool = False
) -> SeriesWindows:
    """Return the windows or the streams whose targets lie in the wanted rows."""
    per_step = spec.target_shape == "step"
    first, stop = window_runs(
        rows.values, rows.blocks, wanted, 1 if per_step else history, spec.horizon or 1, rows.observed
    )
    if per_step:
        return SeriesStreams(values, first, stop, spec, rows.ahead, stream)
    return SeriesWindows(values, WindowStarts(first, stop).thinned(MOST_WINDOWS), history, spec, rows.ahead)


def forecast_spec(
    rows: SeriesRows,
    names: tuple[str, ...],
    horizon: int,
    period: int | None,
    shift: tuple[float, ...],
    scale: tuple[float, ...],
    encoder: Mapping[str, Any] | None,
    per_step: bool,
) -> Spec:
    """Return the spec of windows in which the first feature is forecast."""
    known = rows.ahead or slice(0, 0)
    ahead = tuple(f"{name} +{step + 1}" for name in names[known] for step in range(horizon))
    return Spec(
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
        encoder=encoder or {},
    )


def _refuse_short(
    name: str, rows: SeriesRows, mask: np.ndarray, history: int, horizon: int, per_step: bool
) -> NoReturn:
    longest = int(counted(rows.series, len(rows.names), mask).max(initial=0))
    steps = "1 step" if per_step else f"{history} steps"
    raise ValueError(
        f"the {name} part of the series has {longest} rows (of {len(rows)} in all), too few for {steps} "
        f"of history{'' if name in ('train', 'new') else ' (which may begin before it)'} and {horizon} of horizon "
        f"with no value missing among them; lower {'' if per_step else 'data.history or '}data.horizon, change "
        "data.val_fraction or data.test_fraction (0 for none), or give more rows"
    )


def new_windows(rows: SeriesRows, spec: Spec, context: Context | None = None) -> SeriesWindows:
    """Make every window, or stream, whose targets are in the rows of new series, scaled as in training.

    Raises:
        ValueError: no series is long enough, or one has a name that training did not have.
    """
    rows, history = rows.past(), history_of(spec)
    values = scaled(rows, Context() if context is None else context, spec, strict=True)
    everything = np.ones(len(rows), dtype=bool)
    found = _dataset(rows, values, history, spec, everything)
    per_step = spec.target_shape == "step"
    return found if len(found) else _refuse_short("new", rows, everything, history, spec.horizon or 1, per_step)


def scaled(rows: SeriesRows, context: Context, spec: Spec, strict: bool = False) -> np.ndarray:
    """Return the rows' values and the columns of their context, float32 ``(N, F + C)``, without gaps and scaled."""
    width = rows.values.shape[1] + len(context.names)
    found = rows.space.empty((len(rows), width), np.float32)
    for part, values in _with_context(rows, context, strict):
        found[part] = apply_scale(values, spec.input_shift[:width], spec.input_scale[:width])
    return found


def _with_context(rows: SeriesRows, context: Context, strict: bool) -> Iterator[tuple[slice, np.ndarray]]:
    columns = context.columns(rows, strict)
    for part, values in interpolated(rows.values, rows.blocks):
        yield part, np.concatenate([values, columns(part)], axis=1)
