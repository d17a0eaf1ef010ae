"""`seqmodels predict`: predictions for new data, written as they are made."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqmodels.cli.arguments import STANDARD_INPUT, TABLES, Parser
from seqmodels.cli.output import as_json, give
from seqmodels.cli.screen import console
from seqmodels.cli.trained import read_run
from seqmodels.kinds import whole

# Bytes of standard input that are kept, so that one without an end does not fill the disk.
MOST_INPUT = 1_000_000_000
# Seconds before the first line of progress, and between two.
PATIENCE = 2.0


def predict(arguments: list[str]) -> int:
    """Write predictions for new data, or print them."""
    parser = Parser()
    parser.source("input", several=True)
    parser.target("output", *TABLES)
    parser.number("every", whole(1))
    parser.number("top", whole(1))
    flags, run, changes, plugins = read_run(parser, arguments)
    parser.check(flags, *_problems(flags))
    from seqmodels.inference import load

    trained = load(run, plugins, changes=changes)
    with _readable(flags.input) as path:
        rows = _with_progress(trained.predict(path, every=flags.every, top=flags.top))
        if flags.top is not None and flags.output is not None and flags.output.suffix == ".csv":
            rows = map(_in_one_cell, rows)
        give(rows, flags.output, "predictions")
    return 0


def _in_one_cell(row: dict[str, Any]) -> dict[str, Any]:
    """Put the likeliest classes, which are others in each row, into one cell instead of columns."""
    likeliest = row["probabilities"]
    return {**row, "probabilities": list(map(as_json, likeliest)) if "tags" in row else as_json(likeliest)}


def _problems(flags: argparse.Namespace) -> list[str]:
    problems = []
    if flags.input is None:
        problems.append("--input: name the file to predict for: --input FILE")
    if flags.every is not None and flags.top is not None:
        problems.append("--top: is for predictions on whole sequences: leave out --every")
    return problems


@contextmanager
def _readable(name: str) -> Iterator[Path]:
    """Give the path as it is; for standard input that of a file that holds it, which errors do not name.

    A file, because tables and texts may have to be read twice; never all of it in memory.
    """
    if name != STANDARD_INPUT:
        yield Path(name)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        with path.open("wb") as file:
            while part := sys.stdin.buffer.read(1 << 20):
                if file.tell() > MOST_INPUT:
                    raise ValueError(
                        f"--input -: standard input goes on after {MOST_INPUT:,} bytes; put the data into a file, and "
                        "name that"
                    )
                file.write(part)
        try:
            yield path
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), "standard input")) from None


def _with_progress(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the same rows; on a terminal, say in one line how many there were where it takes long."""
    screen, began = console(stderr=True), time.monotonic()
    said = began
    for count, row in enumerate(rows, 1):
        now = time.monotonic()
        if screen.is_terminal and now - said > PATIENCE:
            said = now
            screen.print(f"{count:,} predictions, {now - began:.0f} s", end="\r", style="dim")
        yield row
    if said > began:
        screen.print(" " * 40, end="\r")
