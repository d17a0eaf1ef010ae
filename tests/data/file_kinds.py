"""A good file of every kind, as rows and as bytes: what faults are put into."""

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import feather, parquet

BASES = ["".join("ACGT"[i] for i in row) for row in np.random.default_rng(0).integers(0, 4, (40, 60))]
PEN = np.random.default_rng(1).uniform(0, 99, (40, 10, 2)).round(2)
DAYS = [str(np.datetime64("2024-01-01") + day) for day in range(90)]
Rows = list[list[Any]]


class Format(NamedTuple):
    """A kind of file: its name, the settings to read it, and how good rows become its bytes."""

    file: str
    data: dict[str, Any]
    rows: Rows
    encode: Callable[[Rows], bytes]


def lines(header: str = "", between: str = ",") -> Callable[[Rows], bytes]:
    head = [header.replace(",", between)] if header else []
    return lambda rows: ("\n".join([*head, *(between.join(map(str, row)) for row in rows)]) + "\n").encode()


def arrow(header: str, write: Callable[[Any, Any], Any]) -> Callable[[Rows], bytes]:
    def encode(rows: Rows) -> bytes:
        columns = {}
        for name, cells in zip(header.split(","), zip(*rows, strict=True), strict=True):
            numbers = all(isinstance(cell, int | float) for cell in cells)
            columns[name] = list(cells) if numbers else list(map(str, cells))
        file = io.BytesIO()
        write(pa.table(columns), file)
        return file.getvalue()

    return encode


def npz(names: str) -> Callable[[Rows], bytes]:
    def encode(rows: Rows) -> bytes:
        file = io.BytesIO()
        np.savez(file, **dict(zip(names.split(","), map(np.array, zip(*rows, strict=True)), strict=True)))
        return file.getvalue()

    return encode


def drawn(rows: Rows) -> bytes:
    file = io.BytesIO()
    points = np.array([[*point, i == 9] for pen, _ in rows for i, point in enumerate(pen)], dtype=float)
    np.savez(file, points=points, lengths=np.full(len(rows), 10), labels=np.array([label for _, label in rows]))
    return file.getvalue()


def fastq(rows: Rows) -> bytes:
    return "".join(f"@{name}\n{letters}\n+\n{'I' * len(letters)}\n" for name, letters in rows).encode()


def fasta(rows: Rows) -> bytes:
    return "".join(f">{name}\n{letters}\n" for name, letters in rows).encode()


def genbank(rows: Rows) -> bytes:
    def record(name: str, letters: str) -> str:
        head = f"LOCUS       {name:<16}{len(letters):>12} bp    DNA     linear   UNK 01-JAN-2000\n"
        parts = "FEATURES             Location/Qualifiers\n     CDS             11..40\n"
        tens = " ".join(letters[i : i + 10].lower() for i in range(0, len(letters), 10))
        return f"{head}{parts}ORIGIN\n        1 {tens}\n//\n"

    return "".join(record(name, letters) for name, letters in rows).encode()


def archive(rows: Rows) -> bytes:
    head = "@problemName x\n@univariate true\n@classLabel true a b\n@data\n"
    return (head + "".join(f"{','.join(map(str, row[:-1]))}:{row[-1]}\n" for row in rows)).encode()


WIDE = [[i, i * i % 17, 100 - i, "ab"[i % 2]] for i in range(40)]
SERIES = [[day, i * i % 23] for i, day in enumerate(DAYS)]
GENES = [[f"g{i}", letters, "11-40"] for i, letters in enumerate(BASES)]
NAMED = [[f"r{i}", letters] for i, letters in enumerate(BASES)]
PAIRS = [[f"w{'xyz'[i % 3]}{i}", f"W{'XYZ'[i % 3]}{i}"] for i in range(40)]
TEXTS = [[("the wide sea " if i % 2 else "das weite Meer ") * 3 + str(i), "ed"[i % 2]] for i in range(40)]
DRAWN = [[list(map(list, pen)), "kz"[i % 2]] for i, pen in enumerate(PEN)]
POINTS = [[f"d{i}", 0, x, y, "kz"[i % 2]] for i, pen in enumerate(PEN) for x, y in pen]
HEAD = "x1,x2,x3,label"
CSV = {"name": "csv", "target": "label", "layout": "wide"}
STEPS = {"name": "csv", "target": "day", "time": "day", "horizon": 3, "history": 5}
FORMATS = {
    "text": Format("my.txt", {"name": "text"}, [["to be or not"], ["to be, that"]] * 40, lines()),
    "csv": Format("my.csv", CSV, WIDE, lines(HEAD)),
    "tsv": Format("my.tsv", CSV, WIDE, lines(HEAD, "\t")),
    "parquet": Format("my.parquet", CSV, WIDE, arrow(HEAD, parquet.write_table)),
    "feather": Format("my.feather", CSV, WIDE, arrow(HEAD, feather.write_feather)),
    "series": Format("my.csv", {**STEPS, "target": "sales", "layout": "series"}, SERIES, lines("day,sales")),
    "anomaly": Format(
        "my.csv",
        {"name": "anomaly", "target": "sales", "time": "day", "injected": 0, "label": None},
        SERIES,
        lines("day,sales"),
    ),
    "fasta": Format("my.fa", {"name": "genome"}, NAMED, fasta),
    "fastq": Format("my.fq", {"name": "genome"}, NAMED, fastq),
    "genbank": Format("my.gb", {"name": "genome"}, NAMED, genbank),
    "fasta_labelled": Format("my.fa", {"name": "fasta_labelled", "label": r"r.*(\d)"}, NAMED, fasta),
    "genes": Format("my.tsv", {"name": "gene_structure"}, GENES, lines("name,sequence,cds_1based_inclusive", "\t")),
    "npz": Format("my.npz", {"name": "arrays"}, [[[[v] for v in row[:3]], row[3]] for row in WIDE], npz("X,y")),
    "ts": Format("my.ts", {"name": "arrays"}, WIDE, archive),
    "pairs": Format("my.tsv", {"name": "pairs"}, PAIRS, lines(between="\t")),
    "passages": Format(
        "my.csv", {"name": "passages", "text": "text", "label": "label", "lengths": [20]}, TEXTS, lines("text,label")
    ),
    "text_from_label": Format(
        "my.csv", {"name": "text_from_label", "text": "text", "label": "label"}, TEXTS, lines("text,label")
    ),
    "strokes": Format("my.npz", {"name": "strokes"}, DRAWN, drawn),
    "stroke_table": Format("my.csv", {"name": "strokes"}, POINTS, lines("drawing,stroke,x,y,label")),
}
CACHED = {"text", "genome", "pairs", "csv"}


def config(kind: str) -> dict[str, Any]:
    form = FORMATS[kind]
    cache = {"cache_dir": "cache"} if form.data["name"] in CACHED else {}
    return {"data": {"path": form.file, **form.data, **cache}}


def change(rows: Rows, place: tuple[int, int], cell: Any) -> Rows:
    changed = [list(row) for row in rows]
    changed[place[0]][place[1]] = cell
    return changed


def column(rows: Rows, number: int, cell: Any) -> Rows:
    return [[*row[:number], cell, *row[number + 1 :]] for row in rows]
