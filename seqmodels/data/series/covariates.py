"""Covariates: the calendar, static covariates, the name of a series, its last change.

N rows, C columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from seqmodels.data.columns.grouped import counted
from seqmodels.data.files.arrays import blocks
from seqmodels.data.numbers import fit_scale, scale_of
from seqmodels.data.read.table import to_numbers
from seqmodels.data.series.rows import SeriesRows, changes
from seqmodels.kinds import choice, either, list_of
from seqmodels.quoting import shown

# What may be asked of the calendar, and how many of its units make a round.
CALENDAR = {
    "minute_of_day": 1440.0,
    "hour": 24.0,
    "day_of_week": 7.0,
    "day_of_month": 31.0,
    "month": 12.0,
    "day_of_year": 365.25,
    "half_year": 182.625,
}
_part = choice(*CALENDAR)
Calendar = Annotated[Sequence[str], either(list_of(_part, "[hour, day_of_week]"), _part)]


@dataclass(frozen=True)
class Context:
    """Encoding of the columns that depend on the series or the clock alone; plain values only.

    Fields:
        calendar: of `CALENDAR`.
        timezone: in which hours and days are counted; None for UTC.
        identity: names of the series that were trained on, one column each; None for no such columns.
        static: column -> ``{"names": [...]}``, one column each, or ``{"shift": a, "scale": b}``.
        change: the usual size of the target's change from one step to the next, for a column of such changes,
            beside which those of the level are small; None for no such column.
    """

    calendar: tuple[str, ...] = ()
    timezone: str | None = None
    identity: tuple[str, ...] | None = None
    static: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    change: float | None = None

    @classmethod
    def fit(
        cls,
        rows: SeriesRows,
        train: np.ndarray,
        calendar: Sequence[str] = (),
        timezone: str | None = None,
        identity: bool = False,
        change: bool = False,
    ) -> Context:
        """Take names and scales from the series that have rows in the training part (bool ``(N,)``) alone."""
        trained = np.flatnonzero(counted(rows.series, len(rows.names), train))
        names = tuple(rows.names[one] for one in trained) if identity else None
        static = {column: _coding([cells[one] for one in trained]) for column, cells in rows.static.items()}
        size = _usual_change(rows, train) if change else None
        return cls(tuple(calendar), timezone, names, static, size)

    def to_plain(self) -> dict[str, Any]:
        return {
            "calendar": list(self.calendar),
            "timezone": self.timezone,
            "identity": None if self.identity is None else list(self.identity),
            "static": {name: dict(coding) for name, coding in self.static.items()},
            "change": self.change,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Context:
        identity = plain["identity"]
        names = None if identity is None else tuple(identity)
        return cls(tuple(plain["calendar"]), plain["timezone"], names, plain["static"], plain.get("change"))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the C columns."""
        names = [] if self.change is None else ["change"]
        names += [f"{part} {wave}" for part in self.calendar for wave in ("sin", "cos")]
        for column, coding in self.static.items():
            names += [f"{column}={name}" for name in coding["names"]] if "names" in coding else [column]
        return (*names, *(f"series={name}" for name in self.identity or ()))

    def columns(self, rows: SeriesRows, strict: bool) -> Callable[[slice], np.ndarray]:
        """Return what makes the columns of a part of some rows, float64 ``(n, C)``, scaled; unknown names are zeros.

        Raises:
            ValueError: such a name, in words; a calendar without dates, from what is returned.
        """
        of_series = [
            _encode(rows.static[column], coding, column, rows.names, strict) for column, coding in self.static.items()
        ]
        if self.identity is not None:
            of_series.append(_one_hot(rows.names, self.identity, "series", rows.names, strict))

        def make(part: slice) -> np.ndarray:
            size = self.change
            columns = [] if size is None else [np.nan_to_num(changes(rows, part))[:, None] / size]
            columns += [calendar_waves(rows, name, self.timezone, part) for name in self.calendar]
            columns += [coded[rows.series[part]] for coded in of_series]
            return np.concatenate([np.zeros((part.stop - part.start, 0)), *columns], axis=1)

        return make


def _usual_change(rows: SeriesRows, train: np.ndarray) -> float:
    """Return the deviation of the changes of the training rows."""
    return scale_of(lambda: (changes(rows, part)[train[part]][:, None] for part in blocks(len(rows))))[1][0]


def calendar_waves(rows: SeriesRows, name: str, timezone: str | None, part: slice) -> np.ndarray:
    """Return sine and cosine of one part of the calendar at some rows, ``(n, 2)``.

    Raises:
        ValueError: the rows have no dates.
    """
    if rows.times is None or not rows.dated:
        raise ValueError(
            f"data.calendar={name} needs dates: name the column that holds them with data.time=COLUMN"
            + ("" if rows.times is None else "; that column holds plain numbers")
        )
    angle = 2 * np.pi * _place(rows.times[part], name, timezone) / CALENDAR[name]
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def _place(times: np.ndarray, part: str, timezone: str | None) -> np.ndarray:
    """Return how far into its round each time is, in the units of `CALENDAR`."""
    import pandas as pd

    local = pd.DatetimeIndex(times.astype("datetime64[ns]")).tz_localize("UTC").tz_convert(timezone or "UTC")
    hours = (local.hour + local.minute / 60 + local.second / 3600).to_numpy(dtype=np.float64)
    if part in ("hour", "minute_of_day"):
        return hours * (60 if part == "minute_of_day" else 1)
    if part == "month":
        return np.asarray(local.month - 1, dtype=np.float64)
    of_year = local.day_of_year - 1
    day = {"day_of_week": local.day_of_week, "day_of_month": local.day - 1}.get(part, of_year)
    return np.asarray(day, dtype=np.float64) + hours / 24


def _coding(cells: list[str]) -> dict[str, Any]:
    """Scale numbers, and tell names apart."""
    values, text = to_numbers(cells)
    if text or not len(values):
        return {"names": sorted(set(cells))}
    (shift,), (scale,) = fit_scale(values[:, None])
    return {"shift": shift, "scale": scale}


def _encode(
    cells: Sequence[str], coding: Mapping[str, Any], column: str, series: Sequence[str], strict: bool
) -> np.ndarray:
    if "names" in coding:
        return _one_hot(cells, coding["names"], column, series, strict)
    values, text = to_numbers(list(cells))
    if text:
        raise ValueError(
            f"column {shown(column)} of series {shown(series[text[0]])}: expected a number as in training, "
            f"got {shown(cells[text[0]])}"
        )
    return (values[:, None] - coding["shift"]) / coding["scale"]


def _one_hot(
    cells: Sequence[str], names: Sequence[str], column: str, series: Sequence[str], strict: bool
) -> np.ndarray:
    place = {name: i for i, name in enumerate(names)}
    columns = np.zeros((len(cells), len(names)))
    for row, cell in enumerate(cells):
        if cell in place:
            columns[row, place[cell]] = 1.0
        elif strict:
            known = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            of_series = f" of series {shown(series[row])}" if column != "series" else ""
            raise ValueError(
                f"{column} {shown(cell)}{of_series} was not there in training, which knew {known}: leave it out, "
                f"or train on data that hold it{' or with data.identity=false' if column == 'series' else ''}"
            )
    return columns
