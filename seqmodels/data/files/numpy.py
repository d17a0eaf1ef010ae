"""NumPy files of anybody: nothing is unpickled, and headers are weighed against the bytes before room is taken."""

from __future__ import annotations

import math
import os
import re
import sys
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from seqmodels.data.files.unpack import refuse_bomb

OBJECTS = (
    "it holds Python objects, which could run code when they are loaded; save it anew as plain numbers or text, "
    "sequences of unequal length end to end, with an array of their lengths"
)
READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
KINDS = "biufSU"
# Types of numbers in the IDX files of MNIST and its kin, by the byte that stands for each; and what they are called.
IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
IDX_NAME = re.compile(r".+[-.]idx\d+-[a-z]+", re.IGNORECASE)
# Axes of an array, bytes of a list of what is in an archive, and numbers that would be there but for an empty axis.
MOST_AXES, MOST_LISTED, MOST_EMPTY = 16, 1 << 21, 1 << 48


class Header(NamedTuple):
    """Header of an array: its shape, the order of its axes, its type, and where its bytes begin."""

    shape: tuple[int, ...]
    order: str
    dtype: np.dtype
    offset: int

    @property
    def bytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


@contextmanager
def in_words() -> Iterator[None]:
    """Put what NumPy and zipfile stumble over, of many kinds, into one line of words."""
    try:
        yield
    except Exception as error:
        words = (str(error).strip() or type(error).__name__).split("\n", 1)[0]
        raise ValueError(words if isinstance(error, ValueError) else f"{type(error).__name__}: {words}") from None


def read_header(file: IO[bytes], size: int) -> Header:
    """Read the header at the beginning of a file of `size` bytes.

    Raises:
        ValueError: no such header, other things than numbers and text, or more of them than the bytes hold.
    """
    with in_words(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Python makes of the header's text
        start = file.read(4)
        if start[:2] == b"\0\0" and start[2:3] and start[2] in IDX_TYPES:
            shape = tuple(np.frombuffer(file.read(4 * start[3]), ">u4").tolist())
            fortran, dtype = False, np.dtype(IDX_TYPES[start[2]])
        else:
            file.seek(-len(start), os.SEEK_CUR)
            version = np.lib.format.read_magic(file)
            if version not in READERS:
                raise ValueError(f"version {version[0]}.{version[1]} of the format, expected 1.0 or 2.0")
            shape, fortran, dtype = READERS[version](file)
    if dtype.hasobject:
        raise ValueError(OBJECTS)
    if dtype.kind not in KINDS or dtype.itemsize == 0:
        raise ValueError(f"expected numbers or text, got dtype {str(dtype)[:60]}")
    if len(shape) > MOST_AXES or any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"expected a shape of at most {MOST_AXES} axes, from 0 on, got {str(shape)[:60]}")
    header = Header(tuple(shape), "F" if fortran is True else "C", dtype, file.tell())
    # An axis without length hides others that are too long.
    if header.bytes > size - header.offset or math.prod(length or 1 for length in shape) > MOST_EMPTY:
        raise ValueError(
            f"its header says shape {str(shape)[:60]} of {dtype}, which is more than the {size - header.offset:,} "
            "bytes there are"
        )
    return header


def map_array(path: Path) -> np.ndarray:
    """Map the array of a .npy or IDX file into memory; errors as of `read_header`."""
    with path.open("rb") as file:
        header = read_header(file, os.fstat(file.fileno()).st_size)
    if not header.bytes:
        return np.empty(header.shape, header.dtype)
    return _checked(np.memmap(path, header.dtype, "r", header.offset, header.shape, header.order))  # type: ignore[call-overload]


def _checked(array: np.ndarray) -> np.ndarray:
    """Return an array, or raise a ValueError where its letters are none."""
    if array.dtype.kind == "U" and array.size:
        codes = np.ascontiguousarray(array).reshape(-1).view(np.uint32 if array.dtype.isnative else ">u4")
        if ((codes > sys.maxunicode) | ((codes >= 0xD800) & (codes < 0xE000))).any():
            raise ValueError("its text has letters that there are not")
    return array


class Archive:
    """The arrays of a .npz file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with in_words(), path.open("rb") as file:
            start = file.read(6)
            if start == b"\x93NUMPY":
                raise ValueError("it is a single array: give it a name that ends in .npy")
            if start[:4] not in (b"PK\x03\x04", b"PK\x05\x06"):
                raise ValueError("it is no archive of NumPy's" if start else "it is empty")
            file.seek(-min(os.fstat(file.fileno()).st_size, 65557), os.SEEK_END)
            end = file.read()
            place = end.rfind(b"PK\x05\x06")
            if int.from_bytes(end[place + 12 : place + 16], "little") > MOST_LISTED:
                raise ValueError("it holds more files than an archive of arrays")
            with zipfile.ZipFile(file) as archive:
                self.members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    def size(self, name: str) -> int:
        """Return the bytes of an array and its header."""
        info = self.members[name]
        packed = min(info.compress_size, self.path.stat().st_size)
        refuse_bomb("it", packed, info.file_size, "save it with numpy.savez, which does not compress")
        return info.file_size

    def read(self, name: str) -> np.ndarray:
        """Read an array."""
        with self.open(name) as file:
            header = read_header(file, self.size(name))
            found, place = bytearray(header.bytes), 0
            while part := file.readinto(memoryview(found)[place:]) if place < len(found) else 0:  # type: ignore[attr-defined]
                place += part
            file.read(1)  # at the end the checksum is looked at
        if place < len(found):
            raise ValueError(f"it has {place:,} of its {len(found):,} bytes")
        return _checked(np.frombuffer(found, header.dtype).reshape(header.shape, order=header.order))  # type: ignore[call-overload]

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open the bytes of an array, header and all."""
        self.size(name)
        with in_words(), zipfile.ZipFile(self.path) as archive, archive.open(self.members[name]) as file:
            yield file
