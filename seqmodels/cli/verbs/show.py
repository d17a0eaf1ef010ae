"""`seqmodels show`: the composed config."""

import sys

import yaml

from seqmodels.cli.arguments import config_parser
from seqmodels.cli.config.compose import Composition
from seqmodels.cli.config.library import Library, paths
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.prepare import prepare_one
from seqmodels.cli.rules.explain import comment
from seqmodels.cli.screen import console


class _Dumper(yaml.SafeDumper):
    """Lists on one line, as they are written in overrides."""


_Dumper.add_representer(list, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, True))


def show(arguments: list[str]) -> int:
    """Print the config that `train` would run with, each setting with its meaning; then what is wrong with it."""
    flags, overrides = config_parser().overrides(arguments)
    library = Library(flags.config_dir)
    prepared = prepare_one(library, overrides, flags.config_name)
    if prepared.config:
        _print(prepared, library)
    if prepared.problems:
        raise ConfigError(*prepared.problems)
    return 0


def _print(prepared: Composition, library: Library) -> None:
    chosen = " ".join(f"{group}={option}" for group, option in reversed(prepared.choices.items()) if option)
    notes = "".join(f"# {note}\n" for note in prepared.notes)
    config = prepared.written or prepared.config
    dumped = yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=10_000)
    lines = (_explained(line, path, prepared, library) for line, path in paths(dumped.splitlines()))
    text = f"# {chosen}\n{notes}" + "".join(f"{line}\n" for line in lines)
    if sys.stdout.isatty():
        from rich.syntax import Syntax

        console().print(Syntax(text.rstrip(), "yaml", theme="ansi_dark", background_color="default", word_wrap=True))
    else:
        print(text, end="")


def _explained(line: str, path: str | None, prepared: Composition, library: Library) -> str:
    said = "" if path is None else comment(path, prepared.config, library, prepared.choices)
    return f"{line}  # {said}" if said else line
