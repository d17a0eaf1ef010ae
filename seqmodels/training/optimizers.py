"""Optimizers and learning-rate schedules by name."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer, lr_scheduler

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}
FUSED = ("adam", "adamw")
SCHEDULERS = ("none", "one_cycle", "cosine", "plateau")


def make_optimizer(parameters: Iterable[nn.Parameter], name: str, mixed: bool = False, **options: Any) -> Optimizer:
    """Return the optimizer called `name`, with torch's options.

    >>> from torch import nn
    >>> type(make_optimizer(nn.Linear(1, 1).parameters(), "adam", lr=0.01)).__name__
    'Adam'

    Args:
        mixed: whether precision is mixed; Lightning then cannot clip gradients of a fused optimizer.

    Raises:
        ValueError: an unknown name, or options that torch refuses.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer.name must be one of {', '.join(OPTIMIZERS)}; got {name!r}")
    if "betas" in options:
        options["betas"] = tuple(options["betas"])
    parameters = list(parameters)
    if name in FUSED and not mixed and all(p.device.type == "cpu" for p in parameters):
        # One pass over memory instead of ten. On a GPU torch's default is as fast and works with loss scaling.
        options["fused"] = True
    return OPTIMIZERS[name](parameters, **options)


def make_scheduler(
    optimizer: Optimizer, name: str, total_steps: int | None, monitor: tuple[str, Any], **options: Any
) -> Any:
    """Return the schedule's entry for Lightning's `configure_optimizers`, or None for "none".

    Args:
        name: one of `SCHEDULERS`. "one_cycle" and "cosine" step every update and end with the
            training; "plateau" reads the monitored value once per epoch.
        monitor: name and mode of the value that "plateau" follows.

    Raises:
        ValueError: an unknown name, or a schedule that needs the end of an unlimited training.
    """
    if name == "none":
        return None
    if name == "plateau":
        plateau = lr_scheduler.ReduceLROnPlateau(optimizer, mode=monitor[1], **options)
        # Not strict: an epoch may end without a validation.
        return {"scheduler": plateau, "interval": "epoch", "monitor": f"val/{monitor[0]}", "strict": False}
    if name not in SCHEDULERS:
        raise ValueError(f"scheduler.name must be one of {', '.join(SCHEDULERS)}; got {name!r}")
    if not total_steps:
        raise ValueError(f"scheduler {name!r} ends with the training: set trainer.max_epochs or trainer.max_steps")
    if name == "one_cycle":
        peak = [group["lr"] for group in optimizer.param_groups]
        schedule: Any = lr_scheduler.OneCycleLR(optimizer, max_lr=peak, total_steps=total_steps, **options)
    else:
        schedule = _cosine(optimizer, total_steps, **options)
    return {"scheduler": schedule, "interval": "step"}


def _cosine(optimizer: Optimizer, total_steps: int, warmup_steps: int = 0, min_lr: float = 0.0) -> Any:
    """Return linear warm-up from 1 % of the learning rate, then half a cosine down to `min_lr`."""
    if warmup_steps >= total_steps:
        raise ValueError(f"scheduler.warmup_steps must be below the {total_steps} updates of the training")
    decay = lr_scheduler.CosineAnnealingLR(optimizer, T_max=total_steps - warmup_steps, eta_min=min_lr)
    if warmup_steps == 0:
        return decay
    warmup = lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=warmup_steps)
    return lr_scheduler.SequentialLR(optimizer, [warmup, decay], milestones=[warmup_steps])
