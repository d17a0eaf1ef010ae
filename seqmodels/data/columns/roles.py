"""The columns of a table that a user may name, and what their names and cells give away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqmodels.data.columns.times.column import looks_like_time
from seqmodels.data.dataset import SPLIT_WORDS
from seqmodels.data.files.arrays import blocks
from seqmodels.data.read.table import Table

NAMES_OF_TIME = {"time", "date", "datetime", "timestamp", "ds", "t", "step", "day", "week", "month", "year", "hour"}
# Columns that number the rows, which teach a model nothing it should learn.
NAMES_OF_ROWS = {"", "id", "index", "row", "rows", "rowname", "rownames", "row_names", "row.names", "rowid", "rownum"}
# Columns that number the rows, wherever they stand, if they do.
NAMES_OF_COUNTS = {"no", "no.", "nr", "nr.", "num", "number", "#", "n", "idx", "obs", "sno", "s.no", "serial"}
FEWEST_COUNTED = 20  # rows
NAMES_OF_LABELS = {"label", "labels", "class", "classes", "category", "tag"}
# Cells that are looked at, and words in a cell that make it a sentence.
LOOKED_AT, FEWEST_WORDS = 1000, 4
# Classes that whole numbers may be, at most.
MOST_CLASSES = 20
FEWEST_NUMBERED = 3
# Of the columns of numbers, the share that must be numbered for the others to be left aside.
MOSTLY_NUMBERED = 0.75
LONGEST_NUMBERED = 200
NUMBERED = re.compile(r"(.*?)[ _.-]?(\d+)")


@dataclass(frozen=True)
class Columns:
    """Roles of columns that the user has named; None where one is to be inferred."""

    target: str
    layout: str | None = None
    features: tuple[str, ...] | None = None
    time: str | None = None
    series: str | None = None
    sequence: str | None = None
    text: str | None = None
    group: str | None = None
    target_per: str | None = None
    target_kind: str | None = None
    features_per_step: int | None = None
    more_targets: tuple[str, ...] = ()
    weight: str | None = None
    split: str | None = None
    time_format: str | None = None

    def named(self) -> dict[str, str]:
        """Return the columns that have one meaning each, option -> name."""
        options = ("target", "time", "series", "sequence", "text", "group", "weight", "split")
        named = {option: name for option in options if (name := getattr(self, option)) is not None}
        return named | {f"target[{i + 1}]": name for i, name in enumerate(self.more_targets)}


def other_columns(table: Table, asked: Columns) -> list[str]:
    """Return the columns without a named meaning, without those that number the rows."""
    named = set(asked.named().values())
    free = [name for name in table.columns if name not in named]
    found = [name for name in free if not numbers_rows(table, name)]
    if found or asked.target not in table.columns or table.is_numeric(asked.target):
        return found
    # Classes are told from something: what counts up is then the only feature there is.
    return [name for name in free if name.strip().lower() not in NAMES_OF_ROWS]


def numbers_rows(table: Table, name: str) -> bool:
    """Say whether a column numbers the rows: by its name, or because it is the first and counts them.

    >>> numbers_rows(Table("a.csv", {"Unnamed: 0": ["5"]}, [2]), "Unnamed: 0")
    True
    """
    lower = name.strip().lower()
    if lower in NAMES_OF_ROWS or lower.startswith("unnamed:"):
        return True
    is_named = lower in NAMES_OF_TIME or _numbered(name) is not None
    may_count = name == next(iter(table.columns)) or lower in NAMES_OF_COUNTS
    if is_named or not may_count or len(table) < FEWEST_COUNTED or not table.is_numeric(name):
        return False
    cells = table.columns[name]
    first = cells[0].strip()
    if first not in ("0", "1") or cells[1].strip() != str(int(first) + 1):
        return False
    if table.kind(name).text:
        return False
    values, start = table.numbers(name), int(first)
    return all((values[part] == np.arange(part.start, part.stop) + start).all() for part in blocks(len(values)))


def split_column(table: Table, asked: Columns) -> str | None:
    """Find a column that says of each row train, val or test, and nothing else.

    >>> table = Table("a.csv", {"x": ["1", "2"], "part": ["train", "test"]}, [2, 3])
    >>> split_column(table, Columns("x"))
    'part'
    """
    for name in other_columns(table, asked):
        if table.columns[name][0].strip().lower() in SPLIT_WORDS:
            meant = {SPLIT_WORDS.get(cell.strip().lower()) for cell in table.codes(name)[1]}
            if None not in meant and "train" in meant and len(meant) > 1:
                return name
    return None


def longest_text(table: Table, names: Sequence[str]) -> str | None:
    """Find the column of the longest cells, by the first of them.

    >>> longest_text(Table("a.csv", {"who": ["ann"], "says": ["it was fine"]}, [2]), ["who", "says"])
    'says'
    """
    return max(names, key=lambda name: sum(map(len, table.columns[name][:LOOKED_AT])), default=None)


def is_prose(table: Table, name: str) -> bool:
    """Say whether the cells of a column are sentences more often than not, by the first of them."""
    cells = table.columns[name][:LOOKED_AT]
    return 2 * sum(cell.strip().count(" ") + 1 >= FEWEST_WORDS for cell in cells) > len(cells)


def time_columns(table: Table, asked: Columns) -> list[str]:
    """Return the columns that may hold times: by their name, or because they hold dates."""
    found = []
    for name in other_columns(table, asked):
        cells = table.columns[name]
        dates = not table.is_numeric(name) and all(looks_like_time(cell) for cell in (cells[0], cells[-1]))
        if dates or name.lower() in NAMES_OF_TIME:
            found.append(name)
    return found


def _numbered(name: str) -> re.Match[str] | None:
    return NUMBERED.fullmatch(name) if len(name) <= LONGEST_NUMBERED else None  # a long one is searched for ever


def numbered_columns(names: list[str]) -> tuple[list[str], list[str]] | None:
    """Return the columns x1, y1, x2, y2, ... in the order of their steps, and the stems (x, y); else None.

    >>> numbered_columns(["x1", "x2", "x3", "y1", "y2", "y3"])
    (['x1', 'y1', 'x2', 'y2', 'x3', 'y3'], ['x', 'y'])
    >>> numbered_columns(["height", "x1", "x2"]) is None
    True
    """
    matches = [_numbered(name) for name in names]
    if not names or not all(matches):
        return None
    place = {(m[1], int(m[2])): name for m, name in zip(matches, names, strict=True) if m}
    stems = list(dict.fromkeys(stem for stem, _ in place))
    steps = sorted({step for _, step in place})
    if len(steps) < FEWEST_NUMBERED or not len(place) == len(names) == len(stems) * len(steps):
        return None
    return [place[stem, step] for step in steps for stem in stems], stems


def numbered_among(names: list[str]) -> list[str] | None:
    """Return the numbered columns among the names, where they are most of them and complete; else None.

    >>> numbered_among(["age", "x1", "x2", "x3", "x4"])
    ['x1', 'x2', 'x3', 'x4']
    >>> numbered_among(["age", "income", "x1", "x2", "x3"]) is None
    True
    """
    steps: dict[str, set[int]] = {}
    for name in names:
        if match := _numbered(name):
            steps.setdefault(match[1], set()).add(int(match[2]))
    runs = {stem for stem, own in steps.items() if len(own) > 1}
    found = [name for name in names if (match := _numbered(name)) and match[1] in runs]
    if numbered_columns(found) is None or len(found) < MOSTLY_NUMBERED * len(names):
        return None
    return found


def looks_like_labels(table: Table, name: str) -> bool:
    """Say whether a column names classes: text, or a few different whole numbers."""
    if not table.is_numeric(name):
        return True
    numbers, values = table.numbers(name), np.zeros(0)
    for part in blocks(len(numbers)):
        values = np.union1d(values, numbers[part][np.isfinite(numbers[part])])
        if len(values) > MOST_CLASSES:
            return False
    return bool((values == np.round(values)).all())


def names(columns: Sequence[str] | str | int | None) -> tuple[str, ...]:
    """Normalize column names: one called 2024 comes from the command line as a number, one alone as no list."""
    return tuple(map(str, [columns] if isinstance(columns, str | int) else columns or ()))


def name_of(column: str | int | None) -> str | None:
    """Normalize the name of a column."""
    return None if column is None else str(column)
