"""Interpolated Kneser-Ney n-gram models.

    P(y | c) = (max(count(c y) - D, 0) + D types(c) P(y | c')) / total(c)

c is the context of n - 1 tokens, c' the same without its first, types(c) the number of distinct tokens
after it. Counts of shorter contexts are numbers of *distinct* longer ones in which a token followed
(Kneser & Ney 1995); the discount D is n1 / (n1 + 2 n2), from the numbers of n-grams counted once and
twice (Ney, Essen & Kneser 1994). Below the empty context the distribution is uniform.

Source: Chen & Goodman 1999, "An empirical study of smoothing techniques for language modeling",
section 2.7 (interpolated).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from seqmodels.tasks.baselines.counts import Counts, look_up

NAMES = {1: "unigram", 2: "bigram", 3: "trigram"}


class Level(NamedTuple):
    """Lookup tables of all contexts of one length."""

    grams: Counts
    contexts: np.ndarray
    totals: np.ndarray
    types: np.ndarray
    discount: float


class Ngram:
    """Interpolated Kneser-Ney model, vectorized, with memory for distinct n-grams only.

    >>> model = Ngram(order=2, context_size=3, target_size=2)
    >>> model.add(np.array([[0], [1]] * 50), np.array([1, 0] * 50))
    >>> bool(model.probability(np.array([[0]]), np.array([1]))[0] > 0.9)
    True

    Args:
        context_size: number of distinct context tokens, padding included.

    Raises:
        ValueError: an order or a vocabulary too large for 63-bit keys.
    """

    def __init__(self, order: int, context_size: int, target_size: int) -> None:
        if context_size ** (order - 1) * target_size >= 2**63:
            raise ValueError(f"order must be lower than {order} for a vocabulary of {target_size} tokens")
        self.order, self.context_size, self.target_size = order, context_size, target_size
        self._counts = Counts()
        self._levels: list[Level] | None = None

    @property
    def name(self) -> str:
        """Name of the baseline."""
        return NAMES.get(self.order, f"{self.order}-gram")

    def fit(self, items: Iterable[tuple[np.ndarray, ...]]) -> Ngram:
        """Count all items as in `add`; return self."""
        for contexts, targets in items:
            self.add(contexts, targets)
        return self

    def add(self, contexts: np.ndarray, targets: np.ndarray) -> None:
        """Count tokens ``(n,)`` after contexts ``(n, order - 1 or more)``, of which the last are read."""
        self._counts.add(self._keys(contexts, targets))
        self._levels = None

    def probability(self, contexts: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return P of each token after its context."""
        if self._levels is None:
            self._levels = self._make_levels()
        keys = self._keys(contexts, targets)
        probability = np.full(len(keys), 1 / self.target_size)
        for length, level in enumerate(self._levels):  # from the empty context to the longest
            gram = keys % (self.context_size**length * self.target_size)
            probability = self._interpolate(level, gram, probability)
        return probability

    def cross_entropy(self, items: Iterable[tuple[np.ndarray, ...]]) -> float:
        """Return the mean of -log P over all items, in nats."""
        total, count = 0.0, 0
        for contexts, targets in items:
            total -= float(np.log(self.probability(contexts, targets)).sum())
            count += len(targets)
        return total / max(count, 1)

    def _keys(self, contexts: np.ndarray, targets: np.ndarray) -> np.ndarray:
        keys = np.zeros(len(targets), np.int64)
        for column in range(contexts.shape[1] - self.order + 1, contexts.shape[1]):
            keys = keys * self.context_size + contexts[:, column]
        return keys * self.target_size + targets

    def _make_levels(self) -> list[Level]:
        levels, grams = [], self._counts
        for length in range(self.order - 1, -1, -1):
            levels.append(make_level(grams, self.target_size))
            shorter = grams.keys % (self.context_size ** max(length - 1, 0) * self.target_size)
            grams = Counts(*np.unique(shorter, return_counts=True))
        return levels[::-1]

    def _interpolate(self, level: Level, grams: np.ndarray, lower: np.ndarray) -> np.ndarray:
        contexts = grams // self.target_size
        total = look_up(level.contexts, level.totals, contexts)
        kept = np.maximum(level.grams.of(grams) - level.discount, 0)
        spared = level.discount * look_up(level.contexts, level.types, contexts) * lower
        return np.where(total > 0, (kept + spared) / np.maximum(total, 1), lower)


def make_level(grams: Counts, target_size: int) -> Level:
    """Compute totals, types and discount from the counts of n-grams of one length."""
    contexts, first = np.unique(grams.keys // target_size, return_index=True)
    totals = np.add.reduceat(grams.counts, first) if len(first) else grams.counts
    types = np.diff(first, append=len(grams.keys))
    once, twice = (int((grams.counts == times).sum()) for times in (1, 2))
    discount = float(np.clip(once / max(once + 2 * twice, 1), 0.1, 0.95))
    return Level(grams, contexts, totals, types, discount)
