"""`seqmodels translate`: what a model that was trained on pairs makes of a text, or of each line of a file."""

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from seqmodels.cli.arguments import TABLES, Parser
from seqmodels.cli.output import give
from seqmodels.cli.trained import read_run
from seqmodels.kinds import not_negative, whole


def translate(arguments: list[str]) -> int:
    """Print translations, or write them to a file."""
    parser = Parser()
    parser.add_argument("--text")
    parser.source("input")
    parser.target("output", *TABLES)
    parser.number("beam", whole(1, 10_000))
    parser.number("length-penalty", not_negative, float)
    flags, run, changes, plugins = read_run(parser, arguments)
    twice = (flags.text is None) == (flags.input is None)
    parser.check(flags, *["what to translate: give either --text TEXT or --input FILE"] * twice)
    from seqmodels.inference import load

    model = load(run, plugins, changes=changes).searching(flags.beam, flags.length_penalty)
    rows: Iterator[dict[str, Any]] = (
        iter([{"source": flags.text, "text": model.translate(flags.text)}])
        if flags.input is None
        else model.predict(flags.input)
    )
    give(rows, flags.output, "translations", line=itemgetter("text"))
    return 0
