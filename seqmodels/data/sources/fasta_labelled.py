"""Sequences of DNA or protein with a class each: the class from the file, the folder, the header or a table."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from seqmodels.data.columns.splits.near import Together, owners
from seqmodels.data.columns.splits.shares import shares_of, stratified
from seqmodels.data.encode.alphabet import Alphabet, alphabet_of
from seqmodels.data.encode.record_store import RecordSequences, RecordStore
from seqmodels.data.files.find import find_file, naming
from seqmodels.data.files.ragged import Ragged
from seqmodels.data.read.fasta import Piece, find_records
from seqmodels.data.read.open import read_table
from seqmodels.data.sources.base import DataSource, sizes_of
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Seed, Share
from seqmodels.registry import register
from seqmodels.spec import Spec, Text

PLACES = ("file", "folder")
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
NAME, LABEL = "name", "label"


@register("data", "fasta_labelled")
class LabelledFastaSource(DataSource):
    """Classes of sequences: records of FASTA, FASTQ or GenBank files, each with a label.

    Copies of a sequence are in one split together, and classes have the same shares in all splits.

    >>> LabelledFastaSource("genes", label="kind=(\\\\w+)").label
    'kind=(\\\\w+)'

    Args:
        path: a file, a folder of FASTA, FASTQ and GenBank files, or a pattern.
        label: where a record's class is: "file" (the file's name), "folder" (that of the folder it is in), a
            table with the columns ``name`` and ``label``, or a regular expression whose one group is found
            in the header.
        alphabet, ambiguous: as for `seqmodels.data.sources.genome.GenomeSource`.
        val_fraction, test_fraction: shares of the sequences.
        together: what is kept in one split: "copies" of a sequence, or "near_copies", which share most k-mers, too.
        seed: what the random split depends on.
        cache_dir: folder for the encoded sequences; None for the user's cache.

    """

    def __init__(
        self,
        path: str,
        label: str,
        alphabet: Literal["dna", "protein"] = "dna",
        ambiguous: Literal["unknown", "error"] = "unknown",
        val_fraction: Share = 0.1,
        test_fraction: Share = 0.1,
        together: Together = "copies",
        seed: Seed = 0,
        cache_dir: str | None = None,
    ) -> None:
        self.path, self.label, self.cache_dir, self.together = path, label, cache_dir, together
        self.shares = shares_of(val_fraction, test_fraction, seed)
        self.alphabet = Alphabet(alphabet, ambiguous)

    def describe(self) -> str:
        splits = self.splits()
        names = splits["train"].spec.target_names
        named = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
        return f"{self.path}: sequences of {self.alphabet.name} ({sizes_of(splits)}), {len(names)} classes ({named})"

    def splits(self) -> dict[str, SequenceDataset]:
        store = RecordStore(find_records(self.path), self.alphabet, self.cache_dir)
        label_of, code = labeller(self.label), dict[str, int]()
        names, found = [], array("l")
        for record in store.records():
            names.append(record.name)
            found.append(code.setdefault(label_of(record), len(code)))
        if len(code) < 2:
            raise ValueError(
                f"{self.path}: expected two classes or more to tell apart, got only {next(iter(code))!r}; "
                "see data.label"
            )
        classes = tuple(sorted(code))
        labels = np.array([classes.index(name) for name in code])[np.frombuffer(found, "l")]
        with naming(self.path):
            owner, copies, near = owners(
                store.digests, Ragged.packed(store.tokens[slice(None)], store.lengths), self.together
            )
            leaders, rank = np.unique(owner, return_inverse=True)
            parts = stratified(labels[leaders].tolist(), *self.shares)
        self.notes = [f"{copies:,} sequences are copies of another; copies are in one split together"] if copies else []
        self.notes += [f"{near:,} sequences are near copies of another, and kept in its split"] if near else []
        members = {name: np.flatnonzero(np.isin(rank, part)) for name, part in parts.items()}
        spec = self._spec(classes)
        return {name: RecordSequences(spec, store, items, labels[items], names) for name, items in members.items()}

    def _spec(self, classes: tuple[str, ...]) -> Spec:
        letters = self.alphabet.letters
        return Spec(
            inputs="tokens",
            input_size=len(letters),
            targets="labels",
            target_size=len(classes),
            target_shape="sequence",
            input_names=letters,
            target_names=classes,
            text=Text(alphabet=self.alphabet.name),
        )

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None, **options: Any) -> SequenceDataset:
        """Open other sequences as `DataSource.open` does; their classes are looked for with `targets` alone."""
        source = cls(path, **{"label": "file", **options})
        alphabet = Alphabet(alphabet_of(spec), source.alphabet.ambiguous)
        store = RecordStore(find_records(path), alphabet, source.cache_dir)
        label_of = labeller(source.label) if targets else None
        names, labels = [], np.zeros(len(store.lengths), np.int64)
        for item, record in enumerate(store.records()):
            names.append(record.name)
            own = spec.target_names[0] if label_of is None else label_of(record)
            if own not in spec.target_names:
                raise ValueError(
                    f"{record.place}: the class {own!r} was never seen in training, which had: "
                    f"{', '.join(spec.target_names[:12])}; leave the record out, or train with examples of it"
                )
            labels[item] = spec.target_names.index(own)
        return RecordSequences(spec, store, np.arange(len(names)), labels, names)


def labeller(label: str) -> Callable[[Piece], str]:
    """Return a function from a record to its class; `label` as for `LabelledFastaSource`.

    >>> from pathlib import Path
    >>> labeller(r"kind=(\\w+)")(Piece("x1 kind=rRNA", Path("x.fa"), 1, b""))
    'rRNA'

    Raises:
        ValueError: an expression that is none or has not one group, or a table with a name twice.
    """
    if label == "file":
        return lambda record: record.path.name.split(".")[0]
    if label == "folder":
        return lambda record: record.path.resolve().parent.name
    if label.endswith(TABLES):
        return _from_table(label)
    try:
        expression = re.compile(label)
    except re.error as error:
        raise ValueError(f"data.label: {label!r} is no regular expression: {error}") from None
    if expression.groups != 1:
        raise ValueError(
            f"data.label must be {' or '.join(PLACES)}, a table, or an expression with one group such as "
            f"'kind=(\\w+)', got {label!r}"
        )

    def find(record: Piece) -> str:
        match = expression.search(record.header)
        if match is None or not match[1]:
            raise ValueError(
                f"{record.place}: the header {record.header[:60]!r} has no {label!r}; mend it or data.label"
            )
        return match[1]

    return find


def _from_table(path: str) -> Callable[[Piece], str]:
    find_file(path, "label")
    table = read_table(path)
    names, labels = table.cells(NAME, "label"), table.cells(LABEL, "label")
    known: dict[str, str] = {}
    for row, name in enumerate(names):
        if name in known:
            raise ValueError(f"{table.place(row, NAME)}: the name {name!r} is there twice; a sequence has one class")
        if not labels[row].strip():
            raise ValueError(
                f"{table.place(row, LABEL)}: expected a class, got a blank; fill it in, or remove the line"
            )
        known[name] = labels[row]

    def find(record: Piece) -> str:
        if record.name not in known:
            raise ValueError(f"{record.place}: {path} has no class for {record.name!r}; add a line or drop the record")
        return known[record.name]

    return find
