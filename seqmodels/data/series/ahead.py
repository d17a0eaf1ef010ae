"""The ends of series, from which to forecast what is not in the file, and the steps after them.

L steps of history, H steps of horizon, F features.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqmodels.data.files.arrays import blocks
from seqmodels.data.series.covariates import Context
from seqmodels.data.series.forecasting import scaled
from seqmodels.data.series.rows import SeriesRows
from seqmodels.data.series.windows import SeriesStreams, SeriesWindows
from seqmodels.quoting import listed, shown
from seqmodels.spec import Spec

# Steps that a model which forecasts after every step reads before the end of a series, at most.
LONGEST_LEAD_IN = 4096

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SeriesAhead:
    """Series to be continued beyond their last target.

    >>> spec = Spec("features", 1, "values", 2, "sequence", horizon=2, target_feature=0)
    >>> rows = SeriesRows(np.arange(5.0)[:, None], np.zeros(5, int), None, ("",))
    >>> ahead = SeriesAhead(rows, 3, replace(spec, input_shift=(0.0,), input_scale=(1.0,)), Context())
    >>> ahead.windows().read(0, 0, 3)[0][:, 0].tolist(), ahead.times(0, 2)
    ([2.0, 3.0, 4.0], ['+1', '+2'])
    >>> ahead.extended([[5.0, 6.0]]).windows().read(0, 0, 3)[0][:, 0].tolist()
    [4.0, 5.0, 6.0]

    Fields:
        rows: of the file, or the last ones of each series.
        history: L.
        spec: from training.
        context: from training.
    """

    rows: SeriesRows
    history: int
    spec: Spec
    context: Context

    @property
    def names(self) -> tuple[str, ...]:
        """Of the series; an empty one where the file holds one series without a name."""
        return self.rows.names

    def own(self, series: int) -> np.ndarray:
        """Return the rows of a series up to its last target."""
        return np.arange(*self._past(series))

    def later(self, series: int) -> np.ndarray:
        """Return the rows of a series after its last target."""
        stop, last = self._past(series)[1], int(self.rows.starts[series + 1])
        return np.flatnonzero(self.rows.future[stop:last]) + stop

    def _past(self, series: int) -> tuple[int, int]:
        """Return the first row of a series, and the one after its last target."""
        first, last = self.rows.starts[series : series + 2].tolist()
        future = self.rows.future[first:last]
        return first, first + int(np.argmax(future)) if future.any() else last

    def times(self, series: int, steps: int) -> list[str]:
        """Write the time stamps of the steps ahead; their numbers where the file has no times."""
        clock = self.rows.clock
        if clock is None:
            return [f"+{step + 1}" for step in range(steps)]
        return [clock.text(time) for time in self.time_stamps(series, steps)]

    def time_stamps(self, series: int, steps: int) -> list[float]:
        """Return the file's own time stamps for rows that are there; the others follow by the frequency."""
        if self.rows.times is None or self.rows.clock is None:
            return [float(step + 1) for step in range(steps)]
        found: list[float] = self.rows.times[self.later(series)][:steps].tolist()
        last = found[-1] if found else self.rows.times[self.own(series)[-1]].item()
        return found + [self.rows.clock.after(last, step + 1) for step in range(steps - len(found))]

    def levels(self, series: int, forecast: Sequence[float]) -> list[float] | None:
        """Forecast changes as values of the column itself; None where it was not transformed."""
        transform = None if self.spec.series is None else self.spec.series.transform
        if transform is None or self.rows.levels is None:
            return None
        last = self.rows.levels[self.own(series)[-1]]
        total = np.cumsum(forecast)
        found: list[float] = (last * np.exp(total) if transform == "log_return" else last + total).tolist()
        return found

    def windows(self) -> SeriesWindows:
        """Return one window for each series: its last steps, with zeros for the targets that lie in the future.

        Raises:
            ValueError: a series is too short, or what is known ahead is not there for the whole horizon.
        """
        rows, horizon = self.rows, self.spec.horizon or 1
        values = scaled(rows, self.context, self.spec, strict=True)
        pieces, lengths = [], []
        for one in range(len(rows.names)):
            recent = self._recent(one)
            future = np.zeros((horizon, values.shape[1]), dtype=np.float32)
            if rows.ahead is not None:
                future[:, rows.ahead] = values[self._future(one, horizon), rows.ahead]
            pieces += [values[recent], future]
            lengths.append(len(recent))
        stops = np.cumsum(np.array(lengths) + horizon) - horizon
        starts, joined = stops - np.array(lengths), np.concatenate(pieces)
        found: SeriesWindows
        if self.spec.target_shape == "step":
            found = SeriesStreams(joined, starts, stops, self.spec, rows.ahead)
        else:
            found = SeriesWindows(joined, starts, self.history, self.spec, rows.ahead)
        found.origins = [{"series": name} for name in rows.names] if len(rows.names) > 1 else None
        return found

    def _recent(self, series: int) -> np.ndarray:
        first, stop = self._stretch(series)
        if stop - first < self.needed:
            label = f"the series {shown(self.names[series])}" if self.names[series] else "the series"
            raise ValueError(
                f"a forecast needs the last {self.needed} rows of each series; {label} has {stop - first} (since its "
                "last gap): give its earlier rows too, or leave it out"
            )
        return np.arange(
            max(first, stop - (LONGEST_LEAD_IN if self.spec.target_shape == "step" else self.needed)), stop
        )

    @property
    def needed(self) -> int:
        """How many rows of a series a forecast needs at least."""
        return 1 if self.spec.target_shape == "step" else self.history

    def _stretch(self, series: int) -> tuple[int, int]:
        """Return the first row of a series since its last gap, and the one after its last target."""
        first, stop = self._past(series)
        if stop > first:
            first += int(np.searchsorted(self.rows.blocks[first:stop], self.rows.blocks[stop - 1]))
        return first, stop

    def ends(self) -> SeriesAhead:
        """Return the series without the rows that no forecast reads, and say which series are too short for one.

        A series keeps the rows of its history and those before it from which gaps in it are interpolated. Series
        too short to be forecast are left out, unless all are.
        """
        stretches = [self._stretch(one) for one in range(len(self.names))]
        chosen = [one for one, (first, stop) in enumerate(stretches) if stop - first >= self.needed]
        if 0 < len(chosen) < len(stretches):
            short = sorted(set(range(len(stretches))) - set(chosen))
            _log.warning(
                "%d of %d series have fewer than the %d rows (since their last gap) that a forecast needs, and are "
                "left out: %s",
                len(short),
                len(stretches),
                self.needed,
                listed(self.names[one] for one in short),
            )
        chosen = chosen or list(range(len(stretches)))
        parts = [self._end(*stretches[one], one) for one in chosen]
        rows = self.rows.select(np.concatenate([np.zeros(0, np.int64), *parts]))
        numbers = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        static = {column: tuple(cells[one] for one in chosen) for column, cells in rows.static.items()}
        names = tuple(self.names[one] for one in chosen)
        return replace(self, rows=replace(rows, names=names, series=numbers, static=static))

    def _end(self, first: int, stop: int, series: int) -> np.ndarray:
        """Return the last rows of a series, from one in which nothing is missing on, and its future."""
        low = max(first, stop - 1 - max(LONGEST_LEAD_IN, self.history))
        for part in list(blocks(low + 1 - first))[::-1]:
            whole = np.isfinite(self.rows.values[first + part.start : first + part.stop]).all(axis=1)
            low = first + part.start + (int(np.flatnonzero(whole)[-1]) if whole.any() else 0)
            if whole.any():
                break
        return np.concatenate([np.arange(low, stop), self.later(series)])

    def _future(self, series: int, steps: int) -> np.ndarray:
        own = self.later(series)[:steps]
        if len(own) < steps:
            label = f" of the series {shown(self.names[series])}" if self.names[series] else ""
            names = ", ".join(self.spec.input_names[self.rows.observed : self.rows.observed + self.rows.known])
            raise ValueError(
                f"a forecast of {steps} steps needs what is known of them ({names}): expected {steps} rows with a "
                f"blank target after the last target{label}, got {len(own)}; add such rows to the file"
            )
        return own

    def check(self, steps: int) -> None:
        """Refuse to forecast whole horizons of steps beyond what is known ahead."""
        horizon = self.spec.horizon or 1
        for one in range(len(self.names) if self.rows.known else 0):
            self._future(one, -(-steps // horizon) * horizon)

    def extended(self, forecasts: Sequence[Sequence[float]]) -> SeriesAhead:
        """Return the series with H forecasts each, in the target's own units, as if they had happened.

        Raises:
            ValueError: the model reads columns beside the target of which nobody knows the future.
        """
        rows, horizon = self.rows, self.spec.horizon or 1
        if rows.observed > 1:
            names = ", ".join(self.spec.input_names[1 : rows.observed])
            raise ValueError(
                f"this model forecasts {horizon} steps at a time and cannot go on from its own forecast, because it "
                f"reads {names} too, which it does not forecast: ask for at most {horizon} steps, or train with a "
                "larger data.horizon or with data.features=[]"
            )
        parts = [self._continued(one, np.asarray(values)) for one, values in enumerate(forecasts)]
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("values", "series", "blocks", "future", *(() if rows.times is None else ("times",)))
        }
        return replace(self, rows=replace(rows, **joined, levels=None, places=np.full(len(joined["values"]), -1)))

    def _continued(self, series: int, forecast: np.ndarray) -> SeriesRows:
        """Return one series with its forecast; rows of its future that are there become its past."""
        rows, own = self.rows, self.own(series)
        later = self.later(series)
        added = np.full((len(forecast), rows.values.shape[1]), np.nan)
        if rows.known:
            added[:] = rows.values[later[: len(forecast)]]
        added[:, 0] = forecast
        rest = later[len(forecast) :]
        times = None
        if rows.times is not None and rows.clock is not None:
            ahead = [rows.clock.after(rows.times[own[-1]], step + 1) for step in range(len(forecast))]
            times = np.concatenate([rows.times[own], np.array(ahead, rows.times.dtype), rows.times[rest]])
        count = len(own) + len(forecast)
        return replace(
            rows,
            values=np.concatenate([rows.values[own], added, rows.values[rest]]),
            series=np.full(count + len(rest), series),
            blocks=np.concatenate([rows.blocks[own], np.full(len(forecast) + len(rest), rows.blocks[own[-1]])]),
            times=times if rows.times is not None else None,
            future=np.arange(count + len(rest)) >= count,
            levels=None,
            places=np.full(count + len(rest), -1),
        )


def roll(
    ahead: SeriesAhead, predict: Callable[[SeriesWindows], list[dict[str, Any]]], steps: int
) -> Iterator[dict[str, Any]]:
    """Yield forecasts of `steps` steps for each series, one row per series and step.

    Beyond the model's horizon its own forecast is its input, again and again.

    Yields:
        "series" where there are many, "step", "time" where the file has times, and what the task decodes. Of a
        transformed target also its "level".
    """
    ahead.check(steps)
    horizon, start = ahead.spec.horizon or 1, ahead
    parts: list[list[dict[str, Any]]] = []
    for done in range(0, steps, horizon):
        if done:
            ahead = ahead.extended([one["forecast"] for one in parts[-1]])
        parts.append(predict(ahead.windows()))
    for one, name in enumerate(start.names):
        made = [at_step(part[one], step) for part in parts for step in range(horizon)][:steps]
        levels = start.levels(one, [row["forecast"] for row in made])
        for step, (time, row) in enumerate(zip(start.times(one, steps), made, strict=True)):
            named = {"series": name} if len(start.names) > 1 else {}
            timed = {} if start.rows.times is None else {"time": time}
            yield {**named, "step": step + 1, **timed, **row, **({} if levels is None else {"level": levels[step]})}


def at_step(decoded: Mapping[str, Any], step: int) -> dict[str, Any]:
    """Return one step of what a task decoded, in one level of names.

    >>> at_step({"forecast": [1.0, 2.0], "quantiles": {"0.9": [3.0, 4.0]}, "interval": {"share": 0.8}}, 1)
    {'forecast': 2.0, 'quantile_0.9': 4.0, 'interval_share': 0.8}
    """
    row: dict[str, Any] = {}
    for key, value in decoded.items():
        inner = value if isinstance(value, dict) else {"": value}
        for name, one in inner.items():
            row["_".join(filter(None, [key.removesuffix("s"), name]))] = one[step] if isinstance(one, list) else one
    return row
