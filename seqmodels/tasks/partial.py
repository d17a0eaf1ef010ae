"""What a model makes of the first steps of a sequence, and which steps it looked at.

B rows, T steps, V classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor


class Reading(NamedTuple):
    """A prediction, and how it came about.

    Fields:
        prediction: ``(B, V)``, from all steps.
        after: number of steps -> the prediction from the first so many.
        attention: ``(B, T)``, how much each step counted, where the head pools by attention.
    """

    prediction: Tensor
    after: dict[int, Tensor]
    attention: Tensor | None


def read_partly(model: Any, inputs: Tensor, lengths: Tensor, after: tuple[int, ...]) -> Reading:
    """What a model predicts from all steps, and from the first ones alone.

    A model that reads forwards has the same features at the first steps whatever follows, so they are made once;
    one that reads backwards too starts afresh.

    Args:
        model: with a head that predicts once per sequence.
        inputs, lengths: of a batch.
        after: numbers of steps; a row that is shorter is read whole.
    """
    features, _ = model.features(inputs, None, lengths)
    found = {}
    for steps in after:
        first = lengths.clamp(max=steps)
        if model.carries:
            found[steps] = model.head(features[:, :steps], first)
        else:
            found[steps] = model(inputs[:, :steps], None, first)[0]
    attends = getattr(model.head, "attention", None) is not None and hasattr(model.head, "attention_weights")
    attention = model.head.attention_weights(features, lengths) if attends else None
    return Reading(model.head(features, lengths), found, attention)


class First:
    """A data set read only up to some step of each sequence.

    Args:
        dataset: with one target per sequence.
        steps: how many are read at most.
    """

    def __init__(self, dataset: Any, steps: int) -> None:
        self.dataset, self.spec = dataset, dataset.spec
        self.lengths = np.minimum(dataset.lengths, steps)

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """As the data set's own."""
        return self.dataset.read(index, start, stop)


class Joined:
    """Data sets one after the other."""

    def __init__(self, datasets: list[Any]) -> None:
        self.datasets, self.spec = datasets, datasets[0].spec
        self.lengths = np.concatenate([dataset.lengths for dataset in datasets])
        self.starts = np.cumsum([0, *(len(dataset.lengths) for dataset in datasets)])

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """As the data set's own that has the sequence."""
        which = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.datasets[which].read(index - int(self.starts[which]), start, stop)
