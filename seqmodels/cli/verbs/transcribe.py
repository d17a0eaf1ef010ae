"""`seqmodels transcribe`: what is said in new recordings."""

from pathlib import Path

from seqmodels.cli.arguments import TABLES, Parser, wrong_source
from seqmodels.cli.output import give
from seqmodels.cli.trained import read_run
from seqmodels.kinds import whole


def transcribe(arguments: list[str]) -> int:
    """Print what a trained model hears, or write it to a file."""
    parser = Parser()
    parser.target("output", *TABLES)
    parser.number("beam", whole(1, 10_000))
    flags, rest = parser.overrides(arguments)
    named = [word for word in rest if "=" not in word or Path(word).exists()]
    parser.check(flags, *_wrong_file(named))
    settings = [word for word in rest if word not in named]
    _, run, changes, plugins = read_run(Parser(), [*named[:-1], *settings])
    from seqmodels.inference import load

    rows = load(run, plugins, changes=changes).transcribe(named[-1], flags.beam)
    give(rows, flags.output, "transcripts")
    return 0


def _wrong_file(named: list[str]) -> list[str]:
    if not named or (Path(named[-1]) / "config.yaml").is_file():
        return ["FILE: name a recording, a folder of them or a manifest: seqmodels transcribe RUN FILE"]
    if len(named) > 2:
        return [f"expected RUN and FILE, got {', '.join(named)}; put a folder's files into one folder"]
    return wrong_source("FILE", named[-1], several=True)
