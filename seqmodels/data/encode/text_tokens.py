"""Token files made of text files.

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
        raw, provisional = _number(Path(scratch), files, level, encoding)
        if len(raw) == 0:
            raise ValueError(f"{', '.join(map(str, files[:3]))}: expected text, got no {level} at all")
        with naming(", ".join(map(str, files[:3]))):
            parts = _parts(len(raw), level, val_fraction, test_fraction)
        names, order = provisional.names, provisional.order()
        counts = {name: _count(raw, part, len(names))[order] for name, part in parts.items()}
        if np.count_nonzero(counts["train"]) < 2:
            found = names[order[np.flatnonzero(counts["train"])[0]]]
            raise ValueError(
                f"{', '.join(map(str, files[:3]))}: expected a text of different {level}s, got only {shown(found)}: "
                "there is nothing to learn"
            )
        chosen = _choose(counts["train"], level, min_count, max_size)
        table = np.full(len(names), -1, dtype=np.int64)
        table[chosen] = np.arange(len(chosen))
        missing = {}
        for name, count in counts.items():
            lost = np.flatnonzero((table < 0) & (count > 0))
            if len(lost):
                missing[name] = (int(count[lost].sum()), [names[i] for i in order[lost[: SHOWN + 1]]])
        # Another text will have other words, if not other characters.
        unknown = level == "word" or bool(missing)
        vocabulary = [UNKNOWN] * unknown + [names[i] for i in order[chosen]]
        renumbered = np.empty(len(names), _dtype(len(vocabulary)))
        renumbered[order] = np.maximum(table + unknown, 0)
        tokens = (renumbered[part] for part in raw.parts(0, len(raw)))
        about = {"names": vocabulary, "parts": parts, "missing": missing}
        return write_tokens(folder, tokens, renumbered.dtype, about)


def _number(folder: Path, files: list[Path], level: str, encoding: str) -> tuple[TokenFile, _Numbers]:
    """Write the provisional numbers of a text in as few bytes each as hold them."""
    for size in (np.uint8, np.uint16, np.uint32):
        if level == "word" and size != np.uint32:
            continue  # which would be found out late
        numbers, own = _Numbers(level), folder / np.dtype(size).name
        own.mkdir()
        pieces = (numbers.of(piece, np.iinfo(size).max) for piece in read_pieces(files, level, encoding))
        try:
            return write_tokens(own, pieces, np.dtype(size)), numbers
        except _TooManyError:
            continue
    raise AssertionError("32 bits hold any number")


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


class _TooManyError(ValueError):
    """More different tokens than the numbers of a file can tell apart."""


class _Numbers:
    """Provisional numbers of tokens, in the order in which they turn up; bytes are their own."""

    def __init__(self, level: str) -> None:
        self.level = level
        self.words: dict[str, int] = {} if level != "byte" else dict(zip(BYTE_NAMES, range(256), strict=True))
        self.table = np.full(CODE_POINTS if level == "character" else 0, -1, np.int32)

    @property
    def names(self) -> list[str]:
        """Names of the tokens, by their numbers."""
        return list(self.words)

    def order(self) -> np.ndarray:
        """Return the numbers in the order of a vocabulary: characters by their code points."""
        return (
            np.argsort([ord(name) for name in self.words]) if self.level == "character" else np.arange(len(self.words))
        )

    def of(self, piece: str | bytes, most: int) -> np.ndarray:
        """Return the numbers of a piece's tokens.

        Raises:
            _TooManyError: one is greater than `most`.
        """
        if isinstance(piece, bytes):
            return np.frombuffer(piece, np.uint8)
        if self.level == "word":
            words = split_words(piece)
            return np.fromiter((self.words.setdefault(word, len(self.words)) for word in words), np.uint32, len(words))
        codes = code_points(piece)
        numbers = self.table[codes]
        if len(numbers) and numbers.min() < 0:
            for code in np.unique(codes[numbers < 0]).tolist():
                self.table[code] = self.words[chr(code)] = len(self.words)
            numbers = self.table[codes]
        if len(self.words) > most:
            raise _TooManyError
        return numbers


def _choose(counts: np.ndarray, level: str, min_count: int, max_size: int | None) -> np.ndarray:
    """Return the tokens that get a place in the vocabulary, in its order."""
    if level == "byte":
        return np.arange(len(counts))
    frequent = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts >= min_count)][:max_size]
    return np.sort(frequent) if level == "character" else frequent


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
