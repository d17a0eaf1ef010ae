"""Parquet, Arrow IPC and Feather files, and Arrow tables, as columns of text with their numbers known.

pyarrow is an extra, imported where it is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from seqmodels.data.files.columnar_size import unpacked_size
from seqmodels.data.files.find import find_file
from seqmodels.data.files.unpack import refuse_bomb
from seqmodels.data.numbers import usable
from seqmodels.data.read.table import ListColumn, Table

ARROW_SUFFIXES = (".parquet", ".arrow", ".feather", ".ipc")


def need_pyarrow(path: str) -> ModuleType:
    """pyarrow.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise ValueError(f"{path}: to read such a file needs pyarrow: pip install 'seqmodels[tables]'") from None
    return pyarrow


def read_arrow(path: str) -> Table:
    """The table in a .parquet, .arrow, .ipc or .feather file.

    Raises:
        ValueError: the file is missing, empty, damaged or of another format, or has no rows.
    """
    pyarrow, found = need_pyarrow(path), find_file(path)
    if found.stat().st_size == 0:
        raise ValueError(f"{path}: expected a table, got an empty file")
    try:
        unpacked_size(path, found)
        table = _read(found)
    except (pyarrow.ArrowException, OSError) as error:
        kind = "Parquet" if found.suffix == ".parquet" else "Arrow"
        raise ValueError(
            f"{path}: cannot be read as {kind} ({str(error).splitlines()[0][:120]}); "
            "the file is damaged, cut short or of another format: write it anew"
        ) from None
    return from_arrow(table, path)


def _read(path: Path) -> Any:
    import pyarrow as pa

    if path.suffix == ".parquet":
        from pyarrow import parquet

        return parquet.ParquetFile(path).read()
    with pa.memory_map(str(path)) as source:
        start = source.read(6)
        source.seek(0)
        if start == b"ARROW1":
            table = pa.ipc.open_file(source).read_all()
        elif start[:4] == b"FEA1":
            from pyarrow import feather

            table = feather.read_table(path)
        else:
            table = pa.ipc.open_stream(source).read_all()
        table.validate(full=True)  # what lies there is taken as it is, places of other cells too
        return table


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
