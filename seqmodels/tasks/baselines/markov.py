"""Interpolated Markov models of high order over small alphabets, such as genomes.

V letters, k letters of context, n items.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqmodels.dataset import SequenceDataset
from seqmodels.tasks.baselines.counts import look_up

# Maximum number of letters, the last of the training split, to bound memory and time.
MOST_LETTERS = 1 << 24
# Share of the training split, its end, held out to choose the strengths; the final counts use all of it.
HELD_OUT = 0.1
# Candidate strengths of the shorter context's prediction, in letters.
STRENGTHS = (0.25, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 65536.0)


class Level(NamedTuple):
    """Sorted keys and counts of k-mers and of contexts."""

    runs: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray


class Markov:
    """Interpolated Markov model: each order backs off to the one below where counts are low.

        P_k(x | c) = (n(c x) + s_k P_(k-1)(x | c')) / (n(c) + s_k),    P_(-1) = 1 / V

    with c the last k letters and c' the last k - 1. Strengths s_k and the order are chosen on held-out
    training letters. (A Dirichlet prior centred on the lower order: MacKay & Peto 1995, "A hierarchical
    Dirichlet language model", section 3.)

    >>> letters = np.arange(4000) % 4
    >>> model = Markov(4, order=3).fit([letters])
    >>> model.order >= 1, model.cross_entropy([letters]) < 0.01
    (True, True)

    Args:
        size: V.
        order: the highest k.
    """

    def __init__(self, size: int, order: int) -> None:
        if size ** (order + 1) >= 2**63:
            raise ValueError(f"order must be lower than {order} for {size} letters")
        self.size, self.order = size, order
        self.strengths: list[float] = []
        self._levels: list[Level] = []

    @property
    def name(self) -> str:
        """Name of the baseline."""
        return f"Markov order {self.order}, interpolated"

    def fit(self, streams: list[np.ndarray]) -> Markov:
        """Choose strengths and order, then count all streams ``(T,)``; return self."""
        cuts = [len(x) - int(HELD_OUT * len(x)) for x in streams]
        self._count([x[:cut] for x, cut in zip(streams, cuts, strict=True)])
        held = [x[cut:] for x, cut in zip(streams, cuts, strict=True) if len(x) > cut]
        if held:
            self._choose(held)
        else:
            self.strengths, self.order = [1.0], 0
        self._count(streams)
        return self

    def cross_entropy(self, streams: list[np.ndarray]) -> float:
        """Return the mean of -log P over all letters but each stream's first, in nats."""
        found = [self._probability(x)[1:] for x in streams]
        return float(-np.log(np.concatenate(found)).mean())

    def _choose(self, held: list[np.ndarray]) -> None:
        runs = np.concatenate([self._runs(x) for x in held])
        probability, best = np.full(len(runs), 1 / self.size), (np.inf, 0)
        for order in range(self.order + 1):
            seen, total = self._seen(order, runs)
            tried = {s: (seen + s * probability) / (total + s) for s in STRENGTHS}
            losses = {s: float(-np.log(p).mean()) for s, p in tried.items()}
            strength = min(losses, key=losses.__getitem__)
            probability = tried[strength]
            self.strengths.append(strength)
            best = min(best, (losses[strength], order))
        self.order = best[1]

    def _probability(self, letters: np.ndarray) -> np.ndarray:
        runs = self._runs(letters)
        probability = np.full(len(runs), 1 / self.size)
        for order in range(self.order + 1):
            seen, total = self._seen(order, runs)
            probability = (seen + self.strengths[order] * probability) / (total + self.strengths[order])
        return probability

    def _seen(self, order: int, runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        level = self._levels[order]
        keys = runs % self.size ** (order + 1)
        return look_up(level.runs, level.counts, keys), look_up(level.contexts, level.totals, keys // self.size)

    def _runs(self, letters: np.ndarray) -> np.ndarray:
        """Encode each letter and those before it as one number, padded with the alphabet's last letter."""
        padded = np.pad(letters.astype(np.int64), (self.order, 0), constant_values=self.size - 1)
        runs = np.zeros(len(letters), np.int64)
        for place in range(self.order + 1):
            runs = runs * self.size + padded[place : place + len(letters)]
        return runs

    def _count(self, streams: list[np.ndarray]) -> None:
        runs, counts = np.unique(np.concatenate([self._runs(x) for x in streams]), return_counts=True)
        self._levels = []
        for order in range(self.order, -1, -1):
            contexts, first = np.unique(runs // self.size, return_index=True)
            self._levels.insert(0, Level(runs, counts, contexts, np.add.reduceat(counts, first)))
            runs, place = np.unique(runs % self.size**order, return_inverse=True)
            counts = np.bincount(place, counts).astype(np.int64)


def last_letters(dataset: SequenceDataset, most: int | None = None) -> list[np.ndarray]:
    """Return the letters of each sequence, final target included; of all about the last `most`.

    Inputs are letters, or letters joined with those before them, the newest as the lowest digit.
    """
    size, streams, count = dataset.spec.target_size, [], 0
    for index in reversed(range(len(dataset.lengths))):
        steps = int(dataset.lengths[index])
        start = 0 if most is None else max(0, steps - most // len(dataset.lengths) - 1)
        inputs, targets = dataset.read(index, start, steps)
        streams.append(np.concatenate([inputs[:1] % size, targets]))
        count += len(targets)
    return streams[::-1]
