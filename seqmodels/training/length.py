"""Default length of training: trainer.max_epochs=auto.

A small set is read many times, a very large one not to its end. In between the number of updates decides: beyond
about 4000, models that train on a CPU in minutes gain little on sets of any size.
"""

import math
from typing import Any

import numpy as np

from seqmodels.data.batches.module import SequenceDataModule

AUTO = "auto"
# Minimum and maximum number of updates, and epochs of a set in between.
FEWEST, MOST, EPOCHS = 600, 4000, 30
# Minimum updates between two validations for short epochs, and maximum for long ones.
RARE, OFTEN = 20, 1000
# Steps of scoring, and of fitting simple methods, that take about as long as one step of training.
SCORED, FITTED = 3, 8
# Minimum number of sequences, and of steps of streams, that a split is scored on.
LEAST_SEQUENCES, LEAST_STEPS = 2048, 1 << 17


def automatic(updates: int) -> dict[str, int]:
    """Return the Trainer's settings for epochs of `updates` updates.

    >>> automatic(8)["max_epochs"], automatic(100)["max_epochs"], automatic(400)["max_epochs"]
    (75, 30, 10)
    >>> automatic(50_000)
    {'max_epochs': 1, 'max_steps': 4000, 'val_check_interval': 500}
    """
    if updates > MOST:
        return {"max_epochs": 1, "max_steps": MOST, "val_check_interval": OFTEN // 2}
    epochs = max(math.ceil(FEWEST / updates), min(EPOCHS, round(MOST / updates)))
    if updates > OFTEN:
        return {"max_epochs": epochs, "val_check_interval": OFTEN // 2}
    return {"max_epochs": epochs, "check_val_every_n_epoch": math.ceil(RARE / updates)}


def resolve_length(trainer: dict[str, Any], batches: int) -> dict[str, Any]:
    """Return the Trainer's settings with "auto" resolved; settings that the user changed stay.

    >>> resolve_length({"max_epochs": "auto", "max_steps": 50, "val_check_interval": None}, 10_000)
    {'max_epochs': 1, 'max_steps': 50, 'val_check_interval': 50, 'check_val_every_n_epoch': 1}
    """
    if trainer["max_epochs"] != AUTO:
        return trainer
    accumulated = trainer.get("accumulate_grad_batches") or 1
    found = automatic(max(1, math.ceil(batches / accumulated)))
    if trainer["max_steps"] > 0:  # the user's limit, which a validation must precede
        found = {**found, "max_steps": trainer["max_steps"], "check_val_every_n_epoch": 1}
        found["val_check_interval"] = min(found.get("val_check_interval", trainer["max_steps"]), trainer["max_steps"])
    if "val_check_interval" in found:
        found["val_check_interval"] *= accumulated
    unset = {"val_check_interval": None, "check_val_every_n_epoch": 1}
    own = {name for name, value in unset.items() if trainer.get(name, value) != value}
    return {**trainer, **{name: value for name, value in found.items() if name not in own}}


def limit_scoring(config: dict[str, Any], data: SequenceDataModule) -> None:
    """Limit scoring and baselines to take no longer than a short training; ``data.limits`` tells of it.

    A training that ends within its first epoch would else be a small part of the run on a very large data set.
    Splits with a limit of the user's own, as of ``trainer.limit_val_batches``, stay as they are.

    Args:
        config: the whole config.
        data: is changed.
    """
    batches = len(data.train_dataloader())
    trainer = resolve_length(config["trainer"], batches)
    trained = trainer["max_steps"] * (trainer.get("accumulate_grad_batches") or 1)
    if not 0 < trained < batches:
        return
    every = trainer["val_check_interval"]
    validations = math.ceil(trained / every) if isinstance(every, int) else 1
    lengths = data.splits["train"].lengths
    least = LEAST_STEPS if data.splits["train"].stream else LEAST_SEQUENCES * float(np.mean(lengths))
    read = float(np.sum(lengths)) * trained / batches
    unlimited = [name for name in ("val", "test") if trainer[f"limit_{name}_batches"] is None]
    if not unlimited:  # all was asked for
        return
    scored = SCORED * read / (validations + 2)
    data.limit(int(max(least, FITTED * read)), int(max(least, scored)), unlimited)
