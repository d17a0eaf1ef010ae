"""Streaming decisions: the state is carried, no step is read twice.

B = 1 row, T steps, F features.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from seqmodels.inference.trained import Trained
from seqmodels.state import State

if TYPE_CHECKING:
    from seqmodels.dataset import SequenceDataset


def decisions(trained: Trained, dataset: SequenceDataset, every: int) -> Iterator[dict[str, Any]]:
    """Predict after every `every` steps of each sequence, and after its last step.

    The layers read each step once. Their features are kept until the sequence ends, because a head may read all of
    them; the last decision equals the prediction for the whole sequence.

    Args:
        every: steps between two decisions.

    Yields:
        The sequence's origin, `steps`, and the decoded prediction.

    Raises:
        ValueError: another kind of model, or `every` below 1.
    """
    _refuse(trained, every)
    for index, length in enumerate(dataset.lengths.tolist()):
        origin = dict(dataset.origins[index]) if dataset.origins else {"sequence": index}
        state: State = None
        read, features = [], []
        for start in range(0, length, every):
            stop = min(start + every, length)
            read.append(_one(dataset, index, start, stop))
            with torch.inference_mode():
                new, state = trained.model.features(read[-1], state)
                features.append(new)
                yield {**origin, "steps": stop, **_decide(trained, torch.cat(read, 1), torch.cat(features, 1))}


def _one(dataset: SequenceDataset, index: int, start: int, stop: int) -> torch.Tensor:
    """Read steps of one sequence as a batch of one row."""
    return torch.from_numpy(np.ascontiguousarray(dataset.read(index, start, stop)[0])).unsqueeze(0)


def _decide(trained: Trained, inputs: torch.Tensor, features: torch.Tensor) -> dict[str, Any]:
    from seqmodels.batch import SequenceBatch

    length = torch.tensor([features.shape[1]])
    spec = trained.spec
    shape = (1,) if spec.targets == "labels" else (1, spec.target_size)
    targets = torch.zeros(shape, dtype=torch.long if spec.targets == "labels" else torch.float32)
    batch = SequenceBatch(inputs, targets, length, torch.ones(1, dtype=torch.bool))
    decoded: dict[str, Any] = trained.task.decode(trained.model.head(features, length), batch)[0]
    return decoded


def _refuse(trained: Trained, every: int) -> None:
    if every < 1:
        raise ValueError(f"every must be at least 1 step, got {every}")
    if not trained.model.carries:
        raise ValueError(
            "this model reads every sequence from its end too, so it cannot decide before the end is there: "
            "train one with model.bidirectional=false"
        )
    if trained.model.head.target_shape != "sequence":
        raise ValueError("this model does not decide once per sequence; its predictions need no every")
