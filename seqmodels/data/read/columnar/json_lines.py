"""JSON: an object on each line, or an array of them; their keys are the columns."""

from __future__ import annotations

import json
import re
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from seqmodels.data.files.cache import stamp
from seqmodels.data.files.find import find_file, text_pieces
from seqmodels.data.files.unpack import is_packed
from seqmodels.data.read.columnar.relation import Relation, read_relation
from seqmodels.data.read.columnar.typed import Column
from seqmodels.data.read.database import Part, connect, link, quoted, telling
from seqmodels.data.read.delimited.whole import Lines
from seqmodels.data.read.table import Table

SUFFIXES = tuple(suffix + packed for suffix in (".jsonl", ".ndjson", ".json") for packed in ("", ".gz"))
KIND = "JSON lines"


def read_json_lines(path: str, memory_limit: int, cache_dir: str | None) -> Table:
    """Read a file with a JSON object on each line, or an array of them, gzipped or not; a missing key is blank.

    Raises:
        ValueError: a line is no JSON object, or there are none.
    """
    found, unpacked = find_file(path), sum(map(len, text_pieces(path)))
    form = "array" if next(iter(text_pieces(path)), "").lstrip()[:1] == "[" else "newline_delimited"
    packed = f", compression = {quoted('gzip' if is_packed(found) else 'none')}"
    objects = f"read_json_objects('{{folder}}/lines', format = '{form}'{packed})"
    try:
        with tempfile.TemporaryDirectory(prefix="seqmodels-") as here, telling(path, KIND):
            place = link(found, Path(here), "lines")
            with closing(connect(Path(here), [place])) as connection:
                rows, columns = _keys(connection, objects.replace("{folder}", here))
    except ValueError as error:
        raise _bad_line(path, form) or error from None
    if not columns:
        raise _bad_line(path, form) or ValueError(f"{path}: expected rows of data, got none")
    values = ", ".join(f"{column.value} AS j{number}" for number, column in enumerate(columns))
    named = tuple(Column(column.name, f"j{number}", column.kind) for number, column in enumerate(columns))
    parts = (Part(f"(SELECT {values} FROM {objects})", "0", rows),)
    relation = Relation(path, KIND, parts, named, {"lines": found}, size=found.stat().st_size)
    return read_relation(relation, stamp(path), memory_limit, cache_dir, unpacked > memory_limit)


def _keys(connection: Any, source: str) -> tuple[int, tuple[Column, ...]]:
    """Return the number of objects, and their keys in order of appearance; none where one is no object."""
    counts = "count(*), count(*) FILTER (json_type(json) <> 'OBJECT')"
    rows, others = connection.execute(f"SELECT {counts} FROM {source}").fetchone()
    keys = f"SELECT row_number() OVER () AS row, json, json_keys(json) AS keys FROM {source}"
    each = f"SELECT row, json, unnest(keys) AS key, unnest(range(len(keys))) AS place FROM ({keys})"
    kind = f"json_type(json_extract(json, {_at('key')}))"
    asked = f"SELECT key, min((row, place)) AS first, list(DISTINCT {kind}) AS kinds FROM ({each})"
    found = [] if others else connection.execute(f"{asked} GROUP BY key ORDER BY first").fetchall()
    return rows, tuple(_column(key, {kind for kind in own if kind != "NULL"}) for key, _, own in found)


def _at(key: str) -> str:
    """Write a JSON pointer to a key, as SQL of an SQL expression."""
    return f"('/' || replace(replace({key}, '~', '~0'), '/', '~1'))"


def _column(key: str, kinds: set[str | None]) -> Column:
    place = _at(quoted(key))
    if kinds == {"BOOLEAN"}:
        return Column(key, f"json_extract_string(json, {place})::BOOLEAN", "BOOLEAN")
    if kinds == {"ARRAY"}:
        return Column(key, f"json_extract(json, {place})::VARCHAR[]", "VARCHAR[]")
    if "OBJECT" in kinds or "ARRAY" in kinds:
        return Column(key, "NULL", "OBJECT")
    return Column(key, f"json_extract_string(json, {place})", "VARCHAR")


def _bad_line(path: str, form: str) -> ValueError | None:
    """Return what is wrong with the first line that holds no JSON object."""
    if form == "array":
        return ValueError(f"{path}: expected an array of JSON objects, each a row, and nothing else")
    for number, line in enumerate(Lines(text_pieces(path)), 1):
        try:
            if line.strip() and not isinstance(json.loads(line), dict):
                raise ValueError("no object")
        except (ValueError, RecursionError) as error:
            reason = re.sub(r" \(char \d+\)$", "", str(error)).partition(": line ")[0]
            return ValueError(f"{path}, line {number}: expected a JSON object on each line: {reason}")
    return None
