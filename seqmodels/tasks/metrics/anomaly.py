"""Precision, recall and delay of an anomaly detector over a whole stage."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from seqmodels.tasks.metrics.detector import Counts, Detector


class AnomalyMetric(Metric):
    """Metric that collects the steps of all sequences and counts alarms in `compute`.

    >>> metric = AnomalyMetric(Detector((1,), (1.0,), (0.0,), 3.0), ["spike"])
    >>> errors, kinds = torch.tensor([[0.0, 9.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    >>> metric.update(errors, kinds, errors, torch.tensor([3]), torch.tensor([True]))
    >>> {name: value.item() for name, value in metric.compute().items() if name in ("f1", "delay")}
    {'f1': 1.0, 'delay': 0.0}

    Args:
        detector: the detector; None before calibration, and nothing is counted.
        names: names of the kinds of anomalies, from 1 on.
    """

    full_state_update = False
    pieces: list[Tensor]

    def __init__(self, detector: Detector | None, names: Sequence[str]) -> None:
        super().__init__()
        self.detector, self.names = detector, tuple(names)
        self.add_state("pieces", default=[], dist_reduce_fx="cat")

    def update(self, errors: Tensor, kinds: Tensor, values: Tensor, lengths: Tensor, reset: Tensor) -> None:
        """Add a window of every row.

        Args:
            errors, kinds, values: ``(B, T)``.
            lengths, reset: as in a `SequenceBatch`.
        """
        for row in lengths.nonzero().flatten().tolist():
            steps = int(lengths[row])
            first = torch.zeros(steps, device=errors.device)
            first[0] = float(reset[row])
            parts = (first + 0, errors[row, :steps], kinds[row, :steps], values[row, :steps])
            index = torch.full((steps,), float(row), device=errors.device)
            self.pieces.append(torch.stack([index, *(part.float() for part in parts)], dim=1).cpu())

    def sequences(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return errors, kinds and values ``(n,)`` of each sequence."""
        if not self.pieces:
            return []
        steps = torch.cat(list(self.pieces)).numpy().astype(np.float64)
        found = []
        for row in np.unique(steps[:, 0]):
            own = steps[steps[:, 0] == row]
            for one in np.split(own, np.flatnonzero(own[:, 1])[own[np.flatnonzero(own[:, 1]), 1] > 0]):
                if len(one):
                    found.append((one[:, 2], one[:, 3].astype(np.int64), one[:, 4]))
        return found

    def compute(self) -> dict[str, Any]:
        if self.detector is None:
            return {}
        counts = Counts({})
        for errors, kinds, _ in self.sequences():
            flags = self.detector.score(errors) > self.detector.threshold
            counts.add(flags, kinds, max(self.detector.spans))
        return {name: torch.tensor(value) for name, value in counts.summary(self.names).items()}
