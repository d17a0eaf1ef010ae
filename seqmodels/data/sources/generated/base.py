"""Base of the synthetic data sets: sequences that are computed when they are read, not stored."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated

import numpy as np

from seqmodels.data.dataset import ArrayDataset, no_targets
from seqmodels.data.encode.vocabulary import encode
from seqmodels.data.files.find import read_text
from seqmodels.data.sources.base import DataSource
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import whole
from seqmodels.spec import Spec

Sequence = tuple[np.ndarray, np.ndarray]
# Steps of a sequence, and sequences; more would be meant by nobody, and fill the memory.
Steps = Annotated[int, whole(1, 10_000)]
TrainSize = Annotated[int, whole(1, 1_000_000)]
HeldOutSize = Annotated[int, whole(0, 1_000_000)]


class Generated(SequenceDataset):
    """Sequences that are made when they are read; the same at every reading.

    Args:
        spec: what they are.
        lengths: steps of each.
        make: from a random generator and a number of steps to inputs and targets.
        key: what the generators depend on, besides the sequence's index.
    """

    def __init__(
        self,
        spec: Spec,
        lengths: np.ndarray,
        make: Callable[[np.random.Generator, int], Sequence],
        key: tuple[int, int],
    ) -> None:
        self.spec, self.lengths, self.make, self.key = spec, lengths, make, key

    def read(self, index: int, start: int, stop: int) -> Sequence:
        inputs, targets = self.make(_generator(self.key, index), int(self.lengths[index]))
        return inputs[start:stop], targets[start:stop] if self.spec.target_shape == "step" else targets


class SyntheticSource(DataSource):
    """Base of the synthetic data sources.

    Args:
        train_size, val_size, test_size: how many sequences of each; 0 for no validation or test.
        seed: other seeds, other sequences.
        shortest, longest: steps of a sequence, each number of them alike often; None for all as the shortest.
    """

    spec: Spec

    def __init__(
        self, train_size: int, val_size: int, test_size: int, seed: int, shortest: int, longest: int | None = None
    ) -> None:
        self.sizes = {"train": train_size, "val": val_size, "test": test_size}
        self.seed, self.steps = seed, (shortest, longest or shortest)

    @abstractmethod
    def make(self, generator: np.random.Generator, steps: int) -> Sequence:
        """Make one sequence: inputs and targets."""

    def splits(self) -> dict[str, SequenceDataset]:
        found: dict[str, SequenceDataset] = {}
        for i, (name, size) in enumerate(self.sizes.items()):
            if size:
                key = (self.seed, i)
                lengths = _generator(key, -1).integers(self.steps[0], self.steps[1] + 1, size)
                found[name] = Generated(self.spec, lengths, self.make, key)
        return found

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None) -> ArrayDataset:
        """Read sequences from a text file, one a line; the targets are zeros.

        Tokens are written together (``abca``); numbers with blanks between steps, and commas between
        the features of a step (``0.3,0 0.5,1``).

        Raises:
            ValueError: what is wrong with the file, and in which line; or targets are wanted.
        """
        if targets:
            raise ValueError(f"{path}: a file of made sequences holds inputs only, nothing to measure a model by")
        lines = read_text(path).splitlines()
        inputs = [_parse(line, spec, f"{path}, line {i}") for i, line in enumerate(lines, 1) if line.strip()]
        return ArrayDataset(spec, inputs, no_targets(spec, map(len, inputs)))


def _generator(key: tuple[int, int], index: int) -> np.random.Generator:
    """Return the random generator of one sequence; of the lengths, for index -1."""
    return np.random.Generator(np.random.Philox(key=np.array(key, np.uint64), counter=[0, 0, 0, index + 1]))


def _parse(line: str, spec: Spec, place: str) -> np.ndarray:
    """Parse one sequence of a text file."""
    try:
        if spec.inputs == "tokens":
            return encode(line.strip(), spec)
        rows = [[float(number) for number in step.split(",")] for step in line.split()]
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    for t, row in enumerate(rows, 1):
        if len(row) != spec.input_size:
            raise ValueError(f"{place}, step {t}: expected {','.join(spec.input_names)}; got {len(row)} number(s)")
    return (np.array(rows) - (spec.input_shift or 0.0)) / (spec.input_scale or 1.0)
