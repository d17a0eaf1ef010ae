"""Dialects of files with separators: first lines, separator, quotation marks and names of columns."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from seqmodels.quoting import listed

DELIMITERS = ",;\t|"
# Characters of a file that are looked at to tell how it is written, and rows of them.
START, LOOKED_AT = 1 << 20, 200
LINE_END = re.compile(r"\r\n|\r|\n")
_QUOTED = re.compile(r'"[^"]*"')
_DATE = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[ T][0-9]{1,2}:[0-9]{2}.*)?")
YEARS = range(1000, 2200)
# Rows that share a word, on average, in a column of a few words.
_ROWS_PER_WORD = 5


@dataclass(frozen=True)
class Dialect:
    """Dialect of a file with separators.

    Fields:
        delimiter: between cells.
        quoting: whether quotation marks hold cells together, as of `csv`.
        skip: lines before the names of the columns: blank ones, comments, and ``sep=;``.
        names: of the columns.
        is_data: whether the first line after those is data already.
        width: cells of a line, blank ones at its end that belong to no column included.
        blanks: whether numbers stand between blanks, and each run of them is a delimiter.
        notes: what was decided, in words.
    """

    delimiter: str
    quoting: int
    skip: int
    names: tuple[str, ...]
    is_data: bool
    width: int
    blanks: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Dialect:
        """Make one of its fields, which were kept as plain values."""
        fields: dict[str, Any] = {key: tuple(own) if isinstance(own, list) else own for key, own in plain.items()}
        return cls(**fields)


def find_dialect(path: str, start: str) -> Dialect:
    """Tell how a file is written from its first `START` characters.

    >>> find_dialect("a.csv", "# made by hand\\n\\nday;sales;;\\n1;2,5;;\\n").names
    ('day', 'sales')

    Raises:
        ValueError: two columns have one name, or the first line holds no names.
    """
    lines = LINE_END.split(start)
    if len(start) >= START and len(lines) > 1:
        lines.pop()  # the last may go on
    skip, told = _preamble(lines)
    lines = lines[skip:] if skip < len(lines) else lines
    notes = [f"left out above the names of the columns: {skip} {'line' if skip == 1 else 'lines'}"] if skip else []
    if _is_blanks(lines):
        names, is_data = column_names(path, lines[0].split())
        return Dialect(",", csv.QUOTE_MINIMAL, skip, tuple(names), is_data, len(names), True, tuple(notes))
    lines = [*lines[:1], *(line for line in lines[1:] if not line.startswith("#"))]
    delimiter = told or _delimiter(lines)
    quoting = quoting_of("\n".join(lines), delimiter)
    rows = _first_rows(lines, delimiter, quoting)
    first, below = rows[0], rows[1:]
    named = _named(first, below)
    width = len(below[0]) if below and len(below[0]) > named and not any(below[0][named:]) else len(first)
    if below and all(len(row) == named + 1 for row in below) and _count_rows([row[0] for row in below]):
        first, named, width = ["", *first[:named]], named + 1, named + 1  # as R writes tables
    if max(width, len(first)) > named:
        notes.append(f"left out, without a name and blank: {max(width, len(first)) - named} at the ends of lines")
    names, is_data = column_names(path, first[:named])
    if not is_data:
        refuse_data(path, skip + 1, first[:named], below)
    return Dialect(delimiter, quoting, skip, tuple(names), is_data, width, False, tuple(notes))


def _preamble(lines: Sequence[str]) -> tuple[int, str | None]:
    """Count the lines before the names of the columns, and find the separator that one of them tells."""
    told, skip = None, 0
    for line in lines:
        if found := re.fullmatch(r"\ufeff?\"?sep=(.)\"?", line.strip(" "), re.IGNORECASE):
            told = found[1]
        elif line.strip() and not (line.lstrip().startswith("#") and _is_comment(lines, skip)):
            break
        skip += 1
    return skip, told if told in (*DELIMITERS,) else None


def _is_comment(lines: Sequence[str], place: int) -> bool:
    """Say whether a line that begins with # is no header: it has another number of separators than the data."""
    later = next((line for line in lines[place + 1 :] if line.strip() and not line.startswith("#")), "")
    return Counter(c for c in lines[place] if c in DELIMITERS) != Counter(c for c in later if c in DELIMITERS) or not (
        any(mark in later for mark in DELIMITERS)
    )


def _delimiter(lines: Sequence[str]) -> str:
    """Return the most frequent separator of the first line, among those that the next lines have as often."""
    bare = [_QUOTED.sub("", line) for line in lines[:20] if line.strip()]
    counts = {mark: [line.count(mark) for line in bare] for mark in DELIMITERS}
    even = [mark for mark, own in counts.items() if own[0] and len(set(own)) == 1]
    return max(even or DELIMITERS, key=lambda mark: counts[mark][0])


def _first_rows(lines: Sequence[str], delimiter: str, quoting: int) -> list[list[str]]:
    """Return the cells of the first rows that are not blank; one row with one blank cell for none."""
    text = io.StringIO("\n".join(lines), newline="")
    reader = csv.reader(text, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):  # whoever reads all of it says so
        rows += itertools.islice((row for row in reader if row), LOOKED_AT)
    return rows or [[""]]


def _count_rows(cells: Sequence[str]) -> bool:
    """Say whether the cells count rows from 1."""
    return len(cells) > 1 and all(cell == str(row) for row, cell in enumerate(cells, 1))


def _named(first: Sequence[str], below: Sequence[Sequence[str]]) -> int:
    """Count the columns, without nameless ones at the end of the first line that are blank in all rows."""
    end = len(first)
    while end > 1 and not first[end - 1].strip():
        end -= 1
    return end if not any(cell.strip() for row in below for cell in row[end:]) else len(first)


def quoting_of(text: str, delimiter: str) -> int:
    r"""Say whether quotation marks hold cells together, or are letters as any, as in most files with tabs.

    They are letters where a line between tabs has a cell that begins with one and does not end with one.

    >>> quoting_of('a\tb\n"Well," he said\t1', "\t") == csv.QUOTE_NONE
    True
    >>> quoting_of('a\tb\n"Well," he said\t1\n"', ",") == quoting_of('a\tb\n"Well"\t1', "\t") == csv.QUOTE_MINIMAL
    True
    """
    if delimiter != "\t" or '"' not in text:
        return csv.QUOTE_MINIMAL
    header, *lines = text.splitlines()
    width = header.count("\t")
    whole = (line.split("\t") for line in lines if '"' in line and line.count("\t") == width)
    opened = (cell for cells in whole for cell in cells if cell.startswith('"'))
    loose = any(len(cell) == 1 or not cell.endswith('"') for cell in opened)
    return csv.QUOTE_NONE if loose else csv.QUOTE_MINIMAL


def column_names(path: str, first: Sequence[str]) -> tuple[list[str], bool]:
    """Return the names of a file's columns, and whether its first line is data already.

    A line of numbers is data, unless they count up, as some programs call their columns.

    >>> column_names("a.csv", ["x1", " x2"]), column_names("a.csv", ["0", "1", "2"])
    ((['x1', 'x2'], False), (['0', '1', '2'], False))
    >>> column_names("a.csv", ["0.5", "-3", "2"])
    (['1', '2', '3'], True)

    Raises:
        ValueError: two columns have one name.
    """
    names = [name.strip() for name in first]
    numbers = [number for name in names if (number := _number(name)) is not None]
    counts_up = len(numbers) > 1 and all(name.isdigit() for name in names) and _count_up(numbers)
    if len(numbers) == len(names) and not counts_up:
        return names_by_place(len(names)), True
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(f"{path}: column names must differ, got {listed(repeated, quoted=True)} more than once")
    return names, False


def _count_up(numbers: Sequence[float]) -> bool:
    """Say whether numbers count up from 0 or 1, or are years one after the other."""
    return numbers[0] in (0, 1, *YEARS) and all(b - a == 1 for a, b in pairwise(numbers))


def _is_blanks(lines: Sequence[str]) -> bool:
    """Say whether numbers stand between blanks, as older archives have them, below names or not."""
    cells = [line.split() for line in lines[:2]]
    return (
        len(cells[0]) > 1
        and not any(mark in line for mark in DELIMITERS for line in lines[:2])
        and all(_number(cell) is not None for cell in cells[-1])
        and len(cells[0]) == len(cells[-1])
    )


def refuse_data(path: str, line: int, first: Sequence[str], below: Sequence[Sequence[str]]) -> None:
    """Refuse a first line that is a row of data like those below it.

    It is where a date, or numbers that do not rise, stand above others of their columns; or where a
    word of a column with a few words that come again stands at its top.
    """
    rows = [row for row in below if len(row) >= len(first)]
    numbers = [number for cell in first if (number := _number(cell)) is not None]
    steps = [b - a for a, b in pairwise(numbers)]
    whole = all(number % 1 == 0 for number in numbers)
    may_name = (
        min(steps) > 0 and (whole or len(steps) > 1) if steps else bool(numbers) and numbers[0] in range(YEARS.stop)
    )
    dates = [cell for cell in first if _DATE.fullmatch(cell.strip())]
    for place, cell in enumerate(first):
        column = [row[place] for row in rows]
        if len(column) < 2 or not cell.strip():
            continue
        is_number = not may_name and _number(cell) is not None and all(_number(other) is not None for other in column)
        is_date = len(dates) == 1 and cell in dates and all(_DATE.fullmatch(other.strip()) for other in column)
        again = (
            cell in column
            and len(set(column)) * _ROWS_PER_WORD <= len(column)
            and not (steps and may_name and _number(cell) is not None)
        )
        if is_number or is_date or again:
            raise ValueError(
                f"{path}, line {line}: expected the names of the columns, got {listed(first, 4, quoted=True)}, which "
                "look like a row of data; put a line with the columns' names above it"
            )


def names_by_place(count: int) -> list[str]:
    """Name columns that have no names."""
    return [str(place) for place in range(1, count + 1)]


def _number(name: str) -> float | None:
    try:
        number = float(name)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in name else None
