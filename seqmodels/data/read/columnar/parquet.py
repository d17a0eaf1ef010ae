"""Parquet: one file, or many as one table."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from seqmodels.data.files.cache import stamp
from seqmodels.data.files.find import FOLDER, expanded, find_file, kind_of
from seqmodels.data.files.unpack import refuse_bomb
from seqmodels.data.files.walk import files_below, files_that_fit, is_pattern
from seqmodels.data.read.columnar.relation import CURE, Relation, read_relation
from seqmodels.data.read.columnar.typed import Column
from seqmodels.data.read.database import Part, connect, identifier, link, pattern, quoted, telling
from seqmodels.data.read.table import Table

SUFFIX, KIND = ".parquet", "Parquet"
# Columns that DuckDB gives a Parquet file of its own.
_OWN = {"file_row_number", "file_index", "filename"}
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # the name of a folder for rows without a value


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
                    own, rows = _parquet(connection, _named(path, file), file, place)
                keys = _keys(path, file, {column.name for column in own})
                about.append(((*own, *(Column(key, identifier(key), "VARCHAR") for key in keys)), rows, keys))
    columns, _, _ = about[0]
    for file, (own, _, _) in zip(files, about, strict=True):
        if [(one.name, one.kind) for one in own] != [(one.name, one.kind) for one in columns]:
            raise ValueError(
                f"{file}: expected the columns of {files[0]}, got others; name files of one kind with a pattern"
            )
    numbered = not any(column.name.lower() in _OWN for column in columns)
    row = "file_row_number" if numbered else "0"
    parts = tuple(Part(_source(name, row, keys), row, rows) for name, (_, rows, keys) in zip(links, about, strict=True))
    size = sum(file.stat().st_size for file in files)
    relation = Relation(path, KIND, parts, columns, links, size=size, numbered=numbered)
    return read_relation(relation, [stamp(str(file)) for file in files], memory_limit, cache_dir)


def _keys(path: str, file: Path, known: set[str]) -> dict[str, str]:
    """Return what the names of folders below a path say of a file's rows, as in ``shop=a/x.parquet``."""
    if kind_of(expanded(path)) != FOLDER:
        return {}
    pairs = (part.partition("=") for part in file.relative_to(expanded(path)).parts[:-1])
    return {key: "" if value == NO_VALUE else unquote(value) for key, mark, value in pairs if mark and key not in known}


def _source(name: str, row: str, keys: Mapping[str, str]) -> str:
    """Return what follows FROM for a file with more columns, each of one value."""
    source = f"read_parquet('{{folder}}/{name}', hive_partitioning = false)"
    more = [f"{quoted(value)} AS {identifier(key)}" for key, value in keys.items()]
    return f"(SELECT {', '.join(['*', *([row] if row != '0' else []), *more])} FROM {source})" if more else source


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
    return tuple(Column(name, identifier(own[0]), own[1]) for name, own in columns), int(rows)


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
