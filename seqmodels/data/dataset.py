"""What a data set is, sequences that can be read in pieces, and what a source of them is.

T steps of a sequence, F features, S target steps, V values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
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


class Origins(LazySequence[dict[str, Any]]):
    """Where each sequence is from, as a dict that is made when it is asked for.

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


class DataSource(ABC):
    """Where data sets come from; what one writes to add a kind of data.

    A subclass takes plain options in its constructor, whose annotations say what each may be, is
    registered with ``@register("data", name)``, and writes `splits` and `open`; `suggest` and
    `describe` where it knows better than what its spec says.

    >>> class Parity(DataSource):
    ...     def splits(self):
    ...         spec = Spec("tokens", 2, "labels", 2, "sequence")
    ...         return {"train": ArrayDataset(spec, [np.array([1, 0, 1]), np.array([1])], [0, 1])}
    ...
    ...     @classmethod
    ...     def open(cls, path, spec, targets=None):
    ...         raise ValueError("there are no files of this kind")
    >>> Parity().describe(), Parity().suggest()
    ('2 train sequences', {'task': 'classification', 'head': 'many_to_one'})

    Attributes:
        notes: what `splits` left out or changed, and why, one short sentence each, with a number in it
            ("3 of 500 rows left out: no label (data.missing=drop)"); set anew by each call of `splits`.
    """

    notes: Sequence[str] = ()

    @abstractmethod
    def splits(self) -> dict[str, SequenceDataset]:
        """Make the data sets: "train", and "val" and "test" where wanted, all with the same spec.

        Vocabulary, classes and scales are taken from the training part alone.

        Raises:
            ValueError: what is wrong with the data, and where.
        """

    @classmethod
    @abstractmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None) -> SequenceDataset:
        """Open a new file, encoded with the vocabulary, classes and scales in `spec`.

        A subclass may take options of its constructor too: they get the values of the run's config.

        Args:
            path: the file.
            spec: of the training data.
            targets: true if the file must hold them, to measure a model; false to put zeros; None to
                take them where they are there.

        Raises:
            ValueError: what is wrong with the file, or what in it was never seen in training.
        """

    def suggest(self) -> dict[str, str]:
        """Suggest the task and the head that fit the data, by name; none is needed.

        A source may add ``"recipe"``, where another one suits its data than is usual for the task, and settings by
        their full names, such as ``"training.batch_size": "8"``. All are taken where the user says nothing else.
        """
        spec = self.splits()["train"].spec
        heads = {"step": "many_to_many", "sequence": "many_to_one", "own": "encoder_decoder"}
        tasks = {"values": "regression", "labels": "tagging", "sets": "multilabel", "tokens": "language_modelling"}
        if spec.target_shape == "sequence":
            tasks |= {"labels": "classification"}
        task = "sequence_generation" if spec.target_shape == "own" else tasks[spec.targets]
        return {"task": task, "head": heads[spec.target_shape]}

    def take_over(self, other: Any, changed: set[str]) -> bool:
        """Go on with what `other` has read, where the options that differ do not bear on it.

        Args:
            other: a source of the same class, with the same options but for those in `changed`.
            changed: names of options.

        Returns:
            Whether anything was taken over: not, unless a subclass says otherwise.
        """
        return False

    def describe(self) -> str:
        """Say in one sentence what the data were taken for."""
        return ", ".join(f"{len(split):,} {name}" for name, split in self.splits().items()) + " sequences"
