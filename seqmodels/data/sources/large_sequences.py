"""Sequences in a table larger than memory: read in pieces, twice, and kept encoded in a cache.

The first reading tells the vocabulary, the classes and the scales of the training part, the second
encodes. Which split a sequence is in follows from its contents (or its group) alone, by a hash, so
that copies and groups stay together without a list of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.columns.infer import Layout
from seqmodels.data.columns.sequence_splits import SPLIT_WORDS, given_splits
from seqmodels.data.columns.sequences import Reading, Sequences, read_piece
from seqmodels.data.columns.targets import check_targets
from seqmodels.data.dataset import ArrayDataset
from seqmodels.data.encode.encoder import encode, refuse_weightless
from seqmodels.data.encode.mapped import MappedSequences, split_names, write_sequences
from seqmodels.data.encode.summary import Summary
from seqmodels.data.read.chunks import table_chunks
from seqmodels.data.read.table import Table
from seqmodels.data.read.table_cache import about, cached_folder, stamp
from seqmodels.data.sources.sequence_table import SequenceOptions
from seqmodels.quoting import listed, shown


class LargeSequenceTable:
    """Sequences with targets in files too large to be read at once; else as `SequenceTable`.

    Args:
        paths: split -> file; of "train" the splits that have no file of their own are taken.
        layout: of all of them.
        options: what the user asked for.
        prepare: makes of each piece of a file a table in that layout.
        cache_dir: where the encoded sequences are kept; None for the user's cache.
    """

    def __init__(
        self,
        paths: dict[str, str],
        layout: Layout,
        options: SequenceOptions,
        prepare: Callable[[Table], Table],
        cache_dir: str | None = None,
    ) -> None:
        self.paths, self.layout, self.options, self.prepare = paths, layout, options, prepare
        self.cache_dir = cache_dir

    def splits(self) -> dict[str, MappedSequences]:
        """The data sets; only training has weights.

        Raises:
            ValueError: what is wrong with the sequences, or with the cache.
        """
        found = {name: MappedSequences(self._folder, name, self._spec, "row") for name in split_names(self._folder)}
        refuse_weightless(self.paths["train"], self.options.weight, found["train"].weights)
        return found

    def describe(self) -> str:
        """What the table was taken for, in words."""
        spec, found = self._spec, self.splits()
        lengths = [(int(own.lengths.min()), int(own.lengths.max())) for own in found.values()]
        shortest, longest = min(low for low, _ in lengths), max(high for _, high in lengths)
        of_what = listed(self.layout.feature_names) if self.layout.text is None else f"text in {self.layout.text!r}"
        target = "values" if spec.targets == "values" else f"{spec.target_size} {spec.targets}"
        total = sum(len(own) for own in found.values())
        notes = [f"{total} sequences of {shortest} to {longest} steps ({of_what}), {target} in {self.layout.target!r}"]
        notes += [f"layout {self.layout.kind}", *self.notes]
        return "; ".join([*notes, ", ".join(f"{len(own)} {name}" for name, own in found.items())])

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """How it was read, in words."""
        most = self.options.reading.max_length
        return (
            *self.layout.notes,
            "read in pieces, for its size: columns judged by the first piece, splits drawn by contents",
            *([] if most is None else [f"sequences cut at {most} steps"]),
            f"encoded sequences kept in {self._folder}",
        )

    @cached_property
    def _spec(self) -> BatchSpec:
        return BatchSpec.from_plain(about(self._folder))

    @cached_property
    def _folder(self) -> Path:
        """The encoded sequences, from the cache or made now."""
        files = {name: stamp(path) for name, path in self.paths.items()}
        asked = [files, self.layout.to_plain(), asdict(self.options)]
        return cached_folder(self.cache_dir, self.paths["train"], asked, self._write)

    def _write(self, folder: Path) -> dict[str, Any]:
        options = self.options
        summary = Summary(self.layout)
        for name, sequences in self._parts():
            if name == "train":
                summary.add(sequences)
        self._check(summary)
        spec = summary.spec(options.reading, options.min_count)
        weights = {"train": options.weight}
        parts = ((name, encode(own, spec, True, weights.get(name)), _places(own)) for name, own in self._parts())
        write_sequences(folder, parts)
        return spec.to_plain()

    def _check(self, summary: Summary) -> None:
        path, layout = self.paths["train"], self.layout
        if summary.sequences == 0:
            raise ValueError(f"{path}: no sequence is left for training")
        if layout.target_kind == "labels" and len(summary.labels) < 2:
            raise ValueError(
                f"{path}, column {shown(layout.target)}: expected two classes or more to tell apart, got only "
                f"{shown(next(iter(summary.labels)))}; if it holds numbers to be predicted, say data.target_kind=values"
            )

    def _parts(self) -> Iterator[tuple[str, Sequences]]:
        """The sequences of all files, some at a time, with the split they are in."""
        for name, path in self.paths.items():
            for sequences in _read(path, self.layout, self.options.reading, self.prepare):
                checked = check_targets(sequences, self.options.reading.missing)
                split = self._split(checked) if name == "train" else {name: np.arange(len(checked))}
                for part, items in split.items():
                    if len(items):
                        yield part, checked.select(items)

    def _split(self, sequences: Sequences) -> dict[str, np.ndarray]:
        options, given, rest = self.options, {}, np.arange(len(sequences))
        if options.split is not None:
            given = given_splits(sequences, options.split, whole=False)
            rest = given.pop("train", rest[:0])
        val, test = (
            0.0 if name in self._given else share
            for name, share in (("val", options.val_fraction), ("test", options.test_fraction))
        )
        group = self.layout.group
        contents = [cell.encode() for cell in sequences.cells(group)] if group else map(_content, sequences.inputs)
        place = np.array([_uniform(content, options.seed) for content in contents])[rest]
        drawn = {"train": rest[place >= val + test], "val": rest[place < val]}
        return {**drawn, "test": rest[(place >= val) & (place < val + test)], **given}

    @cached_property
    def _given(self) -> set[str]:
        """The splits that files or the column `split` give."""
        column, found = self.options.split, set(self.paths)
        for piece in table_chunks(self.paths["train"]) if column is not None else ():
            found |= {SPLIT_WORDS.get(cell.strip().lower(), "") for cell in set(piece.cells(column or "", "split"))}
        return found


def open_large(
    path: str, spec: BatchSpec, prepare: Callable[[Table], Table], targets: bool | None, cache_dir: str | None
) -> MappedSequences:
    """Another large file, encoded as in training; as `seqmodels.data.sources.table.CSVSource.open`."""
    options = spec.options or {}
    layout, how = Layout.from_plain(options["layout"]), Reading.from_plain(options)

    def write(folder: Path) -> dict[str, Any]:
        def parts() -> Iterator[tuple[str, ArrayDataset, np.ndarray]]:
            for sequences in _read(path, layout, how, prepare):
                wanted = set(layout.targets) <= set(sequences.table.columns) if targets is None else targets
                own = check_targets(sequences, how.missing) if wanted else sequences
                if len(own):
                    yield "test", encode(own, spec, wanted), _places(own)

        write_sequences(folder, parts())
        return spec.to_plain()

    folder = cached_folder(cache_dir, path, [stamp(path), spec.to_plain(), targets], write)
    if not any(split_names(folder)):
        raise ValueError(f"{path}: no sequence is left after dropping rows with missing values (data.missing)")
    return MappedSequences(folder, "test", spec, "row")


def _read(path: str, layout: Layout, how: Reading, prepare: Callable[[Table], Table]) -> Iterator[Sequences]:
    """The sequences of a file, some at a time.

    Raises:
        ValueError: the rows of a sequence are not together.
    """
    together = layout.sequence if not layout.lists else None
    seen: set[int] = set()
    for piece in table_chunks(path, together):
        sequences = read_piece(prepare(piece), layout, how)
        for rows, name in zip(sequences.rows, sequences.cells(together), strict=True) if together else ():
            if hash(name) in seen:
                raise ValueError(
                    f"{sequences.table.place(int(rows[0]), together)}: the sequence {shown(name)} began further up; in "
                    "a file this large the rows of a sequence must be together: sort it by that column"
                )
        seen.update(map(hash, sequences.cells(together)) if together else ())
        yield sequences


def _content(steps: Any) -> bytes:
    return "\x1f".join(steps).encode() if isinstance(steps, list) else np.ascontiguousarray(steps).tobytes()


def _uniform(content: bytes, seed: int) -> float:
    """A number from 0 to below 1 that follows from the contents, as if drawn."""
    digest = hashlib.blake2b(content, digest_size=8, salt=seed.to_bytes(16, "little")).digest()
    return int.from_bytes(digest, "little") / 2**64


def _places(sequences: Sequences) -> np.ndarray:
    lines = sequences.table.lines
    return np.array([lines[int(rows[0])] for rows in sequences.rows], dtype=np.int64)
