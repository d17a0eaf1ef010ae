"""`seqmodels show`: the composed config."""

from __future__ import annotations

import sys

import yaml

from seqmodels.cli.arguments import config_parser
from seqmodels.cli.compose import jobs
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.library import Library
from seqmodels.cli.prepare import Prepared, prepare
from seqmodels.cli.screen import console


class _Dumper(yaml.SafeDumper):
    """Lists on one line, as they are written in overrides."""


_Dumper.add_representer(list, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, True))


def show(arguments: list[str]) -> int:
    """Print the config that `train` would run with; then what is wrong with it."""
    flags, overrides = config_parser().overrides(arguments)
    library = Library(flags.config_dir)
    (job,), wrong = jobs(library, overrides)
    prepared = prepare(library, job, flags.config_name)
    if prepared.config:
        _print(prepared)
    problems = prepared.all_problems(wrong)
    if problems:
        raise ConfigError(*problems)
    return 0


def _print(prepared: Prepared) -> None:
    chosen = " ".join(f"{group}={option}" for group, option in reversed(prepared.choices.items()) if option)
    notes = "".join(f"# {note}\n" for note in prepared.notes)
    text = f"# {chosen}\n{notes}{yaml.dump(prepared.written or prepared.config, Dumper=_Dumper, sort_keys=False)}"
    if sys.stdout.isatty():
        from rich.syntax import Syntax

        console().print(Syntax(text.rstrip(), "yaml", theme="ansi_dark", background_color="default"))
    else:
        print(text, end="")
