"""Genes: which letters code for protein, and how coding parts and introns follow each other."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from seqmodels.data.columns.splits.shares import by_group, check_fractions
from seqmodels.data.dataset import ArrayDataset
from seqmodels.data.encode.alphabet import LETTERS as ALPHABETS
from seqmodels.data.encode.alphabet import Alphabet, check_kmer
from seqmodels.data.encode.kmers import kmers
from seqmodels.data.files.find import find_file, naming
from seqmodels.data.read.fasta import Piece
from seqmodels.data.read.genes import CODING, NAME, SEQUENCE, Genes, read_genes
from seqmodels.data.read.table import Table
from seqmodels.data.sources.base import DataSource
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Count, Seed, Share, whole
from seqmodels.registry import register
from seqmodels.spec import Spec, Text

LETTERS = tuple(ALPHABETS["dna"])
TRAIN, TEST = "shipped:drosophila_genes_train.tsv.gz", "shipped:drosophila_genes_test.tsv.gz"
# An exon's number is the letter's place in its codon, an intron's how many letters of a codon are before it.
STRUCTURE = ("upstream", "exon 0", "exon 1", "exon 2", "intron 0", "intron 1", "intron 2", "downstream")
TAGS = {"coding": ("non-coding", "coding"), "structure": STRUCTURE}
# Which may follow which in a gene: a codon after a codon, introns anywhere, and no end within a codon.
ALLOWED = {
    "coding": None,
    "structure": tuple(
        (STRUCTURE.index(before), STRUCTURE.index(after))
        for before, after in (
            ("upstream", "upstream"),
            ("upstream", "exon 0"),
            ("exon 2", "downstream"),
            ("downstream", "downstream"),
            *((f"exon {k}", f"exon {(k + 1) % 3}") for k in range(3)),
            *((f"exon {k}", f"intron {(k + 1) % 3}") for k in range(3)),
            *((f"intron {k}", f"intron {k}") for k in range(3)),
            *((f"intron {k}", f"exon {k}") for k in range(3)),
        )
    ),
}


@register("data", "gene_structure")
class GeneStructureSource(DataSource):
    """Tag each letter of a gene as coding or not, or by its place in the gene.

    Genes are read from 5' to 3'. A coding part begins with the start codon ATG, may be interrupted by
    introns, and ends before the stop codon, which counts as non-coding. The shipped ones are of the fruit
    fly, 486 for training and validation, 100 others for test, as their authors split them (Stanke et al.,
    AUGUSTUS).

    >>> train = GeneStructureSource(max_length=1500).splits()["train"]
    >>> inputs, targets = train.read(0, 0, int(train.lengths[0]))
    >>> "".join(train.spec.input_names[i] for i in inputs[targets == 1][:3])
    'ATG'

    Args:
        path: a table with a column ``sequence`` and a column ``cds_1based_inclusive`` with the coding parts as
            in ``101-250;311-420``, or a GenBank file; genes for training and validation.
        test_path: the same, for test; null to take test genes from `path`.
        labels: "coding" (or not), or "structure": upstream, exon and intron by codon place, downstream, with
            what may follow what for the crf head; for records of one gene each.
        feature: of a GenBank file, which features are the coding parts.
        kmer: letters in an input: the step's own, and its neighbours on both sides.
        max_length: longer genes are left out (they go up to 118,333 letters); None keeps all.
        val_fraction: share of the training genes that is for validation.
        test_fraction: share of them that is for test, where there is no `test_path`.
        seed: what the random split depends on.

    Raises:
        ValueError: an option out of range, no gene that is short enough, or what is wrong with a file.
    """

    suits: ClassVar = {"task": "tagging", "head": "many_to_many", "training.batch_size": "8"}

    def __init__(
        self,
        path: str = TRAIN,
        test_path: str | None = TEST,
        labels: Literal["coding", "structure"] = "coding",
        feature: str = "CDS",
        kmer: Annotated[int, whole(1, 1000)] = 1,
        max_length: Count | None = 3000,
        val_fraction: Share = 0.1,
        test_fraction: Share = 0.1,
        seed: Seed = 0,
    ) -> None:
        # Genes of another file are split themselves, unless its test genes are named too.
        self.test_path = None if path != TRAIN and test_path == TEST else test_path
        self.path, self.feature, self.max_length, self.seed = path, feature, max_length, seed
        self.val_fraction, self.test_fraction = val_fraction, 0.0 if self.test_path else test_fraction
        check_fractions(self.val_fraction, self.test_fraction)
        self.spec = make_spec(labels, kmer)

    def describe(self) -> str:
        counts = ", ".join(f"{len(split)} {name}" for name, split in self.splits().items())
        longest = "any number of" if self.max_length is None else f"at most {self.max_length}"
        whose = "genes of Drosophila" if self.path == TRAIN else f"{self.path}: genes"
        tags = "coding or not" if len(self.spec.target_names) == 2 else "in its place in the gene"
        return f"{whose} of {longest} letters ({counts}), each letter {tags}"

    def splits(self) -> dict[str, SequenceDataset]:
        tables = {"training and validation": read_genes(self.path, self.feature, True)}
        if self.test_path:
            tables["test"] = read_genes(self.test_path, self.feature, True)
        self.notes = _notes(tables, self.max_length)
        letters, targets = _read_genes(tables["training and validation"], self.max_length, self.spec)
        tags = np.unique(np.concatenate(targets))
        if len(tags) == 1:
            raise ValueError(
                f"{self.path}: expected letters that are coding and letters that are not, got only "
                f"{self.spec.target_names[int(tags[0])]!r}: there is nothing to learn"
            )
        groups = [x.tobytes() for x in letters]
        with naming(self.path):
            parts = by_group(groups, self.val_fraction, self.test_fraction, self.seed)
        splits: dict[str, SequenceDataset] = {
            name: _dataset(self.spec, [letters[i] for i in items], [targets[i] for i in items])
            for name, items in parts.items()
        }
        if self.test_path:
            splits["test"] = _dataset(self.spec, *_read_genes(tables["test"], self.max_length, self.spec))
        return splits

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None, **options: Any) -> SequenceDataset:
        """Open other genes as `DataSource.open` does, from 5' to 3', of any length; FASTA and FASTQ have no targets."""
        feature = cls(path, **options).feature
        table = read_genes(path, feature, targets)
        dataset = _dataset(spec, *_read_genes(table, None, spec))
        if NAME in table.columns:
            dataset.origins = [{NAME: name} for name in table.columns[NAME]]
        return dataset


def make_spec(labels: str = "coding", kmer: int = 1) -> Spec:
    """Return the spec of genes with such tags, of which an input joins several letters."""
    check_kmer(kmer, "dna")
    return Spec(
        inputs="tokens",
        input_size=len(LETTERS) ** kmer,
        targets="labels",
        target_size=len(TAGS[labels]),
        target_shape="step",
        input_names=LETTERS,
        target_names=TAGS[labels],
        allowed=ALLOWED[labels],
        text=Text("character", "dna", kmer, unit=len(LETTERS) ** ((kmer - 1) // 2)),
    )


def _dataset(spec: Spec, letters: list[np.ndarray], targets: list[np.ndarray]) -> ArrayDataset:
    """Join letters with their neighbours, half of them after, and tags."""
    kmer = 1 if spec.text is None else spec.text.kmer
    after, size = (kmer - 1) // 2, len(LETTERS)
    joined = [kmers(np.append(x, np.full(after, size - 1)), kmer, size)[after:] for x in letters]
    return ArrayDataset(spec, joined, targets)


def _notes(tables: dict[str, Genes], max_length: int | None) -> list[str]:
    """Say what was cut out of long records, and how many genes are left out of each table."""
    notes: list[str] = []
    for name, table in tables.items():
        notes += table.notes
        lost = sum(max_length is not None and len(text) > max_length for text in table.cells(SEQUENCE, "path"))
        if lost:
            total = f"{lost} of {len(table)} genes for {name}"
            notes.append(f"{total} left out: longer than {max_length} letters (data.max_length)")
    return notes


def _read_genes(table: Table, max_length: int | None, spec: Spec) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return letters and tags of each gene that is short enough; tags of zeros where the table has none."""
    sequences = table.cells(SEQUENCE, "path")
    rows = [row for row, text in enumerate(sequences) if max_length is None or len(text) <= max_length]
    if not rows:
        raise ValueError(
            f"data.max_length={max_length} leaves no gene of {table.path}, the shortest of which has "
            f"{min(map(len, sequences))} letters; raise it"
        )
    letters = [_read_letters(table, row) for row in rows]
    if CODING not in table.columns:
        return letters, [np.zeros(len(x), dtype=np.int64) for x in letters]
    coding = [_read_coding(table, row, len(x)) for row, x in zip(rows, letters, strict=True)]
    return letters, [structure(x) if spec.target_size == len(STRUCTURE) else x for x in coding]


def _read_letters(table: Table, row: int) -> np.ndarray:
    text = table.columns[SEQUENCE][row]
    if not text:
        raise ValueError(f"{table.place(row)}: the sequence is empty; remove it")
    return _DNA.encode(Piece("", find_file(table.path), table.lines[row], text.encode("latin-1", "replace")))


def _read_coding(table: Table, row: int, length: int) -> np.ndarray:
    """Mark the coding parts, given as in ``101-250;311-420`` (from 1, ends included), with 1; blank for none."""
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


def structure(coding: np.ndarray) -> np.ndarray:
    """Return tags of `STRUCTURE` from 1 in the coding parts of one gene and 0 elsewhere.

    >>> [STRUCTURE[tag] for tag in structure(np.array([0, 1, 1, 0, 1, 0]))]
    ['upstream', 'exon 0', 'exon 1', 'intron 2', 'exon 2', 'downstream']
    """
    before = np.cumsum(coding) - coding
    tags = np.where(coding == 1, STRUCTURE.index("exon 0"), STRUCTURE.index("intron 0")) + before % 3
    tags[before + coding == 0] = STRUCTURE.index("upstream")
    tags[(before == coding.sum()) & (before > 0)] = STRUCTURE.index("downstream")
    return tags


_DNA = Alphabet("dna")
