"""Settings by their dotted names: parsed, listed, changed, and changed as they are stored."""

import os.path
from collections.abc import Iterator, Set
from contextlib import contextmanager
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from seqmodels.cli.errors import ConfigError, in_words
from seqmodels.environment import named

Plain = dict[str, Any]


def settings(config: Plain, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted path and value of every setting that is not itself a group of settings.

    >>> list(settings({"model": {"hidden_sizes": [3], "cell": {"name": "gru"}}}))
    [('model.hidden_sizes', [3]), ('model.cell.name', 'gru')]
    """
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from settings(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def names(overrides: list[str]) -> set[str]:
    """Return the groups and settings that overrides are about."""
    return {parse(override).key_or_group for override in overrides}


def is_sweep(override: str) -> bool:
    """Return whether an override gives several values."""
    return bool(parse(override).is_sweep_override())


def amend(saved: Plain, overrides: list[str], groups: Set[str] = frozenset()) -> Plain:
    """Return a saved config with value overrides applied.

    >>> amend({"training": {"batch_size": 32}}, ["training.batch_size=4"])
    {'training': {'batch_size': 4}}

    Args:
        saved: the config of a run.
        overrides: what to change.
        groups: names that choose whole parts, which an existing run cannot do.

    Raises:
        ConfigError: what cannot be applied.
    """
    config = OmegaConf.create(saved)
    problems = []
    for raw in overrides:
        override = parse(raw)
        key = override.key_or_group
        if override.is_delete() or override.is_sweep_override() or key in groups:
            problems.append(f"{raw}: the config of a run can only be changed value by value: name=value")
        elif key.split(".")[0] not in ("hydra", "run_dir"):
            with reworded():
                OmegaConf.update(config, key, override.value(), force_add=True)
    if problems:
        raise ConfigError(*problems)
    return to_plain(config)


def amend_written(saved: Plain, overrides: list[str], amended: Plain) -> Plain:
    """Amend, but only name what stands in the environment, as the saved config does."""
    return named(saved, amended, but=names(overrides))


def parse(raw: str) -> Override:
    """Parse an override of the command line.

    Raises:
        ConfigError: it is none.
    """
    key, equals, value = raw.partition("=")
    if not equals and os.path.exists(raw):
        raise ConfigError(f"{raw!r} is no setting: name it, as data.path={raw}, or --input {raw} for a trained model")
    if not key or not (equals or raw.startswith("~")):
        raise ConfigError(f"{raw!r} is not an override: write name=value, such as optimizer.lr=0.001")
    try:
        return OverridesParser.create().parse_override(raw)
    except HydraException:
        cure = f"close what is open, and quote special characters twice: \"{key}='{value}'\""
        raise ConfigError(f"{raw!r} cannot be read: {cure}") from None


@contextmanager
def reworded() -> Iterator[None]:
    """Say errors of Hydra and OmegaConf in words of the command."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        raise ConfigError(in_words(error)) from error
    except RecursionError:
        raise ConfigError("configs that name one another in circles, or values too deep inside one another") from None


def to_plain(composed: DictConfig, resolve: bool = True) -> Plain:
    """Convert a composed config to plain values, without Hydra's own part."""
    own = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
    plain: Any = OmegaConf.to_container(own, resolve=resolve)
    return {key: value for key, value in plain.items() if key != "run_dir"}
