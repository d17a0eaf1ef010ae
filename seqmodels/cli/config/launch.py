"""Hydra's own machinery: run folders, sweepers, launchers, and its flags."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqmodels.cli.config.compose import offer_parts
from seqmodels.cli.config.library import Library
from seqmodels.cli.errors import ConfigError, in_words

# Flags of Hydra's that print something about the config and run nothing.
_INFORMING = {
    "--cfg": ("-c", {"choices": ["job", "hydra", "all"]}),
    "--info": ("-i", {"nargs": "?", "const": "all"}),
    "--package": ("-p", {}),
    "--resolve": (None, {"action": "store_true"}),
    "--shell-completion": ("-sc", {"action": "store_true"}),
    "--hydra-help": (None, {"action": "store_true"}),
}


def add_hydra_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that are answered by Hydra itself."""
    for flag, (short, options) in _INFORMING.items():
        parser.add_argument(*([flag, short] if short else [flag]), default=None, **options)  # type: ignore[arg-type]


def hydra_flags(flags: argparse.Namespace) -> list[str]:
    """Return those that were given, as Hydra reads them."""
    given: list[str] = []
    for flag in _INFORMING:
        value = getattr(flags, flag.strip("-").replace("-", "_"))
        if value:
            given += [flag] if value is True else [flag, value]
    return given


def hydra(library: Library, config_name: str, arguments: list[str], job: Callable[[Any], Any] | None = None) -> None:
    """Let Hydra read `arguments` and call `job` for each run, with the config that it composed.

    Raises:
        ConfigError: what Hydra finds wrong.
        OSError: the folder for the run cannot be made.
        SystemExit: Hydra has printed what was asked for.
    """
    import hydra as engine
    from hydra.errors import HydraException

    own = sys.argv
    offer_parts(library)

    def task(config: Any) -> Any:
        # Lightning starts further processes with the command as the user wrote it.
        read, sys.argv = sys.argv, own
        try:
            return None if job is None else job(config)
        finally:
            sys.argv = read

    sys.argv = [own[0], *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra prints a traceback and ends the process
    try:
        engine.main(version_base="1.3", config_path=str(library.own), config_name=config_name)(task)()
    except HydraException as error:
        raise ConfigError(in_words(error)) from error
    except OSError as error:
        words = f"the folder of the run cannot be made ({error.strerror or error}: {error.filename})"
        raise OSError(f"{words}; set run_dir to one that can, or for a sweep hydra.sweep.dir") from error
    finally:
        sys.argv = own


def current_job() -> tuple[list[str], Path]:
    """Return the overrides and the folder of the job that Hydra is running."""
    from hydra.core.hydra_config import HydraConfig

    config = HydraConfig.get()
    return list(config.overrides.task), Path(os.path.relpath(config.runtime.output_dir))


def quoted(name: str, path: Path) -> str:
    """Return an override with a path in it, whatever characters the path has."""
    text = str(path).replace("'", "\\'")
    return f"{name}='{text}'"
