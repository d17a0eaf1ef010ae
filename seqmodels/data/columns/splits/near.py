"""Near copies: sequences of tokens most of whose runs of neighbouring tokens stand in another one too.

N sequences. A run (of letters a k-mer, of words a shingle) is K tokens long; how alike two sequences are is the share
of all their distinct runs that both have, told by MinHash (Broder 1997, "On the resemblance and containment of
documents"): that share of `HASHES` smallest hashes is equal, and those that agree in a band of `BAND` of them are
compared. Time and memory grow with the tokens, not with the pairs.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from seqmodels.data.files.ragged import Ragged, mix

# What is kept in one split.
Together = Literal["copies", "near_copies"]

# Alike from this share of common runs on; sequences of fewer runs are too short to tell.
ALIKE, FEWEST_RUNS = 0.4, 6
HASHES, BAND = 60, 3
# Tokens of a sequence that are read, the longest run, and pairs compared at once.
MOST_TOKENS, LONGEST_RUN, PAIRS = 20_000, 16, 1 << 16
# The largest share of all sequences that may have to be in one split.
LARGEST_SHARE = 0.5


def owners(digests: np.ndarray, sequences: Ragged, together: Together) -> tuple[np.ndarray, int, int]:
    """Return for each sequence the first it must not be parted from, and count copies and near copies.

    Raises:
        ValueError: most of the sequences are near copies of one another.
    """
    _, first, owner = np.unique(digests, return_index=True, return_inverse=True)
    owner, copies = first[owner], len(owner) - len(first)
    if together == "copies":
        return owner, copies, 0
    near = near_copies(sequences)[owner]
    count = int((near != owner).sum())
    if (most := int(np.bincount(near).max())) > LARGEST_SHARE * len(near):
        raise ValueError(
            f"data.together=near_copies: {most:,} of {len(near):,} sequences are near copies of one another, too many "
            "for one split; leave it at data.together=copies"
        )
    return near, copies, count


def near_copies(sequences: Ragged) -> np.ndarray:
    """Return for each sequence the first one that it is a near copy of, directly or by way of others: int64 ``(N,)``.

    >>> text, other = np.arange(20), np.arange(40, 60)
    >>> near_copies(Ragged.of([text, other, np.append(text, 7)])).tolist()
    [0, 1, 0]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right = near_pairs(sequences).T
    links = coo_array((np.ones(len(left)), (left, right)), shape=(len(sequences), len(sequences)))
    member = connected_components(links, directed=False)[1]
    _, first = np.unique(member, return_index=True)
    return np.asarray(first[member])


def near_pairs(sequences: Ragged) -> np.ndarray:
    """Return pairs of near copies, int64 ``(P, 2)``, the smaller first: not all, but enough to join all of them."""
    signatures = _signatures(sequences.cut(MOST_TOKENS))
    pairs = _candidates(signatures)
    alike = [
        (signatures[part[:, 0]] == signatures[part[:, 1]]).mean(axis=1) >= ALIKE
        for part in np.array_split(pairs, len(pairs) // PAIRS + 1)
    ]
    return np.asarray(pairs[np.concatenate(alike)])


def _run_length(sequences: Ragged) -> int:
    """Return K, by which two sequences that have nothing to do with each other hardly share a run."""
    tokens = sequences.flat(next(sequences.parts(), slice(0)))
    shares = np.unique(tokens, return_counts=True)[1] / max(1, len(tokens))
    entropy = float(-(shares * np.log(shares)).sum())
    wanted = np.log(20 * max(1.0, float(np.median(sequences.lengths)))) if len(sequences) else 1.0
    return int(np.clip(np.ceil(wanted / max(entropy, 0.1)) + 1, 2, LONGEST_RUN))


def _signatures(sequences: Ragged) -> np.ndarray:
    """Return the smallest hashes of the runs of each sequence, uint32 ``(N, HASHES)``; 0 for too few runs."""
    size, factors = _run_length(sequences), mix(np.arange(HASHES, dtype=np.uint64)) | np.uint64(1)
    found = np.zeros((len(sequences), HASHES), np.uint32)
    for part in sequences.parts():
        items = part.start + np.flatnonzero(sequences.lengths[part] >= size + FEWEST_RUNS - 1)
        some = sequences.take(items)
        runs, skipped = some.lengths - size + 1, np.arange(len(some)) * (size - 1)
        first = np.arange(runs.sum()) + np.repeat(skipped, runs)
        tokens = mix(some.flat().astype(np.int64).view(np.uint64))
        hashes = np.zeros(len(first), np.uint64)
        for offset in range(size):
            hashes = mix(hashes + tokens[first + offset])
        for column, factor in enumerate(factors if len(items) else ()):
            smallest = np.minimum.reduceat(hashes * factor, np.cumsum(runs) - runs)
            found[items, column] = (smallest >> np.uint64(20)).astype(np.uint32)
    return found


def _candidates(signatures: np.ndarray) -> np.ndarray:
    """Return pairs that agree in a band of hashes: each sequence with the first such, and with the one before it."""
    there = np.flatnonzero(signatures.any(axis=1))
    pairs = np.zeros(0, np.int64)  # each as one number
    for band in range(0, HASHES, BAND):
        keys = np.zeros(len(there), np.uint64)
        for column in range(band, band + BAND):
            keys = mix(keys + signatures[there, column])
        order = np.argsort(keys, kind="stable")
        items, new = there[order], np.append(True, np.diff(keys[order]) != 0)[: len(order)]
        leader = np.maximum.accumulate(np.where(new, np.arange(len(items)), 0))
        for other in (items[leader], np.roll(items, 1)):
            pairs = np.append(pairs, (other * len(signatures) + items)[~new])
        pairs = np.unique(pairs)
    return np.stack([pairs // max(1, len(signatures)), pairs % max(1, len(signatures))], axis=1)
