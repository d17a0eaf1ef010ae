"""Spoken digits as cepstral coefficients: one by one, and spelt one after the other.

T frames, F features.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np

from seqmodels.data.columns.splits.shares import stratified
from seqmodels.data.dataset import ArrayDataset
from seqmodels.data.encode.audio.deltas import delta_names, with_deltas
from seqmodels.data.numbers import apply_scale, fit_scale
from seqmodels.data.read.joined import read_joined
from seqmodels.data.sources.base import DataSource, sizes_of
from seqmodels.data.sources.generated.base import HeldOutSize, Steps, TrainSize
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Seed, Share, whole
from seqmodels.registry import register
from seqmodels.spec import Spec

SHIPPED = "shipped:fsdd_mfcc13.npz"


class _Recordings:
    """Recordings of one digit each, dealt to the splits, with the training part's scale and digits."""

    def __init__(self, path: str, deltas: int, val_fraction: float, test_fraction: float, seed: int) -> None:
        joined = read_joined(path)
        if joined.targets is None or any(len(target) != 1 for target in joined.targets):
            raise ValueError(f"{path}: expected y with one digit for each sequence, to learn from")
        self.frames = [np.asarray(one) for one in joined.inputs]
        digits = np.concatenate(joined.targets)
        self.parts = stratified(digits.tolist(), val_fraction, test_fraction, seed)
        seen = np.unique(digits)
        self.names = tuple(map(str, seen.tolist()))
        self.digits = np.searchsorted(seen, digits)
        self.deltas = deltas
        raw = np.concatenate([with_deltas(self.frames[i], deltas) for i in self.parts["train"]])
        self.shift, self.scale = fit_scale(raw)

    def spec(self, targets: str, shape: str) -> Spec:
        """Return the spec: "labels" per "sequence", or "tokens" of their "own" length."""
        features = len(self.frames[0][0])
        names = delta_names(tuple(f"cepstrum {i}" for i in range(features)), self.deltas)
        return Spec(
            *("features", len(names), targets, len(self.names), shape),  # type: ignore[arg-type]
            input_names=names,
            target_names=self.names,
            input_shift=self.shift,
            input_scale=self.scale,
            encoder={"deltas": self.deltas},
        )


def _encode(frames: np.ndarray, spec: Spec) -> np.ndarray:
    """Return scaled features of one sequence, with their changes."""
    deltas = int(spec.encoder["deltas"])
    return apply_scale(with_deltas(frames, deltas), spec.input_shift, spec.input_scale)


def _open(path: str, spec: Spec, targets: bool | None) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
    """Return encoded features of a new file, and its targets where they are wanted and there."""
    joined = read_joined(path)
    width = spec.input_size // (int(spec.encoder["deltas"]) + 1)
    frames = [np.asarray(one) for one in joined.inputs]
    if frames[0].shape[1] != width:
        raise ValueError(f"{path}: X has {frames[0].shape[1]} features a frame, and the model reads {width}")
    if targets and joined.targets is None:
        raise ValueError(f"{path}: has no y, which is needed to measure the model")
    inputs = [_encode(one, spec) for one in frames]
    if targets is False or joined.targets is None:
        return inputs, None
    known = {int(name): i for i, name in enumerate(spec.target_names)}
    numbers = [np.asarray(values).tolist() for values in joined.targets]
    for row, values in enumerate(numbers):
        for value in values:
            if value not in known:
                raise ValueError(f"{path}, sequence {row}: the model knows {', '.join(spec.target_names)}, got {value}")
    return inputs, [np.array([known[v] for v in values], np.int64) for values in numbers]


@register("data", "spoken_digits")
class SpokenDigitsSource(DataSource):
    """Spoken digits: 3,000 recordings of 6 speakers, 13 mel-frequency cepstral coefficients a frame.

    >>> train = SpokenDigitsSource().splits()["train"]
    >>> inputs, target = train.read(0, 0, int(train.lengths[0]))
    >>> inputs.shape[1], train.spec.target_names[int(target)]
    (26, '5')

    Args:
        path: an .npz file with ``X`` (all frames one after the other), ``lengths`` (frames of each
            recording) and ``y`` (its digit).
        deltas: 1 to see how the coefficients change beside what they are, 2 for changes of changes too.
        val_fraction: share of the recordings for validation.
        test_fraction: share for test; both with each digit in the same share.
        seed: what the random split depends on.

    """

    suits: ClassVar = {"task": "classification", "head": "many_to_one"}

    def __init__(
        self,
        path: str = SHIPPED,
        deltas: Annotated[int, whole(0, 2)] = 1,
        val_fraction: Share = 0.1,
        test_fraction: Share = 0.2,
        seed: Seed = 0,
    ) -> None:
        self.path, self.deltas = path, deltas
        self.fractions, self.seed = (val_fraction, test_fraction), seed

    def describe(self) -> str:
        return f"spoken digits ({sizes_of(self.splits())}) as cepstral coefficients, from {self.path}"

    def splits(self) -> dict[str, SequenceDataset]:
        all_of_them = _Recordings(self.path, self.deltas, *self.fractions, self.seed)
        spec = all_of_them.spec("labels", "sequence")
        return {
            name: ArrayDataset(spec, [_encode(all_of_them.frames[i], spec) for i in part], all_of_them.digits[part])
            for name, part in all_of_them.parts.items()
        }

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None) -> SequenceDataset:
        """Open other recordings, in a file of the same form; ``y`` may be missing."""
        inputs, known = _open(path, spec, targets)
        if known is not None and any(len(target) != 1 for target in known):
            raise ValueError(f"{path}: expected one digit for each sequence in y; leave out target_lengths")
        return ArrayDataset(spec, inputs, [0] * len(inputs) if known is None else [int(one[0]) for one in known])


@register("data", "spoken_spelling")
class SpokenSpellingSource(DataSource):
    """Numbers spelt aloud: strings of digits, joined from recordings of single ones.

    What is joined is always of one split, so no recording that is learned from is heard in the test.
    Each recording of a split is used about equally often.

    >>> source = SpokenSpellingSource(train_size=3, val_size=2, test_size=2)
    >>> train = source.splits()["train"]
    >>> [len(train.read(i, 0, 1)[1]) for i in range(3)], train.lengths.tolist()
    ([6, 5, 4], [128, 78, 79])

    Args:
        path: as for `SpokenDigitsSource`.
        deltas: the same.
        shortest, longest: digits in a string, each number of them alike often.
        train_size, val_size, test_size: strings in each split; 0 for a split that is left out.
        seed: what the split of the recordings (70, 10 and 20 %) and the strings depend on.

    Raises:
        ValueError: what is wrong with the file, or no string of a length can be made.
    """

    def __init__(
        self,
        path: str = SHIPPED,
        deltas: Annotated[int, whole(0, 2)] = 1,
        shortest: Steps = 2,
        longest: Steps = 6,
        train_size: TrainSize = 4000,
        val_size: HeldOutSize = 400,
        test_size: HeldOutSize = 600,
        seed: Seed = 0,
    ) -> None:
        if shortest > longest:
            raise ValueError(f"data.shortest must be from 1 to data.longest={longest}, got {shortest}")
        self.path, self.deltas, self.seed = path, deltas, seed
        self.shortest, self.longest = shortest, longest
        self.sizes = {"train": train_size, "val": val_size, "test": test_size}

    def suggest(self) -> dict[str, str]:
        return {"task": "transcription", "head": "ctc"}

    def describe(self) -> str:
        counts = ", ".join(f"{size:,} {name}" for name, size in self.sizes.items() if size)
        return f"numbers of {self.shortest} to {self.longest} digits spelt aloud ({counts}), joined from {self.path}"

    def splits(self) -> dict[str, SequenceDataset]:
        recordings = _Recordings(self.path, self.deltas, 0.1, 0.2, self.seed)
        spec = recordings.spec("tokens", "own")
        parts = {name: recordings.parts[name] for name, size in self.sizes.items() if size}
        return {name: self._strings(recordings, spec, name, part) for name, part in parts.items()}

    def strings(self, name: str, recordings: np.ndarray) -> list[np.ndarray]:
        """Choose which of a split's recordings are joined in each of its strings."""
        generator = np.random.default_rng([self.seed, list(self.sizes).index(name)])
        counts = generator.integers(self.shortest, self.longest + 1, self.sizes[name])
        rounds = -(-int(counts.sum()) // len(recordings))
        order = np.concatenate([generator.permutation(recordings) for _ in range(rounds)])
        return np.split(order[: counts.sum()], np.cumsum(counts)[:-1])

    def _strings(self, recordings: _Recordings, spec: Spec, name: str, part: np.ndarray) -> ArrayDataset:
        strings = self.strings(name, part)
        inputs = [_encode(np.concatenate([recordings.frames[i] for i in string]), spec) for string in strings]
        return ArrayDataset(spec, inputs, [recordings.digits[string] for string in strings])

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None) -> SequenceDataset:
        """Open other spelt numbers, in a file of the same form; ``target_lengths`` counts the ``y`` of each."""
        inputs, known = _open(path, spec, targets)
        return ArrayDataset(spec, inputs, [np.zeros(0)] * len(inputs) if known is None else known)
