"""Parts of a batch, and the loss on them.

B rows, T steps, F features, V classes or values.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.model import SequenceModel
from seqmodels.tasks.base import Task


@dataclass(frozen=True)
class Slice:
    """Size of the inspected part of a batch; see `Diagnostics`."""

    rows: int
    steps: int
    lags: int
    samples: int


class NotApplicableError(ValueError):
    """A diagnostic does not apply to this model or batch; the message says why."""


def longest_rows(batch: SequenceBatch, rows: int) -> SequenceBatch:
    """Select the `rows` rows with the most real steps (plus target steps, if targets have their own lengths).

    Empty rows are dropped.

    Raises:
        NotApplicableError: all rows are empty.
    """
    size = batch.lengths if batch.target_lengths is None else batch.lengths + batch.target_lengths
    order = size.argsort(descending=True, stable=True)
    order = order[batch.lengths[order] > 0][:rows]
    if len(order) == 0:
        raise NotApplicableError("the newest batch holds no real step")
    return batch.pick(order)


def map_batch(function: Callable[..., Tensor], *batches: SequenceBatch) -> SequenceBatch:
    """Apply `function` to the corresponding fields of one or more batches."""
    fields: list[Any] = [None if parts[0] is None else function(*parts) for parts in zip(*batches, strict=True)]
    return SequenceBatch(*fields)


def last_steps(batch: SequenceBatch, steps: int, per_step: bool) -> SequenceBatch:
    """Cut each row to its last `steps` real steps (all of a shorter row), as a batch that starts from a fresh state.

    >>> import torch
    >>> batch = SequenceBatch(
    ...     torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([7, 8]), torch.tensor([3, 2]), torch.tensor([True, True])
    ... )
    >>> last_steps(batch, 2, per_step=False).inputs.tolist()
    [[2, 3], [4, 5]]

    Args:
        per_step: whether `targets` has one target per input step and is cut too.
    """
    total = batch.inputs.shape[1]
    steps = min(steps, total)
    start = (batch.lengths - steps).clamp(min=0).unsqueeze(1)
    index = (start + torch.arange(steps, device=start.device)).clamp(max=total - 1)
    row = torch.arange(len(start), device=start.device).unsqueeze(1)
    return batch._replace(
        inputs=batch.inputs[row, index],
        targets=batch.targets[row, index] if per_step else batch.targets,
        lengths=batch.lengths.clamp(max=steps),
        reset=torch.ones_like(batch.reset),
    )


def only_step(prediction: Tensor, batch: SequenceBatch, step: Tensor) -> tuple[Tensor, SequenceBatch]:
    """Cut a per-step prediction and its batch to one step of each row.

    Args:
        prediction: ``(B, T, V)``.
        step: index of the step, int64 ``(B,)``.
    """
    row = torch.arange(len(step), device=step.device)
    cut = batch._replace(
        inputs=batch.inputs[row, step].unsqueeze(1),
        targets=batch.targets[row, step].unsqueeze(1),
        lengths=torch.ones_like(batch.lengths),
    )
    return prediction[row, step].unsqueeze(1), cut


def own_targets(batch: SequenceBatch, start: int, stop: int) -> SequenceBatch:
    """Cut targets with their own lengths to steps `start` to `stop`; no row may be shorter."""
    length = torch.full_like(batch.lengths, stop - start)
    return batch._replace(targets=batch.targets[:, start:stop], target_lengths=length)


def is_per_step(task: Task) -> bool:
    """Return whether the task has one target per input step."""
    return task.spec.target_shape == "step"


def predict(model: SequenceModel, batch: SequenceBatch, task: Task) -> Tensor:
    """Predict from a fresh state; targets with their own lengths are teacher-forced."""
    teacher = batch.targets if task.spec.target_shape == "own" and not task.unaligned else None
    return model(batch.inputs, None, batch.lengths, teacher=teacher)[0]


def loss_at_end(model: SequenceModel, task: Task, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
    """Return the sum of the loss and the number of items, for each row's last step or the whole target."""
    prediction = predict(model, batch, task)
    if is_per_step(task):
        return task.loss(*only_step(prediction, batch, (batch.lengths - 1).clamp(min=0)))
    return task.loss(prediction, batch)
