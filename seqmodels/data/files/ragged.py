"""Arrays of their own length, kept one after another in a single array, in memory or in a file.

N arrays, M values in all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any, overload

import numpy as np
from numpy.typing import ArrayLike

from seqmodels.data.files.arrays import BLOCK, Space, open_array

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Ragged(Sequence[np.ndarray]):
    """N arrays ``(T, ...)`` with a T each, as one array and where each of them begins.

    >>> ragged = Ragged.of([[4, 7, 1], [8]])
    >>> ragged.lengths.tolist(), ragged[0].tolist(), [x.tolist() for x in ragged[::-1]]
    ([3, 1], [4, 7, 1], [[8], [4, 7, 1]])

    Some of the arrays (`take`, a slice) share the values. A copy in another process opens a file anew, so that no
    values are sent.

    Args:
        values: ``(M, ...)``.
        starts: int64 ``(N,)``, where in `values` each array begins.
        lengths: int64 ``(N,)``.
    """

    def __init__(self, values: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> None:
        self.values, self.starts, self.lengths = values, starts, lengths
        # As a plain array, because slicing a memory map is several times slower.
        self._plain = np.asarray(values)

    @classmethod
    def packed(cls, values: np.ndarray, lengths: ArrayLike) -> Ragged:
        """Return arrays that follow each other without a gap.

        >>> Ragged.packed(np.arange(3), np.array([1, 2]))[1].tolist()
        [1, 2]
        """
        counts = np.asanyarray(lengths, np.int64)
        return cls(values, _begins(counts), counts)

    @classmethod
    def of(cls, arrays: Sequence[Any] | np.ndarray, dtype: Any = None) -> Ragged:
        """Return a list of arrays as one, in memory."""
        made = [np.asarray(one, dtype) for one in arrays]
        values = np.concatenate(made) if made else np.zeros(0, dtype or np.float64)
        return cls.packed(values, np.fromiter(map(len, made), np.int64, len(made)))

    def __reduce__(self) -> Any:
        if np.array_equal(self.starts, _begins(self.lengths)):
            return Ragged.packed, (self.values, self.lengths)
        return Ragged, (self.values, self.starts, self.lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> Ragged: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | Ragged:
        if isinstance(index, slice):
            return self.take(index)
        start = int(self.starts[index])
        return self._plain[start : start + int(self.lengths[index])]

    def part(self, index: int, start: int, stop: int) -> np.ndarray:
        """Return the values from `start` to `stop` of one array."""
        first = int(self.starts[index])
        return self._plain[first + start : first + min(stop, int(self.lengths[index]))]

    def take(self, items: np.ndarray | slice) -> Ragged:
        """Return some of the arrays, which share the values with these."""
        return Ragged(self.values, self.starts[items], self.lengths[items])

    def cut(self, most: int) -> Ragged:
        """Return the first values of each array."""
        return Ragged(self.values, self.starts, np.minimum(self.lengths, most))

    @property
    def first(self) -> np.ndarray:
        """The first value of each array, ``(N, ...)``; each must have one."""
        return self._plain[self.starts]

    def parts(self, size: int | None = None) -> Iterator[slice]:
        """Yield the arrays some at a time, about `size` values each; None for `BLOCK`.

        >>> list(Ragged.of([[1, 2], [3], [4, 5, 6], [7]]).parts(3))
        [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
        """
        ends, start, size = np.cumsum(self.lengths), 0, BLOCK if size is None else size
        while start < len(self):
            done = ends[start] - self.lengths[start]
            stop = max(start + 1, int(np.searchsorted(ends, done + size, side="right")))
            yield slice(start, stop)
            start = stop

    def flat(self, part: slice = slice(None)) -> np.ndarray:
        """Return the values of some of the arrays, one after another.

        >>> Ragged.of([[1, 2], [3]])[::-1].flat().tolist()
        [3, 1, 2]
        """
        starts, lengths = self.starts[part], self.lengths[part]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        offset = starts - ends + lengths
        if len(offset) == 0 or (offset == offset[0]).all():  # they lie one after another
            begin = int(offset[0]) if len(offset) else 0
            return self._plain[begin : begin + total]
        return self._plain[np.repeat(offset, lengths) + np.arange(total)]

    def packed_values(self, space: Space) -> np.ndarray:
        """Return the values of all arrays, one after another, ``(sum of lengths, ...)``."""
        total = int(self.lengths.sum())
        ends = np.cumsum(self.lengths)
        if len(self) and (self.starts - ends + self.lengths == self.starts[0]).all():
            return self.values[int(self.starts[0]) : int(self.starts[0]) + total]
        values = space.empty((total, *self.values.shape[1:]), self.values.dtype)
        for part in self.parts():
            begin = int(ends[part.start] - self.lengths[part.start])
            values[begin : int(ends[part.stop - 1])] = self.flat(part)
        return values

    def digests(self) -> np.ndarray:
        """Return a number for each array, uint64 ``(N,)``: the same for the same values, else another.

        The sum over t of h(x_t + h(t)), which wraps, where h mixes 64 bits so that no two numbers become one
        (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", section 5).

        >>> np.unique(Ragged.of([[1.5, 2], [2, 1.5], [1.5, 2], [1.5]]).digests()).size
        3
        """
        found = np.empty(len(self), np.uint64)
        for part in self.parts():
            bits = _bits(self.flat(part))
            lengths = self.lengths[part] * bits.shape[1]
            starts = np.cumsum(lengths) - lengths
            place = np.arange(bits.size) - np.repeat(starts, lengths)
            mixed = mix(bits.ravel() + mix(place.astype(np.uint64)))
            sums = np.add.reduceat(np.append(mixed, np.uint64(0)), starts) if len(starts) else mixed[:0]
            found[part] = mix(np.where(lengths > 0, sums, np.uint64(0)) + lengths.astype(np.uint64))
        return found


def _begins(lengths: np.ndarray) -> np.ndarray:
    return np.asarray(np.cumsum(lengths) - lengths)


def mix(numbers: np.ndarray) -> np.ndarray:
    """Return 64-bit numbers that look drawn, another one for each number.

    >>> mix(np.array([0, 1], np.uint64)).tolist()
    [16294208416658607535, 10451216379200822465]
    """
    x = numbers + _MIX[0]
    for shift, factor in ((30, _MIX[1]), (27, _MIX[2])):
        x = (x ^ (x >> np.uint64(shift))) * factor
    return x ^ (x >> np.uint64(31))


def _bits(values: np.ndarray) -> np.ndarray:
    """Return the values ``(M, ...)`` as uint64 ``(M, F)``."""
    rows = np.ascontiguousarray(values).reshape(len(values), -1)
    if rows.dtype.kind == "f":
        return rows.astype(np.float64, copy=False).view(np.uint64)
    return rows.astype(np.int64, copy=False).view(np.uint64)


class RaggedWriter:
    """Arrays of which it is not known before how many there are; kept in memory until they are too large for it.

    >>> writer = RaggedWriter(Space(), np.int32)
    >>> writer.add(np.array([4, 7, 1]), np.array([1, 2]))
    >>> [x.tolist() for x in writer.close()]
    [[4], [7, 1]]
    """

    def __init__(self, space: Space, dtype: Any, shape: tuple[int, ...] = (), name: str | None = None) -> None:
        self.space, self.dtype, self.shape, self.name = space, np.dtype(dtype), shape, name
        self._values: list[np.ndarray] = []
        self._lengths: list[np.ndarray] = []
        self._kept = self._count = 0
        self._file: IO[bytes] | None = None

    def add(self, values: np.ndarray, lengths: np.ndarray | Sequence[int]) -> None:
        """Add some arrays: their values one after another, and how many each has."""
        values = np.ascontiguousarray(values, self.dtype)
        self._lengths.append(np.asarray(lengths, np.int64))
        self._values.append(values)
        self._kept, self._count = self._kept + values.nbytes, self._count + len(values)
        if self.space.folder is not None and self._kept > self.space.memory_limit:
            self._flush()

    def _flush(self) -> None:
        if self._file is None:
            self._file = self.space.new_file(self.name).open("wb")
        for values in self._values:
            self._file.write(values.data)
        self._values, self._kept = [], 0

    def close(self) -> Ragged:
        """Return all arrays."""
        lengths = np.concatenate([np.zeros(0, np.int64), *self._lengths])
        shape = (self._count, *self.shape)
        if self._file is None:
            values = np.concatenate(self._values) if self._values else np.empty(shape, self.dtype)
            return Ragged.packed(values, lengths)
        self._flush()
        self._file.close()
        return Ragged.packed(open_array(self._file.name, self.dtype, shape), lengths)
