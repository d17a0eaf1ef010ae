"""Rows of a plan -> a padded batch.

B rows, T steps, F features, S target steps, V values.
"""

from __future__ import annotations

import numpy as np
import torch

from seqmodels.batch import SequenceBatch
from seqmodels.dataset import SequenceDataset
from seqmodels.spec import Spec


def collate(dataset: SequenceDataset, rows: np.ndarray) -> SequenceBatch:
    """Read the rows ``(B, 4)`` of one batch of a plan and pad them with zeros to the longest.

    T is at least 1, so that a batch of empty rows alone, which one of several processes may get,
    passes through a model as well.
    """
    spec = dataset.spec
    reads = [dataset.read(s, start, stop) if s >= 0 else None for s, start, stop, _ in rows.tolist()]
    lengths = rows[:, 2] - rows[:, 1]
    inputs = _pad([r and r[0] for r in reads], int(lengths.max()), *_input_form(spec))
    shape, dtype = _target_form(spec)
    targets = [r and r[1] for r in reads]
    own_lengths = None
    if spec.target_shape == "sequence":
        batch_targets: np.ndarray = np.zeros((len(rows), *shape), dtype)
        for row, target in enumerate(targets):
            if target is not None:
                batch_targets[row] = target
    else:
        steps = np.array([0 if t is None else len(t) for t in targets])
        batch_targets = _pad(targets, int(steps.max()), shape, dtype)
        own_lengths = torch.from_numpy(steps) if spec.target_shape == "own" else None
    return SequenceBatch(
        torch.from_numpy(inputs),
        torch.from_numpy(batch_targets),
        torch.from_numpy(np.ascontiguousarray(lengths)),
        torch.from_numpy(rows[:, 3] != 0),
        own_lengths,
        _weights(dataset, rows[:, 0]),
    )


def _weights(dataset: SequenceDataset, sequences: np.ndarray) -> torch.Tensor | None:
    """Return the weight of each row's sequence, 0 where there is none."""
    if dataset.weights is None:
        return None
    return torch.from_numpy(np.where(sequences >= 0, dataset.weights[sequences], 0.0).astype(np.float32))


def _pad(parts: list[np.ndarray | None], steps: int, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Pad parts with zeros on the right: ``(B, steps, *shape)``."""
    padded: np.ndarray = np.zeros((len(parts), max(1, steps), *shape), dtype)
    for row, part in enumerate(parts):
        if part is not None:
            padded[row, : len(part)] = part
    return padded


def _input_form(spec: Spec) -> tuple[tuple[int, ...], type]:
    """Return the shape of one step's input, and its type."""
    return ((), np.int64) if spec.inputs == "tokens" else ((spec.input_size,), np.float32)


def _target_form(spec: Spec) -> tuple[tuple[int, ...], type]:
    """Return the shape of one target, and its type."""
    return ((spec.target_size,), np.float32) if spec.targets in ("values", "sets") else ((), np.int64)
