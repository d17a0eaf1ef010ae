"""What the verbs' flags have in common: rules of numbers, files to write, rows as output."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from seqmodels.cli.screen import console
from seqmodels.data.files.find import FOLDER, expanded, kind_of, plain_file
from seqmodels.data.files.walk import files_that_fit, is_pattern
from seqmodels.escaping import on_screen
from seqmodels.kinds import Rule
from seqmodels.quoting import PATH, shown

TABLES = (".csv", ".jsonl")
PICTURES = (".png", ".svg", ".pdf")
# What JSON leaves as it is, and a terminal obeys.
_C1 = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def wrong_values(flags: argparse.Namespace, rules: Mapping[str, Rule]) -> list[str]:
    """Say what is wrong with the flags that were given and have a rule.

    >>> from seqmodels.kinds import whole
    >>> wrong_values(argparse.Namespace(beam=0, top_k=None), {"beam": whole(1), "top_k": whole(1)})
    ['--beam: must be a whole number of at least 1, got 0']
    """
    return [
        f"--{name.replace('_', '-')}: must be {rule.words}, got {getattr(flags, name)}"
        for name, rule in rules.items()
        if getattr(flags, name) is not None and not rule.holds(getattr(flags, name))
    ]


def wrong_source(flag: str, path: str | Path, several: bool = False) -> list[str]:
    """Say what is wrong with the file that a flag names; with `several`, also with a folder or a pattern.

    >>> wrong_source("--input", "none.csv")[0][:35]
    "--input: there is no file 'none.csv"
    """
    try:
        if several and kind_of(expanded(path)) == FOLDER:
            return []
        if several and is_pattern(path):
            if not files_that_fit(path):
                return [f"{flag}: no file fits the pattern {shown(str(path), PATH)}"]
            return []
        plain_file(path, flag)
    except ValueError as error:
        return [str(error)]
    return []


def wrong_target(flag: str, path: Path | None, endings: tuple[str, ...] = ()) -> list[str]:
    """Say what is wrong with the place where a flag has a file written, if it was given.

    >>> wrong_target("output", Path("predictions.txt"), TABLES)
    ['--output: must end in .csv or .jsonl, got predictions.txt']
    """
    if path is None:
        return []
    if endings and path.suffix not in endings:
        *others, last = endings
        words = f"{', '.join(others)} or {last}" if others else last
        return [f"--{flag}: must end in {words}, got {path}"]
    return [] if path.parent.is_dir() else [f"--{flag}: there is no folder {path.parent}: make it first"]


def as_json(row: dict[str, Any]) -> str:
    """Return a row as one line."""
    return _C1.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(row, ensure_ascii=False))


def say(text: str, end: str = "\n") -> None:
    """Print what a model wrote: as it is where it is piped elsewhere; a terminal obeys nothing in it."""
    print(on_screen(text) if sys.stdout.isatty() else text, end=end, flush=not end)


def give(
    rows: Iterable[dict[str, Any]], output: Path | None, what: str, line: Callable[[dict[str, Any]], str] = as_json
) -> None:
    """Print rows as they are made, or write them to a file and say how many there were.

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
