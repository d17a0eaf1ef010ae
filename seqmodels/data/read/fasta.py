"""FASTA, FASTQ and GenBank files, read in pieces, with errors that name file and line.

FASTA and FASTQ are read here, because a genome may be larger than memory; GenBank by Biopython.
"""

from __future__ import annotations

import io
import itertools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqmodels.data.files.text import find_texts
from seqmodels.data.files.unpack import CHUNK, read_bytes
from seqmodels.quoting import PATH, shown

SUFFIXES = tuple(
    suffix + packed
    for suffix in (".fa", ".fasta", ".fna", ".ffn", ".faa", ".fq", ".fastq", ".gb", ".gbk", ".gbff")
    for packed in ("", ".gz")
)
# A line's number, whether the text begins the line, and the text: lines may be longer than memory.
Line = tuple[int, bool, bytes]
BEGINNING = 64  # letters by which a format is known
LONGEST, LONGEST_HEADER = 1 << 24, 1 << 20  # letters of a line that cannot come in parts
MARK = b"\xef\xbb\xbf"  # of byte order


class Piece(NamedTuple):
    """Some letters of a record.

    Fields:
        header: what stands beside the record's sign, from its name on.
        path, line: where the record begins.
        letters: as they are in the file, without blanks and line ends.
        first: whether the record begins here; its other pieces follow.
    """

    header: str
    path: Path
    line: int
    letters: bytes
    first: bool = True

    @property
    def name(self) -> str:
        """The header up to the first blank."""
        return (self.header.split() or [""])[0]

    @property
    def place(self) -> str:
        """Where the record begins, in words."""
        return f"{self.path}, line {self.line}"


def find_records(path: str | Path) -> list[Path]:
    """Find the files that `path` names: one file, a folder of FASTA, FASTQ and GenBank files, or a pattern."""
    return find_texts(path, SUFFIXES)


def read_pieces(path: Path) -> Iterator[Piece]:
    """Yield the records of a file in pieces, each at most about `CHUNK` letters long.

    Of FASTQ the qualities are dropped.

    Raises:
        ValueError: an empty file, a damaged one, or one in none of the formats; the message names the line.
    """
    text = b""
    for chunk in read_bytes(path):
        if len(text := (text + chunk).removeprefix(MARK).lstrip()) >= BEGINNING:
            break
    if not text:
        raise ValueError(f"{path}: expected FASTA, FASTQ or GenBank, got an empty file")
    kind = text[:1]
    if kind == b">":
        yield from _fasta(path, _lines(path, True))
    elif kind == b"@":
        yield from _fastq(path, _lines(path, False))
    elif text.startswith(b"LOCUS"):
        yield from (piece for piece, _ in read_genbank(path))
    else:
        binary = b"\0" in text or any(byte > 127 for byte in text[:20])
        got = (
            "a binary file or UTF-16: save it as plain text"
            if binary
            else repr(text.partition(b"\n")[0][:20].decode("latin-1"))
        )
        raise ValueError(
            f"{path}: expected a header first, '>' in FASTA, '@' in FASTQ or 'LOCUS' in GenBank, got {got}"
        )


def read_records(path: Path) -> Iterator[Piece]:
    """Yield the records of a file, each whole."""
    for _, pieces in itertools.groupby(read_pieces(path), key=lambda piece: piece.line):
        head, *rest = pieces
        yield head._replace(letters=b"".join([head.letters, *(piece.letters for piece in rest)]))


def is_genbank(path: Path) -> bool:
    """Say whether a file begins as GenBank files do."""
    return next(iter(read_bytes(path)), b"").lstrip()[:5] == b"LOCUS"


def find_bytes(path: Path, line: int, known: bytes) -> tuple[int, int] | None:
    """Return line and place of the first unknown letter after a record's header on `line`.

    None where no header is there, or all are known. The file is read up to that letter, in pieces.
    """
    number, place = 0, 0
    for now, begins, text in _lines(path, True):
        if now == line and begins and text[:1] not in (b">", b"@"):
            return None
        if now <= line:
            continue
        number, place = now, place if now == number else 0
        bare = text.translate(None, b" \t\r")
        wrong = bare.translate(None, known)
        if wrong:
            return number, place + bare.index(wrong[:1]) + 1
        place += len(bare)
    return None


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file with one line end, whichever of the three it has."""
    ended = False
    for chunk in read_bytes(path):
        text = chunk.removeprefix(b"\n") if ended else chunk
        ended = chunk.endswith(b"\r")
        yield text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text


def _lines(path: Path, cut: bool) -> Iterator[Line]:
    """Yield the lines of a file; with `cut`, one too long for memory that is no header comes in parts."""
    number, begins, rest = 1, True, b""
    for chunk in _chunks(path):
        *whole, rest = (rest + chunk).split(b"\n")
        for text in whole:
            yield number, begins, text.removeprefix(MARK) if number == 1 else text
            number, begins = number + 1, True
        header = begins and rest.startswith(b">")
        if len(rest) >= (LONGEST_HEADER if header else LONGEST):
            raise ValueError(
                f"{path}, line {number}: expected {'a header' if header else 'a line'} of at most "
                f"{LONGEST_HEADER if header else LONGEST:,} letters, got more; break the line, or mend its end"
            )
        if cut and len(rest) >= CHUNK and not header:
            yield number, begins, rest
            begins, rest = False, b""
    if rest:
        yield number, begins, rest


def _fasta(path: Path, lines: Iterator[Line]) -> Iterator[Piece]:
    piece, body, size = Piece("", path, 0, b""), list[bytes](), 0
    for number, begins, text in lines:
        header = begins and text.startswith(b">")
        if (header and number > 1 and piece.line) or size >= CHUNK:
            yield piece._replace(letters=_bare(body))
            piece, body, size = piece._replace(first=False), [], 0
        if header:
            piece = Piece(_words(text), path, number, b"")
        else:
            body.append(text)
            size += len(text)
    yield piece._replace(letters=_bare(body))


def _bare(body: list[bytes]) -> bytes:
    return b"".join(body).translate(None, b" \t\r\n")


def _words(header: bytes) -> str:
    return header[1:].decode("utf-8", "replace").strip()


def _fastq(path: Path, lines: Iterator[Line]) -> Iterator[Piece]:
    """Yield records of a name, letters, a plus sign and a quality for each letter, on as many lines as the letters."""
    texts = ((number, text.strip()) for number, _, text in lines)
    for number, header in texts:
        if not header:
            continue
        if not header.startswith(b"@"):
            raise ValueError(f"{path}, line {number}: expected '@' and a name, got {header[:20].decode('latin-1')!r}")
        cut = ValueError(f"{path}, line {number}: the record is cut short: expected letters, '+' and qualities")
        letters, (at, plus) = list[bytes](), next(texts, (number, b"+"))
        while not letters or plus[:1] not in (b"+", b"@"):
            letters.append(plus)
            if (line := next(texts, None)) is None:
                raise cut
            at, plus = line
        if not plus.startswith(b"+"):
            raise ValueError(f"{path}, line {at}: expected '+', got {plus[:20].decode('latin-1')!r}")
        size, qualities = sum(map(len, letters)), list(itertools.islice(texts, len(letters)))
        if len(qualities) < len(letters):
            raise cut
        found = sum(len(text) for _, text in qualities)
        if found != size:
            raise ValueError(
                f"{path}, line {qualities[-1][0]}: expected {size} qualities, one for each letter, got {found}"
            )
        yield Piece(_words(header), path, number, b"".join(letters))


def read_genbank(path: Path) -> Iterator[tuple[Piece, Any]]:
    """Yield the records of a GenBank file, each with Biopython's `SeqRecord`, which holds its features.

    Raises:
        ValueError: Biopython is missing, or cannot read the file.
    """
    try:
        from Bio import SeqIO
    except ImportError:
        raise ValueError(f"{path}: GenBank needs Biopython: pip install 'seqmodels[bio]'") from None
    text = b"".join(_chunks(path)).decode("latin-1")
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines, 1) if line.startswith("LOCUS")]
    ends = [number for number, line in enumerate(lines, 1) if line.rstrip() == "//"]
    lost = next((end for start, end in zip([*starts, len(lines)], ends, strict=False) if start > end), None)
    if lost:
        raise ValueError(f"{path}, line {lost}: a record ends here whose first line, LOCUS, is missing or damaged")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Biopython, about fields that are not read here
        try:
            records = list(SeqIO.parse(io.StringIO(text), "genbank"))
            letters = [bytes(record.seq) for record in records]
        except Exception as error:  # whatever its parser stumbles over
            why = (str(error).strip() or type(error).__name__).split("\n", 1)[0]
            raise ValueError(
                f"{path}: cannot be read as GenBank: {shown(why, PATH)}; mend it, or load it anew"
            ) from None
    if len(records) != len(starts) or not text.rstrip().endswith("//"):
        raise ValueError(f"{path}, line {starts[-1]}: the record is cut short: expected '//' at its end")
    for record, line, own in zip(records, starts, letters, strict=True):
        yield Piece(f"{record.name} {record.description}", path, line, own), record
