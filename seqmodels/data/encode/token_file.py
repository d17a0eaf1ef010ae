"""Tokens on disk: text larger than memory is encoded once, in pieces, and read where it is needed.

A token file is a folder with `tokens.bin`, the plain numbers, and `about.json`. It lies in a cache,
under a name made from the options and the contents of the text (of a large one its place, size and time
of change), so that a changed text is another file. It is made under another name and renamed when whole,
so that a half-made one is never read.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.files.cache import cache_place, fill, stamp, writable
from seqmodels.data.files.unpack import CHUNK, read_bytes

FORMAT = 1  # to be raised when what is stored changes
TOKENS, ABOUT = "tokens.bin", "about.json"
SAID = 50_000_000  # bytes of files from which on it is said that they are being encoded

_log = logging.getLogger(__name__)


class TokenFile:
    """Tokens in a folder, read as if they were an array; a copy in another process opens its own.

    Attributes:
        about: the plain values stored beside the tokens.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        self._array: np.ndarray | None = None

    def __len__(self) -> int:
        return self.about["count"]

    def __getitem__(self, part: slice) -> np.ndarray:
        if self._array is None:
            # As a plain array, because slicing a memmap object is several times slower.
            self._array = np.asarray(np.memmap(self.folder / TOKENS, dtype=self.about["dtype"], mode="r"))
        return self._array[part]

    def __getstate__(self) -> dict[str, Any]:
        # Pickling a memory map would copy all of the file.
        return {**self.__dict__, "_array": None}

    def parts(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Yield tokens from `start` to `stop`, a piece at a time."""
        for i in range(start, stop, CHUNK):
            yield self[i : min(i + CHUNK, stop)]


def write_tokens(
    folder: Path, parts: Iterable[np.ndarray], dtype: np.dtype, about: dict[str, Any] | None = None
) -> TokenFile:
    """Write a token file into an empty folder: the tokens, and plain values that go with them."""
    count = 0
    with (folder / TOKENS).open("wb") as file:
        for part in parts:
            file.write(part.astype(dtype).tobytes())
            count += len(part)
    content = {**(about or {}), "count": count, "dtype": dtype.name}
    (folder / ABOUT).write_text(json.dumps(content), encoding="utf-8")
    return TokenFile(folder)


def cached(
    cache_dir: str | None, files: list[Path], options: dict[str, Any], build: Callable[[Path], Any]
) -> TokenFile:
    """Return the token file for these texts and options, from the cache, or made by `build` in a folder.

    Raises:
        ValueError: it cannot be written, as when the disk is full.
    """
    name = _key(files, options)
    cache = cache_place(cache_dir)
    if not _whole(cache / name):
        cache = writable(cache)
        if (size := sum(file.stat().st_size for file in files)) > SAID:
            _log.warning("%s: encoding %d MB to %s, to be kept for the next run", files[0], size // 10**6, cache / name)
        fill(cache / name, build, _whole, "the tokens of the text")
    return TokenFile(cache / name)


def _key(files: list[Path], options: dict[str, Any]) -> str:
    digest = hashlib.blake2b(json.dumps([FORMAT, options], sort_keys=True).encode(), digest_size=16)
    for file in files:
        digest.update(b"\0file\0")
        large = file.stat().st_size > SAID
        for data in [json.dumps(stamp(str(file))).encode()] if large else read_bytes(file):
            digest.update(data)
    return digest.hexdigest()


def _whole(folder: Path) -> bool:
    """Say whether a token file is there, as long as it says."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        return (folder / TOKENS).stat().st_size == about["count"] * np.dtype(about["dtype"]).itemsize
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
