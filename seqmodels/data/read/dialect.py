"""How a file with separators is written: which separator, quotation marks, decimal commas, names of columns."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from seqmodels.quoting import listed

DELIMITERS = ",;\t|"
# A number with a decimal comma: what semicolons between the cells are there for.
DECIMAL_COMMA = r"^(\s*[+-]?\d*),(\d+(?:[eE][+-]?\d+)?\s*)$"


def with_points(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """The columns of a file with semicolons: numbers with a decimal comma written with a point.

    >>> with_points({"a": ["1,5", "-,25", "1e3"], "b": ["rot, blau", "2,5,1", "3,0E-2"]})
    {'a': ['1.5', '-.25', '1e3'], 'b': ['rot, blau', '2,5,1', '3.0E-2']}
    """
    comma = re.compile(DECIMAL_COMMA)
    return {
        name: [comma.sub(r"\1.\2", cell) if "," in cell else cell for cell in cells] for name, cells in columns.items()
    }


def quoting_of(text: str, delimiter: str) -> int:
    r"""Whether quotation marks hold cells together, or are letters as any, as in most files with tabs.

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


def with_commas(text: str) -> str:
    """A file of numbers with blanks between them, as the older archives of series have them, with commas instead.

    >>> with_commas("  1.0   -2e-1 3\\n 2  4  5\\n"), with_commas("to be\\nor not")
    ('1.0,-2e-1,3\\n2,4,5', 'to be\\nor not')
    """
    lines = text.splitlines()
    cells = lines[0].split() if lines else []
    if len(cells) < 2 or any(mark in lines[0] for mark in DELIMITERS) or any(_number(cell) is None for cell in cells):
        return text
    return "\n".join(",".join(line.split()) for line in lines)


def column_names(path: str, first: Sequence[str]) -> tuple[list[str], bool]:
    """The names of a file's columns, and whether its first line is data already.

    A line of numbers is data, unless they count up, as some programs call their columns.

    >>> column_names("a.csv", ["x1", " x2"]), column_names("a.csv", ["0", "1", "2"])
    ((['x1', 'x2'], False), (['0', '1', '2'], False))
    >>> column_names("a.csv", ["0.5", "-3", "2"])
    (['1', '2', '3'], True)

    Args:
        path: the file, named in errors.
        first: the cells of its first line.

    Raises:
        ValueError: two columns have one name.
    """
    names = [name.strip() for name in first]
    numbers = [number for name in names if (number := _number(name)) is not None]
    counts_up = len(numbers) > 1 and all(b - a == 1 for a, b in pairwise(numbers))
    if len(numbers) == len(names) and not counts_up:
        return names_by_place(len(names)), True
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(f"{path}: column names must differ, got {listed(repeated, quoted=True)} more than once")
    return names, False


def names_by_place(count: int) -> list[str]:
    """What columns without names are called."""
    return [str(place) for place in range(1, count + 1)]


def _number(name: str) -> float | None:
    try:
        number = float(name)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
