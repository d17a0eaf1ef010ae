"""Your own data: a CSV file, one flag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.csv_columns import Columns
from seqmodels.data.csv_encode import FEWEST_SEEN, encode, make_spec
from seqmodels.data.csv_layout import Layout, infer
from seqmodels.data.csv_read import Table, read_table
from seqmodels.data.csv_sequences import LEVELS, Reading, Sequences, read_sequences
from seqmodels.data.csv_series import TRANSFORMS, read_series
from seqmodels.data.csv_splits import split_sequences
from seqmodels.data.csv_targets import check_targets
from seqmodels.data.dataset import DataSource, SequenceDataset
from seqmodels.data.series import SeriesRows, forecast_splits, new_windows, split_rows, usual_history
from seqmodels.data.splits import check_fractions
from seqmodels.registry import register

MISSING_CHOICES = ("error", "drop", "interpolate", "end")


@register("data", "csv")
class CSVSource(DataSource):
    """A table in a file, read as time series or as sequences with labels or values.

    What the columns mean is inferred where there is one reading only, `describe` says it in a
    sentence, and each option overrides it:

    - *series*: a row is a point in time; the target is forecast from its own past and the features'.
      Split by time; scaled by the training part; targets never reach into the next split, inputs of
      a split may begin in the one before.
    - *wide*: a row is a sequence, its columns x1, x2, ... or x1, y1, x2, y2, ... the steps.
    - *long*: a row is a step of the sequence that the column `sequence` names.
    - *text*: a row is a sequence, the characters or words of the column `text`.

    Copies of a sequence stay in one split, and classes have the same shares in each.

    >>> source = CSVSource("shipped:pendigits.csv.gz", target="label", test_fraction=0.2)
    >>> source.describe()
    "shipped:pendigits.csv.gz: 10992 sequences of 8 steps (x, y), 10 classes in 'label'; layout wide"
    >>> source.suggest()
    {'task': 'classification', 'head': 'many_to_one'}

    Args:
        path: a .csv or .tsv file, gzipped or not; "shipped:NAME" for one that comes with the package.
        target: the column to be learned.
        layout: "series", "wide", "long" or "text".
        features: columns of numbers to learn from; None for all that have no other meaning. Of a
            series, the target's own past is always the first.
        time: column to order rows by. Rows that are out of order are sorted, and `describe` says so.
        series: column that tells many series apart. With times, all are cut at the same ones.
        sequence: column that says which sequence a row is a step of.
        text: column whose characters or words are the steps; in the long layout, whose cells are.
        level: of the text layout, whether a step is a "character" or a "word"; signs are words of their own.
        lowercase: whether text is read in lower case.
        min_count: characters or words seen less often in training are unknown.
        max_length: steps after which a sequence is cut; null for none.
        group: column of what must not be in two splits, such as a writer.
        target_per: "sequence" or "step".
        target_kind: "labels" or "values".
        features_per_step: of wide rows, how many neighbouring columns make one step.
        differences: whether each step also holds the change from the step before (wide and long).
        transform: what to forecast instead of the target: its "difference" from the step before, or
            its "log_return".
        history: steps that a forecast looks back; None for 24 or one period, less for a short series.
        horizon: steps that a forecast reaches ahead.
        period: steps in a season, for the baseline that repeats the last season.
        missing: what becomes of a blank or infinite number: "error"; "drop" its row; "interpolate"
            between neighbours (such values are never targets, nor made from them); "end" ends a wide row.
        val_fraction, test_fraction: shares of validation and test.
        seed: what the random split depends on; time series are not split at random.

    Raises:
        ValueError: an option out of range; from `splits`, `suggest` and `describe`, what is wrong with
            the file and where, or what cannot be told from it and has to be said.
    """

    def __init__(
        self,
        path: str,
        target: str,
        layout: str | None = None,
        features: Sequence[str] | None = None,
        time: str | None = None,
        series: str | None = None,
        sequence: str | None = None,
        text: str | None = None,
        level: str = "character",
        lowercase: bool = False,
        min_count: int = FEWEST_SEEN,
        max_length: int | None = None,
        group: str | None = None,
        target_per: str | None = None,
        target_kind: str | None = None,
        features_per_step: int | None = None,
        differences: bool = False,
        transform: str | None = None,
        history: int | None = None,
        horizon: int = 1,
        period: int | None = None,
        missing: str = "error",
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
    ) -> None:
        # A column called 2024 comes from the command line as a number, one column as no list.
        listed = [features] if isinstance(features, str | int) else features
        wanted = None if listed is None else tuple(map(str, listed))
        self.columns = Columns(
            str(target),
            layout,
            wanted,
            time=_name(time),
            series=_name(series),
            sequence=_name(sequence),
            text=_name(text),
            group=_name(group),
            target_per=target_per,
            target_kind=target_kind,
            features_per_step=features_per_step,
        )
        self.path, self.transform, self.missing, self.min_count = str(path), transform, missing, min_count
        self.reading = Reading(missing, differences, level, lowercase, max_length)
        self.history, self.horizon, self.period = history, horizon, period
        self.val_fraction, self.test_fraction, self.seed = val_fraction, test_fraction, seed
        self._check_options()
        self._read: tuple[Table, Layout] | None = None

    def _check_options(self) -> None:
        check_fractions(self.val_fraction, self.test_fraction)
        counts = {option: getattr(self, option) for option in ("history", "horizon", "period", "min_count")}
        for option, value in {**counts, "max_length": self.reading.max_length}.items():
            if value is not None and value < 1:
                raise ValueError(f"data.{option} must be at least 1, got {value}")
        if self.reading.level not in LEVELS:
            raise ValueError(f"data.level must be one of {', '.join(LEVELS)}, got {self.reading.level!r}")
        if self.missing not in MISSING_CHOICES:
            raise ValueError(f"data.missing must be one of {', '.join(MISSING_CHOICES)}, got {self.missing!r}")
        if self.transform not in (None, *TRANSFORMS):
            raise ValueError(f"data.transform must be one of {', '.join(TRANSFORMS)} or null, got {self.transform!r}")

    def _load(self) -> tuple[Table, Layout]:
        """The table and what its columns mean; the file is read once."""
        if self._read is None:
            table = read_table(self.path)
            layout = infer(table, self.columns)
            self._check_meaning(layout)
            self._read = table, layout
        return self._read

    def _check_meaning(self, layout: Layout) -> None:
        """Refuse options that the layout would ignore."""
        of_series = {
            "transform": self.transform is not None,
            "history": self.history is not None,
            "horizon": self.horizon != 1,
            "period": self.period is not None,
        }
        given = [option for option, there in of_series.items() if there and layout.kind != "series"]
        of_text = {
            "level": self.reading.level != "character" and layout.kind != "text",
            "lowercase": self.reading.lowercase and layout.kind != "text",
            "min_count": self.min_count != FEWEST_SEEN and layout.text is None,
            "max_length": self.reading.max_length is not None and layout.kind == "series",
            "differences": self.reading.differences and (layout.kind == "series" or layout.text is not None),
        }
        given += [option for option, there in of_text.items() if there]
        if self.missing == "end" and layout.kind != "wide":
            given.append("missing=end")
        if self.missing == "interpolate" and layout.text is not None:
            given.append("missing=interpolate")
        if given:
            words = " of text" if layout.text is not None and layout.kind == "long" else ""
            raise ValueError(f"data.{given[0]} has no meaning in the {layout.kind} layout{words}; leave it out")

    def suggest(self) -> dict[str, str]:
        """The names of the task and the head that fit the data."""
        _, layout = self._load()
        if layout.kind == "series":
            return {"task": "forecasting", "head": "one_to_one" if self._history() == 1 else "many_to_one"}
        if layout.target_per == "step":
            return {"task": "tagging" if layout.target_kind == "labels" else "regression", "head": "many_to_many"}
        single = layout.kind == "wide" and len(layout.features) == len(layout.feature_names)
        task = "classification" if layout.target_kind == "labels" else "regression"
        return {"task": task, "head": "one_to_one" if single else "many_to_one"}

    def describe(self) -> str:
        """One sentence on what the file was taken for."""
        table, layout = self._load()
        if layout.kind == "series":
            rows = self._rows()
            many = f"{len(rows.names)} series" if layout.series else "one series"
            what = f"{len(rows.values)} rows of {many}, {layout.target!r} forecast from {', '.join(layout.features)}"
            what += f", {self._history()} steps back, {self.horizon} ahead"
            return "; ".join([f"{self.path}: {what}", "layout series", *layout.notes, *rows.notes])
        sequences = self._sequences()
        shortest, longest = (f(len(x) for x in sequences.inputs) for f in (min, max))
        steps = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
        unit = "words of" if self.reading.level == "word" else "text in"
        of_what = ", ".join(layout.feature_names) if layout.text is None else f"{unit} {layout.text!r}"
        classes = len({table.columns[layout.target][row] for rows in sequences.rows for row in rows})
        target = f"{classes} classes" if layout.target_kind == "labels" else "values"
        per = " per step" if layout.target_per == "step" else ""
        copies = split_sequences(sequences, self.val_fraction, self.test_fraction, self.seed)[1]
        notes = [f"layout {layout.kind}", *layout.notes]
        notes += [f"{copies} copies, kept in the split of the original"] if copies else []
        notes += [f"{sequences.cut} longer ones cut at {longest} steps"] if sequences.cut else []
        what = f"{len(sequences)} sequences of {steps} steps ({of_what}), {target}{per} in {layout.target!r}"
        return "; ".join([f"{self.path}: {what}", *notes])

    def splits(self) -> dict[str, SequenceDataset]:
        """The data sets "train", "val" and "test"."""
        layout = self._load()[1]
        if layout.kind == "series":
            rows, history = self._rows(), self._history()
            masks = split_rows(rows, self.val_fraction, self.test_fraction)
            options: dict[str, Any] = {"layout": layout.to_plain(), "missing": self.missing}
            options |= {"transform": self.transform, "history": history}
            names = layout.feature_names
            if self.transform is not None:
                names = (f"{self.transform} of {names[0]}", *names[1:])
            self.notes = (*layout.notes, *rows.notes)
            return {**forecast_splits(rows, names, history, self.horizon, masks, self.period, options)}
        sequences = self._sequences()
        parts, copies = split_sequences(sequences, self.val_fraction, self.test_fraction, self.seed)
        self.notes = self._what_was_done(sequences, copies)
        spec = make_spec(sequences.select(parts["train"]), self.reading, self.min_count)
        return {name: encode(sequences.select(items), spec, targets=True) for name, items in parts.items()}

    def _what_was_done(self, sequences: Sequences, copies: int) -> tuple[str, ...]:
        """What was left out of the sequences, filled in or kept together, in words."""
        table, layout = self._load()
        notes, rows = list(layout.notes), sum(map(len, sequences.rows))
        if rows < len(table):
            what = "a number, a text or the target is missing (data.missing=drop)"
            notes.append(f"{len(table) - rows:,} of {len(table):,} rows left out: {what}")
        if self.missing == "interpolate":
            cells = sum(int(np.isnan(table.numbers(name)).sum()) for name in layout.features)
            notes += [f"{cells:,} missing numbers filled in between their neighbours"] if cells else []
        if copies:
            notes.append(f"{copies:,} sequences are copies of another one, and kept in its split")
        return tuple(notes)

    def _rows(self) -> SeriesRows:
        return read_series(*self._load(), self.transform, self.missing)

    def _history(self) -> int:
        if self.history is not None:
            return self.history
        rows = self._rows()
        return usual_history(rows, split_rows(rows, self.val_fraction, self.test_fraction)["train"], self.period)

    def _sequences(self) -> Sequences:
        return check_targets(read_sequences(*self._load(), self.reading), self.missing)

    @classmethod
    def open(cls, path: str, spec: BatchSpec, targets: bool | None = None) -> SequenceDataset:
        """Another file with the same columns, encoded and scaled as in training.

        Args:
            path: the file.
            spec: of the training data.
            targets: true if the file must hold them, as for measuring a model; false to put zeros. None
                takes them where they are there. Of a series, true means every window whose targets
                the file holds, and false or None one per series: its end, from which to forecast on.

        Raises:
            ValueError: as `CSVSource`, and for a label that was never seen in training.
        """
        options = spec.options or {}
        table, layout = read_table(path), Layout.from_plain(options["layout"])
        missing = options["missing"]
        if layout.kind == "series":
            rows = read_series(table, layout, options["transform"], missing)
            return new_windows(rows, options["history"], spec, targets=bool(targets))
        sequences = read_sequences(table, layout, Reading.from_plain(options))
        wanted = layout.target in table.columns if targets is None else targets
        if wanted:
            sequences = check_targets(sequences, missing)
        return encode(sequences, spec, targets=wanted)


def _name(column: str | None) -> str | None:
    return None if column is None else str(column)
