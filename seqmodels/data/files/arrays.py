"""Arrays that lie in memory while they are small, and in files mapped into memory beyond that.

One program then serves data of any size: it allocates by `Space.empty`, works in `blocks`, and never asks
which of the two an array is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.files.atomic import reserve

# Rows handled at a time, the same for every size of data, so that sums do not depend on where an array lies.
BLOCK = 1 << 18
# Bytes of one array that are kept in memory unless the user says otherwise.
MEMORY_LIMIT = 50_000_000


class Mapped(np.memmap):
    """Array in a file; a copy in another process opens the file anew, so that nothing is sent.

    Attributes:
        keeper: of the file, which removes it once no array of it is left; None where nobody does.
    """

    keeper: object = None

    def __array_finalize__(self, obj: Any) -> None:
        super().__array_finalize__(obj)
        self.keeper = getattr(obj, "keeper", None)

    def __reduce__(self) -> Any:
        if self.filename is None or isinstance(self.base, np.ndarray):  # a part of one
            return np.asarray(self).__reduce__()
        return open_array, (str(self.filename), self.dtype.str, self.shape)


def open_array(path: str | Path, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Open an array that `Space.empty` has put into a file, for reading."""
    if math.prod(shape) == 0:
        return np.empty(shape, dtype)
    return Mapped(path, np.dtype(dtype), "r", shape=shape)


@dataclass
class Space:
    """Room for arrays: in memory up to a number of bytes each, beyond it in files of a folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     space = Space(Path(folder), memory_limit=100)
    ...     small, large = space.empty(3, np.float64), space.empty((100, 2), np.float64)
    ...     type(small).__name__, type(large).__name__
    ('ndarray', 'Mapped')

    Fields:
        folder: for the files; None to keep everything in memory.
        memory_limit: bytes of an array in memory.
        keeper: of the folder, see `Mapped`.
    """

    folder: Path | None = None
    memory_limit: int = MEMORY_LIMIT
    keeper: object = field(default=None, repr=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)

    def empty(self, shape: int | tuple[int, ...], dtype: Any, name: str | None = None) -> np.ndarray:
        """Allocate an array to be filled.

        Args:
            shape, dtype: as of `numpy.empty`.
            name: of its file, where it is to be found again by `open_array`; None for a number.

        Raises:
            OSError: the disk is full.
        """
        shape = (shape,) if isinstance(shape, int) else shape
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if self.folder is None or size <= self.memory_limit:
            return np.empty(shape, dtype)
        path = self.new_file(name)
        reserve(path, size)
        array = Mapped(path, np.dtype(dtype), "r+", shape=shape)
        array.keeper = self.keeper
        return array

    def new_file(self, name: str | None = None) -> Path:
        """Return where a file of the folder may be made; as named, or else under a number."""
        if self.folder is None:
            raise ValueError("space without a folder has no files")
        return self.folder / (name or f"{next(self._numbers)}.bin")


def blocks(count: int, size: int | None = None) -> Iterator[slice]:
    """Yield slices that cover a number of rows in order, `BLOCK` rows each unless said otherwise.

    >>> list(blocks(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = BLOCK if size is None else size
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def gather(array: np.ndarray, rows: np.ndarray, space: Space) -> np.ndarray:
    """Return the given rows of an array, by their places, block by block.

    >>> gather(np.array([5, 6, 7]), np.array([2, 0]), Space()).tolist()
    [7, 5]
    """
    found = space.empty((len(rows), *array.shape[1:]), array.dtype)
    for part in blocks(len(rows)):
        found[part] = array[rows[part]]
    return found


def compress(array: np.ndarray, keep: np.ndarray, space: Space) -> np.ndarray:
    """Return the rows of an array that a mask keeps, block by block.

    >>> compress(np.array([5, 6, 7]), np.array([True, False, True]), Space()).tolist()
    [5, 7]
    """
    found = space.empty((int(np.count_nonzero(keep)), *array.shape[1:]), array.dtype)
    done = 0
    for part in blocks(len(keep)):
        rows = array[part][keep[part]]
        found[done : done + len(rows)] = rows
        done += len(rows)
    return found
