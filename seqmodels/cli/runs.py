"""`seqmodels evaluate`, `predict` and `generate`: what is done with a trained run."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from seqmodels.cli.arguments import Parser
from seqmodels.cli.check import check
from seqmodels.cli.compose import Composition, amend, names, select
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.library import Library
from seqmodels.cli.prepare import run_folder, saved_config
from seqmodels.cli.rules import Rule, not_negative, number, whole
from seqmodels.cli.screen import console

_FLAG_RULES: dict[str, Rule] = {
    "length": whole(1),
    "temperature": not_negative,
    "top_k": whole(1),
    "top_p": number(" above 0 and at most 1", lambda value: 0 < value <= 1),
    "beam": whole(1),
    "seed": whole(0),
}


def evaluate(arguments: list[str]) -> int:
    """Score a trained run again."""
    _, run, changes, plugins = read_run(Parser(), arguments)
    from seqmodels.training.run import evaluate as run_evaluate

    run_evaluate(run, changes, plugins)
    return 0


def predict(arguments: list[str]) -> int:
    """Write predictions for a new file, or print them."""
    parser = Parser()
    parser.add_argument("--input", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--every", type=int)
    flags, run, changes, plugins = read_run(parser, arguments)
    _check_files(flags)
    from seqmodels.inference import load, write_predictions

    rows = load(run, plugins, changes=changes).predict(flags.input, every=flags.every)
    if flags.output is None:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
    else:
        count = write_predictions(rows, flags.output)
        console(stderr=True).print(f"{count} predictions in {flags.output}")
    return 0


def _check_files(flags: argparse.Namespace) -> None:
    problems = []
    if flags.input is None:
        problems.append("--input: name the file to predict for: --input FILE")
    elif not flags.input.exists():
        problems.append(f"--input: there is no file {flags.input}")
    if flags.output is not None and flags.output.suffix not in (".csv", ".jsonl"):
        problems.append(f"--output: must end in .csv or .jsonl, got {flags.output}")
    elif flags.output is not None and not flags.output.parent.is_dir():
        problems.append(f"--output: there is no folder {flags.output.parent}: make it first")
    if flags.every is not None and flags.every < 1:
        problems.append(f"--every: must be a whole number of at least 1, got {flags.every}")
    if problems:
        raise ConfigError(*problems)


def generate(arguments: list[str]) -> int:
    """Print a sample from a trained run."""
    parser = Parser()
    parser.add_argument("--prompt", default="")
    for flag, kind, default in (
        # Those of `seqmodels.inference.Model.generate`, which is not imported before all is checked.
        ("--length", int, 400),
        ("--temperature", float, 0.8),
        ("--top-k", int, None),
        ("--top-p", float, None),
        ("--beam", int, 1),
        ("--seed", int, None),
    ):
        parser.add_argument(flag, type=kind, default=default)
    flags, run, changes, plugins = read_run(parser, arguments)
    _check_sampling(flags)
    from seqmodels.inference import load

    print(load(run, plugins, changes=changes).generate(**vars(flags)))
    return 0


def _check_sampling(flags: argparse.Namespace) -> None:
    problems = [
        f"--{name.replace('_', '-')}: must be {rule.words}, got {getattr(flags, name)}"
        for name, rule in _FLAG_RULES.items()
        if getattr(flags, name) is not None and not rule.holds(getattr(flags, name))
    ]
    if flags.beam > 1 and (flags.top_k is not None or flags.top_p is not None):
        problems.append("--beam: searches for the likeliest; --top-k and --top-p sample: leave one out")
    if problems:
        raise ConfigError(*problems)


class Asked(NamedTuple):
    """What was asked of a run: flags, the run, settings to change in it, packages to trust."""

    flags: argparse.Namespace
    run: Path
    changes: dict[str, Any]
    plugins: list[str]


def read_run(parser: Parser, arguments: list[str]) -> Asked:
    """Flags, the run, and the overrides, which are checked against the run's own config."""
    flags, rest = parser.overrides(arguments)
    named = bool(rest) and ("=" not in rest[0] or Path(rest[0]).exists())
    run = Path(rest[0]) if named else newest_run()
    overrides = rest[1:] if named else rest
    if not named:
        console(stderr=True).print(f"run: {run}", style="dim")
    folder = run_folder(run, "RUN")
    saved = saved_config(folder)
    library = Library()
    changed = Composition(amend(saved, overrides, library.groups()), saved, {}, folder)
    problems = check(changed, library) if overrides else []
    if problems:
        raise ConfigError(*problems)
    changes = {name: select(changed.config, name) for name in names(overrides)}
    return Asked(flags, run, changes, changes.pop("plugins", []))


def newest_run(root: Path = Path("runs")) -> Path:
    """The run under `root` that was started last.

    Raises:
        ConfigError: there is none.
    """
    runs = [file for file in root.rglob("config.yaml") if (file.parent / "checkpoints").is_dir()]
    if not runs:
        raise ConfigError(f"no run was named, and there is none under {root}/: seqmodels {sys.argv[1]} RUN")
    return max(runs, key=lambda file: file.stat().st_mtime).parent
