"""Predictions as files, one row each, written as they are made."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seqmodels.escaping import in_cell
from seqmodels.files.atomic import replacing

# Names, such as classes, that get a column each; more are written as JSON in one column.
MOST_COLUMNS = 1000


def write_predictions(rows: Iterable[dict[str, Any]], path: Path) -> int:
    """Write predictions as ``.jsonl`` or ``.csv``, atomically.

    A ``.csv`` has one row per step for predictions at every step, and one column per named value, such as
    ``probabilities.spam``; other nested values are written as JSON. Text that a spreadsheet would read as a formula is
    prefixed with ``'`` (see `seqmodels.escaping.in_cell`); a ``.jsonl`` is unchanged.

    Returns:
        Number of predictions.

    Raises:
        ValueError: another kind of file, a missing folder, or no room on the disk.
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
            for cells in (_harmless(spread(one)) for one in by_step(row)):
                if writer is None:
                    writer = csv.DictWriter(file, list(cells))
                    writer.writeheader()
                if not cells.keys() <= set(writer.fieldnames):
                    raise ValueError(f"{path}: the likeliest are others in each prediction (top): write .jsonl")
                writer.writerow(cells)
    return count


def _harmless(cells: dict[str, Any]) -> dict[str, Any]:
    return {in_cell(name): in_cell(value) for name, value in cells.items()}


def by_step(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Split a prediction into one row per step if it has a tag, values or a set of labels at every step.

    >>> by_step({"line": 2, "tags": ["N", "V"], "probabilities": [0.9, 0.8]})
    [{'line': 2, 'step': 1, 'tag': 'N', 'probability': 0.9}, {'line': 2, 'step': 2, 'tag': 'V', 'probability': 0.8}]
    """
    values = row.get("values")
    if "tags" in row:
        steps = {"tag": row["tags"], "probability": row["probabilities"]}
    elif isinstance(values, dict) and values and all(isinstance(one, list) for one in values.values()):
        steps = {f"values.{name}": one for name, one in values.items()}
    elif isinstance(row.get("probabilities"), list):
        steps = {key: row[key] for key in ("labels", "probabilities")}
    else:
        return [row]
    rest = {key: value for key, value in row.items() if key not in ("tags", "probabilities", "values", "labels")}
    each = (dict(zip(steps, step, strict=True)) for step in zip(*steps.values(), strict=True))
    return [{**rest, "step": place, **one} for place, one in enumerate(each, 1)]


def spread(row: dict[str, Any]) -> dict[str, Any]:
    """Flatten a prediction into the cells of a table.

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
