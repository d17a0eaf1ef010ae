"""`seqmodels transcribe`: what is said in new recordings."""

import argparse
from pathlib import Path

from seqmodels.cli.arguments import Parser
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.flags import TABLES, give, wrong_source, wrong_target, wrong_values
from seqmodels.cli.trained import read_run
from seqmodels.kinds import whole


def transcribe(arguments: list[str]) -> int:
    """Print what a trained model hears, or write it to a file."""
    parser = Parser()
    parser.add_argument("--output", type=Path)
    parser.add_argument("--beam", type=int)
    flags, rest = parser.overrides(arguments)
    named = [word for word in rest if "=" not in word or Path(word).exists()]
    _check(named, flags)
    settings = [word for word in rest if word not in named]
    _, run, changes, plugins = read_run(Parser(), [*named[:-1], *settings])
    from seqmodels.inference import load

    rows = load(run, plugins, changes=changes).transcribe(named[-1], flags.beam)
    give(rows, flags.output, "transcripts")
    return 0


def _check(named: list[str], flags: argparse.Namespace) -> None:
    problems = []
    if not named or (Path(named[-1]) / "config.yaml").is_file():
        problems.append("FILE: name a recording, a folder of them or a manifest: seqmodels transcribe RUN FILE")
    elif len(named) > 2:
        problems.append(f"expected RUN and FILE, got {', '.join(named)}; put a folder's files into one folder")
    else:
        problems += wrong_source("FILE", named[-1], several=True)
    problems += wrong_target("output", flags.output, TABLES)
    problems += wrong_values(flags, {"beam": whole(1, 10_000)})
    if problems:
        raise ConfigError(*problems)
