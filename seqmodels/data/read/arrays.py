"""Sequences in NumPy files, as they lie there: never pickled, and mapped into memory where they can be.

N sequences, T steps, F features, V values of one target.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.files.cache import cached_folder, stamp
from seqmodels.data.files.find import FILE, FOLDER, expanded, find_file, kind_of
from seqmodels.data.files.numpy import IDX_NAME, OBJECTS, Archive, map_array, read_header
from seqmodels.quoting import suggest

# What files of tables end in, which another source reads.
TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".arrow", ".feather")
READ_BY = ("rows", "columns", "pixels")
# Bytes of an array from which on it is taken out of its archive, to be mapped into memory; and its name then.
LARGE, UNPACKED = 50_000_000, "array.npy"
# Names in a folder that are looked at.
MOST_BESIDE = 100_000


@dataclass(frozen=True)
class Names:
    """Names of the arrays: in a .npz archive their keys, in a folder the files' names."""

    x: str = "X"
    y: str = "y"
    lengths: str = "lengths"
    groups: str | None = None
    classes: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class Arrays:
    """N sequences and what belongs to each, unscaled.

    Fields:
        path: where they are from.
        x: ``(N, T, ...)``, or ``(sum of T, ...)`` where `starts` says where each begins.
        lengths: int64 ``(N,)``.
        starts: int64 ``(N,)``, or None.
        y: one target for each sequence ``(N,)`` / ``(N, V)``, one for each step with x's first axes, or None.
        groups: of each sequence what must not be in two splits, or None.
        split: of each sequence the split it is given to, or None.
        read_by: which axis of an image the steps are: "rows", "columns" or "pixels".
        lines: of each sequence its line in a text file; None for arrays.
    """

    path: str
    x: np.ndarray
    lengths: np.ndarray
    starts: np.ndarray | None = None
    y: np.ndarray | None = None
    groups: np.ndarray | None = None
    split: np.ndarray | None = None
    read_by: str = "rows"
    lines: list[int] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def grid(self) -> tuple[int, ...]:
        """The axes of one step in the file."""
        return tuple(self.x.shape[1:] if self.starts is not None else self.x.shape[2:])

    @property
    def feature_count(self) -> int:
        if self.read_by == "rows":
            return int(np.prod(self.grid, dtype=np.int64))
        channels = int(np.prod(self.grid[1:], dtype=np.int64))
        return channels * (self.x.shape[1] if self.read_by == "columns" else 1)

    def steps(self, index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return steps of one sequence, ``(stop - start, F)``; of mapped arrays no other is read."""
        stop = int(self.lengths[index]) if stop is None else stop
        if self.starts is not None:
            first = int(self.starts[index])
            return np.asarray(self.x[first + start : first + stop]).reshape(stop - start, -1)
        block = self.x[index]
        if self.read_by == "rows":
            return np.asarray(block[start:stop]).reshape(stop - start, -1)
        if self.read_by == "columns":
            return np.asarray(block[:, start:stop]).swapaxes(0, 1).reshape(stop - start, -1)
        return np.asarray(block).reshape(block.shape[0] * block.shape[1], -1)[start:stop]

    def target(self, index: int, start: int, stop: int, per_step: bool) -> np.ndarray:
        """Return the target of a sequence, or those of some of its steps."""
        if self.y is None or not per_step:
            return np.asarray(None if self.y is None else self.y[index])
        if self.starts is not None:
            first = int(self.starts[index])
            return np.asarray(self.y[first + start : first + stop])
        return np.asarray(self.y[index, start:stop])

    def place(self, index: int) -> str:
        """Say where a sequence is."""
        return f"{self.path}, sequence {index}" if self.lines is None else f"{self.path}, line {self.lines[index]}"


def read_arrays(path: str | Path, names: Names, read_by: str = "rows", targets: bool | None = None) -> Arrays:
    """Read the arrays of a .npz archive, of a folder of .npy or IDX files, or of one such file and those beside it.

    Args:
        path: of .npy files, which are mapped into memory, nothing is read yet.
        names: of the arrays; of a .npy file, x is that file whatever it is called.
        read_by: as for `Arrays`.
        targets: whether y must be there; None takes it where it is there, False leaves it out.

    Raises:
        ValueError: a file or an array that is missing, damaged, pickled, or of a shape or type that does not fit.
    """
    if str(path).lower().endswith(TABLES):
        raise ValueError(
            f"{path}: holds a table, and no arrays: read it with data=csv data.path={path} data.target=COLUMN"
        )
    store = _Store(path, names)
    x = store.need("x")
    if x.dtype.kind not in "fiub":
        raise ValueError(f"{store.place('x')}: expected numbers, got dtype {x.dtype}; save it as float32")
    lengths = store.get("lengths")
    y = (store.need("y") if targets else store.get("y")) if targets is not False else None
    lengths, starts = _resolve_lengths(store, x, lengths)
    arrays = Arrays(
        str(path), x, lengths, starts, _with_classes(store, y), store.get("groups"), store.get("split"), read_by
    )
    _check_counts(store, arrays)
    return _as_images(arrays) if read_by != "rows" else arrays


class _Store:
    """Arrays by the option that names them."""

    def __init__(self, path: str | Path, names: Names) -> None:
        self.path, self.names = str(path), names
        folder = expanded(path)
        self.file = folder if kind_of(folder) == FOLDER else find_file(path)
        self.folder = self.file if self.file.is_dir() else self.file.parent
        self.is_array = self.file.suffix == ".npy" or IDX_NAME.fullmatch(self.file.name) is not None
        labels = re.sub(r"images([-.])idx\d", r"labels\1idx1", self.file.name)
        if self.is_array and names.y == Names.y and labels != self.file.name and (self.folder / labels).exists():
            self.names = replace(names, y=labels)
        self.archive = self._archived() if self.file.is_file() and not self.is_array else None
        self.known = list(self.archive.members) if self.archive else _names_in(self.folder)

    def place(self, option: str) -> str:
        return f"{self.path}, array {getattr(self.names, option)!r} (data.{option})"

    def get(self, option: str) -> np.ndarray | None:
        """Return an array; None where no array has the option's usual name."""
        name = getattr(self.names, option)
        return self.need(option) if name in self.known or name != getattr(Names(), option) else None

    def need(self, option: str) -> np.ndarray:
        """Return an array that has to be there."""
        name = getattr(self.names, option)
        of_file = option == "x" and self.is_array
        if name not in self.known and not of_file:
            hint = suggest(name, self.known)
            has = ", ".join(self.known) or "none"
            raise ValueError(f"data.{option}: {self.path} has no array {name!r}{hint}; it has: {has}")
        try:
            array = self._read(self.archive, name) if self.archive else self._map(name, of_file)
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.place(option)}: {_why(error)}") from None
        if array.size == 0 or array.ndim == 0:
            raise ValueError(f"{self.place(option)}: expected one entry for each sequence, got shape {array.shape}")
        return array

    def _archived(self) -> Archive:
        try:
            return Archive(self.file)
        except ValueError as error:
            raise ValueError(
                f"{self.path}: expected a .npz archive, and it cannot be read ({error}): it is damaged, cut "
                "short or of another kind; save it anew with numpy.savez_compressed"
            ) from None

    def _map(self, name: str, of_file: bool) -> np.ndarray:
        file = self.file if of_file else self.folder / (name if IDX_NAME.fullmatch(name) else f"{name}.npy")
        if (kind := kind_of(file)) != FILE:
            raise ValueError(f"{file.name} is {kind}, and no file")
        return map_array(file)

    def _read(self, archive: Archive, name: str) -> np.ndarray:
        """Read an array of an archive; one too large to be read at once by way of the cache."""
        if archive.size(name) <= LARGE:
            return archive.read(name)

        def write(folder: Path) -> dict[str, Any]:
            with archive.open(name) as source, (folder / UNPACKED).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            return {}

        with archive.open(name) as source:
            read_header(source, archive.size(name))  # before it is written out
        asked = ["npz", stamp(self.path), f"{name}.npy"]
        return map_array(cached_folder(None, self.path, asked, write, f"array {name!r}") / UNPACKED)


def _names_in(folder: Path) -> list[str]:
    """List the arrays in a folder, as far as it is looked through."""
    names = (entry.name for entry in itertools.islice(os.scandir(folder), MOST_BESIDE))
    return sorted(name.removesuffix(".npy") for name in names if name.endswith(".npy") or IDX_NAME.fullmatch(name))


def _why(error: Exception) -> str:
    words = _one_line(error)
    if words == OBJECTS or "unpack to" in words:
        return words
    return f"it is damaged or cut short ({words}); save it anew with numpy.save"


def _one_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__


def _resolve_lengths(store: _Store, x: np.ndarray, lengths: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the steps of each sequence and, where all lie end to end, where it begins."""
    if lengths is None:
        if x.ndim < 2:
            raise ValueError(
                f"{store.place('x')}: expected (sequences, steps) or (sequences, steps, features), got shape "
                f"{x.shape}; sequences end to end need an array of their lengths: name it with data.lengths=NAME"
            )
        return np.full(len(x), x.shape[1], dtype=np.int64), None
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or lengths.min() < 1:
        worst = f", smallest {lengths.min()}" if lengths.dtype.kind in "iu" else ""
        raise ValueError(
            f"{store.place('lengths')}: expected a whole number of at least 1 for each sequence, got shape "
            f"{lengths.shape}, dtype {lengths.dtype}{worst}; leave empty sequences out"
        )
    lengths = np.asarray(lengths, dtype=np.int64)
    if len(x) == lengths.sum():
        return lengths, np.cumsum(lengths) - lengths
    if x.ndim >= 2 and len(x) == len(lengths) and lengths.max() <= x.shape[1]:
        return lengths, None
    raise ValueError(
        f"{store.place('x')}: got shape {x.shape}, which {len(lengths)} lengths (sum {lengths.sum()}, longest "
        f"{lengths.max()}) do not fit: expected ({lengths.sum()}, features), or ({len(lengths)}, steps, features)"
    )


def _with_classes(store: _Store, y: np.ndarray | None) -> np.ndarray | None:
    """Replace numbers of classes by the classes' names, where an array holds them."""
    names = store.get("classes")
    if names is None or y is None:
        return y
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= len(names):
        raise ValueError(
            f"{store.place('y')}: expected whole numbers from 0 to {len(names) - 1}, places in "
            f"data.classes={store.names.classes}, got dtype {y.dtype} from {y.min()} to {y.max()}"
        )
    return names[y]


def _check_counts(store: _Store, arrays: Arrays) -> None:
    """Refuse arrays with an entry too many or too few."""
    count, steps = len(arrays), len(arrays.x)
    for option, fits in (("y", {count, steps}), ("groups", {count}), ("split", {count})):
        array = getattr(arrays, option)
        if array is not None and (len(array) not in fits or (option != "y" and array.ndim > 1)):
            raise ValueError(
                f"{store.place(option)}: expected one entry for each of the {count} sequences, got {len(array)}, shape "
                f"{array.shape}; each sequence needs its own"
            )


def _as_images(arrays: Arrays) -> Arrays:
    """Set the lengths of images that are read by column or by pixel."""
    x = arrays.x
    if arrays.starts is not None or x.ndim < 3 or (arrays.lengths != x.shape[1]).any():
        raise ValueError(
            f"data.read_by={arrays.read_by}: needs images of one size, (images, rows, columns), got shape {x.shape}"
            f"{' with lengths' if arrays.starts is not None else ''}; leave it at rows"
        )
    count = x.shape[2] if arrays.read_by == "columns" else x.shape[1] * x.shape[2]
    return Arrays(**{**vars(arrays), "lengths": np.full(len(x), count, dtype=np.int64)})
