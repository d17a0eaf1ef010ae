"""Loading of trained models from checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seqmodels import checkpoint
from seqmodels.batch import BatchSpec
from seqmodels.build import build_model, build_task
from seqmodels.claims import refuse_code
from seqmodels.environment import resolved
from seqmodels.inference.fitting import model_weights, refuse_unfit
from seqmodels.inference.model import Model
from seqmodels.registry import import_plugins

# Settings on faults in a file of series, which may differ for a new file.
OF_A_FILE = ("data.gaps", "data.duplicates", "data.missing", "data.timezone")


def load(
    run: str | Path, plugins: Iterable[str] = (), which: str = "best", changes: Mapping[str, Any] | None = None
) -> Model:
    """Rebuild a trained model from its checkpoint, without executing code from the checkpoint.

    Args:
        run: a run folder or a checkpoint file.
        plugins: packages that register parts of the model. A checkpoint only names them; importing
            them is your decision.
        which: "best" or "last", if `run` is a folder.
        changes: settings to change in the config, by dotted name, such as ``{"data.path": "other.csv"}``.

    Raises:
        ValueError: no checkpoint, a damaged one, one with an unregistered part, or one that needs
            plugins not given here.
    """
    path = checkpoint.locate(run, which)
    stored = checkpoint.read(path)
    with checkpoint.damage(path):
        config, spec = resolved(stored[checkpoint.KEY]["config"]), BatchSpec.from_plain(stored[checkpoint.KEY]["spec"])
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
    return Model(model.eval(), task, spec, config)


def _change(config: dict[str, Any], spec: BatchSpec, changes: Mapping[str, Any]) -> None:
    """Change settings in the config, and in the spec if it stores them as reading options."""
    reading = (spec.options or {}).get("reading", {})
    for name, value in changes.items():
        checkpoint.change(config, name, value)
        if name in OF_A_FILE and name.removeprefix("data.") in reading:
            reading[name.removeprefix("data.")] = value
