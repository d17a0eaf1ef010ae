"""`seqmodels translate`: what a model that was trained on pairs makes of a text, or of each line of a file."""

import argparse
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

from seqmodels.cli.arguments import Parser
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.flags import TABLES, give, wrong_source, wrong_target, wrong_values
from seqmodels.cli.trained import read_run
from seqmodels.kinds import not_negative, whole


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
    from seqmodels.inference import load

    model = load(run, plugins, changes=changes).searching(flags.beam, flags.length_penalty)
    rows: Iterator[dict[str, Any]] = (
        iter([{"source": flags.text, "text": model.translate(flags.text)}])
        if flags.input is None
        else model.predict(flags.input)
    )
    give(rows, flags.output, "translations", line=itemgetter("text"))
    return 0


def _check(flags: argparse.Namespace) -> None:
    problems = []
    if (flags.text is None) == (flags.input is None):
        problems.append("what to translate: give either --text TEXT or --input FILE")
    problems += [] if flags.input is None else wrong_source("--input", flags.input)
    problems += wrong_target("output", flags.output, TABLES)
    problems += wrong_values(flags, {"beam": whole(1, 10_000), "length_penalty": not_negative})
    if problems:
        raise ConfigError(*problems)
