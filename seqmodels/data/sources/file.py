"""Sources that read a file into examples, from which all else follows."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from seqmodels.data.columns.splits.examples import split_examples
from seqmodels.data.columns.splits.shares import shares_of
from seqmodels.data.encode.encoder import Encoder
from seqmodels.data.examples import Examples
from seqmodels.data.sources.base import DataSource, sizes_of
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Seed, Share
from seqmodels.spec import Spec


class FileSource(DataSource):
    """A source that reads a file into `Examples`; splits, encoding, new files and words follow from those.

    docs/own_source.md shows one. The options of its constructor, if it has more of them, hold for new files too.

    Args:
        path: the file.
        val_fraction, test_fraction: shares of validation and test.
        seed: what the random split depends on.

    """

    def __init__(self, path: str, val_fraction: Share = 0.1, test_fraction: Share = 0.1, seed: Seed = 0) -> None:
        self.path, self.shares = path, shares_of(val_fraction, test_fraction, seed)

    @abstractmethod
    def read(self, path: str) -> Examples:
        """Read a file, to train on or a new one.

        Raises:
            ValueError: what is wrong with it, and where.
        """

    def splits(self) -> dict[str, SequenceDataset]:
        """Make the data sets; copies and groups stay together, classes have the same shares in each."""
        examples = self.read(self.path)
        parts, copies = split_examples(examples, *self.shares)
        encoder = Encoder.fit(examples.select(parts["train"]))
        told = (f"{copies:,} sequences are copies of another one, and kept in its split",) if copies else ()
        self.notes = (*examples.notes, *told)
        return {name: encoder.encode(examples.select(items), targets=True) for name, items in parts.items()}

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None, **options: Any) -> SequenceDataset:
        """Open a new file as `DataSource.open` does; `options` are those of the constructor."""
        return Encoder(spec).encode(cls(path, **options).read(path), targets)

    def describe(self) -> str:
        """Say in one sentence what the file was taken for."""
        splits = self.splits()
        spec, lengths = splits["train"].spec, [int(steps) for split in splits.values() for steps in split.lengths]
        what = f"{spec.target_size} classes" if spec.targets == "labels" else f"values ({', '.join(spec.target_names)})"
        steps = f"{min(lengths)} to {max(lengths)} steps"
        return f"{self.path}: {len(lengths):,} sequences of {steps}, {what}; {sizes_of(splits)}"
