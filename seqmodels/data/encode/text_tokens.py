"""From text files to a token file.

The text is read once and every token in it numbered; the numbers are then read twice, to count
them and to renumber them by the vocabulary, which is made from the training part alone. Always in
pieces, so that memory holds a piece and the vocabulary, however long the text.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seqmodels.data.columns.splits.shares import by_position
from seqmodels.data.columns.words import split_words
from seqmodels.data.encode.token_file import TokenFile, write_tokens
from seqmodels.data.encode.vocabulary import BYTE_NAMES, SHOWN, UNKNOWN, Vocabulary, code_points
from seqmodels.data.files.find import naming
from seqmodels.data.files.text import read_text
from seqmodels.data.files.unpack import read_bytes
from seqmodels.quoting import shown

CODE_POINTS = 0x110000


def build_tokens(
    folder: Path,
    files: list[Path],
    level: str,
    val_fraction: float,
    test_fraction: float,
    min_count: int,
    max_size: int | None,
    encoding: str,
) -> TokenFile:
    """Encode a text by the vocabulary of its own training part; options as for `TextSource`.

    The token file says also the vocabulary's `names`, where the `parts` begin and end, and what of
    each is `missing` from the vocabulary: how many tokens, and some of them.

    Raises:
        ValueError: what is wrong with the files, or too little text.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        numbers = _Numbers(level)
        pieces = (numbers.of(piece) for piece in read_pieces(files, level, encoding))
        raw = write_tokens(Path(scratch), pieces, np.dtype(np.uint32))
        if len(raw) == 0:
            raise ValueError(f"{', '.join(map(str, files[:3]))}: expected text, got no {level} at all")
        with naming(", ".join(map(str, files[:3]))):
            parts = _parts(len(raw), level, val_fraction, test_fraction)
        counts = {name: _count(raw, part, numbers.size) for name, part in parts.items()}
        if np.count_nonzero(counts["train"]) < 2:
            found = numbers.names(np.flatnonzero(counts["train"]))
            raise ValueError(
                f"{', '.join(map(str, files[:3]))}: expected a text of different {level}s, got only {shown(found[0])}: "
                "there is nothing to learn"
            )
        chosen = numbers.choose(counts["train"], min_count, max_size)
        table = np.full(numbers.size, -1, dtype=np.int64)
        table[chosen] = np.arange(len(chosen))
        missing = {}
        for name, count in counts.items():
            lost = np.flatnonzero((table < 0) & (count > 0))
            if len(lost):
                missing[name] = (int(count[lost].sum()), numbers.names(lost[: SHOWN + 1]))
        # Another text will have other words, if not other characters.
        unknown = level == "word" or bool(missing)
        names = [UNKNOWN] * unknown + numbers.names(chosen)
        tokens = (table[part] + unknown for part in raw.parts(0, len(raw)))
        about = {"names": names, "parts": parts, "missing": missing}
        return write_tokens(folder, tokens, _dtype(len(names)), about)


def encode_tokens(folder: Path, files: list[Path], vocabulary: Vocabulary, encoding: str) -> TokenFile:
    """Encode a text by a vocabulary that is given.

    Raises:
        ValueError: what is wrong with the files, or a token that the vocabulary has not, where it
            has none that stands for the unknown.
    """
    tokens = (part for file in files for part in _encoded(file, vocabulary, encoding))
    return write_tokens(folder, tokens, _dtype(len(vocabulary.names)))


def _encoded(file: Path, vocabulary: Vocabulary, encoding: str) -> Iterator[np.ndarray]:
    line = 1
    for piece in read_pieces([file], vocabulary.level, encoding):
        with naming(file):
            yield vocabulary.tokens(piece, unknown=True, line=line)
        line += piece.count("\n") if isinstance(piece, str) else 0


def read_pieces(files: list[Path], level: str, encoding: str) -> Iterator[str | bytes]:
    """Yield the files one after the other in pieces, none of which ends inside a token."""
    for file in files:
        if level == "byte":
            yield from read_bytes(file)
        elif level == "character":
            yield from read_text(file, encoding)
        else:
            rest = ""
            for text in read_text(file, encoding):
                rest += text
                cut = max(rest.rfind(" "), rest.rfind("\n")) + 1
                yield rest[:cut]
                rest = rest[cut:]
            yield rest


class _Numbers:
    """Provisional numbers: code points, bytes, or words in the order in which they turn up."""

    def __init__(self, level: str) -> None:
        self.level = level
        self.words: dict[str, int] = {}

    @property
    def size(self) -> int:
        """One more than the highest number."""
        return {"character": CODE_POINTS, "byte": len(BYTE_NAMES)}.get(self.level, len(self.words))

    def of(self, piece: str | bytes) -> np.ndarray:
        """Return the numbers of a piece's tokens."""
        if isinstance(piece, bytes):
            return np.frombuffer(piece, np.uint8)
        if self.level == "character":
            return code_points(piece)
        words = split_words(piece)
        return np.fromiter((self.words.setdefault(word, len(self.words)) for word in words), np.uint32, len(words))

    def names(self, numbers: np.ndarray) -> list[str]:
        """Name what these numbers stand for."""
        if self.level == "character":
            return [chr(number) for number in numbers]
        known = BYTE_NAMES if self.level == "byte" else list(self.words)
        return [known[number] for number in numbers]

    def choose(self, counts: np.ndarray, min_count: int, max_size: int | None) -> np.ndarray:
        """Return the numbers that get a place in the vocabulary, in its order."""
        if self.level == "byte":
            return np.arange(len(BYTE_NAMES))
        frequent = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts >= min_count)][:max_size]
        return np.sort(frequent) if self.level == "character" else frequent


def _count(tokens: TokenFile, part: tuple[int, int], size: int) -> np.ndarray:
    """Count how often each number occurs in a part."""
    counts = np.zeros(size, dtype=np.int64)
    for numbers in tokens.parts(*part):
        counts += np.bincount(numbers, minlength=size)
    return counts


def _parts(count: int, level: str, val_fraction: float, test_fraction: float) -> dict[str, tuple[int, int]]:
    """Return where train, val and test begin and end; a token and its successor at least in each asked for."""
    parts = {name: (part.start, part.stop) for name, part in by_position(count, val_fraction, test_fraction).items()}
    for name, fraction in (("train", 1.0), ("val", val_fraction), ("test", test_fraction)):
        start, stop = parts.get(name, (0, 0))
        if fraction and stop - start < 2:
            raise ValueError(
                f"the text is too short: of its {count} {level}s the part {name!r} gets {stop - start}, and needs at "
                "least 2; give more text" + ("" if name == "train" else f", or set data.{name}_fraction=0")
            )
    return parts


def _dtype(size: int) -> np.dtype:
    """Return the smallest type that holds the tokens of a vocabulary."""
    return np.min_scalar_type(max(0, size - 1))
