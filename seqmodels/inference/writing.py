"""Predictions as files: one row each, written as they are made."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seqmodels.atomic import replacing


def write_predictions(rows: Iterable[dict[str, Any]], path: Path) -> int:
    """Write predictions as ``.jsonl`` or, nested values as JSON, as ``.csv``; whole or not at all.

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
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
            nested = {k: json.dumps(v, ensure_ascii=False) for k, v in row.items() if isinstance(v, dict | list)}
            writer.writerow({**row, **nested})
    return count
