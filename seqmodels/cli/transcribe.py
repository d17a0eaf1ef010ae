"""`seqmodels transcribe`: what is said in new recordings."""

from __future__ import annotations

import json
from pathlib import Path

from seqmodels.cli.arguments import Parser
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.runs import read_run
from seqmodels.cli.screen import console


def transcribe(arguments: list[str]) -> int:
    """Print what a trained model hears, or write it to a file."""
    parser = Parser()
    parser.add_argument("--output", type=Path)
    parser.add_argument("--beam", type=int)
    flags, rest = parser.overrides(arguments)
    named = [word for word in rest if "=" not in word or Path(word).exists()]
    _check(named, flags.output, flags.beam)
    settings = [word for word in rest if word not in named]
    _, run, changes, plugins = read_run(Parser(), [*named[:-1], *settings])
    from seqmodels.inference import load, write_predictions

    rows = load(run, plugins, changes=changes).transcribe(named[-1], flags.beam)
    if flags.output is not None:
        count = write_predictions(rows, flags.output)
        console(stderr=True).print(f"{count} transcripts in {flags.output}")
        return 0
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    return 0


def _check(named: list[str], output: Path | None, beam: int | None) -> None:
    problems = []
    if not named or (Path(named[-1]) / "config.yaml").is_file():
        problems.append("FILE: name a recording, a folder of them or a manifest: seqmodels transcribe RUN FILE")
    elif len(named) > 2:
        problems.append(f"expected RUN and FILE, got {', '.join(named)}; put a folder's files into one folder")
    elif not Path(named[-1]).exists():
        problems.append(f"FILE: there is no file or folder {named[-1]}")
    if output is not None and output.suffix not in (".csv", ".jsonl"):
        problems.append(f"--output: must end in .csv or .jsonl, got {output}")
    elif output is not None and not output.parent.is_dir():
        problems.append(f"--output: there is no folder {output.parent}: make it first")
    if beam is not None and beam < 1:
        problems.append(f"--beam: must be a whole number of at least 1, got {beam}")
    if problems:
        raise ConfigError(*problems)
