"""Configs of runs that are there already."""

from pathlib import Path
from typing import cast

from seqmodels.cli.config.settings import Plain
from seqmodels.cli.config.shape import wrong_parts, wrong_shape
from seqmodels.cli.errors import ConfigError
from seqmodels.files.claims import refuse_code
from seqmodels.yaml_file import read_yaml


def run_folder(path: Path, name: str) -> Path:
    """Return the folder of a run, given it or a checkpoint in it.

    Raises:
        ConfigError: nothing there.
    """
    if path.is_dir():
        return path.parent if path.name == "checkpoints" else path
    if path.is_file():
        return path.parent.parent if path.parent.name == "checkpoints" else path.parent
    raise ConfigError(f"{name}: there is no run folder or checkpoint {path}")


def saved_config(folder: Path, checkpoint: Path | None = None) -> Plain:
    """Return the config of a run.

    Args:
        folder: the run's.
        checkpoint: where the config is too, if the folder has lost it.

    Raises:
        ConfigError: none there, or a damaged one.
    """
    file = folder / "config.yaml"
    if not file.is_file() and checkpoint is not None:
        return _stored_config(checkpoint)
    if not file.is_file():
        raise ConfigError(f"{folder} holds no run: {file.name} is missing")
    try:
        saved = read_yaml(file)
        refuse_code(saved, str(file))
    except ValueError as error:
        raise ConfigError(f"{error}: it is damaged, or not the config of a run") from None
    _check_saved(saved, file)
    orders = sorted({"hydra", "defaults", "searchpath"} & saved.keys())
    if orders:
        raise ConfigError(f"{file} is not the config of a run: it tells Hydra what to do ({', '.join(orders)})")
    return dict(saved)


def _check_saved(saved: object, file: Path) -> None:
    """Refuse what is not the config of a run."""
    wrong = wrong_shape(saved) or next(wrong_parts(cast("Plain", saved)), None)
    if wrong is not None:
        raise ConfigError(f"{file} is damaged, or not the config of a run: {wrong}")


def _stored_config(path: Path) -> Plain:
    from seqmodels.checkpoint import KEY, locate, read

    file = locate(path, "last")
    saved: Plain = read(file)[KEY]["config"]
    _check_saved(saved, file)
    return saved
