"""Arrays kept in a folder under names, to be mapped into memory where they are needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.files.arrays import Mapped, Space, blocks, open_array
from seqmodels.data.files.cache import about
from seqmodels.data.files.ragged import Ragged, RaggedWriter

LENGTHS = ".lengths"


class StoreWriter:
    """Writer of arrays into an empty folder.

    >>> import json, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     writer = StoreWriter(Path(folder))
    ...     writer.put("speed", np.array([1.5, 2.0]))
    ...     writer.put("steps", Ragged.of([[1, 2], [3]]))
    ...     _ = (Path(folder) / "about.json").write_text(json.dumps(writer.close(size=7)))
    ...     store = Store(Path(folder))
    ...     store.about["size"], store.array("speed").tolist(), store.ragged("steps")[0].tolist()
    (7, [1.5, 2.0], [1, 2])

    Attributes:
        space: for arrays that are to be filled in place; `put` them when they are.
    """

    def __init__(self, folder: Path) -> None:
        self.space = Space(folder, memory_limit=0)
        self._arrays: dict[str, list[Any]] = {}
        self._growing: dict[str, RaggedWriter] = {}

    def put(self, name: str, array: np.ndarray | Ragged) -> None:
        """Write an array, or arrays of their own length; a file that holds them already is kept, or linked to."""
        if isinstance(array, Ragged):
            self.put(name, array.packed_values(self.space))
            self.put(name + LENGTHS, array.lengths)
            return
        self._arrays[name] = [array.dtype.str, list(array.shape)]
        path = self.space.new_file(name)
        source = getattr(array, "filename", None)
        if array.size == 0 or (source and Path(source) == path):
            return
        if isinstance(array, Mapped) and source and not isinstance(array.base, np.ndarray):  # and no part of one
            os.link(source, path)
            return
        file = self.space.empty(array.shape, array.dtype, name)
        for part in blocks(len(array)):
            file[part] = array[part]

    def grow(self, name: str, dtype: Any, shape: tuple[int, ...] = ()) -> RaggedWriter:
        """Return what arrays of their own length can be added to, one after another; `close` writes them."""
        self._growing[name] = RaggedWriter(self.space, dtype, shape, name)
        return self._growing[name]

    def close(self, **about: Any) -> dict[str, Any]:
        """Finish, and return the plain values that are to be kept with the folder."""
        for name, writer in self._growing.items():
            self.put(name, writer.close())
        return {**about, "arrays": self._arrays}


class Store:
    """Arrays that a `StoreWriter` has written.

    Attributes:
        about: the plain values kept with the arrays.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.about = folder, about(folder)

    def __contains__(self, name: str) -> bool:
        return name in self.about["arrays"]

    def array(self, name: str) -> np.ndarray:
        """Open an array, for reading."""
        dtype, shape = self.about["arrays"][name]
        return open_array(self.folder / name, dtype, tuple(shape))

    def ragged(self, name: str) -> Ragged:
        """Open arrays of their own length, for reading."""
        return Ragged.packed(self.array(name), self.array(name + LENGTHS))
