"""Size in memory of an Arrow IPC or Feather file, about, told before it is read."""

from __future__ import annotations

import itertools
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any

from seqmodels.data.files.unpack import refuse_bomb

CELL = 8  # bytes of a cell at least
CURE = "write what is needed of it to a .csv file"


def unpacked_size(path: str, found: Path) -> int:
    """Return bytes of a table in memory, at least; 0 where its reader will say what is wrong with it.

    Raises:
        ValueError: far more than the file has.
    """
    stat = found.stat()
    return _unpacked_size(path, found, stat.st_size, stat.st_mtime_ns)


@lru_cache(64)
def _unpacked_size(path: str, found: Path, packed: int, changed: int) -> int:
    import pyarrow

    try:
        sizes = _of_messages(found)
        for size in sizes:
            refuse_bomb(path, packed, size, CURE)
    except (pyarrow.ArrowException, OSError, struct.error, IndexError, OverflowError):
        return 0
    return max(packed, size)


def _of_messages(found: Path) -> Any:
    """Yield the size of the record batches so far, after each."""
    import pyarrow as pa

    with pa.memory_map(str(found)) as source:
        start = source.read(8)
        if start[:4] == b"FEA1":
            yield 0
            return
        source.seek(8 if start[:6] == b"ARROW1" else 0)
        yield from itertools.accumulate(map(_of_message, pa.ipc.MessageReader.open_stream(source)), initial=0)


def _of_message(message: Any) -> int:
    """Return bytes of a record batch or dictionary, unpacked; see Arrow's Message.fbs for the fields."""
    if message.type not in ("record batch", "dictionary"):
        return 0
    data = message.metadata.to_pybytes()
    batch = _at(data, _at(data, 0, 0), 2)  # of the root
    if message.type == "dictionary":
        batch = _at(data, batch, 1)
    rows = struct.unpack_from("<q", data, place)[0] if (place := _field(data, batch, 0)) else 0
    columns = struct.unpack_from("<I", data, _at(data, batch, 1))[0]
    buffers, unpacked = _at(data, batch, 2), 0
    if _field(data, batch, 3) and message.body is not None:  # compressed: each buffer begins with its size
        for number in range(struct.unpack_from("<I", data, buffers)[0]):
            offset, length = struct.unpack_from("<qq", data, buffers + 4 + 16 * number)
            unpacked += max(length, *struct.unpack_from("<q", message.body, offset)) if length else 0
    return max(unpacked, rows * columns * CELL)


def _field(data: bytes, table: int, number: int) -> int:
    """Return where a field of a flatbuffer's table is; 0 where it has none."""
    entries = table - struct.unpack_from("<i", data, table)[0]
    inside = 4 + 2 * number < struct.unpack_from("<H", data, entries)[0]
    offset = struct.unpack_from("<H", data, entries + 4 + 2 * number)[0] if inside else 0
    return table + offset if offset else 0


def _at(data: bytes, table: int, number: int) -> int:
    """Return where what a field points to is; of table 0, the root."""
    place = _field(data, table, number) if table else 0
    return place + int(struct.unpack_from("<I", data, place)[0])
