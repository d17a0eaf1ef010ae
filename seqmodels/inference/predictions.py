"""Predictions on the sequences of a data set, in order.

B rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from seqmodels.batch import SequenceBatch
from seqmodels.inference.trained import Trained
from seqmodels.kinds import at_least_one
from seqmodels.state import State

if TYPE_CHECKING:
    from seqmodels.dataset import SequenceDataset

# Steps per window of a stream.
STREAM_WINDOW = 1024


def predictions(
    trained: Trained, dataset: SequenceDataset, batch_size: int, top: int | None
) -> Iterator[dict[str, Any]]:
    """Yield one dict or more per sequence of a data set, or per window of a stream."""
    state: State = None
    with torch.inference_mode():
        for rows, batch in batches(dataset, batch_size):
            prediction, state = predict_batch(trained, batch, state if dataset.stream else None)
            for sequence, decoded in zip(rows[:, 0], _decoded(trained, prediction, batch, top), strict=True):
                origin = dataset.origins[sequence] if dataset.origins else {}
                yield from trained.task.rows({**origin, **decoded})


def batches(dataset: SequenceDataset, batch_size: int) -> Iterator[tuple[np.ndarray, SequenceBatch]]:
    """Yield the rows of the plan and the batch of each step; a stream comes one window at a time."""
    from seqmodels.data.batches.collate import collate
    from seqmodels.data.batches.plan import make_plan

    size, window = (1, STREAM_WINDOW) if dataset.stream else (batch_size, None)
    plan = make_plan(dataset.lengths, size, window, stream=dataset.stream)
    for index in range(len(plan)):
        rows = plan[index]
        rows = rows[rows[:, 0] >= 0]
        yield rows, collate(dataset, rows)


def predict_batch(trained: Trained, batch: SequenceBatch, state: State = None) -> tuple[torch.Tensor, State]:
    """Return the task's free generation if it has one, else the model's prediction, and the last state."""
    made = trained.task.generate(trained.model, batch)
    return (made, None) if made is not None else trained.model(batch.inputs, state, batch.lengths)


def _decoded(trained: Trained, prediction: torch.Tensor, batch: SequenceBatch, top: int | None) -> list[dict[str, Any]]:
    """Decode one dict per row, with the probabilities of the `top` likeliest classes only, if given."""
    rows = trained.task.decode(prediction, batch)
    if top is None:
        return rows
    ranked = trained.task.ranked(prediction, batch, at_least_one.check("top", top))
    return [{**row, "probabilities": likeliest} for row, likeliest in zip(rows, ranked, strict=True)]
