"""Genes and their coding parts from a table, a GenBank file, or FASTA without the parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqmodels.data.files.find import find_file
from seqmodels.data.files.unpack import read_bytes
from seqmodels.data.read.fasta import Piece, is_genbank, read_genbank, read_records
from seqmodels.data.read.gene_cuts import Spans, cut_genes
from seqmodels.data.read.open import read_table
from seqmodels.data.read.table import Table
from seqmodels.quoting import shown

NAME, SEQUENCE, CODING = "name", "sequence", "cds_1based_inclusive"


class Genes(Table):
    """A table of genes, and in words what became of records that hold several."""

    def __init__(self, path: str, columns: dict[str, list[str]], lines: list[int], notes: Sequence[str] = ()) -> None:
        super().__init__(path, columns, lines)
        self.notes = tuple(notes)


def read_genes(path: str, feature: str = "CDS", coding: bool | None = None) -> Genes:
    """Read genes: the columns `SEQUENCE`, `CODING` where it is known and wanted, and `NAME` where there are names.

    Args:
        path: a table with such columns, or a GenBank, FASTA or FASTQ file.
        feature: of a GenBank file, which features are the coding parts. A record with such on both strands, such as
            a chromosome, is cut into its genes.
        coding: true if they must be there, false to leave them out; None takes them where they are there.

    Raises:
        ValueError: what is wrong with the file, or it lacks the coding parts.
    """
    found = find_file(path)
    start = next(iter(read_bytes(found)), b"").lstrip()[:1]
    table: Table
    if is_genbank(found):
        table = _genbank_table(path, feature, coding)
    elif start in (b">", b"@"):
        records = list(read_records(found))
        columns = {NAME: [r.name for r in records], SEQUENCE: [r.letters.decode("latin-1") for r in records]}
        table = Table(str(path), columns, [record.line for record in records])
    else:
        table = read_table(path)
    if coding:
        table.cells(CODING, "path")
    dropped = CODING if coding is False else None
    kept = [name for name in (NAME, SEQUENCE, CODING) if name in table.columns and name != dropped]
    table.cells(SEQUENCE, "path")
    columns = {name: list(table.columns[name]) for name in kept}
    return Genes(table.path, columns, list(table.lines), getattr(table, "notes", ()))


def _genbank_table(path: str, feature: str, coding: bool | None) -> Genes:
    rows: list[tuple[str, str, Spans, int]] = []
    notes = []
    for piece, record in read_genbank(find_file(path)):
        places = [_place(piece, record, f) for f in record.features if f.type == feature]
        if coding is False or len({strand for strand, _ in places}) < 2:
            rows.append((piece.name, *_whole(record, places), piece.line))
            continue
        genes = cut_genes([(strand, spans) for strand, spans in places if strand], len(record))
        for gene in genes:
            letters = record.seq[gene.start : gene.stop]
            text = str(letters.reverse_complement() if gene.reverse else letters)
            rows.append(
                (f"{record.name} {gene.start + 1}-{gene.stop}{' -' * gene.reverse}", text, gene.coding, piece.line)
            )
        words = f"{record.name} has {feature} features on both strands: {len(genes)} genes cut out of it"
        left = len(places) - len(genes)
        notes.append(words + (f", {left} left out that overlap another or lie on two strands" if left else ""))
    columns: dict[str, Any] = {
        NAME: [name for name, *_ in rows],
        SEQUENCE: [text for _, text, _, _ in rows],
        CODING: [";".join(f"{start + 1}-{stop}" for start, stop in spans) for _, _, spans, _ in rows],
    }
    if coding and not any(columns[CODING]):
        raise ValueError(f"{path}: none of its {len(rows)} records has a feature {feature!r}: set data.feature")
    return Genes(str(path), columns, [line for *_, line in rows], notes)


def _place(piece: Piece, record: Any, feature: Any) -> tuple[int, Spans]:
    """Return the strand of a feature, and its parts in the record, from 0, ends excluded."""
    parts = [] if feature.location is None else feature.location.parts
    try:
        spans = sorted((int(part.start), int(part.end)) for part in parts if part.ref is None)
    except (TypeError, ValueError):  # a place that is not known
        spans = []
    if not spans or len(spans) < len(parts) or any(not 0 <= start < stop <= len(record) for start, stop in spans):
        got = "none that can be read" if feature.location is None else shown(str(feature.location))
        raise ValueError(
            f"{piece.place}: expected of each feature {feature.type!r} a location in the record's {len(record):,} "
            f"letters, such as 11..40, got {got}; mend it, or remove the feature"
        )
    return feature.location.strand, spans


def _whole(record: Any, places: list[tuple[int, Spans]]) -> tuple[str, Spans]:
    """Return all letters of a record, read on the strand of its genes, and their coding parts."""
    spans = sorted(span for _, own in places for span in own)
    if {strand for strand, _ in places} != {-1}:
        return str(record.seq), spans
    return str(record.seq.reverse_complement()), sorted((len(record) - b, len(record) - a) for a, b in spans)
