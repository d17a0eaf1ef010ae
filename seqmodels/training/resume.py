"""Going on from a checkpoint: which one, whether it fits, and what it brings along."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import Any

from seqmodels import checkpoint
from seqmodels.atomic import replacing

# Settings that a checkpoint's weights, optimizer state or place in the data depend on.
FIXED = (("seed",), *(("training", key) for key in ("batch_size", "window", "random_window", "k2")))
FIXED_GROUPS = ("model", "task", "optimizer", "scheduler")


def resume_path(config: dict[str, Any]) -> str | None:
    """The checkpoint to go on from."""
    return None if config["resume"] is None else str(checkpoint.locate(config["resume"], "last"))


def refuse_differences(path: str, now: dict[str, Any]) -> None:
    """Refuse to go on from a checkpoint of another model, other data, another cut of the data or another schedule.

    Args:
        path: the checkpoint.
        now: "config", "fingerprint" and "total_updates" of the run that wants to go on.

    Raises:
        ValueError: what differs, in words.
    """
    stored = checkpoint.read(path)[checkpoint.KEY]
    old, new = stored["config"], now["config"]
    groups = [(part, key) for part in FIXED_GROUPS for key in sorted({*old[part], *new[part]})]
    differences = []
    for name in (*FIXED, *groups):
        before, after = (functools.reduce(lambda c, key: c.get(key, {}), name, config) for config in (old, new))
        if before != after:
            differences.append(f"{'.'.join(name)} was {before!r}, is {after!r}")
    if stored["fingerprint"] != now["fingerprint"]:
        differences.append("the data are others (another file, other options, or the file has changed)")
    if differences:
        raise ValueError(f"{path} cannot be resumed with these settings, which differ: " + "; ".join(differences))
    schedule, total = new["scheduler"]["name"], stored["total_updates"]
    if schedule in ("one_cycle", "cosine") and total != now["total_updates"]:
        raise ValueError(
            f"{path} cannot be resumed: its scheduler {schedule} was planned to end after {total} updates, and now "
            f"{now['total_updates']} are asked for. Leave trainer.max_epochs, max_steps, limit_train_batches and "
            "accumulate_grad_batches as they were, or begin a new run"
        )


def bring_along(stored: str, folder: Path) -> None:
    """Where a run goes on in another folder, copy its best checkpoint and `stored`, as the last one, into that."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in (("best.ckpt", Path(stored).with_name("best.ckpt")), ("last.ckpt", Path(stored))):
        if source.is_file() and not (folder / name).exists():
            with replacing(folder / name) as copy:
                shutil.copy2(source, copy)
