"""Loading of trained models from checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqmodels import checkpoint
from seqmodels.build import build_model, build_task
from seqmodels.environment import resolved
from seqmodels.files.claims import refuse_code
from seqmodels.inference.fitting import model_weights, refuse_unfit
from seqmodels.model import SequenceModel
from seqmodels.registry import import_plugins
from seqmodels.spec import Spec

if TYPE_CHECKING:
    from seqmodels.tasks.base import Task

# Settings on faults in a file of series, which may differ for a new file.
OF_A_FILE = ("data.gaps", "data.duplicates", "data.missing", "data.timezone")


def read_parts(
    run: str | Path, plugins: Iterable[str] = (), which: str = "best", changes: Mapping[str, Any] | None = None
) -> tuple[SequenceModel, Task, Spec, dict[str, Any]]:
    """Read model, task, spec and config from a checkpoint, see `Model.load`."""
    path = checkpoint.locate(run, which)
    stored = checkpoint.read(path)
    with checkpoint.damage(path):
        config, spec = resolved(stored[checkpoint.KEY]["config"]), Spec.from_plain(stored[checkpoint.KEY]["spec"])
        weights = model_weights(stored)
        needed = list(config.get("plugins", []))
    refuse_code(config, str(path))
    _change(config, spec, changes or {})
    given = set(plugins)
    missing = [name for name in needed if name not in given]
    if missing:
        raise ValueError(
            f"{path} is made of parts from {', '.join(missing)}; if you trust them, load it with plugins={missing!r}"
        )
    import_plugins(given)
    refuse_unfit(config, spec, weights, path)
    with checkpoint.damage(path):
        task = build_task(config, spec)
        model = build_model(config, spec, task)
        model.load_state_dict(weights)
        task.load_state(stored[checkpoint.KEY].get("task", {}))
    return model.eval(), task, spec, config


def _change(config: dict[str, Any], spec: Spec, changes: Mapping[str, Any]) -> None:
    """Change settings in the config, and in the spec if it stores them as reading options."""
    reading = spec.encoder.get("reading", {})
    for name, value in changes.items():
        checkpoint.change(config, name, value)
        if name in OF_A_FILE and name.removeprefix("data.") in reading:
            reading[name.removeprefix("data.")] = value
