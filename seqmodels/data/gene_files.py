"""Genes and their coding parts from a table, a GenBank file, or FASTA without the parts."""

from __future__ import annotations

from typing import Any

from seqmodels.data.bio_files import is_genbank, read_genbank, read_records
from seqmodels.data.csv_read import Table, read_table
from seqmodels.data.files import find_file
from seqmodels.data.text_files import read_bytes

NAME, SEQUENCE, CODING = "name", "sequence", "cds_1based_inclusive"


def read_genes(path: str, feature: str = "CDS", coding: bool | None = None) -> Table:
    """A table with the columns `SEQUENCE`, and `CODING` where it is known and wanted, and `NAME` where there are names.

    Args:
        path: a table with such columns, or a GenBank, FASTA or FASTQ file.
        feature: of a GenBank file, which features are the coding parts.
        coding: true if they must be there, false to leave them out; None takes them where they are there.

    Raises:
        ValueError: what is wrong with the file, or it lacks the coding parts.
    """
    found = find_file(path)
    start = next(iter(read_bytes(found)), b"").lstrip()[:1]
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
    return Table(table.path, {name: table.columns[name] for name in kept}, table.lines)


def _genbank_table(path: str, feature: str, coding: bool | None) -> Table:
    names, sequences, parts, lines = [], [], [], []
    for piece, record in read_genbank(find_file(path)):
        found = [f for f in record.features if f.type == feature]
        strands = {f.location.strand for f in found}
        if coding is not False and len(strands) > 1:
            raise ValueError(
                f"{piece.place}: the record has {feature} features on both strands; give records with genes on one "
                "strand, or train on each strand apart"
            )
        turned = strands == {-1}
        spans = sorted((int(p.start), int(p.end)) for f in found for p in f.location.parts)
        if turned:
            spans = sorted((len(record) - stop, len(record) - start) for start, stop in spans)
        names.append(piece.name)
        sequences.append(str(record.seq.reverse_complement() if turned else record.seq))
        parts.append(";".join(f"{start + 1}-{stop}" for start, stop in spans))
        lines.append(piece.line)
    columns: dict[str, Any] = {NAME: names, SEQUENCE: sequences, CODING: parts}
    if coding and not any(parts):
        raise ValueError(f"{path}: none of its {len(names)} records has a feature {feature!r}: set data.feature")
    return Table(str(path), columns, lines)
