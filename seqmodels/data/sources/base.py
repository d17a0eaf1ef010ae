"""Sources of data sets, and what all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence, Sized
from typing import Any, ClassVar

from seqmodels.dataset import SequenceDataset
from seqmodels.spec import Spec


def sizes_of(splits: Mapping[str, Sized]) -> str:
    """Say how many sequences are in each split.

    >>> sizes_of({"train": range(1200), "val": range(3)})
    '1,200 train, 3 val'
    """
    return ", ".join(f"{len(split):,} {name}" for name, split in splits.items())


class DataSource(ABC):
    """Base of all sources of data sets; write one to add a kind of data.

    A subclass takes plain options in its constructor, whose annotations say what each may be, is
    registered with ``@register("data", name)``, and writes `splits` and `open`; `suggest` and
    `describe` where it knows better than what its spec says. The constructor refuses an option out of
    range, the methods what is wrong with the file, with its place: both by a ValueError.

    >>> import numpy as np
    >>> from seqmodels.data.dataset import ArrayDataset
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
        suits: the task and the head that fit all data of this kind, and settings, as `suggest` gives them.
        notes: what `splits` left out or changed, and why, one short sentence each, with a number in it
            ("3 of 500 rows left out: no label (data.missing=drop)"); set anew by each call of `splits`.
    """

    suits: ClassVar[Mapping[str, str]] = {}
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
        if self.suits:
            return dict(self.suits)
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
        return f"{sizes_of(self.splits())} sequences"
