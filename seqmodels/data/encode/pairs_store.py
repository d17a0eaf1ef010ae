"""Pairs on disk: encoded once, in pieces, into a token file, and read where they are needed.

The folder of the token file also holds `offsets.npy`, where each row's source begins, its target begins
and its target ends (2 N + 1 numbers); `keys.npy`, a hash of each row's source; and `part.npy`, the
number of the split that it is in. The three are mapped into memory too.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqmodels.data.columns.splits.shares import NAMES, by_ratio
from seqmodels.data.encode.token_file import TokenFile, write_tokens
from seqmodels.data.encode.tokenizer import STOP, Tokenizer
from seqmodels.data.read.pairs import Pair, Reader

ROWS = 4096  # written at a time
SHOWN = 5  # units without a token that are kept to be named


class Sides(NamedTuple):
    """The units of both sides."""

    source: Tokenizer
    target: Tokenizer

    @property
    def target_names(self) -> tuple[str, ...]:
        """The target's names and the stop token's, which is the last."""
        return (*self.target.names, STOP)


class Limits(NamedTuple):
    """Longest sides; None for any length."""

    source: int | None
    target: int | None

    def hold(self, source: int, target: int) -> bool:
        """Say whether both lengths are within them."""
        return (self.source is None or source <= self.source) and (self.target is None or target <= self.target)


def build_pairs(
    folder: Path,
    reader: Reader,
    key: Callable[[str], str],
    learn: Callable[[Callable[[int], Iterator[str]]], Sides],
    limits: Limits,
    fractions: tuple[float, float],
    seed: int,
) -> TokenFile:
    """Split, learn the units from the training part, and encode.

    Args:
        folder: empty.
        reader: of the pairs; it is read several times.
        key: of a source; rows of one key are in one split.
        learn: makes the units from a function that gives the training texts of side 0 or 1.
        limits: rows with a longer side are left out.
        fractions: of validation and test, in sources.
        seed: of the split.

    Raises:
        ValueError: what is wrong with the file, or too few sources for the splits.
    """
    keys = np.frombuffer(array("Q", (_hash(key(pair.source)) for pair in reader.read())), np.uint64)
    distinct = np.unique(keys)
    try:
        parts = by_ratio(len(distinct), *fractions, seed)
    except ValueError as error:
        raise ValueError(f"{reader.path}: of different sources, {error}") from None
    owner = np.zeros(len(distinct), np.int8)
    for name, items in parts.items():
        owner[items] = NAMES.index(name)
    part = owner[np.searchsorted(distinct, keys)]

    def training_texts(side: int) -> Iterator[str]:
        return ((pair.source, pair.target)[side] for pair, own in zip(reader.read(), part, strict=True) if own == 0)

    sides = learn(training_texts)
    writer = _Writer(reader, sides, limits)
    about = {"sides": [[u.level, u.names, u.model, u.lowercase] for u in sides]}
    tokens = writer.write(folder, True, about, part)
    np.save(folder / "keys.npy", keys[writer.kept])
    np.save(folder / "part.npy", part[writer.kept])
    return tokens


def encode_pairs(folder: Path, reader: Reader, sides: Sides, targets: bool) -> TokenFile:
    """Encode a file by units that are given; without `targets` each target is the stop token alone.

    `lines.npy` then holds the line of each row.
    """
    writer = _Writer(reader, sides, Limits(None, None))
    tokens = writer.write(folder, targets, {})
    np.save(folder / "lines.npy", np.frombuffer(writer.lines, np.int64))
    return tokens


class _Writer:
    """Writes rows; counts what is left out and what has no token."""

    def __init__(self, reader: Reader, sides: Sides, limits: Limits) -> None:
        self.reader, self.sides, self.limits = reader, sides, limits
        self.stop = len(sides.target.names)
        self.offsets, self.lines = array("q", [0]), array("q")
        self.kept = np.zeros(0, np.int64)
        self.about: dict[str, Any] = {}

    def write(self, folder: Path, targets: bool, about: dict[str, Any], part: np.ndarray | None = None) -> TokenFile:
        kept, self.about = array("q"), {"long": 0, "unknown": {}, **about}
        size = max(len(self.sides.source.names), self.stop + 1)
        rows = self._rows(targets, kept, part)
        tokens = write_tokens(folder, _joined(rows), np.min_scalar_type(size - 1), self.about)
        self.kept = np.frombuffer(kept, np.int64)
        np.save(folder / "offsets.npy", np.frombuffer(self.offsets, np.int64))
        return tokens

    def _rows(self, targets: bool, kept: array[int], part: np.ndarray | None) -> Iterator[np.ndarray]:
        end = 0
        for row, pair in enumerate(self.reader.read(targets)):
            source = self.sides.source.tokens(pair.source)
            target = self.sides.target.tokens(pair.target) if targets else np.zeros(0, np.int64)
            if not self.limits.hold(len(source), len(target)) or not len(source):
                self.about["long"] += 1
                continue
            kept.append(row)
            self.lines.append(pair.line)
            name = NAMES[part[row]] if part is not None else "all"
            for side, tokens in enumerate((source, target)):
                if (tokens == self.sides[side].unknown).any():
                    self._note(f"{name} {('sources', 'targets')[side]}", side, pair)
            self.offsets.extend((end + len(source), end + len(source) + len(target) + 1))
            end += len(source) + len(target) + 1
            yield np.concatenate((source, target, [self.stop]))
        self.about["dropped"] = self.reader.dropped

    def _note(self, where: str, side: int, pair: Pair) -> None:
        lost = self.sides[side].unknown_in((pair.source, pair.target)[side])
        found = self.about["unknown"].setdefault(where, [0, [], pair.line])
        found[0] += len(lost)
        found[1] = list(dict.fromkeys([*found[1], *lost]))[: SHOWN + 1]


def _joined(rows: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the rows, some thousand as one array."""
    while some := list(islice(rows, ROWS)):
        yield np.concatenate(some)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
