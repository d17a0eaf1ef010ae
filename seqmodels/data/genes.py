"""Genes of the fruit fly: which letters code for protein."""

from __future__ import annotations

import re

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.csv_read import Table, read_table
from seqmodels.data.dataset import ArrayDataset, DataSource, SequenceDataset
from seqmodels.data.files import read_text
from seqmodels.data.splits import by_group
from seqmodels.registry import register

LETTERS = ("A", "C", "G", "T", "N")
TAGS = ("non-coding", "coding")
SEQUENCE, CODING = "sequence", "cds_1based_inclusive"
TRAIN, TEST = "shipped:drosophila_genes_train.tsv.gz", "shipped:drosophila_genes_test.tsv.gz"
SPEC = BatchSpec(
    inputs="tokens",
    input_size=len(LETTERS),
    targets="labels",
    target_size=len(TAGS),
    target_shape="step",
    input_names=LETTERS,
    target_names=TAGS,
    options={"level": "character"},
)
# Letters that stand for more than one base (IUPAC) are read as N.
_CODE = np.full(128, -1)
for _letter in "ACGTNRYSWKMBDHV":
    _CODE[[ord(_letter), ord(_letter.lower())]] = LETTERS.index(_letter) if _letter in LETTERS else LETTERS.index("N")
_CODE[[ord("U"), ord("u")]] = LETTERS.index("T")


@register("data", "gene_structure")
class GeneStructureSource(DataSource):
    """Tag each letter of a gene as coding or not.

    Genes are read from 5' to 3'. A coding part begins with the start codon ATG, may be interrupted by
    introns, and ends before the stop codon, which counts as non-coding. 486 genes are for training and
    validation, 100 others for test, as their authors split them (Stanke et al., AUGUSTUS).

    >>> train = GeneStructureSource(max_length=1500).splits()["train"]
    >>> inputs, targets = train.read(0, 0, int(train.lengths[0]))
    >>> "".join(train.spec.input_names[i] for i in inputs[targets == 1][:3])
    'ATG'

    Args:
        max_length: longer genes are left out (they go up to 118,333 letters); None keeps all.
        val_fraction: share of the training genes that is for validation.
        seed: what the random split into training and validation depends on.

    Raises:
        ValueError: no gene is short enough.
    """

    def __init__(self, max_length: int | None = 3000, val_fraction: float = 0.1, seed: int = 0) -> None:
        if max_length is not None and max_length < 1:
            raise ValueError(f"data.max_length must be at least 1, or null for all genes, got {max_length}")
        self.max_length, self.val_fraction, self.seed = max_length, val_fraction, seed

    def suggest(self) -> dict[str, str]:
        """The names of the task and the head that fit the data."""
        return {"task": "tagging", "head": "many_to_many"}

    def describe(self) -> str:
        """One sentence on the data."""
        counts = ", ".join(f"{len(split)} {name}" for name, split in self.splits().items())
        longest = "any number of" if self.max_length is None else f"at most {self.max_length}"
        return f"genes of Drosophila of {longest} letters ({counts}), each letter coding or not"

    def splits(self) -> dict[str, SequenceDataset]:
        """The data sets "train", "val" and "test"."""
        tables = {"training and validation": read_table(TRAIN), "test": read_table(TEST)}
        self.notes = _too_long(tables, self.max_length)
        inputs, targets = _read_genes(tables["training and validation"], self.max_length)
        parts = by_group([x.tobytes() for x in inputs], self.val_fraction, 0.0, self.seed)
        splits: dict[str, SequenceDataset] = {
            name: ArrayDataset(SPEC, [inputs[i] for i in items], [targets[i] for i in items])
            for name, items in parts.items()
        }
        return {**splits, "test": ArrayDataset(SPEC, *_read_genes(tables["test"], self.max_length))}

    @classmethod
    def open(cls, path: str, spec: BatchSpec, targets: bool | None = None) -> SequenceDataset:
        """Other genes, from 5' to 3', of any length.

        Args:
            path: a FASTA file, or a table with a column ``sequence`` and, where known, a column
                ``cds_1based_inclusive`` with the coding parts as in ``101-250;311-420``.
            spec: of the training data.
            targets: true if the coding parts must be there, false to leave them out; None takes them
                where they are there.

        Raises:
            ValueError: what is wrong with the file: letters that are no bases, parts outside a sequence.
        """
        table = _read_fasta(path) if read_text(path).lstrip().startswith(">") else read_table(path)
        wanted = CODING in table.columns if targets is None else targets
        if not wanted:
            table = Table(table.path, {SEQUENCE: table.cells(SEQUENCE, "path")}, table.lines)
        return ArrayDataset(spec, *_read_genes(table, None, wanted))


def _read_fasta(path: str) -> Table:
    """A FASTA file as a table with one row per record."""
    lines = read_text(path).splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith(">")]
    records = [lines[a + 1 : b] for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]
    sequences = ["".join(line.strip() for line in record) for record in records]
    return Table(path, {SEQUENCE: sequences}, [start + 1 for start in starts])


def _too_long(tables: dict[str, Table], max_length: int | None) -> list[str]:
    """How many genes are left out of each table, in words."""
    notes = []
    for name, table in tables.items():
        lost = sum(max_length is not None and len(text) > max_length for text in table.cells(SEQUENCE, "path"))
        if lost:
            total = f"{lost} of {len(table)} genes for {name}"
            notes.append(f"{total} left out: longer than {max_length} letters (data.max_length)")
    return notes


def _read_genes(table: Table, max_length: int | None, tagged: bool = True) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Letters and tags of each gene that is short enough."""
    sequences = table.cells(SEQUENCE, "path")
    rows = [row for row, text in enumerate(sequences) if max_length is None or len(text) <= max_length]
    if not rows:
        raise ValueError(
            f"data.max_length={max_length} leaves no gene of {table.path}, the shortest of which has "
            f"{min(map(len, sequences))} letters; raise it"
        )
    inputs = [_read_letters(table, row) for row in rows]
    if not tagged:
        return inputs, [np.zeros(len(x), dtype=np.int64) for x in inputs]
    return inputs, [_read_tags(table, row, len(x)) for row, x in zip(rows, inputs, strict=True)]


def _read_letters(table: Table, row: int) -> np.ndarray:
    text = table.columns[SEQUENCE][row]
    if not text:
        raise ValueError(f"{table.place(row)}: the sequence is empty; remove it")
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    letters = np.where(points < len(_CODE), _CODE[np.minimum(points, len(_CODE) - 1)], -1)
    if (letters < 0).any():
        place = int(np.argmax(letters < 0))
        raise ValueError(f"{table.place(row)}: expected letters of DNA, got {text[place]!r} at place {place + 1}")
    return letters


def _read_tags(table: Table, row: int, length: int) -> np.ndarray:
    """1 in the coding parts, which are given as in ``101-250;311-420``: from 1 on, ends included; blank for none."""
    cell = table.cells(CODING, "path")[row]
    tags = np.zeros(length, dtype=np.int64)
    for part in cell.split(";") if cell.strip() else []:
        match = re.fullmatch(r"\s*(\d+)-(\d+)\s*", part)
        first, last = (int(match[1]), int(match[2])) if match else (0, 0)
        if not 1 <= first <= last <= length:
            raise ValueError(
                f"{table.place(row, CODING)}: expected parts of a sequence of {length} letters, such as "
                f"'101-250;311-420', got {part!r}"
            )
        tags[first - 1 : last] = 1
    return tags
