"""A table in the series layout, as data to learn to forecast from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.columns.infer import Layout
from seqmodels.data.files.arrays import Space, blocks
from seqmodels.data.files.cache import about, cached_folder
from seqmodels.data.files.find import naming
from seqmodels.data.read.table import Table
from seqmodels.data.series.ahead import SeriesAhead
from seqmodels.data.series.covariates import Context
from seqmodels.data.series.defaults import infer_defaults
from seqmodels.data.series.forecasting import forecast_splits, new_windows
from seqmodels.data.series.options import SeriesOptions, parse_fold
from seqmodels.data.series.reading import SeriesReading
from seqmodels.data.series.rows import SeriesRows
from seqmodels.data.series.splits import split_rows, usual_history
from seqmodels.data.series.store import opened_windows, stored_series, write_windows
from seqmodels.data.series.windows import SeriesWindows, WindowStarts, history_of
from seqmodels.quoting import listed, shown
from seqmodels.spec import Spec


class SeriesTable:
    """A table read as series, and split.

    What is made of a table that does not fit in memory is kept in the cache for the next run.

    Args:
        table, layout: of the file.
        options: what the user said.
        val_fraction, test_fraction: shares of validation and test.
        cache_dir: folder of the cache; None for the user's.
    """

    def __init__(
        self,
        table: Table,
        layout: Layout,
        options: SeriesOptions,
        val_fraction: float,
        test_fraction: float,
        cache_dir: str | None = None,
    ) -> None:
        self.table, self.layout, self.options, self.cache_dir = table, layout, options, cache_dir
        self.fractions = val_fraction, test_fraction
        self._thinned: tuple[str, ...] = ()
        self.kept, self._facts = table.space.folder is not None, dict[str, Any]()

    @cached_property
    def all_rows(self) -> SeriesRows:
        """The rows of the file, its future too."""
        return stored_series(self.table, self.layout, self.options.reading, self.cache_dir)

    @cached_property
    def rows(self) -> SeriesRows:
        """The rows up to the last target of each series."""
        rows = self.all_rows.past()
        refuse_far(self.options.horizon, len(rows), self.table.path)
        return rows

    def with_rows(self, rows: SeriesRows) -> SeriesTable:
        """Return the same table with other rows, of which nothing is kept."""
        other = SeriesTable(self.table, self.layout, self.options, *self.fractions, self.cache_dir)
        other.all_rows, other.rows, other.kept = self.all_rows, rows, False
        return other

    @cached_property
    def masks(self) -> dict[str, np.ndarray]:
        """The rows of each split."""
        options = self.options
        with naming(self.table.path):
            fold = parse_fold(options.fold)
            return split_rows(self.rows, *self.fractions, fold, options.train_steps, options.horizon)

    @cached_property
    def history(self) -> int:
        """L: as asked for, or what is usual."""
        asked = self.options.history
        return int(self._fact("history")) if asked is None else asked

    def _fact(self, name: str) -> Any:
        """Return something that is told from all rows."""
        train, options = (lambda: self.masks["train"]), self.options
        makers: dict[str, Callable[[], Any]] = {
            "history": lambda: usual_history(self.rows, train(), options.period),
            "defaults": lambda: infer_defaults(self.rows, train(), options.horizon, options.period),
        }
        if not self.kept:
            return makers[name]()
        if not self._facts:
            self._facts = about(self._folder("series facts", lambda _: {key: make() for key, make in makers.items()}))
        return self._facts[name]

    def _folder(self, what: str, write: Callable[[Path], dict[str, Any]]) -> Path:
        """Return the folder of the cache with something made of this table, from before or made now."""
        asked = [what, self.table.stamp, self.layout.to_plain(), asdict(self.options), self.fractions]
        return cached_folder(self.cache_dir, self.table.path, asked, write, what)

    @cached_property
    def context(self) -> Context:
        """Calendar, static columns and names, from the training part."""
        options = self.options
        reading, fitted = options.reading, (self.rows, self.masks["train"])
        return Context.fit(*fitted, options.calendar, reading.timezone, options.identity, options.relative)

    def defaults(self) -> dict[str, str]:
        """Return values for options that the user left open, as settings: see `seqmodels.data.series.defaults`."""
        options, left_open = self.options, {"period", "history", "relative", "calendar"} - set(self.options.given())
        if options.reading.transform is not None:  # the targets are changes already
            left_open.discard("relative")
        named = {name: value for name, value in self._fact("defaults").items() if name in left_open and value}
        return {f"data.{name}": _as_setting(value) for name, value in named.items()}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was inferred, left out or filled in."""
        rows = self.all_rows
        step = () if rows.clock is None else (f"a step is {rows.clock.words}",)
        future = int(np.count_nonzero(rows.future))
        ahead = (f"{future} rows after the last target, of which only what is known ahead is read",) if future else ()
        return (*self.layout.notes, *step, *rows.notes, *ahead, *self._short(), *self._thinned)

    def _short(self) -> list[str]:
        """Say which of many series are too short for a window."""
        counts, steps = np.diff(self.rows.starts), self.options.horizon
        steps += 1 if self.layout.target_per == "step" else self.history
        short = np.flatnonzero(counts < steps).tolist()
        if not 0 < len(short) < len(counts):
            return []
        names = listed(f"{self.rows.names[one]} ({counts[one]})" for one in short)
        return [f"{len(short)} of {len(counts)} series with fewer than the {steps} rows of a window left out: {names}"]

    def describe(self) -> str:
        """Say what the rows are."""
        return in_words(self.layout, self.options, len(self.rows), len(self.rows.names), self.history)

    def splits(self) -> dict[str, SeriesWindows]:
        """Return the windows or streams of each split."""
        if self.kept:
            make = partial(write_windows, self._splits, self.rows.space)
            splits = opened_windows(self._folder("windows", make))
        else:
            splits = self._splits(self.rows.space)
        starts = {name: split.starts for name, split in splits.items()}
        self._thinned = tuple(
            f"{name}: {one.found:,} windows, of which one in {one.stride} is read"
            for name, one in starts.items()
            if isinstance(one, WindowStarts) and one.stride > 1
        )
        return splits

    def _splits(self, space: Space) -> dict[str, SeriesWindows]:
        layout, options = self.layout, self.options
        self._refuse_constant()
        with naming(self.table.path):
            return forecast_splits(
                replace(self.rows, space=space),
                input_names(layout, options, self.context),
                self.history,
                options.horizon,
                self.masks,
                options.period,
                self._encoder(),
                options.reading.transform,
                layout.target_per == "step",
                options.relative,
                self.context,
            )

    def _encoder(self) -> dict[str, Any]:
        """Return what the spec keeps to read other files alike: with the format of dates that was found."""
        layout = replace(self.layout, time_format=self.layout.time_format or self.rows.time_format)
        return {
            "layout": layout.to_plain(),
            "reading": self.options.reading.to_plain(),
            "context": self.context.to_plain(),
        }

    def _refuse_constant(self) -> None:
        """Refuse a target that has one value only in the training part."""
        train, ends, count = self.masks["train"], list[tuple[float, float]](), 0
        for part in blocks(len(self.rows)):
            values = self.rows.values[part, 0][train[part]]
            values = values[np.isfinite(values)]
            ends += [(float(values.min()), float(values.max()))] if len(values) else []
            count += len(values)
        if count > 1 and min(low for low, _ in ends) == max(high for _, high in ends):
            raise ValueError(
                f"{self.table.path}, column {shown(self.layout.target)}: expected different values to be learned, got "
                f"{ends[0][0]:g} everywhere in the training part"
            )


def refuse_far(horizon: int, rows: int, path: str) -> None:
    """Refuse to forecast further than there are rows, before memory is taken."""
    if horizon > rows:
        raise ValueError(
            f"{path}: the series has {rows} rows, too few for the {horizon} steps of data.horizon: choose a shorter one"
        )


def in_words(layout: Layout, options: SeriesOptions, rows: int, series: int, history: int) -> str:
    """Describe rows of series, with L steps of history."""
    reading = options.reading
    many = f"{series} series" if layout.series else "one series"
    what = f"{rows} rows of {many}, {layout.target!r} forecast from {listed(layout.features)}"
    for words, names in (("known ahead", reading.known), ("one per series", reading.static)):
        what += f", {words}: {listed(names)}" if names else ""
    what += f", calendar: {', '.join(options.calendar)}" if options.calendar else ""
    if layout.target_per == "step":
        return f"{what}, after every step {options.horizon} ahead"
    return f"{what}, {history} steps back, {options.horizon} ahead"


def input_names(layout: Layout, options: SeriesOptions, context: Context) -> tuple[str, ...]:
    """Name the F features."""
    names = (*layout.feature_names, *options.reading.known, *context.names)
    transform = options.reading.transform
    return names if transform is None else (f"{transform} of {names[0]}", *names[1:])


def _as_setting(value: Any) -> str:
    """Write a value as a setting.

    >>> _as_setting(True), _as_setting(12), _as_setting(["hour", "day_of_week"])
    ('true', '12', '[hour,day_of_week]')
    """
    return f"[{','.join(value)}]" if isinstance(value, list) else str(value).lower()


def reading_of(spec: Spec) -> tuple[Layout, SeriesReading, Context]:
    """Return how the training data were read; older checkpoints tell no context."""
    plain = spec.encoder
    context = Context.from_plain(plain["context"]) if plain["context"] else Context()
    return Layout.from_plain(plain["layout"]), SeriesReading.from_plain(plain["reading"]), context


def open_series(table: Table, spec: Spec, targets: bool, cache_dir: str | None = None) -> SeriesWindows:
    """Return every window whose targets another file of the same kind holds, or the end of each of its series."""
    if not targets:
        ahead = series_ahead(table, spec, cache_dir)
        with naming(table.path):
            return ahead.windows()
    layout, reading, context = reading_of(spec)
    rows = stored_series(table, layout, reading, cache_dir)

    def make(space: Space) -> dict[str, SeriesWindows]:
        with naming(table.path):
            return {"new": new_windows(replace(rows, space=space), spec, context)}

    if table.space.folder is None:
        return make(rows.space)["new"]
    asked = ["new windows", table.stamp, spec.to_plain()]
    write = partial(write_windows, make, rows.space)
    return opened_windows(cached_folder(cache_dir, table.path, asked, write, "windows"))["new"]


def series_ahead(table: Table, spec: Spec, cache_dir: str | None = None) -> SeriesAhead:
    """Return the series of another file of the same kind, or of the training data, to be forecast beyond their end."""
    layout, reading, context = reading_of(spec)
    rows = stored_series(table, layout, reading, cache_dir)
    return SeriesAhead(rows, history_of(spec), spec, context).ends()
