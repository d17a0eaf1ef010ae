"""Tables of sequences, from their options to data sets: the wide, long and text layouts."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.sequences import Reading, Sequences, read_sequences
from seqmodels.data.columns.shifted import LOOKED_AT, step_later
from seqmodels.data.columns.splits.near import Together
from seqmodels.data.columns.splits.sequences import given_splits, split_sequences
from seqmodels.data.columns.targets.encoded import check_targets, has_targets, used_rows
from seqmodels.data.columns.targets.labels import Labels
from seqmodels.data.dataset import ArrayDataset
from seqmodels.data.encode.kept import keep, kept
from seqmodels.data.encode.table import encode, make_spec, reading_of, refuse_weightless, warn_of_unknown
from seqmodels.data.encode.vocabulary import FEWEST_SEEN
from seqmodels.data.files.arrays import Space
from seqmodels.data.files.cache import cached_folder
from seqmodels.data.files.store import Store, StoreWriter
from seqmodels.data.read.table import Table
from seqmodels.quoting import listed, shown
from seqmodels.spec import Spec


@dataclass(frozen=True)
class SequenceOptions:
    """Options of sequences in tables; see `seqmodels.data.sources.tables.table.CSVSource`."""

    reading: Reading = field(default_factory=Reading)
    min_count: int = FEWEST_SEEN
    weight: str | None = None
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    seed: int = 0
    together: Together = "copies"

    def ignored(self, layout: Layout) -> list[str]:
        """List the options that were given and have no meaning in a layout."""
        how, kind, text = self.reading, layout.kind, layout.text
        there = {
            "level": how.level != "character" and kind != "text",
            "lowercase": how.lowercase and kind != "text",
            "together": self.together != "copies" and text is None,
            "min_count": self.min_count != FEWEST_SEEN and text is None,
            "max_length": how.max_length is not None and kind == "series",
            "differences": how.differences and (kind == "series" or text is not None),
            "missing=end": how.missing == "end" and kind != "wide",
            "missing=interpolate": how.missing == "interpolate" and text is not None,
        }
        return [option for option, given in there.items() if given]


class SequenceTable:
    """Sequences with targets in one table, or in one for each split.

    What is made of a table that does not fit in memory is kept in the cache for the next run.

    Args:
        tables: split -> table; of "train" the splits that have no table of their own are taken.
        layout: of all of them.
        options: what the user asked for.
        cache_dir: where encoded sequences are kept; None for the user's cache.
    """

    def __init__(
        self, tables: dict[str, Table], layout: Layout, options: SequenceOptions, cache_dir: str | None = None
    ) -> None:
        self.tables, self.layout, self.options, self.cache_dir = tables, layout, options, cache_dir

    @cached_property
    def sequences(self) -> dict[str, Sequences]:
        """The sequences of each table."""
        how = self.options.reading
        return {
            name: check_targets(read_sequences(table, self.layout, how), how.missing)
            for name, table in self.tables.items()
        }

    @cached_property
    def _split(self) -> tuple[dict[str, Sequences], int, int]:
        """The sequences of each split, and how many are copies and near copies.

        What neither a file nor the column `split` gives is taken from training, by its fraction.
        """
        main, options = self.sequences["train"], self.options
        given = {name: own for name, own in self.sequences.items() if name != "train"}
        if self.layout.split is not None:
            items = given_splits(main, self.layout.split)
            given = {name: main.select(own) for name, own in items.items() if name != "train"} | given
            main = main.select(items["train"])
        val, test = (
            0.0 if name in given else share
            for name, share in (("val", options.val_fraction), ("test", options.test_fraction))
        )
        parts, copies, near = split_sequences(main, val, test, options.seed, options.together)
        found = {name: main.select(items) for name, items in parts.items()} | given
        return {name: found[name] for name in ("train", "val", "test") if name in found}, copies, near

    @cached_property
    def _store(self) -> Store | None:
        """What is kept in the cache of tables that do not fit in memory; None where all of them do."""
        if all(table.space.folder is None for table in self.tables.values()):
            return None
        stamps = {name: table.stamp for name, table in self.tables.items()}
        asked = [stamps, self.layout.to_plain(), self.layout.split, asdict(self.options)]
        return Store(cached_folder(self.cache_dir, self.tables["train"].path, asked, self._write))

    def _write(self, folder: Path) -> dict[str, Any]:
        writer = StoreWriter(folder)
        found = self._encode(writer.space)
        for name, dataset in found.items():
            keep(writer, name, dataset)
        return writer.close(
            spec=found["train"].spec.to_plain(), splits=list(found), describe=self._describe(), notes=self._notes()
        )

    def splits(self) -> dict[str, ArrayDataset]:
        """Encode the data sets; only training has weights.

        Raises:
            ValueError: what is wrong with the sequences.
        """
        store = self._store
        if store is None:
            return self._encode()
        spec, origin = Spec.from_plain(store.about["spec"]), self.layout.sequence or self.tables["train"].unit
        return {name: kept(store, name, spec, origin) for name in store.about["splits"]}

    def _encode(self, space: Space | None = None) -> dict[str, ArrayDataset]:
        parts, options = self._split[0], self.options
        spec = make_spec(parts["train"], options.reading, options.min_count)
        weights = {"train": options.weight}
        found = {name: encode(own, spec, True, weights.get(name), space, name) for name, own in parts.items()}
        refuse_weightless(self.tables["train"].path, options.weight, found["train"].weights)
        return found

    def describe(self) -> str:
        """Say what the table was taken for."""
        return self._describe() if self._store is None else str(self._store.about["describe"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of the sequences, filled in or kept together, in words."""
        return self._notes() if self._store is None else tuple(self._store.about["notes"])

    def _describe(self) -> str:
        layout, found = self.layout, list(self.sequences.values())
        lengths = np.concatenate([sequences.inputs.lengths for sequences in found])
        shortest, longest = lengths.min(), lengths.max()
        steps = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
        unit = "words of" if self.options.reading.level == "word" else "text in"
        of_what = listed(layout.feature_names) if layout.text is None else f"{unit} {layout.text!r}"
        parts = self._split[0]
        per = " per step" if layout.target_per == "step" else ""
        names = listed(layout.targets, quoted=True)
        target, shares = self._target()
        notes = [f"{len(lengths)} sequences of {steps} steps ({of_what}), {target}{per} in {names}"]
        notes += [f"layout {layout.kind}", *layout.notes, *shares]
        notes.append(", ".join(f"{len(own)} {name}" for name, own in parts.items()))
        notes += [f"weighted by {self.options.weight!r} in training"] if self.options.weight else []
        return "; ".join(notes)

    def _target(self) -> tuple[str, list[str]]:
        """Say what is to be learned, and how often the rarest and the commonest class hold."""
        if self.layout.target_kind == "values":
            return "values", []
        counted: Counter[str] = Counter()
        total = 0
        for own in self.sequences.values():
            labels, rows = Labels(own.table, self.layout), used_rows(own)
            total += int(rows.lengths.sum())
            counted.update({name: n for name, n in zip(labels.names, labels.counts(rows).tolist(), strict=True) if n})
        counts = counted.most_common()
        low, high = (f"{count / total:.1%} ({shown(label)})" for label, count in (counts[-1], counts[0]))
        what = "labels at once" if self.layout.target_kind == "sets" else "classes"
        return f"{len(counts)} {what}", [f"shares from {low} to {high}"]

    def _notes(self) -> tuple[str, ...]:
        layout, how = self.layout, self.options.reading
        notes, used = list(layout.notes), sum(int(own.rows.lengths.sum()) for own in self.sequences.values())
        total = sum(map(len, self.tables.values()))
        if how.missing == "drop" and used < total:
            what = "a number, a text or the target is missing (data.missing=drop)"
            notes.append(f"{total - used:,} of {total:,} rows left out: {what}")
        if how.missing == "interpolate":
            columns = [table.numbers(name) for table in self.tables.values() for name in layout.features]
            cells = sum(int(np.isnan(column).sum()) for column in columns)
            notes += [f"{cells:,} missing numbers filled in between their neighbours"] if cells else []
        for count, what in zip(self._split[1:], ("copies", "near copies"), strict=True):
            notes += [f"{count:,} sequences are {what} of another one, and kept in its split"] if count else []
        notes += self._told()
        cut = sum(own.cut for own in self.sequences.values())
        return (*notes, f"{cut:,} sequences cut at {how.max_length} steps") if cut else tuple(notes)

    def _told(self) -> list[str]:
        """Say that targets are the inputs a step later, where they are."""
        layout, main = self.layout, self.sequences["train"]
        if layout.target_per != "step" or layout.more_targets or layout.target_kind == "sets":
            return []
        some = main.select(np.arange(min(LOOKED_AT, len(main))))
        targets = _words_or_values(some)
        inputs = some.inputs if layout.text is None else [np.array(some.tokens)[x][:, None] for x in some.inputs]
        names = layout.feature_names if layout.text is None else (layout.text,)
        pairs = ((np.asarray(x)[:, : len(names)], y) for x, y in zip(inputs, targets, strict=True))
        said = step_later(pairs, names)
        return [said] if said else []


def _words_or_values(sequences: Sequences) -> list[np.ndarray]:
    """Return the targets of the steps of each sequence, as they are in the file."""
    table, layout = sequences.table, sequences.layout
    if layout.text is None and table.is_numeric(layout.target):
        return [table.numbers(layout.target, "target")[rows] for rows in sequences.rows]
    codes, names = table.codes(layout.target, "target")
    return [np.array([names[code] for code in codes[rows].tolist()]) for rows in sequences.rows]


def open_sequences(table: Table, spec: Spec, targets: bool | None, cache_dir: str | None) -> ArrayDataset:
    """Encode the sequences of another table as those of training.

    Args:
        table: in the layout of training.
        spec: of the training data.
        targets: whether the table must hold targets; None to take them where it holds all of them.
        cache_dir: as for `SequenceTable`.

    Raises:
        ValueError: what is wrong with the table, or a label that was never seen in training.
    """
    if table.space.folder is None:
        return _opened(table, spec, targets)

    def write(folder: Path) -> dict[str, Any]:
        writer = StoreWriter(folder)
        keep(writer, "all", _opened(table, spec, targets, writer.space))
        return writer.close()

    asked = [table.stamp, spec.to_plain(), targets]
    store = Store(cached_folder(cache_dir, table.path, asked, write))
    return kept(store, "all", spec, reading_of(spec)[0].sequence or table.unit)


def _opened(table: Table, spec: Spec, targets: bool | None, space: Space | None = None) -> ArrayDataset:
    layout, how = reading_of(spec)
    sequences = read_sequences(table, layout, how)
    wanted = has_targets(sequences, spec) if targets is None else targets
    if wanted:
        sequences = check_targets(sequences, how.missing)
    warn_of_unknown(sequences, spec)
    return encode(sequences, spec, wanted, space=space)
