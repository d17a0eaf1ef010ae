"""The .ts files of the UCR and UEA archives, as aeon and sktime read them.

    # a comment
    @problemName Gestures
    @univariate false
    @classLabel true left right
    @data
    0.1,0.2,0.3:5,6,7:left
    0.4,?:8,9:right

A line of data is a sequence: its dimensions, split by colons, each with the same number of steps, split by commas,
and its target last. A question mark is a missing value.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqmodels.data.files.find import read_text
from seqmodels.data.read.arrays import Arrays

MISSING = {"?", "NaN", "nan", "NAN", ""}


@dataclass(frozen=True)
class Header:
    """Header of a .ts file.

    Fields:
        labels: the classes that may occur; empty where the header names none.
        has_label, has_value: whether each line ends with a class, or with a number to be predicted.
        dimensions: how many a line must have; None where the header does not say.
        equal_length: whether it promises one length for all sequences.
        first: the line on which the data begin, counted from 1.
    """

    labels: tuple[str, ...]
    has_label: bool
    has_value: bool
    dimensions: int | None
    equal_length: bool
    first: int


def read_ts(path: str | Path) -> Arrays:
    """Read the sequences of a .ts file, end to end: ``x`` is ``(sum of T, F)``, NaN where a value is missing.

    Targets are text for classes and float64 ``(N,)`` for values.

    Raises:
        ValueError: a header or a line that is not as it should be, named by its number.
    """
    text = read_text(path).splitlines()
    header = read_header(str(path), text)
    lines = [n for n in range(header.first, len(text) + 1) if text[n - 1].strip() and text[n - 1][0] not in "#%"]
    if not lines:
        raise ValueError(f"{path}: there is no sequence after the line @data; the file is cut short or empty")
    blocks: list[np.ndarray] = []
    targets: list[str | float | None] = []
    for number in lines:
        block, target = _read_line(f"{path}, line {number}", text[number - 1], header)
        first = blocks[0] if blocks else block
        if block.shape[1] != first.shape[1] or (header.equal_length and len(block) != len(first)):
            raise ValueError(
                f"{path}, line {number}: got {block.shape[1]} dimensions of {len(block)} steps, but "
                f"{first.shape[1]} of {len(first)} on line {lines[0]}; mend the line"
                + (", or say @equalLength false" if block.shape[1] == first.shape[1] else "")
            )
        blocks.append(block)
        targets.append(target)
    lengths = np.array([len(block) for block in blocks], dtype=np.int64)
    y = np.array(targets, dtype=np.float64 if header.has_value else None) if targets[0] is not None else None
    return Arrays(str(path), np.concatenate(blocks), lengths, np.cumsum(lengths) - lengths, y, lines=lines)


def read_header(path: str, text: list[str]) -> Header:
    """Read the lines that begin with @, up to @data; capitals do not matter.

    Raises:
        ValueError: no @data, a line that is none of a header, or time stamps.
    """
    found: dict[str, list[str]] = {}
    for number, line in enumerate(text, start=1):
        words = line.split()
        if not words or line[0] in "#%":
            continue
        key = words[0].lower()
        if not key.startswith("@"):
            raise ValueError(
                f"{path}, line {number}: expected a line of the header such as '@classLabel true a b', or @data, "
                f"got {line[:40]!r}; a .ts file has its data after a line @data"
            )
        if key == "@data":
            return _header(path, found, number + 1)
        found[key] = words[1:]
    raise ValueError(f"{path}: expected a line @data after the header, got none; the file is cut short or no .ts file")


def _header(path: str, found: dict[str, list[str]], first: int) -> Header:
    def says(key: str) -> bool:
        return [word.lower() for word in found.get(key, [])[:1]] == ["true"]

    if says("@timestamps"):
        raise ValueError(f"{path}: @timeStamps true is not read here; write evenly spaced values without their times")
    dimensions = found.get("@dimensions") or found.get("@dimension")
    if dimensions is not None and not dimensions[0].isdigit():
        raise ValueError(f"{path}: @dimensions must be followed by a whole number, got {dimensions[0]!r}")
    count = int(dimensions[0]) if dimensions else 1 if says("@univariate") else None
    return Header(
        labels=tuple(found.get("@classlabel", [])[1:]),
        has_label=says("@classlabel"),
        has_value=says("@targetlabel"),
        dimensions=count,
        equal_length=says("@equallength"),
        first=first,
    )


def _read_line(place: str, line: str, header: Header) -> tuple[np.ndarray, str | float | None]:
    """Return one sequence ``(T, F)`` and its target."""
    parts = [part.strip() for part in line.strip().split(":")]
    target: str | float | None = None
    if header.has_label or header.has_value:
        target = _read_target(place, parts.pop(), header)
    if header.dimensions is not None and len(parts) != header.dimensions:
        raise ValueError(
            f"{place}: expected {header.dimensions} dimension(s) as the header says, split by colons"
            f"{', and the target last' if target is not None else ''}, got {len(parts)}; the line may be cut short"
        )
    rows = [[_read_number(place, cell.strip()) for cell in part.split(",")] for part in parts if part]
    uneven = next((i for i, row in enumerate(rows) if len(row) != len(rows[0])), None)
    if not rows or uneven is not None:
        raise ValueError(
            f"{place}: expected as many steps in each dimension, got "
            f"{'no dimension' if not rows else f'{len(rows[0])} in the first and {len(rows[uneven or 0])} in another'}"
        )
    return np.array(rows, dtype=np.float64).T, target


def _read_target(place: str, cell: str, header: Header) -> str | float:
    if header.has_value:
        return _read_number(place, cell)
    if not cell or "," in cell or (header.labels and cell not in header.labels):
        raise ValueError(
            f"{place}: expected a class last, one of {', '.join(header.labels[:12]) or 'some'}, got {cell[:40]!r}; "
            "mend the line, or the header's @classLabel"
        )
    return cell


def _read_number(place: str, cell: str) -> float:
    if cell in MISSING:
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{place}: expected a number, or ? where it is missing, got {cell[:40]!r}; mend it") from None
