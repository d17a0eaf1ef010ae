"""Check that weights fit the model that a config describes, before memory is allocated for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules import module as torch_module

from seqmodels import checkpoint
from seqmodels.build import Config, build_model, build_task
from seqmodels.spec import Spec

# Bounds (slope, intercept) on modules, parameters and buffers, and on their elements, per one in the checkpoint:
# some are created and replaced, some are not stored.
PARTS, NUMBERS = (20, 500), (4, 1_000_000)
MOST_NAMED = 3
PREFIX = "model."


def model_weights(stored: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the model's weights in a checkpoint, without their prefix."""
    weights: Mapping[str, Tensor] = stored["state_dict"]
    if not all(isinstance(value, Tensor) for value in weights.values()):
        raise TypeError("its weights are not all tensors")
    return {name.removeprefix(PREFIX): value for name, value in weights.items() if name.startswith(PREFIX)}


def refuse_unfit(config: Config, spec: Spec, weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuse a config whose model does not match the weights.

    The model is built on the meta device, which takes no memory for any size a file may claim.
    """
    with checkpoint.damage(path), _bounded_by(weights, path), torch.device("meta"):
        model = build_model(config, spec, build_task(config, spec))
    made = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    held = {name: tuple(value.shape) for name, value in weights.items()}
    wrong = [name for name in sorted({*made, *held}) if made.get(name) != held.get(name)]
    if wrong:
        words = [f"{name} is {held.get(name, 'missing')}, not {made.get(name, 'in it')}" for name in wrong[:MOST_NAMED]]
        more = [f"and {len(wrong) - MOST_NAMED} more"] if len(wrong) > MOST_NAMED else []
        raise ValueError(f"the weights in {path} do not fit the model its config describes: {', '.join(words + more)}")


@contextmanager
def _bounded_by(weights: Mapping[str, Tensor], path: Path) -> Iterator[None]:
    """Abort building a model as soon as it is larger than the weights allow, before they are initialized."""
    parts, numbers = len(weights), sum(value.numel() for value in weights.values())
    left = [PARTS[0] * parts + PARTS[1], NUMBERS[0] * numbers + NUMBERS[1]]

    def counted(module: Any, name: str, part: Any) -> None:
        left[0] -= 1
        left[1] -= part.numel() if isinstance(part, Tensor) else 0
        if min(left) < 0:
            raise ValueError(
                f"the weights in {path} do not fit the model its config describes: they are {parts:,} tensors of "
                f"{numbers:,} numbers, and it asks for far more"
            )

    kinds = ("module", "parameter", "buffer")
    hooks = [getattr(torch_module, f"register_module_{kind}_registration_hook")(counted) for kind in kinds]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
