"""Data sets: sequences that can be read in pieces; and parts of one.

T steps of a sequence, F features, S target steps, V values.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from seqmodels.spec import Spec


class SequenceDataset(Protocol):
    """Some sequences, each readable from any step to any other.

    Attributes:
        spec: what inputs and targets are.
        lengths: int64 ``(N,)``, the steps in each sequence, each at least 1.
        stream: whether the sequences are one long stream each, which may be cut into as many
            rows as a batch has (a text), or whole things that must stay whole (a name).
        origins: of each sequence where it is from, as column names and values, to stand beside its
            prediction; None where there is nothing to tell.
        weights: float ``(N,)``, how much each sequence counts in the loss; None where all count the same.
        groups: of each sequence the name of what must not be in two splits, such as its writer; None where
            the data know of no such thing.
        original: the sequences that these are varied copies of, which baselines learn from; None where
            these are the ones there are.
    """

    spec: Spec
    lengths: np.ndarray
    stream: bool = False
    origins: Sequence[dict[str, Any]] | None = None
    weights: np.ndarray | None = None
    groups: Sequence[str] | None = None
    original: SequenceDataset | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    @abstractmethod
    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Read steps ``start`` to ``stop`` of one sequence.

        Returns:
            inputs: tokens ``(stop - start,)`` int64 or features ``(stop - start, F)`` float32.
            targets: the same steps' targets where ``spec.target_shape`` is "step"; else the whole
                sequence's: a label ``()``, values ``(V,)``, or a sequence ``(S,)`` / ``(S, V)``.
        """


def evenly_spaced(count: int, most: int) -> np.ndarray:
    """Return at most `most` evenly spaced indices from 0 to count - 1.

    >>> evenly_spaced(10, 4).tolist()
    [0, 3, 6, 9]
    """
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).round().astype(np.int64)


class Part(SequenceDataset):
    """Pieces of the sequences of a data set.

    >>> from seqmodels.data.dataset import ArrayDataset
    >>> from seqmodels.spec import Spec
    >>> spec = Spec("tokens", 9, "labels", 2, "sequence")
    >>> data = ArrayDataset(spec, [np.arange(n) for n in (3, 4, 5)], [0, 1, 0])
    >>> part = Part(data, np.array([0, 2]), np.array([1, 1]), np.array([3, 4]))
    >>> part.lengths.tolist(), part.read(1, 0, 2)[0].tolist(), part.labels.tolist()
    ([2, 3], [1, 2], [0, 0])

    Args:
        dataset: the data set.
        indices: int ``(n,)``, the sequence of each piece.
        starts: int ``(n,)``, its first step; None for the first of all.
        stops: int ``(n,)``, the step after its last; None for the end of the sequence.
    """

    def __init__(
        self,
        dataset: SequenceDataset,
        indices: np.ndarray,
        starts: np.ndarray | None = None,
        stops: np.ndarray | None = None,
    ) -> None:
        self.dataset, self.indices, self.spec = dataset, indices, dataset.spec
        self.first = np.zeros(len(indices), np.int64) if starts is None else starts
        self.lengths = (np.asarray(dataset.lengths)[indices] if stops is None else stops) - self.first
        self.stream = dataset.stream

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Read steps as the data set does."""
        first = int(self.first[index])
        return self.dataset.read(int(self.indices[index]), first + start, first + stop)

    @property
    def labels(self) -> np.ndarray | None:
        """The label of each sequence ``(n,)``; None where they are not known without reading."""
        known = getattr(self.dataset, "labels", None)
        return None if known is None else np.asarray(known)[self.indices]

    @property
    def weights(self) -> np.ndarray | None:  # type: ignore[override]
        """The weight of each sequence ``(n,)``."""
        return None if self.dataset.weights is None else self.dataset.weights[self.indices]

    @property
    def groups(self) -> Sequence[str] | None:  # type: ignore[override]
        """The group of each sequence."""
        return None if self.dataset.groups is None else [self.dataset.groups[i] for i in self.indices.tolist()]

    @property
    def origins(self) -> Sequence[dict[str, Any]] | None:  # type: ignore[override]
        """Where each sequence is from."""
        return None if self.dataset.origins is None else [self.dataset.origins[i] for i in self.indices.tolist()]


def some_sequences(dataset: SequenceDataset, most: int) -> Part:
    """Return at most `most` sequences of a data set, evenly spread."""
    return Part(dataset, evenly_spaced(len(dataset.lengths), most))


def first_steps(dataset: SequenceDataset, steps: int) -> Part:
    """Return the first steps of each sequence of a data set."""
    return Part(dataset, np.arange(len(dataset.lengths)), stops=np.minimum(dataset.lengths, steps))


def part_of(dataset: SequenceDataset, steps: int, rows: int) -> SequenceDataset:
    """Return a part of a data set with about `steps` steps, evenly spread; all where there are no more.

    Sequences stay whole, but where each step has a target and there are few of them: then their beginnings. Of
    streams it is `rows` pieces.

    >>> from seqmodels.data.dataset import ArrayDataset
    >>> from seqmodels.spec import Spec
    >>> spec = Spec("tokens", 9, "tokens", 9, "step")
    >>> text = ArrayDataset(spec, [np.arange(100)], [np.arange(100)], stream=True)
    >>> part = part_of(text, steps=10, rows=2)
    >>> part.read(0, 0, 5)[0].tolist(), part.read(1, 0, 5)[0].tolist()
    ([0, 1, 2, 3, 4], [50, 51, 52, 53, 54])

    Args:
        dataset: the data set.
        steps: of the part.
        rows: rows of a batch.
    """
    lengths = np.asarray(dataset.lengths)
    total = int(lengths.sum())
    if total <= steps:
        return dataset
    if dataset.stream:
        begins = total * np.arange(rows) // rows
        indices = np.searchsorted(np.cumsum(lengths), begins, side="right")
        starts = begins - (np.cumsum(lengths) - lengths)[indices]
        return Part(dataset, indices, starts, np.minimum(starts + max(1, steps // rows), lengths[indices]))
    wanted = max(1, round(steps * len(lengths) / total))
    if dataset.spec.target_shape == "step" and wanted < rows:
        some = some_sequences(dataset, rows)
        return first_steps(some, max(1, steps // len(some)))
    return some_sequences(dataset, wanted)
