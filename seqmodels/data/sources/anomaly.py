"""A series in which to find what is not as usual: clean to train on, with planted breaks to measure by."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from seqmodels.data.columns.roles import name_of
from seqmodels.data.read.open import read_table
from seqmodels.data.read.table import Table
from seqmodels.data.series.anomalies import KINDS, LEAST_SHARE, Anomaly, inject, to_plain
from seqmodels.data.series.covariates import Calendar
from seqmodels.data.series.forecasting import new_windows
from seqmodels.data.series.reading import read_series
from seqmodels.data.series.rows import SeriesRows
from seqmodels.data.series.table import SeriesTable, reading_of
from seqmodels.data.series.windows import SeriesStreams, SeriesWindows
from seqmodels.data.sources.base import DataSource
from seqmodels.data.sources.tables.table import CSVSource
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Column, ColumnNames, Count, Seed, Share, whole
from seqmodels.registry import register
from seqmodels.spec import Anomalies, Spec

# What the second number of a target means: 0 as usual, 1 to 5 a planted break, 6 one that the file names.
NAMED = len(KINDS) + 1
# Breaks that are planted where nobody says how many.
PLANTED = 20


class LabelledStreams(SeriesStreams):
    """Streams whose targets are the next value and whether it belongs to a break.

    Args:
        streams: with a horizon of one step.
        breaks: int ``(N,)``, of each row what break it belongs to, 0 for none.
        spec: with two values per target.
        rows: of the streams, for the times and values beside a prediction.
    """

    def __init__(self, streams: SeriesWindows, breaks: np.ndarray, spec: Spec, rows: SeriesRows) -> None:
        starts = np.asarray(streams.starts)
        stops = starts + streams.lengths
        super().__init__(streams.values, starts, stops, spec, stream=streams.stream)
        self.breaks = breaks.astype(np.float32)
        self.origins = [self._origin(rows, first + 1, last + 1) for first, last in zip(starts, stops, strict=True)]

    def _origin(self, rows: SeriesRows, first: int, last: int) -> dict[str, Any]:
        found: dict[str, Any] = {"series": rows.names[rows.series[first]]} if len(rows.names) > 1 else {}
        if rows.times is not None and rows.clock is not None:
            found["time"] = [rows.clock.text(time) for time in rows.times[first:last].tolist()]
        return {**found, "value": rows.values[first:last, 0].tolist()}

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        inputs, targets = super().read(index, start, stop)
        first = int(self.starts[index]) + start + 1
        return inputs, np.stack([targets[:, 0], self.breaks[first : first + stop - start]], axis=1)


@register("data", "anomaly")
class AnomalySource(DataSource):
    """A series forecast one step ahead; the test part holds planted breaks, and the others are taken to be clean.

    The first part is trained on, the next sets the threshold, and breaks are planted into the last: spikes,
    level shifts, drifts, flat lines and changed seasons, at places that depend on the seed only. Where the
    file itself says which rows are not as usual (`label`), those are to be found, and none need be planted.

    >>> source = AnomalySource("shipped:sunspots.csv", "sunspots", time="month", period=132, injected=4)
    >>> test = source.splits()["test"]
    >>> test.spec.target_names, sorted(set(test.breaks.tolist()))
    (('sunspots', 'break'), [0.0, 1.0, 2.0, 3.0, 4.0])

    Args:
        path, target, features, time, series, period, calendar, timezone, time_format, gaps, duplicates, missing,
            val_fraction, test_fraction: as for `seqmodels.data.sources.tables.table.CSVSource`.
        label: column that says which rows are not as usual: 0, no or a blank for those that are.
        injected: anomalies to inject into the test part; None for 20, or as many as it has room for, and for none where
            `label` names them.
        seed: what the planted breaks depend on.

    Raises:
        ValueError: as `CSVSource`; more breaks than there is room for, or several series to plant into.
    """

    renamed: ClassVar = {"planted": "injected"}

    suits: ClassVar = {"task": "anomaly", "head": "many_to_many"}

    def __init__(
        self,
        path: str,
        target: Column,
        features: ColumnNames | Column | None = (),
        time: Column | None = None,
        series: Column | None = None,
        label: Column | None = None,
        period: Count | None = None,
        calendar: Calendar | None = None,
        timezone: str | None = None,
        time_format: str | None = None,
        gaps: Literal["allow", "error", "fill", "split"] = "split",
        duplicates: Literal["error", "first", "last"] = "error",
        missing: Literal["error", "drop", "interpolate", "end"] = "error",
        injected: Annotated[int, whole(0)] | None = None,
        val_fraction: Share = 0.1,
        test_fraction: Share = 0.2,
        seed: Seed = 0,
    ) -> None:
        self.path, self.label, self.seed = str(path), name_of(label), seed
        self.injected = 0 if injected is None and label is not None else injected
        self.source = CSVSource(
            path,
            target,
            layout="series",
            features=features,
            time=time,
            series=series,
            target_per="step",
            period=period,
            relative=True,
            calendar=calendar,
            timezone=timezone,
            time_format=time_format,
            gaps=gaps,
            duplicates=duplicates,
            missing=missing,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
        )

    def describe(self) -> str:
        if self.injected == 0:
            return self.source.describe() + f"; no breaks planted{self._named()}"
        count = "breaks" if self.injected is None else f"{self.injected} breaks"
        return self.source.describe() + f"; {count} planted into the test part{self._named()}"

    def _named(self) -> str:
        return f", those to be found are named by {self.label!r}" if self.label is not None else ""

    def splits(self) -> dict[str, SequenceDataset]:
        """Split into training, calibration ("val") and test, with the anomalies' places in ``spec.anomalies``."""
        table = self.source.series_table()
        if self.label in table.layout.features:
            raise ValueError(f"data.label={self.label} is among data.features, which would tell the model: name others")
        breaks = named_breaks(table.table, self.label, table.rows)
        rows, planted = self._inject(table, breaks)
        streams = table.with_rows(rows).splits()
        plain = to_plain(planted, [self._time(rows, one) for one in planted])
        self.notes = (*table.notes, *(f"planted: {one['kind']} from {one['time']}" for one in plain))
        first = streams["train"].spec
        spec = replace(
            first,
            target_size=2,
            target_names=(first.input_names[0], "break"),
            anomalies=Anomalies((*KINDS, "named"), tuple(plain)),
            encoder={**first.encoder, "label": self.label},
        )
        return {name: LabelledStreams(one, breaks, spec, rows) for name, one in streams.items()}

    def _time(self, rows: SeriesRows, one: Anomaly) -> str:
        if rows.times is None or rows.clock is None:
            return f"row {one.start}"
        return rows.clock.text(rows.times[one.start].item())

    def _inject(self, table: SeriesTable, breaks: np.ndarray) -> tuple[SeriesRows, list[Anomaly]]:
        """Inject anomalies into the test part of the table, and mark the rows."""
        if self.injected == 0:
            return table.rows, []
        rows, masks = table.rows, table.masks
        if len(rows.names) > 1 or "test" not in masks:
            raise ValueError(
                "data.injected: breaks are planted into the test part of one series; got "
                f"{len(rows.names)} series{'' if 'test' in masks else ' and no test part'}: set data.injected=0"
            )
        usual = float(np.nanstd(np.diff(rows.values[masks["train"], 0])))
        where, period = np.flatnonzero(masks["test"]), table.options.period
        count = min(PLANTED, len(where) // LEAST_SHARE) if self.injected is None else self.injected
        values = rows.values.copy()
        values[:, 0], found = inject(values[:, 0], where, count, usual, period, self.seed)
        for one in found:
            breaks[one.start : one.stop] = KINDS.index(one.kind) + 1
        return replace(rows, values=values), found

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None) -> LabelledStreams:
        """Open another file of the same kind, nothing injected; with `targets` it must name its anomalies.

        Raises:
            ValueError: as `CSVSource`; no column of breaks where the model is to be measured.
        """
        table, label = read_table(path), spec.encoder["label"]
        if targets and label is None:
            raise ValueError(
                f"{path}: nothing says which of its rows are breaks, so there is nothing to measure a model by: "
                "train with data.label=COLUMN, or use predict"
            )
        layout, reading, context = reading_of(spec)
        rows = read_series(table, layout, reading)
        known = label if label in table.columns or targets else None
        streams = new_windows(rows, spec, context)
        return LabelledStreams(streams, named_breaks(table, known, rows), spec, rows)


def named_breaks(table: Table, column: str | None, rows: SeriesRows) -> np.ndarray:
    """Mark the rows, int ``(N,)``, that a column of the file says are not as usual."""
    breaks = np.zeros(len(rows.values), dtype=np.int64)
    if column is not None:
        cells = [cell.strip().lower() for cell in table.cells(column, "label")]
        odd = np.array([cell not in ("", "0", "0.0", "no", "false", "normal") for cell in cells])
        there = rows.places >= 0
        breaks[there] = np.where(odd[rows.places[there]], NAMED, 0)
    return breaks
