"""`seqmodels translate`: what a model that was trained on pairs makes of a text, or of each line of a file."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqmodels.cli.arguments import Parser
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.runs import read_run
from seqmodels.cli.screen import console


def translate(arguments: list[str]) -> int:
    """Print translations, or write them to a file."""
    parser = Parser()
    parser.add_argument("--text")
    parser.add_argument("--input", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--beam", type=int)
    parser.add_argument("--length-penalty", type=float)
    flags, run, changes, plugins = read_run(parser, arguments)
    _check(flags)
    from seqmodels.inference import load, write_predictions

    model = load(run, plugins, changes=changes).searching(flags.beam, flags.length_penalty)
    rows: Iterator[dict[str, Any]] = (
        iter([{"source": flags.text, "text": model.translate(flags.text)}])
        if flags.input is None
        else model.predict(flags.input)
    )
    if flags.output is None:
        for row in rows:
            print(row["text"])
        return 0
    count = write_predictions(rows, flags.output)
    console(stderr=True).print(f"{count} translations in {flags.output}")
    return 0


def _check(flags: argparse.Namespace) -> None:
    problems, output = [], flags.output
    if (flags.text is None) == (flags.input is None):
        problems.append("what to translate: give either --text TEXT or --input FILE")
    if flags.input is not None and not flags.input.is_file():
        problems.append(f"--input: there is no file {flags.input}")
    if output is not None and output.suffix not in (".csv", ".jsonl"):
        problems.append(f"--output: must end in .csv or .jsonl, got {output}")
    elif output is not None and not output.parent.is_dir():
        problems.append(f"--output: there is no folder {output.parent}: make it first")
    if flags.beam is not None and flags.beam < 1:
        problems.append(f"--beam: must be a whole number of at least 1, got {flags.beam}")
    if flags.length_penalty is not None and not flags.length_penalty >= 0:
        problems.append(f"--length-penalty: must be a number of at least 0, got {flags.length_penalty}")
    if problems:
        raise ConfigError(*problems)
