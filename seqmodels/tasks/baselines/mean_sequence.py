"""Mean of the training targets at each step, for target sequences of values.

S target steps, V values.
"""

import numpy as np

from seqmodels.dataset import SequenceDataset


def mean_sequence(train: SequenceDataset, steps: int) -> np.ndarray:
    """Return the training mean at each step ``(S, V)``; the overall mean for steps without data.

    >>> from types import SimpleNamespace
    >>> rows = [np.array([[1.0], [4.0]]), np.array([[3.0]])]
    >>> train = SimpleNamespace(lengths=[1, 1], read=lambda i, start, stop: (None, rows[i]))
    >>> mean_sequence(train, 3).round(2).tolist()
    [[2.0], [4.0], [2.67]]
    """
    targets = [train.read(i, 0, 1)[1] for i in range(len(train.lengths))]
    longest = max(steps, *map(len, targets))
    total, count = np.zeros((longest, targets[0].shape[1])), np.zeros((longest, 1))
    for target in targets:
        total[: len(target)] += target
        count[: len(target)] += 1
    mean: np.ndarray = np.where(count > 0, total / np.maximum(count, 1), total.sum(0) / count.sum())
    return mean[:steps]
