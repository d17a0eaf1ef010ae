"""`seqmodels evaluate` and `generate`, and how every verb finds the run that it is about."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

from seqmodels.atomic import replacing
from seqmodels.cli.arguments import Parser
from seqmodels.cli.check import check
from seqmodels.cli.compose import Composition, select
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.flags import PICTURES, say, wrong_target, wrong_values
from seqmodels.cli.library import Library
from seqmodels.cli.saved import run_folder, saved_config
from seqmodels.cli.screen import console
from seqmodels.cli.settings import amend, names
from seqmodels.kinds import Rule, not_negative, up_to_one, whole

_FLAG_RULES: dict[str, Rule] = {
    "length": whole(1, 1_000_000),
    "temperature": not_negative,
    "top_k": whole(1),
    "top_p": up_to_one,
    "beam": whole(1, 10_000),
    "seed": whole(0, 2**32 - 1),
    "count": whole(1, 10_000),
}
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
    kinds = {"length": int, "temperature": float, "top-k": int, "top-p": float, "beam": int, "seed": int, "count": int}
    for flag, kind in kinds.items():
        parser.add_argument(f"--{flag}", type=kind)
    parser.add_argument("--output", type=Path)
    flags, run, changes, plugins = read_run(parser, arguments)
    _check_sampling(flags)
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


def _check_sampling(flags: argparse.Namespace) -> None:
    problems = wrong_values(flags, _FLAG_RULES)
    if (flags.beam or 1) > 1 and (flags.top_k is not None or flags.top_p is not None):
        problems.append("--beam: searches for the likeliest; --top-k and --top-p sample: leave one out")
    if flags.output is None:
        problems += ["--count: is for drawings, which need --output"] if flags.count is not None else []
    else:
        unused = [name for name in ("length", "top_k", "top_p", "beam") if getattr(flags, name) is not None]
        problems += [f"--{name.replace('_', '-')}: is not for drawings: leave it out" for name in unused]
        problems += wrong_target("output", flags.output, PICTURES)
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
