"""Reading pairs of texts line by line, whatever the file is laid out like, so that a file may be larger than memory."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path
from typing import NamedTuple

from seqmodels.data.files.find import find_file
from seqmodels.data.files.text import read_text
from seqmodels.quoting import listed, nearest, shown

FORMATS = ("auto", "tsv", "csv", "lexicon", "lines")
LONGEST = 10_000_000  # letters of a line
NAMES = ("source", "target")  # of the columns, where a first line names them and no option does
EXAMPLE = {"tsv": "guten Tag<TAB>good day", "csv": "guten Tag,good day", "lexicon": "hello HH AH0 L OW1"}
_VARIANT = re.compile(r"\(\d+\)$")

Row = tuple[int, list[str]]


class Pair(NamedTuple):
    """A source, its target (empty where there is none), and the line it is on."""

    line: int
    source: str
    target: str


@dataclass
class Reader:
    """Pairs from a file.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "words.tsv"
    >>> _ = file.write_text("ein\\tone\\nzwei\\ttwo\\n")
    >>> [pair.target for pair in Reader(str(file)).read()]
    ['one', 'two']

    Args:
        path: the file, gzipped or not.
        format: "tsv" (a tab between columns, quotes are ordinary signs), "csv" (cells may be quoted),
            "lexicon" (a word, blanks, its sounds; ``word(2)`` is another way to say it, ``#`` and ``;;;``
            begin comments), "lines" (line n of `path` belongs to line n of `target_path`), or "auto" by
            the file's name: .csv, .dict, else tsv; lines where there is a `target_path`.
        target_path: of "lines", the file of targets.
        source, target: of tsv and csv, a column's number, from 1, or the name that the first line gives it;
            None for the columns named source and target, or else the first two.
        encoding: of the files.
        missing: what becomes of a line with nothing on a side: "error", or "drop" to leave it out.
        dropped: lines left out by the latest `read`.

    Raises:
        ValueError: an option that does not fit; from `read`, a fault of the file, with its line.
    """

    path: str
    format: str = "auto"
    target_path: str | None = None
    source: str | int | None = None
    target: str | int | None = None
    encoding: str = "utf-8"
    missing: str = "error"
    dropped: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        for name, value, choices in (("format", self.format, FORMATS), ("missing", self.missing, ("error", "drop"))):
            if value not in choices:
                raise ValueError(f"data.{name} must be one of {', '.join(choices)}, got {value!r}")
        for name in NAMES:
            column = getattr(self, name)
            if isinstance(column, int) and column < 1:
                raise ValueError(f"data.{name}: columns are counted from 1, got {column}")
        if self.format == "auto":
            plain = self.path.removesuffix(".gz")
            by_name = {".csv": "csv", ".dict": "lexicon"}.get(plain[plain.rfind(".") :], "tsv")
            self.format = "lines" if self.target_path else by_name
        if (self.format == "lines") != bool(self.target_path):
            raise ValueError(
                "data.target_path is the file of targets of data.format=lines: give both or neither, "
                f"got format={self.format} and target_path={self.target_path!r}"
            )

    def files(self, targets: bool = True) -> list[Path]:
        """List the file of pairs; of two that go line by line both, where targets are wanted."""
        found = [find_file(self.path)]
        return [*found, find_file(self.target_path, "target_path")] if targets and self.target_path else found

    def read(self, targets: bool = True) -> Iterator[Pair]:
        """Yield all pairs, in order; sources alone where `targets` is false."""
        self.dropped, count = 0, 0
        for line, source, target in self._raw(targets):
            pair = Pair(line, source.strip(), target.strip())
            if pair.source and (pair.target or not targets):
                count += 1
                yield pair
            elif self.missing == "drop":
                self.dropped += 1
            else:
                side = "target" if pair.source else "source"
                raise ValueError(
                    f"{self.path}, line {line}: the {side} is empty; write it, or set data.missing=drop to leave "
                    "such lines out"
                )
        if not count:
            left = f", {self.dropped} lines being left out by data.missing=drop" if self.dropped else ""
            raise ValueError(f"{self.path}: expected a pair on each line, got none{left}")

    def holds_targets(self) -> bool:
        """Say whether the first line has a target."""
        if self.format == "lines":
            return True
        first = next(self._rows(), None)
        if first is None:
            return False
        if self.format == "lexicon":
            return len(first[1]) > 1
        try:
            return len(first[1]) >= self._columns(first[1], True)[1]
        except ValueError:
            return False

    def _raw(self, targets: bool) -> Iterator[Pair]:
        if self.format == "lines":
            yield from self._two_files(targets)
        elif self.format == "lexicon":
            for line, cells in self._rows():
                yield Pair(line, _VARIANT.sub("", cells[0]), cells[1] if len(cells) > 1 and targets else "")
        else:
            yield from self._table(targets)

    def _two_files(self, targets: bool) -> Iterator[Pair]:
        sources = read_lines(self.path, self.encoding)
        if not targets:
            yield from (Pair(line, text, "") for line, text in sources)
            return
        for source, target in zip_longest(sources, read_lines(str(self.target_path), self.encoding)):
            if source is None or target is None:
                longer, shorter = (self.path, self.target_path) if target is None else (self.target_path, self.path)
                line = (source or target)[0]
                raise ValueError(f"{longer} has a line {line} and {shorter} has none: the files must go line by line")
            if source[1].strip() or target[1].strip():
                yield Pair(source[0], source[1], target[1])

    def _rows(self) -> Iterator[Row]:
        """Yield numbered lines that are not blank, as cells."""
        lines = read_lines(self.path, self.encoding)
        if self.format == "csv":
            return _csv_rows(self.path, lines)
        split: Callable[[str], list[str]] = _entry if self.format == "lexicon" else lambda text: text.split("\t")
        return ((line, cells) for line, text in lines if text.strip() and (cells := split(text)))

    def _table(self, targets: bool) -> Iterator[Pair]:
        rows = self._rows()
        first = next(rows, None)
        if first is None:
            return
        source, target, header = self._columns(first[1], targets)
        for line, cells in rows if header else chain([first], rows):
            needed = max(source, target if targets else 1)
            if len(cells) < needed and self.missing != "drop":
                sign = "a tab" if self.format == "tsv" else "commas"
                raise ValueError(
                    f"{self.path}, line {line}: expected at least {needed} cells with {sign} between them, got "
                    f"{len(cells)}; a line is such as {EXAMPLE[self.format]} (data.format says how it is laid out)"
                )
            cells += [""] * (needed - len(cells))
            yield Pair(line, cells[source - 1], cells[target - 1] if targets else "")

    def _columns(self, first: list[str], targets: bool) -> tuple[int, int, bool]:
        """Return the numbers of both columns, from 1, and whether the first line names them."""
        names = [cell.strip() for cell in first]
        wanted: list[str | int | None] = [self.source, self.target]
        if not targets and len(first) == 1 and (self.source is None or self.source not in names):
            return 1, 1, self.source is None and names == [NAMES[0]]  # a file of sources, one a line
        lower = [name.lower() for name in names]
        if wanted == [None, None] and NAMES[0] in lower and (NAMES[1] in lower or not targets):
            return lower.index(NAMES[0]) + 1, lower.index(NAMES[1]) + 1 if targets else 1, True
        wanted = [i + 1 if column is None else column for i, column in enumerate(wanted)]
        numbers = [self._number(*pair, names) for pair in zip(NAMES, wanted[: 1 + targets], strict=False)]
        return numbers[0], numbers[-1], any(isinstance(column, str) for column in wanted)

    def _number(self, option: str, column: str | int | None, names: list[str]) -> int:
        if not isinstance(column, str):
            return column or 1
        if column not in names:
            close = nearest(column, names)
            hint = f"; did you mean {shown(close)}?" if close else ""
            raise ValueError(
                f"{self.path}, line 1: expected a column {shown(column)} (data.{option}){hint} Its columns: "
                f"{listed(names)}; where the first line names none, give a number, such as data.{option}=1"
            )
        return names.index(column) + 1


def read_lines(path: str, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text, numbered from 1, without their ends."""
    rest, number = "", 0
    for text in read_text(find_file(path), encoding):
        *whole, rest = (rest + text).split("\n")
        for line in whole:
            number += 1
            yield number, line
        if len(rest) > LONGEST:
            raise ValueError(f"{path}, line {number + 1}: expected a line of at most {LONGEST:,} letters, got more")
    if rest:
        yield number + 1, rest


def _csv_rows(path: str, lines: Iterator[tuple[int, str]]) -> Iterator[Row]:
    first = next(lines, (1, ""))
    delimiter = max(",;|\t", key=first[1].count)
    reader = csv.reader((text + "\n" for _, text in chain([first], lines)), delimiter=delimiter)
    try:
        yield from ((reader.line_num, cells) for cells in reader if cells)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: cannot be read as CSV: {error}") from None


def _entry(text: str) -> list[str]:
    """Split a line into a word and its sounds; nothing of a comment."""
    return [] if text.startswith(";;;") else text.partition(" #")[0].split(None, 1)
