"""Multilabel baselines: logistic regression for each label.

n items, F features, V classes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from seqmodels.dataset import SequenceDataset
from seqmodels.tasks.baselines.labels import (
    MOST_STEPS,
    affordable,
    described,
    fitted,
    ngram_counts,
    standardised,
    statistics,
)
from seqmodels.tasks.baselines.reading import neighbourhoods, sequences


def label_sets(dataset: SequenceDataset) -> np.ndarray:
    """Return the labels of each sequence or step as float ``(n, V)`` of 0 and 1."""
    if dataset.spec.target_shape == "sequence":
        return np.stack([dataset.read(i, 0, 1)[1] for i in range(len(dataset.lengths))])
    return np.concatenate([targets for _, targets in sequences(dataset)])


def label_regression(train: SequenceDataset, known: np.ndarray, evaluation: SequenceDataset) -> np.ndarray:
    """Predict probabilities ``(n, V)`` on `evaluation` by a logistic regression per label (L2 penalty 1).

    Args:
        known: labels of all items of `train`, ``(n, V)``.
    """
    describe = _per_sequence if train.spec.target_shape == "sequence" else _per_step
    chosen, inputs, asked = describe(train, evaluation)
    probabilities = np.broadcast_to(known.mean(0), (asked.shape[0], known.shape[1])).copy()
    if inputs is None:
        return probabilities
    for label in np.flatnonzero(np.ptp(known[chosen], axis=0) > 0):
        probabilities[:, label] = _probability(inputs, known[chosen, label], asked)
    return probabilities


def _probability(inputs: Any, holds: np.ndarray, asked: Any) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, solver="liblinear" if inputs.shape[1] > 1000 else "lbfgs", max_iter=200)
    return fitted(model, inputs, holds > 0.5).predict_proba(asked)[:, 1]


def _per_sequence(train: SequenceDataset, evaluation: SequenceDataset) -> tuple[np.ndarray, Any, Any]:
    """Return the training indices, their features, and those of the evaluation sequences."""
    chosen = affordable(train)
    if train.spec.inputs == "tokens":
        return chosen, *(ngram_counts(train, chosen, evaluation) or (None, evaluation.lengths))
    return chosen, *standardised(*described(statistics, train, chosen, evaluation))


def _per_step(train: SequenceDataset, evaluation: SequenceDataset) -> tuple[np.ndarray, Any, Any]:
    """Return the same for steps: features, or the one-hot token and its two neighbours."""
    chosen = np.arange(0, int(np.sum(train.lengths)), max(1, int(np.sum(train.lengths)) // MOST_STEPS))
    describe: Callable[[np.ndarray], np.ndarray] = np.asarray
    if train.spec.inputs == "tokens":
        border = train.spec.input_size

        def describe(tokens: np.ndarray) -> np.ndarray:
            return neighbourhoods(tokens, 1, 1, border)

    inputs, asked = (np.concatenate([describe(x) for x, _ in sequences(data)]) for data in (train, evaluation))
    if train.spec.inputs == "features":
        return chosen, *standardised(inputs[chosen], asked)
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(handle_unknown="ignore").fit(inputs[chosen])
    return chosen, encoder.transform(inputs[chosen]), encoder.transform(asked)
