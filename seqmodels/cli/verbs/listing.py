"""`seqmodels list`: what there is to choose from, one line each."""

from rich.text import Text

from seqmodels.cli.arguments import config_parser
from seqmodels.cli.config.library import Library
from seqmodels.cli.errors import ConfigError, no_option
from seqmodels.cli.rules.explain import described
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


def listing(arguments: list[str]) -> int:
    """Print the options of the kinds asked for, or of all; of a part that is named after its kind, every setting."""
    flags, words = config_parser().overrides(arguments)
    library = Library(flags.config_dir)
    asked: dict[str, list[str]] = {}
    for word in words:
        last = next(reversed(asked), "")
        if word in GROUPS:
            asked[word] = []
        elif last and library.has(GROUPS[last], word):
            asked[last].append(word)
        else:
            raise ConfigError(_unknown(word, last, library))
    for number, (kind, names) in enumerate((asked or {kind: [] for kind in GROUPS}).items()):
        _print_kind(kind, names, library, number == 0)
    return 0


def _unknown(word: str, kind: str, library: Library) -> str:
    if kind:
        return no_option(GROUPS[kind], word, library.options(GROUPS[kind]))
    return f"there is no list of {word!r}{suggest(word, GROUPS) or ';'} lists: {', '.join(GROUPS)}"


def _print_kind(kind: str, names: list[str], library: Library, first: bool) -> None:
    group, screen = GROUPS[kind], console()
    options = library.options(group)
    width = max(map(len, options), default=0)
    screen.print(Text(("" if first else "\n") + kind, style="bold"), Text(f"({group}=...)", style="dim"))
    for name in names or options:
        screen.print(Text(f"  {name:{width}}", style="cyan"), f" {options[name]}")
        values = library.read(group, name) if names else {}
        part = library.part(group, values.get("name"))
        for line in described(part, values) if part is not None else ():
            screen.print(Text(f"  {line}"), soft_wrap=True)
