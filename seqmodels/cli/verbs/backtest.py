"""`seqmodels backtest`: train anew for each fold, walking forward through the test part of series."""

import argparse
from pathlib import Path
from typing import Any

from seqmodels.cli.arguments import config_parser
from seqmodels.cli.config.compose import Composition
from seqmodels.cli.config.library import Library
from seqmodels.cli.config.saved import run_folder, saved_config
from seqmodels.cli.config.settings import amend, amend_written, names
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.prepare import prepare_one, untrusted
from seqmodels.cli.rules.check import check
from seqmodels.cli.screen import console
from seqmodels.kinds import whole
from seqmodels.training.lock import remove_empty


def backtest(arguments: list[str]) -> int:
    """Run all folds, and sum up."""
    parser = config_parser()
    parser.number("folds", whole(1, 10_000), default=5)
    parser.number("sliding", whole(1))
    flags, rest = parser.overrides(arguments)
    library = Library(flags.config_dir)
    config, folder = _config(library, rest, flags)
    parser.check(flags, *_wrong_data(config["data"]))
    from seqmodels.training.backtest import backtest as run

    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        run(config, folder, flags.folds, flags.sliding, console())
    finally:
        remove_empty(absent)
    return 0


def _config(library: Library, rest: list[str], flags: argparse.Namespace) -> tuple[dict[str, Any], Path]:
    """Return the settings to train with, of a run or composed anew, and the folder of the backtest."""
    named = bool(rest) and ("=" not in rest[0] or Path(rest[0]).exists())
    asked, rest = _folder(rest)
    if named:
        saved = saved_config(run_folder(Path(rest[0]), "RUN"))
        config = amend(saved, rest[1:], library.groups())
        prepared = Composition(config, saved, {}, Path(), amend_written(saved, rest[1:], config), [], [])
        trusted = config["plugins"] if "plugins" in names(rest[1:]) else []
        prepared = prepared._replace(problems=[*untrusted(saved, trusted, Path(rest[0])), *check(prepared, library)])
    else:
        prepared = prepare_one(library, rest, flags.config_name)
    if prepared.problems:
        raise ConfigError(*prepared.problems)
    for note in prepared.notes:
        console().print(note)
    config = {**prepared.written, "resume": None}
    return config, asked or Path("runs") / "backtest" / prepared.config["name"] / _now()


def _folder(rest: list[str]) -> tuple[Path | None, list[str]]:
    """Return the folder that was asked for, and the other arguments."""
    asked = [word.partition("=")[2] for word in rest if word.startswith("run_dir=")]
    return Path(asked[-1]) if asked else None, [word for word in rest if not word.startswith("run_dir=")]


def _now() -> str:
    from datetime import datetime

    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")


def _wrong_data(data: dict[str, Any]) -> list[str]:
    if "fold" not in data:
        return [f"data={data['name']}: a backtest walks forward through time series: choose data=csv"]
    if data["fold"] is not None:
        return ["data.fold: is set by the backtest itself: leave it null"]
    return (
        [] if data["test_fraction"] else ["data.test_fraction: must be above 0: the folds are cut from the test part"]
    )
