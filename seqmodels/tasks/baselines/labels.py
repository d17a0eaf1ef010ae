"""Baselines for labels: n-grams of tokens, nearest neighbours, and tags by context.

N sequences, n items, T steps, F features, V classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from seqmodels.dataset import SequenceDataset, evenly_spaced
from seqmodels.tasks.baselines.counts import Counts, look_up
from seqmodels.tasks.baselines.reading import joined, sequences, step_items

# Limits on the training data, so that no baseline takes longer than seconds.
MOST_TOKENS, MOST_NEIGHBOURS, MOST_STEPS = 2_000_000, 20_000, 50_000
# Maximum size of a sequence compared step by step; larger ones are described by means and deviations.
MOST_NUMBERS = 4096
# Number of steps to which sequences of several lengths are resampled.
STRETCHED_STEPS = 16


def ngram_regression(
    train: SequenceDataset, train_labels: np.ndarray, *evaluations: SequenceDataset
) -> Sequence[np.ndarray | None]:
    """Predict labels by logistic regression on counts of 1- to 4-grams, with the two ends marked.

    One against the rest, with an L2 penalty of 1.

    Returns:
        For each data set a label of each sequence; None if `train` has only one label or no n-gram that occurs twice.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    chosen = affordable(train)
    known = train_labels[chosen]
    counts = ngram_counts(train, chosen, *evaluations) if len(np.unique(known)) > 1 else None
    if counts is None:
        return [None] * len(evaluations)
    model = fitted(OneVsRestClassifier(LogisticRegression(C=1.0, solver="liblinear")), counts[0], known)
    return [model.predict(asked) for asked in counts[1:]]


def affordable(train: SequenceDataset) -> np.ndarray:
    """Return evenly spaced indices of sequences that hold about `MOST_TOKENS` together."""
    share = min(1.0, MOST_TOKENS / int(np.sum(train.lengths)))
    return evenly_spaced(len(train.lengths), max(1, int(share * len(train.lengths))))


def ngram_counts(train: SequenceDataset, chosen: np.ndarray, *evaluations: SequenceDataset) -> list[Any] | None:
    """Count the 1- to 4-grams that occur twice in the chosen sequences, there and elsewhere; None if none does."""
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(analyzer="char", ngram_range=(1, 4), lowercase=False, min_df=2)
    try:
        known = counter.fit_transform(as_text(inputs) for inputs, _ in sequences(train, chosen))
    except ValueError:  # scikit-learn's error for an empty vocabulary
        return None
    return [known, *(counter.transform(as_text(inputs) for inputs, _ in sequences(data)) for data in evaluations)]


def fitted(model: Any, inputs: Any, targets: Any) -> Any:
    """Fit a model of scikit-learn without its warnings: a fit that is stopped early is still a baseline."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(inputs, targets)


def described(
    describe: Callable[[np.ndarray], np.ndarray],
    train: SequenceDataset,
    chosen: np.ndarray,
    evaluation: SequenceDataset,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a description of the chosen training sequences, and of those to be labelled, one row each."""
    known = np.stack([describe(inputs) for inputs, _ in sequences(train, chosen)])
    return known, np.stack([describe(inputs) for inputs, _ in sequences(evaluation)])


def standardised(known: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both in units of the deviations of `known` from its means."""
    mean, deviation = known.mean(0), known.std(0) + 1e-9
    return (known - mean) / deviation, (asked - mean) / deviation


def place_regression(
    train: SequenceDataset, train_labels: np.ndarray, evaluation: SequenceDataset
) -> np.ndarray | None:
    """Predict labels by logistic regression on the one-hot token at each position.

    Returns:
        A label for each sequence of `evaluation`; None if sequences differ in length, there are too many
        tokens or positions, or `train` has only one label.
    """
    from sklearn.linear_model import LogisticRegression

    steps, size = int(train.lengths[0]), train.spec.input_size
    lengths = np.concatenate([train.lengths, evaluation.lengths])
    chosen = evenly_spaced(len(train.lengths), MOST_NEIGHBOURS)
    if (lengths != steps).any() or steps * size > MOST_NUMBERS or len(np.unique(train_labels[chosen])) < 2:
        return None
    known, asked = described(lambda x: np.eye(size, dtype=np.float32)[x].ravel(), train, chosen, evaluation)
    return fitted(LogisticRegression(C=1.0, max_iter=1000), known, train_labels[chosen]).predict(asked)


def as_text(tokens: np.ndarray) -> str:
    """Encode each token as one character, between start and end characters."""
    codes = tokens + 0x100
    codes = np.where(codes >= 0xD800, codes + 0x800, codes)  # surrogates are no characters
    return "\x02" + "".join(map(chr, codes.tolist())) + "\x03"


def nearest_neighbour(train: SequenceDataset, train_labels: np.ndarray, evaluation: SequenceDataset) -> np.ndarray:
    """Return the label of the nearest training sequence, for each sequence of `evaluation`.

    Sequences of equal length are compared step by step, others by mean, deviation, first and last
    step, and length, all standardised.
    """
    from sklearn.neighbors import KNeighborsClassifier

    chosen = evenly_spaced(len(train.lengths), MOST_NEIGHBOURS)
    lengths = np.concatenate([train.lengths, evaluation.lengths])
    whole = len(np.unique(lengths)) == 1 and lengths[0] * train.spec.input_size <= MOST_NUMBERS
    known, asked = described(np.ravel if whole else statistics, train, chosen, evaluation)
    if not whole:
        known, asked = standardised(known, asked)
    return KNeighborsClassifier(1).fit(known, train_labels[chosen]).predict(asked)


def statistics(inputs: np.ndarray) -> np.ndarray:
    """Return mean, deviation, first and last step of a sequence's features, and its log-length."""
    return np.concatenate([inputs.mean(0), inputs.std(0), inputs[0], inputs[-1], [np.log(len(inputs))]])


def stretched_neighbour(
    train: SequenceDataset, train_labels: np.ndarray, evaluation: SequenceDataset
) -> np.ndarray | None:
    """Return the label of the nearest training sequence after resampling all to the same number of steps.

    Returns:
        A label for each sequence of `evaluation`; None if all have one length, or too many features.
    """
    from sklearn.neighbors import KNeighborsClassifier

    lengths = np.concatenate([train.lengths, evaluation.lengths])
    if len(np.unique(lengths)) == 1 or STRETCHED_STEPS * train.spec.input_size > MOST_NUMBERS:
        return None
    chosen = evenly_spaced(len(train.lengths), MOST_NEIGHBOURS)
    known, asked = described(partial(stretch, steps=STRETCHED_STEPS), train, chosen, evaluation)
    return KNeighborsClassifier(1).fit(known, train_labels[chosen]).predict(asked)


def stretch(inputs: np.ndarray, steps: int) -> np.ndarray:
    """Resample features ``(T, F)`` by linear interpolation to ``(steps * F,)``.

    >>> stretch(np.array([[0.0], [2.0]]), 3).tolist()
    [0.0, 1.0, 2.0]
    """
    place = np.linspace(0, len(inputs) - 1, steps)
    below = np.floor(place).astype(np.int64)
    share = (place - below)[:, None]
    return ((1 - share) * inputs[below] + share * inputs[np.minimum(below + 1, len(inputs) - 1)]).ravel()


class ContextTags:
    """Most frequent tag of each token in context, or of the token alone in an unseen context.

    Args:
        widths: numbers of neighbours on each side, the widest first.
        majority: tag of unseen tokens.
    """

    def __init__(self, widths: tuple[int, ...], vocabulary: int, target_size: int, majority: int) -> None:
        self.widths, self.vocabulary, self.target_size, self.majority = widths, vocabulary, target_size, majority
        self._tables: list[tuple[np.ndarray, np.ndarray]] = []

    def fit(self, train: SequenceDataset) -> ContextTags:
        """Count all steps of `train`; return self."""
        counts = [Counts() for _ in self.widths]
        widest = self.widths[0]
        for contexts, tags in step_items(train, widest, widest):
            for width, table in zip(self.widths, counts, strict=True):
                table.add(self._keys(contexts, width) * self.target_size + tags)
        self._tables = [_most_frequent(table, self.target_size) for table in counts]
        return self

    def predict(self, evaluation: SequenceDataset) -> np.ndarray:
        """Return a tag for each step of all sequences of `evaluation`."""
        widest = self.widths[0]
        found = []
        for contexts, _ in step_items(evaluation, widest, widest):
            tags = np.full(len(contexts), -1)
            for width, (keys, best) in zip(self.widths, self._tables, strict=True):
                tags = np.where(tags < 0, look_up(keys, best, self._keys(contexts, width), absent=-1), tags)
            found.append(np.where(tags < 0, self.majority, tags))
        return np.concatenate(found)

    def _keys(self, contexts: np.ndarray, width: int) -> np.ndarray:
        middle = contexts.shape[1] // 2
        keys = np.zeros(len(contexts), np.int64)
        for column in range(middle - width, middle + width + 1):
            keys = keys * (self.vocabulary + 1) + contexts[:, column]
        return keys


def _most_frequent(counts: Counts, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each context and its most frequent tag, the lowest in a tie."""
    context, tag = counts.keys // size, counts.keys % size
    order = np.lexsort((tag, -counts.counts, context))
    first = np.unique(context[order], return_index=True)
    return first[0], tag[order][first[1]]


def step_regression(train: SequenceDataset, evaluation: SequenceDataset) -> np.ndarray | None:
    """Predict a tag for each step by logistic regression on its features; None if `train` has one tag only."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    stride = max(1, int(np.sum(train.lengths)) // MOST_STEPS)
    steps, tags = next(joined(((x[::stride], y[::stride]) for x, y in sequences(train)), most=2**62))
    if len(np.unique(tags)) < 2:
        return None
    model = fitted(make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)), steps, tags)
    return np.concatenate([model.predict(inputs) for inputs, _ in sequences(evaluation)])
