"""What a data set is: sequences that can be read in pieces.

T steps of a sequence, F features, S target steps, V values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from seqmodels.batch import BatchSpec


class SequenceDataset(ABC):
    """Some sequences, each readable from any step to any other.

    Attributes:
        spec: what inputs and targets are.
        lengths: int64 ``(N,)``, the steps in each sequence, each at least 1.
        stream: whether the sequences are one long stream each, which may be cut into as many
            rows as a batch has (a text), or whole things that must stay whole (a name).
    """

    spec: BatchSpec
    lengths: np.ndarray
    stream: bool = False

    def __len__(self) -> int:
        return len(self.lengths)

    @abstractmethod
    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Steps ``start`` to ``stop`` of one sequence.

        Returns:
            inputs: tokens ``(stop - start,)`` int64 or features ``(stop - start, F)`` float32.
            targets: the same steps' targets where ``spec.target_shape`` is "step"; else the whole
                sequence's: a label ``()``, values ``(V,)``, or a sequence ``(S,)`` / ``(S, V)``.
        """
