"""The command line of one verb: a few flags, and Hydra's overrides."""

import argparse
from pathlib import Path
from typing import NoReturn

from seqmodels.cli.errors import ConfigError
from seqmodels.quoting import suggest


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are like all others of the command."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)

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


def config_parser() -> Parser:
    """Return the parser of every verb that composes a config."""
    parser = Parser()
    parser.add_argument("--config-dir", "-cd", type=Path)
    parser.add_argument("--config-name", "-cn", default="train")
    return parser
