"""`seqmodels data inspect`: what the data were taken for and what is in them, before any training."""

import json
import math
from typing import Any

from seqmodels.cli.arguments import config_parser
from seqmodels.cli.config.compose import Composition
from seqmodels.cli.config.library import Library
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.prepare import prepare_one
from seqmodels.quoting import suggest

# Batches that the share of padding is measured on.
MEASURED_BATCHES = 200


def data(arguments: list[str]) -> int:
    """Look at the data of a config, on the road that `train` takes to them."""
    if not arguments or arguments[0] != "inspect":
        word = arguments[0] if arguments else ""
        raise ConfigError(f"data: expected inspect, got {word!r}{suggest(word, ['inspect'])}: seqmodels data inspect")
    parser = config_parser()
    parser.add_argument("--json", action="store_true")
    flags, overrides = parser.overrides(arguments[1:])
    library = Library(flags.config_dir)
    prepared = prepare_one(library, overrides, flags.config_name)
    if prepared.problems:
        raise ConfigError(*prepared.problems)
    found = inspect(prepared)
    if flags.json:
        print(json.dumps(_finite(found), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        from seqmodels.cli.verbs.data_page import show

        show(found)
    return 0


def _finite(value: Any) -> Any:
    """Return the same, with None for numbers that JSON does not know.

    >>> _finite({"min": [float("inf"), 1.0]})
    {'min': [None, 1.0]}
    """
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def inspect(prepared: Composition) -> dict[str, Any]:
    """Return what `data inspect` says, as plain values.

    Raises:
        ValueError: what `train` would raise before its first step.
    """
    from seqmodels.build import parameter_count
    from seqmodels.data.profile import profile_splits
    from seqmodels.data.quality import quality_warnings
    from seqmodels.training.learner import epoch_batches
    from seqmodels.training.length import resolve_length
    from seqmodels.training.run import assemble

    source, module, learner, taken_for = assemble(prepared.config, lambda words: None, prepared.source)
    counted = profile_splits(module.splits)
    train = module.splits["train"]
    batch = next(iter(module.train_dataloader()))
    padding = _padding(module.train_dataloader())
    trainer = prepared.config["trainer"]
    batches = epoch_batches(module, trainer["limit_train_batches"])
    return {
        "data": prepared.config["data"]["name"],
        "taken for": taken_for,
        "task": prepared.config["task"]["name"],
        "head": prepared.config["model"]["head"]["name"],
        "chosen": prepared.notes,
        "parameters": parameter_count(learner.model),
        "kind": "stream" if train.stream else "sequences",
        "targets": {"kind": module.spec.targets, "shape": module.spec.target_shape, "size": module.spec.target_size},
        "splits": counted,
        "notes": list(source.notes),
        "batch": {"inputs": list(batch.inputs.shape), "targets": list(batch.targets.shape)},
        "updates per epoch": -(-batches // trainer["accumulate_grad_batches"]),
        "epochs": resolve_length(trainer, batches)["max_epochs"],
        "most updates": resolve_length(trainer, batches)["max_steps"],
        "padding": padding,
        "warnings": quality_warnings(counted, train.stream, padding),
    }


def _padding(loader: Any) -> float:
    """Return the share of an epoch's steps that only pads, from the first batches."""
    real = room = 0
    plan = loader._plan
    for index in range(min(len(plan), MEASURED_BATCHES)):
        lengths = plan[index][:, 2] - plan[index][:, 1]
        real += int(lengths.sum())
        room += int(lengths.max()) * len(lengths)
    return 1 - real / max(1, room)
