"""Targets that are the inputs a step later, so that a model of them forecasts its own input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

# Sequences that are looked at.
LOOKED_AT = 100


def is_step_later(inputs: np.ndarray, targets: np.ndarray) -> bool:
    """Say whether each target is the input of the next step, of one sequence of two steps or more.

    >>> is_step_later(np.array([5, 6, 7]), np.array([6, 7, 0]))
    True
    """
    return len(inputs) > 1 and bool(np.array_equal(inputs[1:], targets[:-1]))


def step_later(sequences: Iterable[tuple[np.ndarray, np.ndarray]], names: Sequence[str]) -> str | None:
    """Name the feature, of inputs ``(T, F)``, that targets ``(T,)`` are a step later; None for none."""
    found, changes = set(range(len(names))), False
    for inputs, targets in sequences:
        if len(inputs) > 1:
            found = {i for i in found if is_step_later(inputs[:, i], targets)}
            changes |= bool((targets[:-1] != targets[0]).any())
    if not found or not changes:
        return None
    return f"the targets are the inputs {names[min(found)]!r} a step later: what is learned is to forecast the input"
