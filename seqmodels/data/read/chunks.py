"""Tables larger than memory, read in pieces: each piece is a small table.

pyarrow reads them, an extra that is imported where it is needed.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from seqmodels.data.files.columnar_size import unpacked_size
from seqmodels.data.files.find import find_file
from seqmodels.data.files.unpack import is_gzip, looks_like, open_bytes
from seqmodels.data.number_text import MISSING
from seqmodels.data.read.columnar import ARROW_SUFFIXES, cells_of, from_arrow, need_pyarrow
from seqmodels.data.read.dialect import DELIMITERS, column_names, quoting_of
from seqmodels.data.read.hub import DATASETS, bytes_of, read_split, with_names
from seqmodels.data.read.open import read_tables
from seqmodels.data.read.table import Table

DECIMAL_COMMA = r"^(\s*[+-]?\d*),(\d+(?:[eE][+-]?\d+)?\s*)$"
# Bytes of a table from which on it is not read at once, and bytes of a piece; what gzip saves of text.
LARGE, PIECE, PACKED = 50_000_000, 4_000_000, 5


def is_large(path: str) -> bool:
    """Whether a table is to be read in pieces.

    Raises:
        ValueError: there is no such file.
    """
    if path.startswith(DATASETS):
        return bytes_of(path) > LARGE
    found = find_file(path)
    size = found.stat().st_size
    if found.suffix in ARROW_SUFFIXES and size > 0:
        need_pyarrow(path)
        size = unpacked_size(path, found)
    return size > LARGE or (is_gzip(found) and max(size * PACKED, _said(found)) > LARGE)


def _said(found: Path) -> int:
    """Bytes that the last part of a gzip file says it has."""
    with found.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(), "little")


def table_chunks(path: str, together: str | None = None) -> Iterator[Table]:
    """The rows of a file in pieces, in order; a file that is not large in one.

    Args:
        path: a file as for `read_table`.
        together: column whose equal neighbours must stay in one piece, such as the name of a sequence.

    Raises:
        ValueError: what is wrong with the file.
    """
    if not is_large(path):
        yield read_tables(path)["train"]
        return
    pyarrow = need_pyarrow(f"{path} (read in pieces, for its size)")
    split, first = read_split(path) if path.startswith(DATASETS) else None, 0
    try:
        for piece in _together(_pieces(path) if split is None else _of_split(split), together):
            table = _table(piece, path, first)
            yield table if split is None else with_names(table, split.features)
            first += len(piece)
    except (pyarrow.ArrowException, OSError, EOFError) as error:
        raise ValueError(f"{path}, after row {first}: cannot be read: {str(error).splitlines()[0][:200]}") from None


def _together(pieces: Iterator[Any], column: str | None) -> Iterator[Any]:
    """Pieces that end where the value of a column does."""
    import pyarrow as pa

    rest = None
    for piece in pieces:
        if column is None or column not in piece.column_names:
            yield piece
            continue
        joined = piece if rest is None else pa.concat_tables([rest, piece])
        cells = cells_of(joined[column].combine_chunks()) or []
        cut = len(cells)
        while cut and cells[cut - 1] == cells[-1]:
            cut -= 1
        if cut:
            yield joined.slice(0, cut)
        rest = joined.slice(cut)
    if rest is not None and len(rest):
        yield rest


def _pieces(path: str) -> Iterator[Any]:
    """Arrow tables of about `PIECE` bytes."""
    import pyarrow as pa

    found = find_file(path)
    if found.suffix == ".parquet":
        from pyarrow import parquet

        with parquet.ParquetFile(found, buffer_size=1 << 20, pre_buffer=False) as file:
            size = max(1, unpacked_size(path, found) // max(1, file.metadata.num_rows))
            for batch in file.iter_batches(batch_size=max(1, PIECE // size)):
                yield pa.Table.from_batches([batch])
    elif found.suffix in ARROW_SUFFIXES:
        with pa.OSFile(str(found)) as source:
            start = source.read(6)
            source.seek(0)
            if start == b"ARROW1":
                reader = pa.ipc.open_file(source)
                batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            else:
                batches = iter(pa.ipc.open_stream(source))
            for batch in batches:
                batch.validate(full=True)
                rows = max(1, PIECE * len(batch) // max(1, batch.nbytes))
                for start in range(0, len(batch), rows):
                    yield pa.Table.from_batches([batch.slice(start, rows)])
    else:
        yield from _lines(path, found)


def _of_split(split: Any) -> Iterator[Any]:
    """Pieces of a data set of the datasets library, which maps it into memory."""
    rows = max(1, PIECE * len(split) // max(1, split.data.nbytes))
    arrow = split.with_format("arrow")
    return (arrow[start : start + rows] for start in range(0, len(split), rows))


def _lines(path: str, found: Path) -> Iterator[Any]:
    """Pieces of a CSV file, all cells as text."""
    import pyarrow as pa
    from pyarrow import csv as reader

    with open_bytes(found) as file:
        start = file.readline(PIECE)
        piece = start + file.read(PIECE)
    if b"\0" in piece or len(start) == PIECE:
        kind = looks_like(piece) or ("a binary one" if b"\0" in piece else f"a first line of {PIECE:,} bytes or more")
        raise ValueError(f"{path}: expected a table with the names of its columns first, got {kind}; write it anew")
    first, some = (part.decode("utf-8-sig", errors="replace") for part in (start, piece))
    delimiter = max(DELIMITERS, key=first.count)
    header, is_data = column_names(path, next(csv.reader(io.StringIO(first), delimiter=delimiter)))
    quoted = quoting_of(some, delimiter) == csv.QUOTE_MINIMAL
    with open_bytes(found) as unpacked, pa.PythonFile(unpacked, mode="r") as source:
        yield from (
            _with_points(pa.Table.from_batches([batch])) if delimiter == ";" else pa.Table.from_batches([batch])
            for batch in reader.open_csv(
                source,
                # One thread: several read far ahead, and hold it all.
                reader.ReadOptions(
                    use_threads=False, block_size=PIECE, column_names=header, skip_rows=int(not is_data)
                ),
                reader.ParseOptions(
                    delimiter=delimiter, quote_char='"' if quoted else False, newlines_in_values=quoted
                ),
                reader.ConvertOptions(column_types={name: pa.string() for name in header}, strings_can_be_null=False),
            )
        )


def _with_points(piece: Any) -> Any:
    """As `csv_read.with_points`, of an Arrow table of text."""
    import pyarrow.compute as pc

    for place, name in enumerate(piece.column_names):
        piece = piece.set_column(place, name, pc.replace_substring_regex(piece[name], DECIMAL_COMMA, r"\1.\2"))
    return piece


def _table(piece: Any, path: str, first: int) -> Table:
    """A piece as a table; what is text but may be numbers is tried, and only cells that are asked for are made."""
    import pyarrow as pa

    table = from_arrow(piece, path, LazyCells)
    for name in piece.column_names:
        column = piece[name].combine_chunks()
        if column.type == pa.string() and (values := _numbers(column)) is not None:
            table.know_numbers({name: values})
    table.lines = range(first + 1, first + 1 + len(piece))
    return table


def _numbers(column: Any) -> Any:
    """A column of text as float64, NaN where missing or infinite; None where not all cells are numbers."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(column)
    known = pc.if_else(pc.is_in(pc.utf8_lower(trimmed), pa.array(sorted(MISSING))), None, trimmed)
    try:
        values = known.cast(pa.float64()).to_numpy(zero_copy_only=False).copy()
    except pa.ArrowInvalid:
        return None
    values[~np.isfinite(values)] = np.nan
    return values


class LazyCells(Sequence[str]):
    """The cells of an Arrow array as text, made when the first is asked for."""

    def __init__(self, array: Any) -> None:
        self._array = array

    @cached_property
    def _cells(self) -> list[str]:
        return cells_of(self._array) or []

    def __len__(self) -> int:
        return len(self._array)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self._cells[index]
