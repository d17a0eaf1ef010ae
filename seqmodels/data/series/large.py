"""Series larger than memory, as data to learn to forecast from: as `SeriesTable`, with the rows in files.

L steps of history, H steps of horizon, F features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.columns.infer import Layout
from seqmodels.data.files.find import naming
from seqmodels.data.read.table_cache import about, cached_folder, stamp
from seqmodels.data.series.ahead import LONGEST_LEAD_IN, SeriesAhead
from seqmodels.data.series.covariates import Context, changes
from seqmodels.data.series.files import MOST_WINDOWS, NEW, opened, write_windows
from seqmodels.data.series.rows import changes_ahead, forecast_spec
from seqmodels.data.series.settle import stored_rows
from seqmodels.data.series.splits import usual_steps
from seqmodels.data.series.store import StoredRows
from seqmodels.data.series.sums import Cuts, Moments
from seqmodels.data.series.table import (
    SeriesOptions,
    in_words,
    input_names,
    parse_fold,
    plain_options,
    reading_of,
    refuse_far,
)
from seqmodels.data.series.windows import SeriesWindows
from seqmodels.quoting import shown

# Rows before the last history that are read for what is interpolated in it.
TO_INTERPOLATE = 256


class LargeSeriesTable:
    """A table too large to be read at once, read as series and split.

    Args:
        path: of the table.
        layout, options, val_fraction, test_fraction: as for `SeriesTable`.
        cache_dir: where the rows are kept; None for the user's cache.
    """

    def __init__(
        self,
        path: str,
        layout: Layout,
        options: SeriesOptions,
        val_fraction: float,
        test_fraction: float,
        cache_dir: str | None,
    ) -> None:
        self.path, self.layout, self.options, self.cache_dir = path, layout, options, cache_dir
        self.fractions = val_fraction, test_fraction

    @cached_property
    def stored(self) -> StoredRows:
        """The rows of the file."""
        return stored_rows(self.path, self.layout, self.options.reading, self.cache_dir)

    @cached_property
    def _folder(self) -> Path:
        """Scaled values and the places of windows, from the cache or made now."""
        asked = [
            "windows",
            MOST_WINDOWS,
            stamp(self.path),
            self.layout.to_plain(),
            asdict(self.options),
            self.fractions,
        ]
        return cached_folder(self.cache_dir, self.path, asked, self._write, "windows")

    @cached_property
    def _about(self) -> dict[str, Any]:
        return about(self._folder)

    @property
    def history(self) -> int:
        """L: as asked for, or what is usual."""
        return int(self._about["spec"]["options"]["history"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was inferred, left out or filled in."""
        rows, future = self.stored.about, len(self.stored.future)
        step = () if rows.clock is None else (f"a step is {rows.clock.words}",)
        ahead = (f"{future} rows after the last target, of which only what is known ahead is read",) if future else ()
        thinned = tuple(
            f"{name}: {found:,} windows, of which each {stride}th is read" for name, (found, stride) in self._thin()
        )
        kept = f"read in pieces, for its size: columns judged by the first piece, rows kept in {self._folder.parent}"
        return (*self.layout.notes, *step, *rows.notes, *ahead, *thinned, kept)

    def _thin(self) -> Iterator[tuple[str, tuple[int, int]]]:
        for name, (found, stride) in self._about["windows"].items():
            if stride > 1:
                yield name, (found, stride)

    def describe(self) -> str:
        """What the rows are, in words."""
        series, rows = len(self.stored.about.names), len(self.stored.past)
        return in_words(self.layout, self.options, rows, series, self.history)

    def splits(self) -> dict[str, SeriesWindows]:
        """The windows or streams of each split."""
        spec = BatchSpec.from_plain(self._about["spec"])
        return {name: opened(self._folder, name, self.stored, spec) for name in self._about["windows"]}

    def _write(self, folder: Path) -> dict[str, Any]:
        """Fit scales to the training part, write the scaled values, and find the windows."""
        stored, options = self.stored, self.options
        refuse_far(options.horizon, len(stored.past), self.path)
        scratch = folder / "times"
        with naming(self.path):
            cuts = Cuts(stored, *self.fractions, parse_fold(options.fold), options.train_steps, str(scratch))
            context, history = self._context(stored, cuts)
            spec = self._spec(stored, cuts, context, history)
            found = write_windows(folder, stored, context, spec, history, cuts)
        scratch.unlink(missing_ok=True)
        return {"spec": spec.to_plain(), "windows": found}

    def _context(self, stored: StoredRows, cuts: Cuts) -> tuple[Context, int]:
        """What depends on the training part's series alone, and L."""
        options, longest, change = self.options, np.zeros(len(stored.counts), np.int64), Moments(1)
        for first, own, rows in stored.pieces(before=1):
            train = cuts.masks(rows, first)["train"][own]
            longest += np.bincount(rows.series[own][train], minlength=len(longest))
            change.add(changes(rows)[own][train][:, None])
        trained = np.flatnonzero(longest)
        one_each = replace(stored.about, values=np.zeros((len(trained), 1)), series=trained, blocks=trained, known=0)
        everything, timezone = np.ones(len(trained), dtype=bool), options.reading.timezone
        context = Context.fit(one_each, everything, options.calendar, timezone, options.identity, options.relative)
        if options.relative:
            context = replace(context, change=change.scale()[1][0])
        usual = usual_steps(int(longest.max()), options.period)
        return context, usual if options.history is None else options.history

    def _spec(self, stored: StoredRows, cuts: Cuts, context: Context, history: int) -> BatchSpec:
        layout, options, horizon = self.layout, self.options, self.options.horizon
        moments, ahead = Moments(stored.about.values.shape[1]), Moments(horizon)
        for first, own, rows in stored.pieces(after=horizon):
            train = cuts.masks(rows, first)["train"]
            moments.add(rows.values[own][train[own]])
            if options.relative:
                ahead.add(changes_ahead(rows, horizon, train)[own])
        if moments.constant(0):
            raise ValueError(
                f"column {shown(layout.target)}: expected different values to be learned, got "
                f"{moments.mean[0]:g} everywhere in the training part"
            )
        extra = len(context.names)
        shift, scale = (part + (fill,) * extra for part, fill in zip(moments.scale(), (0.0, 1.0), strict=True))
        plain = plain_options(layout, options, history, context)
        names, rows = input_names(layout, options, context), stored.rows(0, 1).within(context)
        per_step = layout.target_per == "step"
        spec = forecast_spec(rows, names, horizon, options.period, shift, scale, plain, per_step)
        if not options.relative:
            return spec
        change, spread = ahead.scale()
        return replace(spec, shift=change, scale=spread, options={**plain, "relative": True})


def open_large_series(path: str, spec: BatchSpec, targets: bool, cache_dir: str | None) -> SeriesWindows:
    """Another large file of the same kind; as `seqmodels.data.series.table.open_series`."""
    if not targets:
        return large_series_ahead(path, spec, cache_dir).windows()
    options = spec.options or {}
    reading, context = reading_of(options)
    stored = stored_rows(path, Layout.from_plain(options["layout"]), reading, cache_dir)

    def write(folder: Path) -> dict[str, Any]:
        return {"windows": write_windows(folder, stored, context, spec, options["history"], None)}

    asked = ["new windows", MOST_WINDOWS, stamp(path), spec.to_plain()]
    return opened(cached_folder(cache_dir, path, asked, write, "windows"), NEW, stored, spec)


def large_series_ahead(path: str, spec: BatchSpec, cache_dir: str | None) -> SeriesAhead:
    """The ends of the series of a large file; as `seqmodels.data.series.table.series_ahead`."""
    options = spec.options or {}
    reading, context = reading_of(options)
    stored = stored_rows(path, Layout.from_plain(options["layout"]), reading, cache_dir)
    most = LONGEST_LEAD_IN if spec.target_shape == "step" else options["history"]
    return SeriesAhead(stored.ends(most + TO_INTERPOLATE), options["history"], spec, context)
