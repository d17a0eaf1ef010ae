"""Arrow IPC and Feather files, and Arrow tables. pyarrow is an extra, imported where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

from seqmodels.data.files.cache import stamp
from seqmodels.data.files.columnar_size import unpacked_size
from seqmodels.data.files.find import find_file
from seqmodels.data.read.columnar.relation import Relation, read_relation
from seqmodels.data.read.columnar.typed import Column
from seqmodels.data.read.database import Part
from seqmodels.data.read.table import Table

SUFFIXES, KIND = (".arrow", ".feather", ".ipc"), "Arrow"
ARROW_SUFFIXES = (".parquet", *SUFFIXES)


def need_pyarrow(path: str) -> ModuleType:
    """Import pyarrow, or say how to install it."""
    try:
        import pyarrow
    except ImportError:
        raise ValueError(f"{path}: to read such a file needs pyarrow: pip install 'seqmodels[tables]'") from None
    return pyarrow


def read_arrow(path: str, memory_limit: int, cache_dir: str | None) -> Table:
    """Read the table in an .arrow, .ipc or .feather file.

    Raises:
        ValueError: the file is missing, empty, damaged or of another format, or has no rows.
    """
    pyarrow, found = need_pyarrow(path), find_file(path)
    if found.stat().st_size == 0:
        raise ValueError(f"{path}: expected a table, got an empty file")
    try:
        size = max(unpacked_size(path, found), found.stat().st_size)
        rows = 0
        for batch in _batches(found):
            batch.validate(full=True)  # what lies there is taken as it is, places of other cells too
            rows, schema = rows + len(batch), batch.schema
        if not rows:
            raise ValueError(f"{path}: expected rows of data, got none")
        return from_batches(path, schema, rows, lambda: _batches(found), size, stamp(path), memory_limit, cache_dir)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: cannot be read as {KIND} ({str(error).splitlines()[0][:120]}); "
            "the file is damaged, cut short or of another format: write it anew"
        ) from None


def _batches(path: Path) -> Iterator[Any]:
    """Yield the record batches of an Arrow file or stream, or of a Feather file."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as source:
        start = source.read(6)
        source.seek(0)
        if start == b"ARROW1":
            reader = pa.ipc.open_file(source)
            yield from map(reader.get_batch, range(reader.num_record_batches))
        elif start[:4] == b"FEA1":
            from pyarrow import feather

            yield from feather.read_table(path).to_batches()
        else:
            yield from pa.ipc.open_stream(source)


def from_batches(
    path: str,
    schema: Any,
    rows: int,
    batches: Callable[[], Iterable[Any]],
    size: int,
    key: Sequence[object] = (),
    memory_limit: int | None = None,
    cache_dir: str | None = None,
    classes: Mapping[str, tuple[str, ...]] | None = None,
) -> Table:
    """Read Arrow record batches.

    Args:
        path: named in errors.
        schema, rows: of all batches.
        batches: makes them.
        size: bytes of the file they are from, or of what they take in memory.
        key: plain values that tell their contents from others.
        memory_limit, cache_dir: as for `seqmodels.data.read.open.read_table`; None to keep all in memory.
        classes: names that the whole numbers of a column stand for.
    """
    import pyarrow as pa

    half = [pa.float32() if pa.types.is_float16(own) else own for own in schema.types]
    kinds = [_kind(own) for own in half]
    fields = [pa.field(f"a{place}", own) for place, own in enumerate(half) if kinds[place] is not None]

    def reader() -> Any:
        each = (
            pa.RecordBatch.from_arrays([_of(batch, own) for own in fields], schema=pa.schema(fields))
            for batch in batches()
        )
        return pa.RecordBatchReader.from_batches(pa.schema(fields), each)

    columns = tuple(
        Column(name, "NULL" if kind is None else f"a{place}", kind or str(own), (classes or {}).get(name, ()))
        for place, (name, kind, own) in enumerate(zip(schema.names, kinds, schema.types, strict=True))
    )
    relation = Relation(path, KIND, (Part("arrow", "rowid", rows),), columns, arrow=reader, size=size)
    large = memory_limit is not None and size > memory_limit
    return read_relation(relation, key, memory_limit or 0, cache_dir, large)


def _kind(own: Any) -> str | None:
    """Name an Arrow type as DuckDB does; None where it has no such type."""
    import duckdb
    import pyarrow as pa

    with closing(duckdb.connect()) as connection:
        try:
            connection.register("empty", pa.schema([("a", own)]).empty_table())
            kind: str = connection.execute("DESCRIBE SELECT * FROM empty").fetchall()[0][1]
        except (duckdb.Error, pa.ArrowException):
            return None
        return kind


def _of(batch: Any, wanted: Any) -> Any:
    """Return the column of a batch that a field names by its place."""
    return batch.column(int(wanted.name[1:])).cast(wanted.type)
