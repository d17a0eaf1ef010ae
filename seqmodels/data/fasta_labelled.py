"""Sequences of DNA or protein with a class each: the class from the file, the folder, the header or a table."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.alphabet import Alphabet
from seqmodels.data.bio_files import Piece, find_records, read_records
from seqmodels.data.csv_read import read_table
from seqmodels.data.dataset import ArrayDataset, DataSource, SequenceDataset
from seqmodels.data.files import find_file, naming
from seqmodels.data.splits import check_fractions, stratified
from seqmodels.registry import register

PLACES = ("file", "folder")
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
NAME, LABEL = "name", "label"


@register("data", "fasta_labelled")
class LabelledFastaSource(DataSource):
    """Which class is a sequence of? Records of FASTA, FASTQ or GenBank files, each with a label.

    Copies of a sequence are in one split together, and classes have the same shares in all splits.

    >>> LabelledFastaSource("genes", label="kind=(\\\\w+)").label
    'kind=(\\\\w+)'

    Args:
        path: a file, a folder of FASTA, FASTQ and GenBank files, or a pattern.
        label: where a record's class is: "file" (the file's name), "folder" (that of the folder it is in), a
            table with the columns ``name`` and ``label``, or a regular expression whose one group is found
            in the header.
        alphabet, ambiguous: as for `seqmodels.data.genome.GenomeSource`.
        val_fraction, test_fraction: shares of the sequences.
        seed: what the random split depends on.

    Raises:
        ValueError: an option out of range; from `splits`, what is wrong with the files.
    """

    def __init__(
        self,
        path: str,
        label: str,
        alphabet: str = "dna",
        ambiguous: str = "unknown",
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        seed: int = 0,
    ) -> None:
        check_fractions(val_fraction, test_fraction)
        self.path, self.label, self.seed = path, label, seed
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.alphabet = Alphabet(alphabet, ambiguous)

    def describe(self) -> str:
        """One sentence on what the files were taken for."""
        splits = self.splits()
        counts = ", ".join(f"{len(split):,} {name}" for name, split in splits.items())
        names = splits["train"].spec.target_names
        named = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
        return f"{self.path}: sequences of {self.alphabet.name} ({counts}), {len(names)} classes ({named})"

    def splits(self) -> dict[str, SequenceDataset]:
        """The data sets "train", and "val" and "test" where wanted."""
        records, inputs = _read(self.path, self.alphabet)
        label_of = labeller(self.label)
        labels = [label_of(record) for record in records]
        classes = tuple(sorted(set(labels)))
        if len(classes) < 2:
            raise ValueError(
                f"{self.path}: expected two classes or more to tell apart, got only {classes[0]!r}; see data.label"
            )
        first: dict[bytes, int] = {}
        owner = np.array([first.setdefault(x.tobytes(), i) for i, x in enumerate(inputs)])
        leaders = np.array(sorted(first.values()))
        copies = len(inputs) - len(leaders)
        self.notes = [f"{copies:,} sequences are copies of another; copies are in one split together"] if copies else []
        shares = (self.val_fraction, self.test_fraction)
        with naming(self.path):
            parts = stratified([labels[i] for i in leaders], *shares, self.seed)
        spec = self._spec(classes)
        targets = [np.array(classes.index(label)) for label in labels]
        members = {name: np.flatnonzero(np.isin(owner, leaders[part])) for name, part in parts.items()}
        return {
            name: _dataset(spec, [records[i] for i in part], [inputs[i] for i in part], [targets[i] for i in part])
            for name, part in members.items()
        }

    def _spec(self, classes: tuple[str, ...]) -> BatchSpec:
        letters = self.alphabet.letters
        return BatchSpec(
            inputs="tokens",
            input_size=len(letters),
            targets="labels",
            target_size=len(classes),
            target_shape="sequence",
            input_names=letters,
            target_names=classes,
            options={"level": "character", "alphabet": self.alphabet.name},
        )

    @classmethod
    def open(
        cls, path: str, spec: BatchSpec, targets: bool | None = None, label: str = "file", ambiguous: str = "unknown"
    ) -> SequenceDataset:
        """Other sequences, in the alphabet of the training data.

        Args:
            path, label, ambiguous: as for `LabelledFastaSource`.
            spec: of the training data.
            targets: true if their classes must be known, as for measuring a model; else they are not looked for.

        Raises:
            ValueError: what is wrong with the files, or a class that was never seen in training.
        """
        records, inputs = _read(path, Alphabet((spec.options or {})["alphabet"], ambiguous))
        if not targets:
            return _dataset(spec, records, inputs, [np.array(0)] * len(records))
        label_of, found = labeller(label), []
        for record in records:
            own = label_of(record)
            if own not in spec.target_names:
                raise ValueError(
                    f"{record.place}: the class {own!r} was never seen in training, which had: "
                    f"{', '.join(spec.target_names[:12])}; leave the record out, or train with examples of it"
                )
            found.append(np.array(spec.target_names.index(own)))
        return _dataset(spec, records, inputs, found)


def labeller(label: str) -> Callable[[Piece], str]:
    """From a record to its class; `label` as for `LabelledFastaSource`.

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


def _read(path: str, alphabet: Alphabet) -> tuple[list[Piece], list[np.ndarray]]:
    records = [record for file in find_records(path) for record in read_records(file)]
    for record in records:
        if not record.letters:
            raise ValueError(f"{record.place}: the record {record.name!r} has no letters; remove it")
    return records, [alphabet.encode(record) for record in records]


def _dataset(
    spec: BatchSpec, records: list[Piece], inputs: list[np.ndarray], targets: list[np.ndarray]
) -> ArrayDataset:
    dataset = ArrayDataset(spec, inputs, targets)
    dataset.origins = [{"record": record.name} for record in records]
    return dataset
