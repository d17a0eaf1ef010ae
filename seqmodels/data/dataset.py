"""What a data set is, sequences that can be read in pieces, and what a source of them is.

T steps of a sequence, F features, S target steps, V values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from seqmodels.data.files.lazy import LazySequence
from seqmodels.data.files.ragged import Ragged
from seqmodels.dataset import SequenceDataset
from seqmodels.spec import Spec

# What people call the splits.
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


class ArrayDataset(SequenceDataset):
    """Sequences in arrays, in memory or mapped from files.

    >>> spec = Spec("tokens", 9, "labels", 2, "sequence")
    >>> data = ArrayDataset(spec, inputs=[np.array([4, 7, 1]), np.array([8])], targets=[0, 1])
    >>> data.lengths.tolist(), data.read(0, 1, 3)[0].tolist(), int(data.read(1, 0, 1)[1])
    ([3, 1], [7, 1], 1)

    Args:
        spec: what inputs and targets are; types follow from it.
        inputs: arrays ``(T,)`` or ``(T, F)``, one per sequence.
        targets: per sequence what `read` returns for the whole of it: an array ``(N,)`` or ``(N, V)`` where a
            sequence has one target, else arrays of their own length.
        stream: as for `SequenceDataset`.

    Raises:
        ValueError: not one target per sequence, an empty sequence, or per-step targets of another
            length than the inputs.
    """

    def __init__(
        self,
        spec: Spec,
        inputs: Ragged | Sequence[np.ndarray],
        targets: Ragged | Sequence[Any] | np.ndarray,
        stream: bool = False,
    ) -> None:
        if len(inputs) != len(targets):
            raise ValueError(f"each sequence needs one target; got {len(inputs)} inputs and {len(targets)} targets")
        self.spec, self.stream = spec, stream
        of_inputs = np.int64 if spec.inputs == "tokens" else np.float32
        of_targets = np.float32 if spec.targets in ("values", "sets") else np.int64
        self.inputs = inputs if isinstance(inputs, Ragged) else Ragged.of(inputs, of_inputs)
        self.targets: Ragged | np.ndarray
        if isinstance(targets, Ragged):
            self.targets = targets
        elif spec.target_shape == "sequence":
            self.targets = np.asanyarray(targets, of_targets)
        else:
            self.targets = Ragged.of(targets, of_targets)
        self.lengths = self.inputs.lengths
        empty = np.flatnonzero(self.lengths == 0)
        if len(empty):
            raise ValueError(f"sequence {empty[0]} has no steps; each needs at least 1: drop it")
        if spec.target_shape == "step" and isinstance(self.targets, Ragged):
            other = np.flatnonzero(self.targets.lengths != self.lengths)
            if len(other):
                steps, own = self.lengths[other[0]], self.targets.lengths[other[0]]
                raise ValueError(f"sequence {other[0]} has {steps} steps but {own} targets; each step needs one")

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        inputs = self.inputs.part(index, start, stop)
        if self.spec.inputs == "tokens":
            inputs = inputs.astype(np.int64, copy=False)
        if self.spec.target_shape == "step" and isinstance(self.targets, Ragged):
            return inputs, self.targets.part(index, start, stop)
        return inputs, np.asarray(self.targets[index])

    @property
    def labels(self) -> np.ndarray | None:
        """The label of each sequence ``(N,)``; None where targets are of another kind."""
        of_sequences = self.spec.targets == "labels" and isinstance(self.targets, np.ndarray)
        return np.asarray(self.targets) if of_sequences else None


def no_targets(spec: Spec, lengths: Iterable[int]) -> list[np.ndarray]:
    """Return zeros in the place of the targets of sequences of these lengths.

    >>> [zeros.shape for zeros in no_targets(Spec("features", 1, "values", 2, "step"), [3, 1])]
    [(3, 2), (1, 2)]
    """
    width = (spec.target_size,) if spec.targets in ("values", "sets") else ()
    steps = {"step": lambda length: (length,), "own": lambda length: (1,), "sequence": lambda length: ()}
    return [np.zeros(steps[spec.target_shape](length) + width) for length in lengths]


class Origins(LazySequence[dict[str, Any]]):
    """Origins of sequences, each a dict that is made when it is asked for.

    >>> Origins("line", [2, 3])[1], list(Origins("name", [0, 1, 0], ["ann", "bob"]))[2]
    ({'line': 3}, {'name': 'ann'})
    """

    def __init__(self, name: str, places: Sequence[int] | np.ndarray, names: Sequence[str] | None = None) -> None:
        self.name, self.places, self.names = name, places, names

    def __len__(self) -> int:
        return len(self.places)

    def item(self, index: int) -> dict[str, Any]:
        place = int(self.places[index])
        return {self.name: place if self.names is None else self.names[place]}
