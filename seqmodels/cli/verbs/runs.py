"""`seqmodels evaluate` and `generate`."""

import argparse
from collections.abc import Iterator

from seqmodels.cli.arguments import PICTURES, Parser
from seqmodels.cli.output import say
from seqmodels.cli.screen import console
from seqmodels.cli.trained import read_run
from seqmodels.files.atomic import replacing
from seqmodels.kinds import not_negative, up_to_one, whole

# Those of `seqmodels.inference.Model.generate`, which is not imported before all is checked.
_SAMPLING = {"length": 400, "temperature": 0.8, "top_k": None, "top_p": None, "beam": 1, "seed": None}


def evaluate(arguments: list[str]) -> int:
    """Score a trained run again."""
    _, run, changes, plugins = read_run(Parser(), arguments)
    from seqmodels.training.run import evaluate as run_evaluate

    run_evaluate(run, changes, plugins)
    return 0


def generate(arguments: list[str]) -> int:
    """Print a sample from a trained run, or draw some of its drawings."""
    parser = Parser()
    parser.add_argument("--prompt", default="")
    parser.number("length", whole(1, 1_000_000))
    parser.number("temperature", not_negative, float)
    parser.number("top-k", whole(1))
    parser.number("top-p", up_to_one, float)
    parser.number("beam", whole(1, 10_000))
    parser.number("seed", whole(0, 2**32 - 1))
    parser.number("count", whole(1, 10_000))
    parser.target("output", *PICTURES)
    flags, run, changes, plugins = read_run(parser, arguments)
    parser.check(flags, *_contradictions(flags))
    from seqmodels.inference import load

    trained = load(run, plugins, changes=changes)
    given = {name: value for name, value in vars(flags).items() if value is not None}
    if flags.output is None:
        for piece in trained.generate_pieces(**{**_SAMPLING, **given}):
            say(piece, end="")
        say("")
        return 0
    from seqmodels.tasks.plots.strokes import drawings_figure
    from seqmodels.tasks.plots.style import plain

    drawn = trained.draw(flags.prompt, flags.count or 16, flags.temperature, flags.seed)
    with replacing(flags.output) as file:
        figure = plain(drawings_figure(drawn, [], [flags.prompt] * len(drawn)))
        figure.savefig(file, format=flags.output.suffix[1:], facecolor="white")
    console(stderr=True).print(f"{len(drawn)} drawings in {flags.output}")
    return 0


def _contradictions(flags: argparse.Namespace) -> Iterator[str]:
    if (flags.beam or 1) > 1 and (flags.top_k is not None or flags.top_p is not None):
        yield "--beam: searches for the likeliest; --top-k and --top-p sample: leave one out"
    if flags.output is None and flags.count is not None:
        yield "--count: is for drawings, which need --output"
    for name in ("length", "top_k", "top_p", "beam") if flags.output is not None else ():
        if getattr(flags, name) is not None:
            yield f"--{name.replace('_', '-')}: is not for drawings: leave it out"
