"""How long to train where nobody says: trainer.max_epochs=auto.

A small set is read often, but not for ever; a large one is not read to its end. Between them the number of updates
decides: from about 4000 on, the models that train on a CPU in minutes gain little on sets of any size.
"""

from __future__ import annotations

import math
from typing import Any

AUTO = "auto"
# Updates that even the smallest set gets and the largest does not exceed; epochs of a set in between.
FEWEST, MOST, EPOCHS = 600, 4000, 30
# Updates between two validations: at least, where epochs are short, and at most, where they are long.
RARE, OFTEN = 20, 1000


def automatic(updates: int) -> dict[str, int]:
    """The Trainer's settings for an epoch of so many updates.

    >>> automatic(8)["max_epochs"], automatic(100)["max_epochs"], automatic(400)["max_epochs"]
    (75, 30, 10)
    >>> automatic(50_000)
    {'max_epochs': 1, 'max_steps': 4000, 'val_check_interval': 500}

    Args:
        updates: optimizer steps in one epoch.
    """
    if updates > MOST:
        return {"max_epochs": 1, "max_steps": MOST, "val_check_interval": OFTEN // 2}
    epochs = max(math.ceil(FEWEST / updates), min(EPOCHS, round(MOST / updates)))
    if updates > OFTEN:
        return {"max_epochs": epochs, "val_check_interval": OFTEN // 2}
    return {"max_epochs": epochs, "check_val_every_n_epoch": math.ceil(RARE / updates)}


def settled(trainer: dict[str, Any], batches: int) -> dict[str, Any]:
    """The Trainer's settings with "auto" as numbers; what the user changed stays.

    >>> settled({"max_epochs": "auto", "max_steps": 50, "val_check_interval": None}, 10_000)
    {'max_epochs': 1, 'max_steps': 50, 'val_check_interval': 50, 'check_val_every_n_epoch': 1}

    Args:
        trainer: the settings.
        batches: in an epoch.
    """
    if trainer["max_epochs"] != AUTO:
        return trainer
    accumulated = trainer.get("accumulate_grad_batches") or 1
    found = automatic(max(1, math.ceil(batches / accumulated)))
    if trainer["max_steps"] > 0:  # the user's own end, before which there must be a validation
        found = {**found, "max_steps": trainer["max_steps"], "check_val_every_n_epoch": 1}
        found["val_check_interval"] = min(found.get("val_check_interval", trainer["max_steps"]), trainer["max_steps"])
    if "val_check_interval" in found:
        found["val_check_interval"] *= accumulated
    unset = {"val_check_interval": None, "check_val_every_n_epoch": 1}
    own = {name for name, value in unset.items() if trainer.get(name, value) != value}
    return {**trainer, **{name: value for name, value in found.items() if name not in own}}
