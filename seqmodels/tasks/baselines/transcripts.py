"""Baselines for transcription: the most frequent sequence, and nearest neighbours of equal parts.

N sequences, n parts, T steps, F features.
"""

from collections import Counter
from itertools import pairwise

import numpy as np

from seqmodels.dataset import SequenceDataset, evenly_spaced
from seqmodels.tasks.baselines.reading import sequences

# Maximum number of training sequences, and steps to which each part is resampled.
MOST_SEQUENCES, CUT_STEPS = 4000, 8


def most_frequent(known: list[list[int]]) -> list[int]:
    """Return the most frequent sequence, the first in a tie.

    >>> most_frequent([[1], [2, 3], [2, 3]])
    [2, 3]
    """
    return list(Counter(map(tuple, known)).most_common(1)[0][0])


def mean_token_run(known: list[list[int]]) -> list[int]:
    """Return the most frequent token, repeated to the mean sequence length.

    >>> mean_token_run([[1, 2, 1], [3]])
    [1, 1]
    """
    counts = Counter(token for row in known for token in row)
    mean = round(sum(map(len, known)) / len(known))
    return [counts.most_common(1)[0][0]] * mean if counts else []


def equal_parts(train: SequenceDataset, known: list[list[int]], evaluation: SequenceDataset) -> list[list[int]]:
    """Label equal parts of each sequence by their nearest neighbours; its length gives their number.

    Training sequences are cut into as many parts as they have tokens.
    """
    from sklearn.neighbors import KNeighborsClassifier

    chosen = [i for i in evenly_spaced(len(known), MOST_SEQUENCES).tolist() if known[i]]
    if not chosen:
        return [[] for _ in evaluation.lengths]
    seen = [cut for (x, _), i in zip(sequences(train, chosen), chosen, strict=True) for cut in _cuts(x, len(known[i]))]
    model = KNeighborsClassifier(1).fit(np.stack(seen), [token for i in chosen for token in known[i]])
    pace = sum(int(train.lengths[i]) for i in chosen) / sum(len(known[i]) for i in chosen)
    return [model.predict(_cuts(x, max(1, round(len(x) / pace)))).tolist() for x, _ in sequences(evaluation)]


def _cuts(inputs: np.ndarray, count: int) -> np.ndarray:
    """Return equal parts ``(count, CUT_STEPS * F)``, each resampled to the same number of steps."""
    edges = np.linspace(0, len(inputs), count + 1)
    places = [np.linspace(a, max(a, b - 1), CUT_STEPS) for a, b in pairwise(edges)]
    rows = np.clip(np.round(np.stack(places)), 0, len(inputs) - 1).astype(np.int64)
    return inputs[rows].reshape(count, -1)
