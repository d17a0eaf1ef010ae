"""Defaults that suit a file of series: season, history, changes in the place of levels, calendar.

N rows, L steps of history, H steps of horizon, m steps in a season.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqmodels.data.columns.grouped import counted
from seqmodels.data.columns.times.frequency import DAY, Frequency
from seqmodels.data.files.arrays import blocks
from seqmodels.data.numbers import fit_scale
from seqmodels.data.series.forecasting import fit_changes
from seqmodels.data.series.rows import SeriesRows
from seqmodels.data.series.splits import LARGEST_SHARE, USUAL_HISTORY

# Seasons in a day, a week or a year that a history may hold; and those that training must have seen.
LONGEST_SEASON, FEWEST_SEASONS = 300, 3
# Steps of two seasons, and of two horizons, that are read at once; of longer ones it is one.
LONGEST_PAIR = 210
# Windows that a history must leave to train on.
FEWEST_WINDOWS = 20
# Years before a calendar of the year tells anything, and weeks before one of the week does.
YEARS, WEEKS = 2, 3
YEAR = 365.25 * DAY


def infer_defaults(rows: SeriesRows, train: np.ndarray, horizon: int, period: int | None = None) -> dict[str, Any]:
    """Infer the options of series that their user left open, by the training part alone.

    >>> month = np.arange("1990-01", "2000-01", dtype="datetime64[M]").astype("datetime64[ns]").astype(np.int64)
    >>> sales = np.arange(120.0) + 9 * np.sin(np.arange(120) * np.pi / 6)
    >>> monthly = Frequency("month", 1, dated=True)
    >>> rows = SeriesRows(sales[:, None], np.zeros(120, int), month, ("",), clock=monthly, dated=True)
    >>> infer_defaults(rows, np.ones(120, bool), horizon=12)
    {'period': 12, 'history': 24, 'relative': True, 'calendar': ['month']}
    """
    longest = int(counted(rows.series, len(rows.names), train).max(initial=0))
    found = usual_period(rows.clock, longest) if period is None else period
    return {
        "period": found,
        "history": default_history(longest, found, horizon),
        "relative": holds_on(rows, train, horizon),
        "calendar": default_calendar(rows, train),
    }


def usual_period(clock: Frequency | None, longest: int) -> int | None:
    """Return m by the step: a day of steps that are shorter, a week of days, a year of weeks, months or quarters.

    >>> usual_period(Frequency("fixed", DAY // 48, True), 1000), usual_period(Frequency("fixed", 7 * DAY, True), 1000)
    (48, 52)

    None where the longest training series has fewer than three of them, or more steps than a history should have.
    """
    if clock is None or not clock.dated:
        return None
    if clock.is_monthly:
        steps = 12 / clock.size
    elif clock.unit == "business":
        steps = 5.0
    else:
        steps = DAY / clock.size if clock.size < DAY else {1.0: 7.0, 7.0: 52.0}.get(clock.size / DAY, 0.0)
    usable = steps == int(steps) and 1 < steps <= LONGEST_SEASON and longest >= FEWEST_SEASONS * steps
    return int(steps) if usable else None


def default_history(longest: int, period: int | None, horizon: int) -> int:
    """Return L: two seasons or horizons, one where that is much, or less where there is little to train on.

    >>> default_history(1000, 52, 26), default_history(1000, 288, 12), default_history(54, 12, 6)
    (104, 288, 13)
    """
    wanted = [USUAL_HISTORY]
    for steps in (period or 0, min(horizon, LONGEST_SEASON)):
        wanted.append(2 * steps if 2 * steps <= LONGEST_PAIR else steps)
    most = max(longest // LARGEST_SHARE, min((period or 0) + 1, longest // 2))
    return max(2, min(max(wanted), most, longest - horizon - FEWEST_WINDOWS))


def holds_on(rows: SeriesRows, train: np.ndarray, horizon: int) -> bool:
    """Say whether a value tells of those up to H steps later: the mean autocorrelation is above 0.

    Changes from the last value are then the better targets: where a level has moved away from those of the
    training part, they move with it.
    """
    if not train.any():
        return False
    _, change = fit_changes(rows, horizon, train)
    _, level = fit_scale(rows.values[:, :1], train)
    return bool(np.mean(np.square(change)) < 2 * level[0] ** 2)


def default_calendar(rows: SeriesRows, train: np.ndarray) -> list[str]:
    """Return the parts of the calendar that the training part has seen come round."""
    clock = rows.clock
    if clock is None or rows.times is None or not clock.dated or clock.unit == "business" or not train.any():
        return []
    inside = (rows.times[part][train[part]] for part in blocks(len(rows)))
    ends = [(int(when.min()), int(when.max())) for when in inside if len(when)]
    span = float(max(last for _, last in ends) - min(first for first, _ in ends))
    parts = []
    if clock.unit == "fixed" and clock.size < DAY:
        parts += ["hour"] if span >= FEWEST_SEASONS * DAY else []
    if clock.unit == "fixed" and clock.size <= DAY:
        parts += ["day_of_week"] if span >= WEEKS * 7 * DAY else []
    if clock.size < YEAR / 2 and span >= YEARS * YEAR:
        parts += ["month" if clock.is_monthly else "day_of_year"]
    return parts if clock.unit == "fixed" or clock.size < 12 else []
