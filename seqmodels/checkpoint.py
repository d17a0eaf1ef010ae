"""Checkpoint files, written atomically and read without executing code.

A checkpoint holds tensors and plain values. The key "seqmodels" has the resolved config, the
`Spec` and the fingerprint of the data, from which the model is rebuilt.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch

from seqmodels.files.atomic import replacing
from seqmodels.files.claims import check_file, check_values

KEY = "seqmodels"


def save(content: dict[str, Any], path: str | Path) -> None:
    """Write a checkpoint; a crash or a full disk leaves the previous file unchanged.

    Raises:
        OSError: the disk is full or the folder not writable; the message says that the previous
            checkpoint is kept.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError, from its own zip writer
        kept = "the previous one is kept" if path.exists() else "there is none before it"
        raise OSError(f"could not write the checkpoint {path} ({_reason(error)}); {kept}. Is the disk full?") from error


def _reason(error: BaseException) -> str:
    """Return the system's error, hidden by torch's writer, which fails again when it closes the file."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError):
            return found.strerror or str(found)
        found = found.__context__
    return str(error)


def read(path: str | Path, own: bool = True) -> dict[str, Any]:
    """Read a checkpoint; nothing in it is executed.

    Args:
        path: the file.
        own: whether it must be a checkpoint of seqmodels, with a config.

    Raises:
        ValueError: a file that is missing, damaged, contains code, or is from another program.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no checkpoint {path}")
    try:
        check_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        check_values(content, most=path.stat().st_size)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path} holds more than tensors and plain values, or is damaged: refused") from error
    except Exception as error:  # arbitrary bytes can fail in any way
        raise ValueError(f"{path} is damaged or cut short, not a checkpoint: {str(error)[:300]}") from error
    if own:
        _refuse_foreign(content, path)
    return cast("dict[str, Any]", content)


def _refuse_foreign(content: Any, path: Path) -> None:
    if not isinstance(content, dict) or KEY not in content:
        raise ValueError(f"{path} was not written by seqmodels: it has no entry {KEY!r}")
    inside = content[KEY] if isinstance(content[KEY], dict) else {}
    missing = [name for name in ("config", "spec") if not isinstance(inside.get(name), dict)]
    missing += ["state_dict"] * (not isinstance(content.get("state_dict"), dict))
    if missing:
        raise ValueError(f"{path} is no whole checkpoint: it lacks {', '.join(missing)}")


def locate(run: str | Path, prefer: str = "best") -> Path:
    """Return the checkpoint file of a run folder (or the file itself).

    Args:
        run: a run folder, its `checkpoints` folder, or a checkpoint file.
        prefer: "best" or "last"; the other one if the preferred is missing.

    Raises:
        ValueError: no checkpoint there.
    """
    run = Path(run)
    if run.is_file():
        return run
    for name in (prefer, "last", "best"):
        for folder in (run / "checkpoints", run):
            if (folder / f"{name}.ckpt").is_file():
                return folder / f"{name}.ckpt"
    raise ValueError(f"no checkpoint in {run}: expected {run / 'checkpoints' / f'{prefer}.ckpt'}")


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """Report errors inside the context as a damaged checkpoint."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{path} is damaged or of another version: it lacks {error}") from error
    except (TypeError, AttributeError, RuntimeError, OverflowError, MemoryError) as error:
        raise ValueError(f"{path} is damaged or of another version: {error}") from error


def change(config: dict[str, Any], name: str, value: Any) -> None:
    """Set one setting of a config by its dotted name."""
    *groups, last = name.split(".")
    for group in groups:
        config = config.setdefault(group, {})
    config[last] = value
