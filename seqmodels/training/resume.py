"""Resuming from a checkpoint: locate it, check that it fits, and copy its files."""

import functools
import json
import shutil
from pathlib import Path
from typing import Any, cast

from seqmodels import checkpoint
from seqmodels.environment import resolved
from seqmodels.files.atomic import replacing
from seqmodels.files.claims import refuse_code
from seqmodels.inference.fitting import model_weights, refuse_unfit
from seqmodels.spec import Spec

# Settings that a checkpoint's weights, optimizer state or position in the data depend on.
FIXED = (("seed",), *(("training", key) for key in ("batch_size", "window", "random_window", "k2")))
FIXED_GROUPS = ("model", "task", "optimizer", "scheduler")
# Schedules that end with the training.
PLANNED = ("one_cycle", "cosine")


def resume_path(config: dict[str, Any]) -> str | None:
    """Return the checkpoint to resume from; None for a new run."""
    return None if config["resume"] is None else str(checkpoint.locate(config["resume"], "last"))


def planned(path: str, stored: dict[str, Any], now: dict[str, Any]) -> int | None:
    """Refuse to resume from a checkpoint of other data or another schedule; for other settings see `refuse_unlike`.

    Args:
        now: "config", "fingerprint" and "total_updates" of the resuming run.

    Returns:
        Number of updates in the schedule, of which a shorter run does only the first part.

    Raises:
        ValueError: the differences.
    """
    own = stored[checkpoint.KEY]
    old, new = own["config"], now["config"]
    if own["fingerprint"] != now["fingerprint"]:
        raise ValueError(
            f"{path} cannot be resumed with these settings, which differ: the data are others (another file, other "
            "options, or the file has changed)"
        )
    schedule, total, asked = new["scheduler"]["name"], own["total_updates"], now["total_updates"]
    if _is_first_part(total, asked, old["trainer"], new["trainer"]):
        return cast(int, total)
    if schedule in PLANNED and total != asked:
        raise ValueError(
            f"{path} cannot be resumed: its scheduler {schedule} was planned to end after {total} updates, and now "
            f"{asked} are asked for. Fewer are possible with a lower trainer.max_steps or max_epochs; "
            "leave limit_train_batches and accumulate_grad_batches as they were, or begin a new run"
        )
    return cast("int | None", asked)


def _is_first_part(planned: int | None, asked: int | None, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Return whether a run ends earlier than planned and is identical until then."""
    epoch = ("limit_train_batches", "accumulate_grad_batches", "overfit_batches")
    return planned is not None and asked is not None and asked < planned and all(before[k] == now[k] for k in epoch)


def finished(path: str, stored: dict[str, Any], total: int | None, patience: int | None) -> str | None:
    """Say why nothing is left to train; None if something is.

    Args:
        total: requested updates; None for no limit.
    """
    with checkpoint.damage(Path(path)):
        step: int = stored["global_step"]
        validation = stored["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]["total"]
        if validation["started"] > validation["completed"]:  # stopped inside the last validation
            return None
    if total is not None and step >= total:
        return f"all {step} updates are done; for more, set trainer.max_steps or trainer.max_epochs higher"
    waits = [state["wait_count"] for key, state in stored["callbacks"].items() if key.startswith("EarlyStopping")]
    if patience is not None and any(wait >= patience for wait in waits):
        return f"it stopped early at step {step}; to go on, set early_stopping.patience higher or to null"
    return None


def refuse_unlike(config: dict[str, Any]) -> None:
    """Refuse a config that does not match the checkpoint to resume from, before anything is built.

    Raises:
        ValueError: the differences.
    """
    path = resume_path(config)
    if path is None:
        return
    stored = checkpoint.read(path)
    with checkpoint.damage(Path(path)):
        own = stored[checkpoint.KEY]
        refuse_code(own["config"], path)
        differences, spec, weights = (
            _settings(own["config"], config),
            Spec.from_plain(own["spec"]),
            model_weights(stored),
        )
    if differences:
        raise ValueError(f"{path} cannot be resumed with these settings, which differ: " + "; ".join(differences))
    refuse_unfit(config, spec, weights, Path(path))


def _settings(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """List fixed settings that differ."""
    old, new = resolved(old), resolved(new)
    groups = [(part, key) for part in FIXED_GROUPS for key in sorted({*old[part], *new[part]})]
    differences = []
    for name in (*FIXED, *groups):
        before, after = (functools.reduce(lambda c, key: c.get(key, {}), name, config) for config in (old, new))
        if before != after:
            differences.append(f"{'.'.join(name)} was {before!r}, is {after!r}")
    return differences


def bring_along(stored: str, folder: Path) -> None:
    """Copy the best checkpoint, and `stored` as the last one, into the folder of a run resumed elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in (("best.ckpt", Path(stored).with_name("best.ckpt")), ("last.ckpt", Path(stored))):
        if source.is_file() and not (folder / name).exists():
            with replacing(folder / name) as copy:
                shutil.copy2(source, copy)


def scored(folder: Path) -> dict[str, Any] | None:
    """Read a run's results; None unless they belong to its last checkpoint."""
    try:
        found: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        last = checkpoint.read(folder / "checkpoints" / "last.ckpt")
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("steps") == last["global_step"] else None
