"""Open a table by what its path says it is."""

from __future__ import annotations

from pathlib import Path

from seqmodels.data.files.arrays import MEMORY_LIMIT
from seqmodels.data.files.find import find_file
from seqmodels.data.files.unpack import unpacked_bytes
from seqmodels.data.read.columnar import arrow, json_lines
from seqmodels.data.read.columnar.hub import DATASETS, read_datasets
from seqmodels.data.read.columnar.parquet import parquet_files, read_parquet
from seqmodels.data.read.delimited.large import read_large_lines
from seqmodels.data.read.delimited.whole import read_lines
from seqmodels.data.read.joined_times import join_times
from seqmodels.data.read.table import Table


def read_table(path: str, memory_limit: int = MEMORY_LIMIT, cache_dir: str | None = None) -> Table:
    """Read a table from a file, by its name's ending; see `read_lines` and `seqmodels.data.read.columnar.arrow`.

    Args:
        path: of the file.
        memory_limit: bytes of the file, unpacked, from which on its columns lie in a database on disk.
        cache_dir: folder for that database; None for the user's cache.

    Raises:
        ValueError: what is wrong with the file, and where.
    """
    tables = read_tables(path, memory_limit, cache_dir)
    if len(tables) > 1:
        raise ValueError(f"{path}: expected one table, got the splits {', '.join(tables)}: name one, as {path}@test")
    return tables["train"]


def read_tables(path: str, memory_limit: int = MEMORY_LIMIT, cache_dir: str | None = None) -> dict[str, Table]:
    """Read a file as "train"; of a data set of the `datasets` library, a table for each of its splits."""
    found = _read(path, memory_limit, cache_dir)
    return {name: join_times(table) for name, table in found.items()}


def _read(path: str, memory_limit: int, cache_dir: str | None) -> dict[str, Table]:
    if path.startswith(DATASETS):
        return read_datasets(path, memory_limit, cache_dir)
    if parquet_files(path):
        return {"train": read_parquet(path, memory_limit, cache_dir)}
    if Path(path).suffix.lower() in arrow.SUFFIXES:
        return {"train": arrow.read_arrow(path, memory_limit, cache_dir)}
    if path.lower().endswith(json_lines.SUFFIXES):
        return {"train": json_lines.read_json_lines(path, memory_limit, cache_dir)}
    if path.lower().endswith((".npz", ".npy", ".ts", ".ts.gz")):
        raise ValueError(f"{path}: holds arrays, and no table: read it with data=arrays data.path={path}")
    if unpacked_bytes(find_file(path)) > memory_limit:
        return {"train": read_large_lines(path, memory_limit, cache_dir)}
    return {"train": read_lines(path)}
