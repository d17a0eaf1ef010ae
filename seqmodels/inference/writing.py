"""Predictions as files: one row each, written as they are made."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seqmodels.atomic import replacing

# Names, such as of classes, that have a column each; more are written as JSON in one.
MOST_COLUMNS = 1000


def write_predictions(rows: Iterable[dict[str, Any]], path: Path) -> int:
    """Write predictions as ``.jsonl`` or ``.csv``; whole or not at all.

    In a ``.csv`` what belongs to a name has a column of its own, such as ``probabilities.spam``, where all rows have
    the same names; other nested values are written as JSON.

    Returns:
        How many there were.

    Raises:
        ValueError: another kind of file, a folder that is not there, or no room on the disk.
    """
    if path.suffix not in (".csv", ".jsonl"):
        raise ValueError(f"predictions can be written as .csv or .jsonl, got {path}")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} to write {path.name} to: make it first")
    try:
        return _write(rows, path)
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"{path}: cannot be written ({reason}): make room there, or name another file") from None


def _write(rows: Iterable[dict[str, Any]], path: Path) -> int:
    count = 0
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = None
        for row in rows:
            count += 1
            if path.suffix == ".jsonl":
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                continue
            if writer is None:
                writer = csv.DictWriter(file, list(spread(row)))
                writer.writeheader()
            cells = spread(row)
            if not cells.keys() <= set(writer.fieldnames):
                raise ValueError(f"{path}: the likeliest are others in each prediction (top): write .jsonl")
            writer.writerow(cells)
    return count


def spread(row: dict[str, Any]) -> dict[str, Any]:
    """A prediction as the cells of a table.

    >>> spread({"label": "spam", "probabilities": {"ham": 0.25, "spam": 0.75}, "words": ["a", "b"]})
    {'label': 'spam', 'probabilities.ham': 0.25, 'probabilities.spam': 0.75, 'words': '["a", "b"]'}
    """
    cells: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict) and len(value) <= MOST_COLUMNS:
            cells |= {f"{key}.{name}": one for name, one in value.items()}
        else:
            cells[key] = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
    return cells
