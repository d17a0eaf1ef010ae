"""Sequences that lie in files, encoded: read where they are needed, so that memory does not grow with them.

N sequences, T steps of one, F features, V target values. A folder holds, for each split, `inputs` and
`targets`, the plain numbers of all sequences one after the other, and files with one number per sequence:
its steps, which step of all is its first, its line or row, and its weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, overload

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.dataset import ArrayDataset, SequenceDataset

ARRAYS = {"lengths": np.int64, "starts": np.int64, "places": np.int64, "weights": np.float64}


class MappedSequences(SequenceDataset):
    """The sequences of one split.

    Args:
        folder: as `write_sequences` made it.
        name: of the split.
        spec: of the sequences.
        unit: what `origins` count: lines or rows of the file they are from.
    """

    def __init__(self, folder: Path, name: str, spec: BatchSpec, unit: str) -> None:
        self.spec = spec
        self.inputs, self.targets = folder / f"{name}.inputs", folder / f"{name}.targets"
        self.folder, self.name, self.unit = folder, name, unit
        self._map()

    def _map(self) -> None:
        files = {key: self.folder / f"{self.name}.{key}" for key in ARRAYS}
        maps = {key: np.memmap(file, ARRAYS[key], "r") for key, file in files.items() if file.is_file()}
        self.lengths, self.starts, self.weights = maps["lengths"], maps["starts"], maps.get("weights")
        self.origins = Origins(self.unit, maps["places"])

    def __getstate__(self) -> dict[str, Any]:
        # Pickling a memory map would copy all of the file.
        return {**self.__dict__, "lengths": None, "starts": None, "weights": None, "origins": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map()

    @property
    def labels(self) -> np.ndarray | None:
        """The label of each sequence ``(N,)``; None where targets are of another kind."""
        if self.spec.targets != "labels" or self.spec.target_shape != "sequence":
            return None
        return np.fromfile(self.targets, _target_type(self.spec))

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        spec, first = self.spec, int(self.starts[index])
        inputs = _read(self.inputs, _input_type(spec), first + start, first + stop, _input_shape(spec))
        if spec.target_shape == "step":
            targets = _read(self.targets, _target_type(spec), first + start, first + stop, _target_shape(spec))
        else:
            targets = _read(self.targets, _target_type(spec), index, index + 1, _target_shape(spec))[0]
        return (inputs.astype(np.int64) if spec.inputs == "tokens" else inputs), targets


class Origins(Sequence[dict[str, Any]]):
    """Of each sequence its line or row, as a dict that is made when it is asked for."""

    def __init__(self, unit: str, places: np.ndarray) -> None:
        self.unit, self.places = unit, places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [{self.unit: int(place)} for place in self.places[index]]
        return {self.unit: int(self.places[index])}


def _read(path: Path, dtype: np.dtype, start: int, stop: int, shape: tuple[int, ...]) -> np.ndarray:
    """Items from `start` to `stop`. Read, not mapped: pages of a map would count as this process's memory."""
    each = int(np.prod(shape, dtype=np.int64))
    numbers = np.fromfile(path, dtype, (stop - start) * each, offset=start * each * dtype.itemsize)
    return numbers.reshape(stop - start, *shape)


def write_sequences(folder: Path, parts: Iterable[tuple[str, ArrayDataset, np.ndarray]]) -> None:
    """Write splits into an empty folder, part by part.

    Args:
        folder: to write to.
        parts: name of a split, some of its sequences, and of each the line or row it is from.
    """
    with _Files(folder) as files:
        steps: dict[str, int] = {}
        for name, dataset, places in parts:
            spec = dataset.spec
            for x in dataset.inputs:
                files[f"{name}.inputs"].write(np.ascontiguousarray(x, _input_type(spec)).tobytes())
            for y in dataset.targets:
                files[f"{name}.targets"].write(np.ascontiguousarray(y, _target_type(spec)).tobytes())
            starts = np.cumsum(dataset.lengths) - dataset.lengths + steps.get(name, 0)
            steps[name] = steps.get(name, 0) + int(dataset.lengths.sum())
            given = {"lengths": dataset.lengths, "starts": starts, "places": places, "weights": dataset.weights}
            for key, array in given.items():
                if array is not None:
                    files[f"{name}.{key}"].write(array.astype(ARRAYS[key]).tobytes())


class _Files:
    """Files of a folder, opened when first written to, and closed together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, IO[bytes]] = {}

    def __enter__(self) -> _Files:
        return self

    def __getitem__(self, name: str) -> IO[bytes]:
        if name not in self._open:
            self._open[name] = (self.folder / name).open("wb")
        return self._open[name]

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()


def split_names(folder: Path) -> Iterator[str]:
    """The splits in a folder, training first."""
    yield from (name for name in ("train", "val", "test") if (folder / f"{name}.lengths").is_file())


def _input_type(spec: BatchSpec) -> np.dtype:
    return np.min_scalar_type(max(0, spec.input_size - 1)) if spec.inputs == "tokens" else np.dtype(np.float32)


def _input_shape(spec: BatchSpec) -> tuple[int, ...]:
    return () if spec.inputs == "tokens" else (spec.input_size,)


def _target_type(spec: BatchSpec) -> np.dtype:
    return np.dtype(np.int64 if spec.targets == "labels" else np.float32)


def _target_shape(spec: BatchSpec) -> tuple[int, ...]:
    return () if spec.targets == "labels" else (spec.target_size,)
