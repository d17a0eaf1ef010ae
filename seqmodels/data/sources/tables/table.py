"""Your own data: a table in a file, one flag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, ClassVar, Literal

from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.lists import unnest
from seqmodels.data.columns.roles import Columns, name_of, names
from seqmodels.data.columns.sequences import Reading
from seqmodels.data.columns.splits.near import Together
from seqmodels.data.columns.splits.shares import check_fractions
from seqmodels.data.columns.targets.cuts import check_cuts, cut_numbers
from seqmodels.data.columns.times.zones import check_timezone
from seqmodels.data.encode.vocabulary import FEWEST_SEEN
from seqmodels.data.files.arrays import MEMORY_LIMIT
from seqmodels.data.read.open import read_table
from seqmodels.data.read.table import Table
from seqmodels.data.series.ahead import SeriesAhead
from seqmodels.data.series.covariates import Calendar
from seqmodels.data.series.options import SeriesOptions, infer_layout
from seqmodels.data.series.reading import SeriesReading
from seqmodels.data.series.table import SeriesTable, series_ahead
from seqmodels.data.sources.base import DataSource
from seqmodels.data.sources.tables.new import open_table, prepare_table, whole_tables
from seqmodels.data.sources.tables.sequences import SequenceOptions, SequenceTable
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Column, ColumnNames, Count, Seed, Share, any_number, fold, list_of, whole
from seqmodels.quoting import listed
from seqmodels.registry import register
from seqmodels.spec import Spec


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
    - *nested*: a row is a sequence, a column of lists holds its steps (Parquet, Arrow, datasets).

    Copies of a sequence stay in one split, and classes have the same shares in each. Of a data set of the datasets
    library, "datasets:NAME_OR_FOLDER[:CONFIG][@SPLIT]", its own splits are kept; "shipped:NAME" comes with the package.

    >>> source = CSVSource("shipped:pendigits.csv.gz", target="label", test_fraction=0.2)
    >>> source.describe()  # doctest: +ELLIPSIS
    "shipped:pendigits.csv.gz: 10992 sequences of 8 steps (x, y), 10 classes in 'label'; layout wide; ...
    >>> source.suggest()
    {'task': 'classification', 'head': 'many_to_one'}

    Args:
        path: .csv, .tsv (or .gz, .zip), .parquet, .jsonl, .arrow, .feather; or datasets:NAME_OR_FOLDER
        target: the column to be learned; of sequences also several, such as [a, b].
        layout: "series", "wide", "long", "text" or "nested".
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
        weight: column that says how much each sequence counts in training, 0 or more. The loss of
            training is weighted; the loss of validation and test and all metrics count every sequence alike.
        split: column that says train, val or test. A split that is not given is taken from training.
        val_path, test_path: files with the same columns, which are all for validation or test.
        target_per: "sequence" or "step"; of series, a forecast at the end of a window or after every step of a stream.
        target_kind: "labels", "values", or "sets": several labels at once, in columns of 0 and 1 or in one
            column as names with "|" between them, blank for none.
        target_cuts: numbers at which a target of numbers is cut into classes; [0] for negative and not.
        features_per_step: of wide rows, how many neighbouring columns make one step.
        differences: whether each step also holds the change from the step before (wide and long).
        transform: what to forecast instead of the target: its "difference" from the step before, or
            its "log_return".
        history: steps that a forecast looks back; None for 24 or one period, less for a short series.
        horizon: steps that a forecast reaches ahead.
        period: steps in a season, for the baseline that repeats the last season.
        relative: whether to learn the change from the last value to each step ahead, and not the values.
        future_covariates: columns of numbers known ahead, such as a price; see `seqmodels.data.series.windows`. A new
            file gives them in rows after the last target, with blank targets.
        static_covariates: columns with one value per series: numbers, or names.
        calendar: parts of the date to learn from, of `seqmodels.data.series.covariates.CALENDAR`.
        identity: whether the name of a series is learned from.
        timezone: of times without an offset, and of the calendar, such as Europe/Berlin; None for UTC.
        time_format: how dates are written, such as %d/%m/%Y; None to find out.
        gaps: missing time stamps: "allow" (rows follow each other as they are), "error", "fill" (put in rows
            without values: never targets) or "split" (no window reaches over one).
        duplicates: of a time that a series has twice: "error", or which line counts, "first" or "last".
        fold: "2/5" for the second of five folds that walk forward through the test part; None for all of it.
        train_steps: time steps to train on, the last ones before validation; None for all.
        missing: what becomes of a blank or infinite number: "error"; "drop" its row; "interpolate"
            between neighbours (such values are never targets, nor made from them); "end" ends a wide row.
        val_fraction, test_fraction: shares of validation and test, where they are not given.
        together: what is kept in one split: "copies" of a text, or "near_copies", which share most runs of tokens, too.
        seed: what the random split depends on; time series are not split at random.
        cache_dir: folder for what is made of a table that does not fit in memory; None for ~/.cache.
        memory_limit: bytes of a file, or of an array made of it, from which on it is kept in files and not in memory.

    """

    renamed: ClassVar = {"known": "future_covariates", "static": "static_covariates"}

    def __init__(
        self,
        path: str,
        target: Column | ColumnNames,
        layout: Literal["series", "wide", "long", "text", "nested"] | None = None,
        features: ColumnNames | Column | None = None,
        time: Column | None = None,
        series: Column | None = None,
        sequence: Column | None = None,
        text: Column | None = None,
        level: Literal["character", "word"] = "character",
        lowercase: bool = False,
        min_count: Count = FEWEST_SEEN,
        max_length: Count | None = None,
        group: Column | None = None,
        weight: Column | None = None,
        split: Column | None = None,
        val_path: str | None = None,
        test_path: str | None = None,
        target_per: Literal["sequence", "step"] | None = None,
        target_kind: Literal["labels", "values", "sets"] | None = None,
        target_cuts: Annotated[Sequence[float], list_of(any_number, "[0]")] | None = None,
        features_per_step: Count | None = None,
        differences: bool = False,
        transform: Literal["difference", "log_return"] | None = None,
        history: Count | None = None,
        horizon: Annotated[int, whole(1, 1_000_000)] = 1,
        period: Count | None = None,
        relative: bool = False,
        future_covariates: ColumnNames | Column | None = None,
        static_covariates: ColumnNames | Column | None = None,
        calendar: Calendar | None = None,
        identity: bool = False,
        timezone: str | None = None,
        time_format: str | None = None,
        gaps: Literal["allow", "error", "fill", "split"] = "allow",
        duplicates: Literal["error", "first", "last"] = "error",
        fold: Annotated[str, fold] | None = None,
        train_steps: Count | None = None,
        missing: Literal["error", "drop", "interpolate", "end"] = "error",
        val_fraction: Share = 0.1,
        test_fraction: Share = 0.1,
        together: Together = "copies",
        seed: Seed = 0,
        cache_dir: str | None = None,
        memory_limit: Annotated[int, whole(0, 1_000_000_000_000)] = MEMORY_LIMIT,
    ) -> None:
        first, *others = names(target) or ("",)
        self.columns = Columns(
            first,
            layout,
            None if features is None else names(features),
            time=name_of(time),
            series=name_of(series),
            sequence=name_of(sequence),
            text=name_of(text),
            group=name_of(group),
            target_per=target_per,
            target_kind=target_kind,
            features_per_step=features_per_step,
            more_targets=tuple(others),
            weight=name_of(weight),
            split=name_of(split),
            time_format=time_format,
        )
        self.path, self.missing, self.cache_dir, self.memory_limit = str(path), missing, cache_dir, memory_limit
        self.target_cuts = check_cuts(target_cuts or (), layout)
        given = {"val": val_path, "test": test_path}
        self.more_paths = {name: str(other) for name, other in given.items() if other is not None}
        reading = Reading(missing, differences, level, lowercase, max_length)
        shares = (val_fraction, test_fraction, seed)
        self.sequences = SequenceOptions(reading, min_count, self.columns.weight, *shares, together)
        how = SeriesReading(
            transform, missing, gaps, duplicates, timezone, names(future_covariates), names(static_covariates)
        )
        parts = names(calendar)
        self.series = SeriesOptions(how, parts, identity, history, horizon, period, relative, fold, train_steps)
        self.val_fraction, self.test_fraction, self.seed = val_fraction, test_fraction, seed
        check_fractions(val_fraction, test_fraction)
        if timezone is not None:
            check_timezone(timezone)
        self._read: tuple[Table, Layout] | None = None
        self._tables: dict[str, Table] = {}
        self._sequence_table: SequenceTable | None = None
        self._series_table: SeriesTable | None = None

    def _load(self) -> tuple[Table, Layout]:
        """Return the table and what its columns mean; the file is read once."""
        if self._read is None:
            self._tables = whole_tables(self.path, self.more_paths, self.memory_limit, self.cache_dir)
            self._read = self._understand()
        return self._read

    def _understand(self) -> tuple[Table, Layout]:
        if self.target_cuts:
            cut_numbers(self._tables["train"], self.columns.target, self.target_cuts)
        table, asked, lists = unnest(self._tables["train"], self.columns, self.missing)
        layout = replace(infer_layout(table, asked, self.series), target_cuts=self.target_cuts)
        if lists:
            note = f"lists written out: {listed(lists)}"
            layout = replace(layout, lists=lists, notes=(note, *layout.notes))
        layout = replace(layout, notes=(*table.notes, *layout.notes))
        self._check_meaning(layout)
        return table, layout

    def _check_meaning(self, layout: Layout) -> None:
        """Refuse options that the layout would ignore."""
        of_series = layout.kind == "series"
        given = [] if of_series else self.series.given()
        given += self.sequences.ignored(layout)
        given += [f"{name}_path" for name in self.more_paths] if of_series else []
        if of_series and not given and len(self._tables) > 1:
            raise ValueError(
                f"{self.path}: a time series is split by time, and this data set comes in {', '.join(self._tables)}: "
                f"name one of them, as data.path={self.path}@train"
            )
        if given:
            words = " of text" if layout.text is not None and layout.kind == "long" else ""
            raise ValueError(f"data.{given[0]} has no meaning in the {layout.kind} layout{words}; leave it out")

    def suggest(self) -> dict[str, str]:
        """Suggest task and head; for series also the options left open."""
        _, layout = self._load()
        if layout.kind == "series":
            return {"task": "forecasting", "head": self._head(layout), **self._defaults(layout)}
        per_step = layout.target_per == "step"
        of_labels = "tagging" if per_step else "classification"
        task = {"labels": of_labels, "values": "regression", "sets": "multilabel"}[layout.target_kind]
        if per_step:
            return {"task": task, "head": "many_to_many"}
        if task == "regression" and layout.text is not None:
            # Texts are learned by heart without the dropout of this recipe, whatever is learned from them.
            return {"task": task, "head": "many_to_one", "recipe": "classify"}
        single = layout.kind == "wide" and len(layout.features) == len(layout.feature_names)
        return {"task": task, "head": "one_to_one" if single else "many_to_one"}

    def _defaults(self, layout: Layout) -> dict[str, str]:
        """Return what suits the series, by name."""
        if layout.target_per == "step":
            return {}
        return self._series().defaults()

    def take_over(self, other: CSVSource, changed: set[str]) -> bool:
        """Go on with the tables of `other`, where only what a forecast reads of them differs."""
        if not changed <= {"period", "history", "relative", "calendar"} or not other._tables or self.target_cuts:
            return False
        self._tables = other._tables
        self._read = self._understand()
        return True

    def describe(self) -> str:
        if self._load()[1].kind == "series":
            found = self._series()
            return "; ".join([f"{self.path}: {found.describe()}", "layout series", *found.notes])
        return f"{self.path}: {self._sequences().describe()}"

    def splits(self) -> dict[str, SequenceDataset]:
        found = self._series() if self._load()[1].kind == "series" else self._sequences()
        splits = found.splits()
        self.notes = found.notes
        return {**splits}

    def series_table(self) -> SeriesTable:
        """Read the file as series, at once; for data in the series layout."""
        shares = self.val_fraction, self.test_fraction
        return SeriesTable(*self._load(), self.series, *shares, self.cache_dir)

    def _series(self) -> SeriesTable:
        if self._series_table is None:
            self._series_table = self.series_table()
        return self._series_table

    def _head(self, layout: Layout) -> str:
        if layout.target_per == "step":
            return "many_to_many"
        return "one_to_one" if self._series().history == 1 else "many_to_one"

    def _sequences(self) -> SequenceTable:
        if self._sequence_table is None:
            table, layout = self._load()
            prepare = partial(prepare_table, layout=layout, missing=self.missing)
            more = {name: prepare(other) for name, other in self._tables.items() if name != "train"}
            self._sequence_table = SequenceTable({"train": table, **more}, layout, self.sequences, self.cache_dir)
        return self._sequence_table

    @classmethod
    def open(
        cls,
        path: str,
        spec: Spec,
        targets: bool | None = None,
        cache_dir: str | None = None,
        memory_limit: int = MEMORY_LIMIT,
    ) -> SequenceDataset:
        """Open another file with the same columns, encoded and scaled as in training.

        Args:
            path: the file.
            spec: of the training data.
            targets: true if the file must hold them, as for measuring a model; false to put zeros. None
                takes them where they are there. Of a series, true means every window whose targets
                the file holds, and false or None one per series: its end, from which to forecast on.
            cache_dir, memory_limit: as for `CSVSource`.

        Raises:
            ValueError: as `CSVSource`, and for a label that was never seen in training.
        """
        return open_table(path, spec, targets, cache_dir, memory_limit)

    @classmethod
    def ahead(
        cls, path: str, spec: Spec, cache_dir: str | None = None, memory_limit: int = MEMORY_LIMIT
    ) -> SeriesAhead:
        """Return the series of a file, from which to forecast beyond its end.

        Args:
            path, spec, cache_dir, memory_limit: as for `open`.

        Raises:
            ValueError: as `open`, and where the model was not trained on series.
        """
        if spec.series is None:
            raise ValueError("this model was not trained on time series, so there is nothing to forecast: use predict")
        return series_ahead(read_table(path, memory_limit, cache_dir), spec, cache_dir)
