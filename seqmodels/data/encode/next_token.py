"""Streams of tokens in which each step's target is the next token: texts and genomes."""

from __future__ import annotations

import numpy as np

from seqmodels.data.encode.kmers import kmers, reverse_complement
from seqmodels.data.encode.token_file import TokenFile
from seqmodels.dataset import SequenceDataset
from seqmodels.spec import Spec


class NextToken(SequenceDataset):
    """Parts of a token file: each a stream, in which each step's target is the next token.

    Args:
        spec: with the number of tokens that one input joins.
        tokens: the file.
        parts: int64 ``(N, 2)``, where each stream begins and ends in it.
        whole: whether the last token is an input too, its target being 0, instead of a target only.
        both: whether each stream is there a second time, as the other strand reads.
    """

    stream = True

    def __init__(
        self, spec: Spec, tokens: TokenFile, parts: np.ndarray, whole: bool = False, both: bool = False
    ) -> None:
        self.spec, self.tokens = spec, tokens
        self.parts = np.concatenate([parts, parts]) if both else parts
        self.forward = len(parts)
        self.lengths = self.parts[:, 1] - self.parts[:, 0] - (not whole)
        self.kmer = 1 if spec.text is None else spec.text.kmer

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        low, length = max(0, start - self.kmer + 1), int(np.diff(self.parts[index])[0])
        letters = self._letters(index, low, min(stop + 1, length)).astype(np.int64)
        if stop + 1 > length:
            letters = np.append(letters, 0)
        inputs = letters[:-1] if self.kmer == 1 else kmers(letters[:-1], self.kmer, self.spec.target_size)
        return inputs[start - low :], letters[start - low + 1 :]

    def _letters(self, index: int, start: int, stop: int) -> np.ndarray:
        """Return tokens `start` to `stop` of a stream, in the direction in which it reads."""
        first, last = self.parts[index].tolist()
        if index < self.forward:
            return self.tokens[first + start : first + stop]
        return reverse_complement(self.tokens[last - stop : last - start])
