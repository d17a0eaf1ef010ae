"""Parquet: one file, or many as one table."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from seqmodels.data.files.cache import stamp
from seqmodels.data.files.find import FOLDER, expanded, find_file, kind_of
from seqmodels.data.files.unpack import refuse_bomb
from seqmodels.data.files.walk import files_below, files_that_fit, is_pattern
from seqmodels.data.read.columnar.relation import CURE, Relation, read_relation
from seqmodels.data.read.columnar.typed import Column
from seqmodels.data.read.database import Part, connect, link, pattern, telling
from seqmodels.data.read.table import Table

SUFFIX, KIND = ".parquet", "Parquet"
# Columns that DuckDB gives a Parquet file of its own.
_OWN = {"file_row_number", "file_index", "filename"}


def parquet_files(path: str) -> list[Path]:
    """Return the Parquet files that a path means: one, those below a folder, or those that fit a pattern; else none."""
    if kind_of(expanded(path)) == FOLDER:
        return files_below(expanded(path), lambda name: name.endswith(SUFFIX) and not name.startswith(("_", ".")))
    if is_pattern(path):
        return [found for found in files_that_fit(path) if found.suffix == SUFFIX]
    return [find_file(path)] if Path(path).suffix.lower() == SUFFIX else []


def read_parquet(path: str, memory_limit: int, cache_dir: str | None) -> Table:
    """Read a Parquet file, those below a folder, or those that fit a pattern, one below the other.

    Raises:
        ValueError: a file is missing, empty, damaged or of another format, the files have different columns, or
            there are no rows.
    """
    files = parquet_files(path)
    with tempfile.TemporaryDirectory(prefix="seqmodels-") as here:
        links = {f"part{number}.parquet": file for number, file in enumerate(files)}
        places = [link(file, Path(here), name) for name, file in links.items()]
        about = []
        with closing(connect(Path(here), places)) as connection:
            for file, place in zip(files, places, strict=True):
                if file.stat().st_size == 0:
                    raise ValueError(f"{_named(path, file)}: expected a table, got an empty file")
                with telling(_named(path, file), KIND):
                    about.append(_parquet(connection, _named(path, file), file, place))
    columns, _ = about[0]
    for file, (own, _) in zip(files, about, strict=True):
        if [(one.name, one.kind) for one in own] != [(one.name, one.kind) for one in columns]:
            raise ValueError(
                f"{file}: expected the columns of {files[0]}, got others; name files of one kind with a pattern"
            )
    numbered = not any(column.name.lower() in _OWN for column in columns)
    sources = [f"read_parquet('{{folder}}/{name}', hive_partitioning = false)" for name in links]
    row = "file_row_number" if numbered else "0"
    parts = tuple(Part(source, row, rows) for source, (_, rows) in zip(sources, about, strict=True))
    size = sum(file.stat().st_size for file in files)
    relation = Relation(path, KIND, parts, columns, links, size=size, numbered=numbered)
    return read_relation(relation, [stamp(str(file)) for file in files], memory_limit, cache_dir)


def _named(path: str, file: Path) -> str:
    return path if kind_of(expanded(path)) != FOLDER and not is_pattern(path) else str(file)


def _parquet(connection: Any, path: str, file: Path, place: Path) -> tuple[tuple[Column, ...], int]:
    """Return the columns of a Parquet file, and how many rows it has."""
    where = pattern(place)
    (rows,) = connection.execute(f"SELECT num_rows FROM parquet_file_metadata({where})").fetchone()
    sizes = f"SELECT coalesce(sum(total_uncompressed_size), 0)::BIGINT FROM parquet_metadata({where})"
    (unpacked,) = connection.execute(sizes).fetchone()
    described = connection.execute(
        f"DESCRIBE SELECT * FROM read_parquet({where}, hive_partitioning = false)"
    ).fetchall()
    refuse_bomb(path, file.stat().st_size, max(unpacked, rows * len(described) * 8), CURE)
    names = _top(connection.execute(f"SELECT name, num_children FROM parquet_schema({where})").fetchall())
    columns = zip(names, described, strict=True)
    return tuple(Column(name, '"' + own[0].replace('"', '""') + '"', own[1]) for name, own in columns), int(rows)


def _top(schema: Sequence[tuple[str, int | None]]) -> list[str]:
    """Return the names of the columns themselves, in a schema that lists what is in them too."""
    names, place = [], 1
    while place < len(schema):
        names.append(schema[place][0])
        inside = 1
        while inside and place < len(schema):
            inside += (schema[place][1] or 0) - 1
            place += 1
    return names
