"""The command line of one verb: its flags with their rules, and Hydra's overrides."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from seqmodels.cli.errors import ConfigError
from seqmodels.data.files.find import FOLDER, expanded, kind_of, plain_file
from seqmodels.data.files.walk import files_that_fit, is_pattern
from seqmodels.kinds import Rule
from seqmodels.quoting import PATH, shown, suggest

TABLES = (".csv", ".jsonl")
PICTURES = (".png", ".svg", ".pdf")
STANDARD_INPUT = "-"


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are like all others of the command.

    >>> from seqmodels.kinds import whole
    >>> parser = Parser()
    >>> parser.number("beam", whole(1))
    >>> parser.target("output", *TABLES)
    >>> parser.check(parser.overrides(["--beam", "0", "--output", "predictions.txt"])[0])
    Traceback (most recent call last):
    seqmodels.cli.errors.ConfigError: --beam: must be a whole number of at least 1, got 0
    --output: must end in .csv or .jsonl, got predictions.txt
    """

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)
        self._checks: dict[str, Callable[[Any], list[str]]] = {}

    def number(self, name: str, rule: Rule, kind: type = int, default: Any = None) -> None:
        """Add a flag with a rule of its value."""
        self.add_argument(f"--{name}", type=kind, default=default)
        self._checks[name] = lambda value: [] if rule.holds(value) else [f"--{name}: must be {rule.words}, got {value}"]

    def source(self, name: str, several: bool = False) -> None:
        """Add a flag that names a file to read; with `several`, or a folder, a pattern or standard input."""
        self.add_argument(f"--{name}", type=str if several else Path)
        given = (STANDARD_INPUT,) if several else ()
        self._checks[name] = lambda path: [] if path in given else wrong_source(f"--{name}", path, several)

    def target(self, name: str, *endings: str, default: Path | None = None) -> None:
        """Add a flag that names a file to write, which ends in one of `endings` if there are any."""
        self.add_argument(f"--{name}", type=Path, default=default)
        self._checks[name] = lambda path: _wrong_target(name, path, endings)

    def check(self, flags: argparse.Namespace, *problems: str) -> None:
        """Refuse flags that break their rules, and tell other problems after these.

        Raises:
            ConfigError: all that is wrong.
        """
        given = {name: getattr(flags, name.replace("-", "_")) for name in self._checks}
        own = [words for name, value in given.items() if value is not None for words in self._checks[name](value)]
        if problems or own:
            raise ConfigError(*own, *problems)

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)

    def overrides(self, arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
        """Return the flags, and the overrides that are left, in order.

        Raises:
            ConfigError: flags that do not exist, all together.
        """
        flags, rest = self.parse_known_args(arguments)
        known = [flag for action in self._actions for flag in action.option_strings]
        unknown = [word for word in rest if word.startswith("-") and word != "-"]
        if unknown:
            raise ConfigError(*(f"{word}: {_unknown_flag(word, known)}" for word in unknown))
        return flags, rest


def _unknown_flag(word: str, known: list[str]) -> str:
    name, equals, value = word.lstrip("-").partition("=")
    hint = suggest(f"--{name}", known)
    if equals and not hint:
        return f"settings are written without dashes: {name}={value}"
    return f"there is no such flag{hint or '; settings are written name=value, such as trainer.max_epochs=20'}"


def wrong_source(flag: str, path: str | Path, several: bool = False) -> list[str]:
    """Say what is wrong with the file that a flag names; with `several`, also with a folder or a pattern.

    >>> wrong_source("--input", "none.csv")[0][:35]
    "--input: there is no file 'none.csv"
    """
    try:
        if several and is_pattern(path) and kind_of(expanded(path)) != FOLDER:
            return [] if files_that_fit(path) else [f"{flag}: no file fits the pattern {shown(str(path), PATH)}"]
        if not several or kind_of(expanded(path)) != FOLDER:
            plain_file(path, flag)
    except ValueError as error:
        return [str(error)]
    return []


def _wrong_target(name: str, path: Path, endings: tuple[str, ...]) -> list[str]:
    if endings and path.suffix not in endings:
        *others, last = endings
        words = f"{', '.join(others)} or {last}" if others else last
        return [f"--{name}: must end in {words}, got {path}"]
    return [] if path.parent.is_dir() else [f"--{name}: there is no folder {path.parent}: make it first"]


def config_parser() -> Parser:
    """Return the parser of every verb that composes a config."""
    parser = Parser()
    parser.add_argument("--config-dir", "-cd", type=Path)
    parser.add_argument("--config-name", "-cn", default="train")
    return parser
