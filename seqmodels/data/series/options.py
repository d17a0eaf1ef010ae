"""Options of time series, and what they say of the columns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from seqmodels.data.columns.infer import Layout, infer
from seqmodels.data.columns.roles import Columns
from seqmodels.data.read.table import Table
from seqmodels.data.series.reading import SeriesReading

# What a user calls the fields of `SeriesReading` that hold covariates.
OPTIONS = {"known": "future_covariates", "static": "static_covariates"}


@dataclass(frozen=True)
class SeriesOptions:
    """Options of time series; see `seqmodels.data.sources.tables.table.CSVSource`."""

    reading: SeriesReading = field(default_factory=SeriesReading)
    calendar: tuple[str, ...] = ()
    identity: bool = False
    history: int | None = None
    horizon: int = 1
    period: int | None = None
    relative: bool = False
    fold: str | None = None
    train_steps: int | None = None

    def given(self) -> list[str]:
        """Return the options that mean something for series only, and are set."""
        own = {name: getattr(self, name) for name in vars(self) if name != "reading"}
        own |= {name: getattr(self.reading, name) for name in vars(self.reading) if name != "missing"}
        usual = {**vars(SeriesReading()), **vars(SeriesOptions())}
        return [OPTIONS.get(name, name) for name, value in own.items() if value != usual[name]]


def parse_fold(text: str | None) -> tuple[int, int] | None:
    """Read ``"2/5"``, the second of five folds, as (2, 5)."""
    if text is None:
        return None
    k, n = map(int, text.split("/"))
    return k, n


def infer_layout(table: Table, asked: Columns, options: SeriesOptions) -> Layout:
    """Infer the layout, with future and static covariates, and targets after every step, understood.

    Raises:
        ValueError: such a column is not there, or has another meaning too.
    """
    future, static = options.reading.known, options.reading.static
    taken = {**asked.named(), **{name: name for name in asked.features or ()}}
    for option, names in zip(OPTIONS.values(), (future, static), strict=True):
        for name in names:
            table.cells(name, option)
            if name in taken.values() or (name in future and names is static):
                raise ValueError(
                    f"data.{option} names the column {name!r}, which has another meaning; leave it out there"
                )
    rest = table.without(future + static)
    if future or static or options.calendar or options.identity:
        asked = replace(asked, layout=asked.layout or "series")
    if asked.target_per in ("step", "sequence") and asked.sequence is None:
        layout = infer(rest, replace(asked, target_per=None))
        if layout.kind == "series":
            return replace(layout, target_per="step" if asked.target_per == "step" else "sequence")
    return infer(rest, asked)
