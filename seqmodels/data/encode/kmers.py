"""Runs of letters as one number, and the other strand of DNA."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

# What a nucleotide pairs with, by token: A T, C G, N N.
COMPLEMENT = np.array([3, 2, 1, 0, 4], np.uint8)


def kmers(tokens: np.ndarray, width: int, size: int) -> np.ndarray:
    """Join each token and those before it, `width` in all, as one number with base `size`, int64.

    Before the first the last token of the vocabulary is taken.

    >>> kmers(np.array([0, 1, 2]), width=2, size=5).tolist()
    [20, 1, 7]
    """
    padded = np.concatenate([np.full(width - 1, size - 1), tokens]).astype(np.int64)
    joined = np.zeros(len(tokens), np.int64)
    for place in range(width):
        joined = joined * size + padded[place : place + len(tokens)]
    return joined


def kmer_names(letters: Sequence[str], width: int) -> tuple[str, ...]:
    """Name the numbers that `kmers` joins.

    >>> kmer_names("ACGTN", 2)[20], kmer_names("ACGTN", 2)[7]
    ('NA', 'CG')
    """
    return tuple("".join(run) for run in product(letters, repeat=width))


def reverse_complement(tokens: np.ndarray) -> np.ndarray:
    """Return the other strand of DNA, read in its own direction.

    >>> reverse_complement(np.array([0, 0, 1, 4])).tolist()
    [4, 2, 3, 3]
    """
    return COMPLEMENT[tokens[::-1]]
