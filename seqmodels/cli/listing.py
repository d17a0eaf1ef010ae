"""`seqmodels list`: what there is to choose from, one line each."""

from __future__ import annotations

from rich.text import Text

from seqmodels.cli.arguments import config_parser
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.library import Library
from seqmodels.cli.screen import console
from seqmodels.quoting import suggest

GROUPS = {
    "cells": "model/cell",
    "heads": "model/head",
    "tasks": "task",
    "data": "data",
    "experiments": "experiment",
    "recipes": "recipe",
    "optimizers": "optimizer",
    "schedulers": "scheduler",
}


def list_options(arguments: list[str]) -> int:
    """Print the options of the kinds asked for, or of all."""
    flags, kinds = config_parser().overrides(arguments)
    for kind in kinds:
        if kind not in GROUPS:
            raise ConfigError(f"there is no list of {kind!r}{suggest(kind, GROUPS) or ';'} lists: {', '.join(GROUPS)}")
    library = Library(flags.config_dir)
    screen = console()
    for number, kind in enumerate(kinds or GROUPS):
        options = library.options(GROUPS[kind])
        width = max(map(len, options), default=0)
        screen.print(Text(("\n" if number else "") + kind, style="bold"), Text(f"({GROUPS[kind]}=...)", style="dim"))
        for name, words in options.items():
            screen.print(Text(f"  {name:{width}}", style="cyan"), f" {words}")
    return 0
