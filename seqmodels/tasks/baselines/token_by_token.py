"""Token-by-token rewriting, learned from pairs of sequences by expectation-maximization.

N pairs, L source tokens, M target tokens, V target tokens in the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from seqmodels.dataset import SequenceDataset, evenly_spaced
from seqmodels.tasks.baselines.reading import sequences

ROUNDS = 5
MOST_PAIRS, MOST_STEPS, MOST_CELLS = 20_000, 60, 6_000_000
CHUNK_SHARES = (0.1, 0.8, 0.1)  # initial probabilities of 0, 1 or 2 target tokens per source token

Pair = tuple[np.ndarray, np.ndarray]


def training_pairs(train: SequenceDataset, stop: int | None) -> list[Pair]:
    """Return evenly spaced training pairs without stop tokens; long and empty ones are left out."""
    pairs = ((s, t[t != stop]) for s, t in sequences(train, evenly_spaced(len(train.lengths), MOST_PAIRS)))
    return [(s, t) for s, t in pairs if 0 < len(s) <= MOST_STEPS and 0 < len(t) <= MOST_STEPS]


class InOrder:
    """Monotonic rewriting: each source token becomes 0, 1 or 2 target tokens.

    For words and their pronunciations. The alignment is that of Jiampojamarn et al. 2007, "Applying
    many-to-many alignments and hidden Markov models to letter-to-phoneme conversion", section 2, with one
    source token at a time:

        alpha_(i+1)(j) = sum_k alpha_i(j - k) p(t_(j-k+1) .. t_j | s_i),   k = 0, 1, 2

    >>> pairs = [(np.array(s), np.array(t)) for s, t in (([0, 1], [4]), ([0, 2], [4, 5, 6]), ([1, 2], [5, 6]))]
    >>> InOrder(7).fit(pairs).write(np.array([2, 0]))
    [5, 6, 4]
    """

    def __init__(self, target_size: int) -> None:
        self.size = target_size
        self.chunks = 1 + target_size + target_size**2
        self.best: dict[int, list[int]] = {}

    def fit(self, pairs: Iterable[Pair]) -> InOrder:
        """Align pairs, without those that have more than two target tokens per source token; return self."""
        groups: dict[tuple[int, int], list[Pair]] = {}
        cells = 0
        for source, target in pairs:
            if len(target) <= 2 * len(source) and (cells := cells + 3 * len(source) * len(target)) < MOST_CELLS:
                groups.setdefault((len(source), len(target)), []).append((source, target))
        stacked = [(np.stack([s for s, _ in g]), np.stack([t for _, t in g])) for g in groups.values()]
        keys = [self._keys(*group) for group in stacked]
        if not keys:
            return self
        known = np.unique(np.concatenate([key[key >= 0] for key in keys]))
        places = [np.where(key >= 0, np.searchsorted(known, key), len(known)) for key in keys]
        p = np.append(self._first(known), 0.0)  # last entry: chunks that would begin before the target
        every, counts = np.concatenate([place.ravel() for place in places]), p
        for _ in range(ROUNDS):
            counts = np.bincount(every, np.concatenate([_shares(place, p).ravel() for place in places]), len(p))
            p = np.append(_normalised(counts[:-1], known // self.chunks), 0.0)
        order = np.lexsort((counts[:-1], known // self.chunks))
        self.best = {int(key // self.chunks): self._tokens(int(key % self.chunks)) for key in known[order]}
        return self

    def write(self, source: np.ndarray) -> list[int]:
        """Return the target tokens of a source; unseen tokens are dropped."""
        return [token for s in source.tolist() for token in self.best.get(s, [])]

    def _keys(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return keys ``(N, L, M + 1, 3)`` of source token and chunk of k target tokens ending at j; -1 for none."""
        count, steps = target.shape
        ends = np.full((count, steps + 1, 3), -1, np.int64)
        ends[:, :, 0] = 0
        ends[:, 1:, 1] = 1 + target
        ends[:, 2:, 2] = 1 + self.size + target[:, :-1] * self.size + target[:, 1:]
        keys = source[:, :, None, None] * self.chunks + ends[:, None]
        return np.where(ends[:, None] >= 0, keys, -1)

    def _first(self, known: np.ndarray) -> np.ndarray:
        chunk = known % self.chunks
        length = (chunk > 0).astype(int) + (chunk > self.size)
        return np.array(CHUNK_SHARES)[length] / self.size ** length.astype(float)

    def _tokens(self, chunk: int) -> list[int]:
        if chunk <= self.size:
            return [chunk - 1] if chunk else []
        return list(divmod(chunk - 1 - self.size, self.size))


def _shares(place: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the chunk posteriors ``(N, L, M + 1, 3)`` of pairs of one shape by the forward-backward algorithm."""
    count, length, ends, _ = place.shape
    q = p[place]
    alpha, beta = np.zeros((2, length + 1, count, ends))
    alpha[0, :, 0] = beta[length, :, -1] = 1.0
    for i in range(length):
        for k in range(min(3, ends)):
            alpha[i + 1, :, k:] += alpha[i, :, : ends - k] * q[:, i, k:, k]
    for i in reversed(range(length)):
        for k in range(min(3, ends)):
            beta[i, :, : ends - k] += beta[i + 1, :, k:] * q[:, i, k:, k]
    total = np.maximum(alpha[length, :, -1], np.finfo(float).tiny)[:, None]
    shares = np.zeros(place.shape)
    for i in range(length):
        for k in range(min(3, ends)):
            shares[:, i, k:, k] = alpha[i, :, : ends - k] * q[:, i, k:, k] * beta[i + 1, :, k:] / total
    return shares


class WordByWord:
    """IBM model 1: each source token becomes its most likely target token, in any position.

        p(t | s) ~ sum over pairs of p(t | s) / sum_s' p(t | s'),   s' of the same pair or the null token

    Source: Brown et al. 1993, "The mathematics of statistical machine translation", section 4.1.

    >>> pairs = [(np.array(s), np.array(t)) for s, t in (([0, 1], [5, 4]), ([1, 2], [6, 5]), ([0], [4]))]
    >>> WordByWord(3, 7).fit(pairs).write(np.array([2, 1, 0]))
    [6, 5, 4]
    """

    def __init__(self, source_size: int, target_size: int) -> None:
        self.nothing, self.size = source_size, target_size
        self.best: dict[int, int] = {}

    def fit(self, pairs: Iterable[Pair]) -> WordByWord:
        """Estimate p(t | s) from pairs, as many as fit in memory; return self."""
        keys, groups, end, cells = [], [], 0, 0
        for source, target in pairs:
            source = np.append(source, self.nothing)
            keys.append((source[:, None] * self.size + target).ravel())
            groups.append(np.tile(np.arange(len(target)), len(source)) + end)
            end += len(target)
            if (cells := cells + len(keys[-1])) > MOST_CELLS:
                break
        if not keys:
            return self
        known, place = np.unique(np.concatenate(keys), return_inverse=True)
        group, p = np.concatenate(groups), np.ones(len(known))
        for _ in range(ROUNDS):
            share = p[place] / np.bincount(group, p[place])[group]
            p = _normalised(np.bincount(place, share), known // self.size)
        order = np.lexsort((p, known // self.size))
        self.best = dict(zip((known[order] // self.size).tolist(), (known[order] % self.size).tolist(), strict=True))
        return self

    def write(self, source: np.ndarray) -> list[int]:
        """Return the target tokens of a source; unseen tokens are dropped."""
        return [self.best[s] for s in source.tolist() if s in self.best]


def _normalised(counts: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Normalize counts to sum to 1 for each owner."""
    totals = np.bincount(owner, counts)
    return counts / np.maximum(totals[owner], np.finfo(float).tiny)


def shared_names(source: tuple[str, ...], target: tuple[str, ...]) -> dict[int, int]:
    """Return the source tokens that are also target tokens, if most are; copying the source is then a baseline."""
    place = {name: i for i, name in enumerate(target)}
    same = {i: place[name] for i, name in enumerate(source) if name in place}
    return same if 2 * len(same) > len(source) else {}
