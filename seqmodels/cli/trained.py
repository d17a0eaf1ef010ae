"""The trained run that a verb is about: found, and its changed settings checked."""

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

from seqmodels.cli.arguments import Parser
from seqmodels.cli.config.compose import Composition
from seqmodels.cli.config.library import Library
from seqmodels.cli.config.saved import run_folder, saved_config
from seqmodels.cli.config.settings import amend, names
from seqmodels.cli.config.shape import select
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.rules.check import check
from seqmodels.cli.screen import console


class Asked(NamedTuple):
    """What was asked of a run: flags, the run, settings to change in it, packages to trust."""

    flags: argparse.Namespace
    run: Path
    changes: dict[str, Any]
    plugins: list[str]


def read_run(parser: Parser, arguments: list[str]) -> Asked:
    """Read flags, the run, and overrides, which are checked against the run's own config."""
    flags, rest = parser.overrides(arguments)
    named = bool(rest) and ("=" not in rest[0] or Path(rest[0]).exists())
    run = Path(rest[0]) if named else newest_run()
    overrides = rest[1:] if named else rest
    if not named:
        console(stderr=True).print(f"run: {run}", style="dim")
    folder = run_folder(run, "RUN")
    saved = saved_config(folder)
    library = Library()
    changed = Composition(amend(saved, overrides, library.groups()), saved, {}, folder, {}, [], [])
    problems = check(changed, library) if overrides else []
    if problems:
        raise ConfigError(*problems)
    changes = {name: select(changed.config, name) for name in names(overrides)}
    return Asked(flags, run, changes, changes.pop("plugins", []))


def newest_run(root: Path = Path("runs")) -> Path:
    """Return the run under `root` that was started last.

    Raises:
        ConfigError: there is none.
    """
    runs = [file for file in root.rglob("config.yaml") if (file.parent / "checkpoints").is_dir()]
    if not runs:
        raise ConfigError(f"no run was named, and there is none under {root}/: seqmodels {sys.argv[1]} RUN")
    return max(runs, key=lambda file: file.stat().st_mtime).parent
