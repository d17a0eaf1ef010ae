"""Tables larger than memory, read in pieces: each piece is a small table.

pyarrow reads them, an extra that is imported where it is needed.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np

from seqmodels.data.files.columnar_size import unpacked_size
from seqmodels.data.files.find import find_file
from seqmodels.data.files.unpack import is_gzip, looks_like, open_bytes, refuse_bomb
from seqmodels.data.number_text import MISSING
from seqmodels.data.numbers import usable
from seqmodels.data.read.columnar import ARROW_SUFFIXES, need_pyarrow
from seqmodels.data.read.dialect import DELIMITERS, column_names, quoting_of
from seqmodels.data.read.hub import DATASETS, bytes_of, read_split, with_names
from seqmodels.data.read.open import read_tables
from seqmodels.data.read.table import ListColumn, Table

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
        size = _parquet_size(path, found) if found.suffix == ".parquet" else unpacked_size(path, found)
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
            size = max(1, _parquet_size(path, found) // max(1, file.metadata.num_rows))
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


def from_arrow(table: Any, path: str, cells: Callable[[Any], Sequence[str]] | None = None) -> Table:
    """A table of text, as if from a file of lines.

    Numbers keep all their digits, true and false are 1 and 0, times are written as 2024-01-31T17:30:00,
    categories by their names, and what is null is blank. A list is a sequence's steps, see
    `seqmodels.data.columns.lists`. Columns of any other type are left out.

    Args:
        cells: makes the cells of an array, where not all are wanted at once.

    Raises:
        ValueError: no rows, or two columns of one name.
    """
    import pyarrow as pa

    names = table.column_names
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(f"{path}: column names must differ, got {', '.join(map(repr, repeated))} more than once")
    if table.num_rows == 0:
        raise ValueError(f"{path}: expected rows of data, got none")
    columns: dict[str, Sequence[str]] = {}
    lists: dict[str, ListColumn] = {}
    numbers: dict[str, np.ndarray] = {}
    left_out = {}
    for name in names:
        column = table[name].combine_chunks()
        if _is_list(column.type):
            lists[name] = _list_column(name, column)
        elif _has_cells(column.type):
            columns[name] = cells(column) if cells else cells_of(column) or []
            if pa.types.is_dictionary(column.type):
                refuse_bomb(path, column.nbytes, sum(map(len, columns[name])), "write it as plain text")
            if (values := numbers_of(column)) is not None:
                numbers[name] = values
        if name not in columns and (name not in lists or not lists[name].columns):
            lists.pop(name, None)
            left_out[name] = str(column.type)
    found = Table(path, columns, range(1, table.num_rows + 1), unit="row", lists=lists, left_out=left_out)
    found.know_numbers(numbers)
    return found


def _has_cells(kind: Any) -> bool:
    import pyarrow as pa

    return cells_of(pa.nulls(0, kind)) is not None


def cells_of(column: Any) -> list[str] | None:
    """An Arrow array's values as text; None for a type that has none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        # By reference: a long text is there once, however many rows have it.
        words, places = cells_of(column.dictionary), column.indices.to_pylist()
        return None if words is None else ["" if place is None else words[place] for place in places]
    if pa.types.is_null(kind):
        return [""] * len(column)
    if pa.types.is_boolean(kind):
        return cells_of(column.cast(pa.int8()))
    if pa.types.is_floating(kind):
        return ["" if value is None else repr(value) for value in column.cast(pa.float64()).to_pylist()]
    if pa.types.is_duration(kind):
        seconds = column.cast(pa.duration("us"), safe=False).cast(pa.int64()).to_pylist()
        return ["" if value is None else repr(value / 1e6) for value in seconds]
    if pa.types.is_timestamp(kind):
        return ["" if value is None else value.isoformat() for value in _times(column)]
    texts = (pa.types.is_integer, pa.types.is_decimal, pa.types.is_date, pa.types.is_time)
    if any(test(kind) for test in texts) or kind in (pa.string(), pa.large_string()):
        return pc.fill_null(column.cast(pa.string()), "").to_pylist()
    return None


def _times(column: Any) -> list[Any]:
    """Time stamps as Python's, of which microseconds are the finest."""
    import pyarrow as pa

    return column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).to_pylist()


def numbers_of(column: Any) -> np.ndarray | None:
    """An Arrow array's values as float64, missing, infinite and huge ones NaN; None where they are no numbers."""
    import pyarrow as pa

    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type)):
        return None
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).copy()
    values[~usable(values)] = np.nan
    return values


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _list_column(name: str, column: Any) -> ListColumn:
    """Each row's steps; a step that is itself a list of numbers is as many columns as the first has numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    steps = column.flatten()
    if not _is_list(steps.type):
        cells = cells_of(steps)
        return ListColumn(lengths, {} if cells is None else {name: cells})
    widths = pc.fill_null(pc.list_value_length(steps), 0).to_numpy(zero_copy_only=False)
    width = int(widths[0]) if len(widths) else 0
    wrong = np.flatnonzero(widths != width)
    if len(wrong):
        row = int(np.searchsorted(np.cumsum(lengths), wrong[0], side="right")) + 1
        raise ValueError(
            f"row {row}, column {name!r}: expected {width} numbers in each step, as in the first, got "
            f"{int(widths[wrong[0]])}; mend the row"
        )
    flat = steps.flatten()
    picks = [pa.array(np.arange(i, len(flat), width)) for i in range(width)]
    found = {f"{name}_{i}": cells_of(flat.take(pick)) for i, pick in enumerate(picks)}
    return ListColumn(lengths, {key: cells for key, cells in found.items() if cells is not None})


def _parquet_size(path: str, found: Path) -> int:
    """Bytes of a Parquet file in memory."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(found, pre_buffer=False) as file:
            about = file.metadata
            groups = range(about.num_row_groups)
            size = max(sum(about.row_group(i).total_byte_size for i in groups), about.num_rows * about.num_columns * 8)
            first = next(file.iter_batches(batch_size=8), None)
            size = max(size, about.num_rows * first.nbytes // len(first) if first else 0)
    except (pa.ArrowException, OSError):
        return 0
    refuse_bomb(path, found.stat().st_size, size, "write what is needed of it to a .csv file")
    return max(found.stat().st_size, int(size))
