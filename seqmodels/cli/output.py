"""Rows and texts as output, on the screen or in a file."""

import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from seqmodels.cli.screen import console
from seqmodels.escaping import on_screen

# What JSON leaves as it is, and a terminal obeys.
_C1 = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def as_json(row: dict[str, Any]) -> str:
    """Return a row as one line."""
    return _C1.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(row, ensure_ascii=False))


def say(text: str, end: str = "\n") -> None:
    """Print what a model wrote: as it is where it is piped elsewhere; a terminal obeys nothing in it."""
    print(on_screen(text) if sys.stdout.isatty() else text, end=end, flush=not end)


def give(
    rows: Iterable[dict[str, Any]], output: Path | None, what: str, line: Callable[[dict[str, Any]], str] = as_json
) -> None:
    """Print rows as they are made, each by `line`, or write them to a file and say how many there were.

    Args:
        rows: one dict each.
        output: the file; None for the screen.
        what: what they are called, such as "predictions".
        line: how one is printed.
    """
    if output is None:
        for row in rows:
            say(line(row))
        return
    from seqmodels.inference import write_predictions

    count = write_predictions(rows, output)
    console(stderr=True).print(f"{count} {what} in {output}")
