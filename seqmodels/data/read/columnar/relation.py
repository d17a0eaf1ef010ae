"""Typed columns, of Parquet, Arrow or JSON lines, as a table of text with its numbers known: one way for all of them.

A list is a sequence's steps, see `seqmodels.data.columns.lists`. Columns of
any other type are left out.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from seqmodels.data.files.cache import PassingFolder, about, cached_folder
from seqmodels.data.files.unpack import refuse_bomb
from seqmodels.data.read.columnar.typed import Column
from seqmodels.data.read.database import (
    Part,
    Store,
    connect,
    link,
    pattern,
    rows_of_file,
    telling,
    write_rows,
)
from seqmodels.data.read.stored_cells import StoredCells
from seqmodels.data.read.table import ListColumn, Table
from seqmodels.quoting import listed

FILE = "columns.parquet"
CURE = "write what is needed of it to a .csv file"
# Bytes of a cell in memory, at least.
CELL = 8


@dataclass(frozen=True)
class Relation:
    """Typed columns that DuckDB can read.

    Fields:
        path: named in errors.
        kind: of file, in words.
        parts: where its rows are, in order; ``{folder}`` in a source stands for the folder of links to `files`.
        columns: of it.
        files: that DuckDB may read for it, name of the link -> path.
        arrow: makes a reader of pyarrow's, which the parts call ``arrow``.
        size: bytes of all files.
        numbered: whether the parts know the number of a row, so that nothing has to be copied.
    """

    path: str
    kind: str
    parts: tuple[Part, ...]
    columns: tuple[Column, ...]
    files: Mapping[str, Path] = field(default_factory=dict)
    arrow: Callable[[], Any] | None = None
    size: int = 0
    numbered: bool = False

    def check(self) -> None:
        """Refuse columns of one name, and no rows."""
        again = sorted(name for name, n in Counter(column.name for column in self.columns).items() if n > 1)
        if again:
            raise ValueError(f"{self.path}: column names must differ, got {listed(again, quoted=True)} more than once")
        if not sum(part.rows for part in self.parts):
            raise ValueError(f"{self.path}: expected rows of data, got none")

    def open(self, folder: Path, own: Sequence[Path] = (), once: bool = False) -> tuple[Any, tuple[Part, ...]]:
        """Open DuckDB on it, and return the connection and the parts.

        Args:
            folder: for links, and what does not fit in memory.
            own: other files that it may read or write.
            once: whether what Arrow gives is read only once, and then not kept.
        """
        places = [link(path, folder, name) for name, path in self.files.items()]
        connection = connect(folder, [*places, *own])
        if self.arrow is not None:
            connection.register("arrow" if once else "given", self.arrow())
            if not once:
                connection.execute("CREATE TABLE arrow AS SELECT * FROM given")
        here = pattern(folder)[1:-1]
        return connection, tuple(replace(part, source=part.source.replace("{folder}", here)) for part in self.parts)


def read_relation(
    relation: Relation, key: Sequence[object], memory_limit: int, cache_dir: str | None, large: bool | None = None
) -> Table:
    """Read a relation as a table.

    Raises:
        ValueError: no rows, two columns of one name, lists of steps that differ in width, or the disk is full.
    """
    relation.check()
    if not large:
        with tempfile.TemporaryDirectory(prefix="seqmodels-") as folder:
            connection, parts = relation.open(Path(folder))
            with closing(connection):
                size = _bytes(Store(relation.path, relation.kind, connection, parts), relation)
                refuse_bomb(relation.path, relation.size, size, CURE)
                if large is False or size <= memory_limit:
                    table = _small(connection, relation, parts)
                    table.stamp = list(key)
                    return table
    asked = ["relation", list(key), [asdict(column) for column in relation.columns]]
    kept = cached_folder(cache_dir, relation.path, asked, lambda folder: _write(relation, folder), "columns")
    return _stored(relation, kept, key, memory_limit, PassingFolder(cache_dir))


def _bytes(store: Store, relation: Relation) -> int:
    """Estimate bytes in memory, at least: a word that a file has once may be in every row."""
    each = [f"sum({CELL} * len({column.value}))" for column in relation.columns if column.is_list]
    each += [f"sum(strlen({column.value}))" for column in relation.columns if column.kind == "VARCHAR"]
    sizes = [store.ask(f"SELECT {', '.join([*each, '0'])} FROM {part.source}")[0] for part in store.parts]
    return CELL * len(relation.columns) * len(store) + sum(int(size or 0) for own in sizes for size in own)


def _small(connection: Any, relation: Relation, parts: Sequence[Part]) -> Table:
    store = Store(relation.path, relation.kind, connection, tuple(parts))
    columns: dict[str, Sequence[str]] = {}
    lists, numbers = {}, {}
    for column in relation.columns:
        if column.is_list:
            lengths = _numbers(_lengths(store, column)).astype(np.int64)
            width = _width(store, column)
            steps = tuple(Part(f"(SELECT unnest({column.value}) AS step FROM {part.source})", "0", 0) for part in parts)
            own = _step_columns(Store(relation.path, relation.kind, connection, steps), _steps(column, width))
            lists[column.name] = ListColumn(lengths, {name: list(cells) for name, cells in own.items()})
        elif column.text is not None:
            cells = StoredCells(store, "", column.text, column.number, column.word)
            columns[column.name] = list(cells)
            if column.number is not None:
                numbers[column.name] = _numbers(cells)
    table = _table(relation, columns, lists)
    table.know_numbers(numbers)
    return table


def _write(relation: Relation, folder: Path) -> dict[str, Any]:
    """Write what cannot be read from the files themselves to files of ours: steps of lists, or everything."""
    found: dict[str, Any] = {"widths": {}, "steps": {}}
    lists = {place: folder / f"list{place}.parquet" for place, own in enumerate(relation.columns) if own.is_list}
    with telling(relation.path, relation.kind), tempfile.TemporaryDirectory(dir=folder) as here:
        connection, parts = relation.open(Path(here), [folder / FILE, *lists.values()], once=True)
        with closing(connection):
            columns = relation.columns
            if not relation.numbered:
                values = ", ".join(f"{_to_copy(column)} AS c{i}" for i, column in enumerate(columns))
                every = " UNION ALL ".join(f"SELECT {values} FROM {part.source}" for part in parts)
                rows = write_rows(connection, every, folder / FILE)
                parts, columns = (rows_of_file(folder / FILE, rows),), _copied(columns)
            found["rows"] = [part.rows for part in parts]
            store = Store(relation.path, relation.kind, connection, parts)
            for place, path in lists.items():
                width = found["widths"][str(place)] = _width(store, columns[place])
                each = [f"{own.value} AS s{i}" for i, own in enumerate(_steps(columns[place], width).values())]
                steps = [f"SELECT unnest({columns[place].value}) AS step FROM {part.source}" for part in parts]
                every = f"SELECT {', '.join(each) or 'NULL AS s0'} FROM ({' UNION ALL '.join(steps)})"
                found["steps"][str(place)] = write_rows(connection, every, path)
    return found


def _stored(
    relation: Relation, folder: Path, key: Sequence[object], memory_limit: int, passing: PassingFolder
) -> Table:
    found, columns = about(folder), relation.columns
    lists = {place: folder / f"list{place}.parquet" for place, own in enumerate(columns) if own.is_list}
    if relation.numbered:
        connection, parts = relation.open(passing.path, list(lists.values()))
    else:
        connection, columns = connect(passing.path, [folder / FILE, *lists.values()]), _copied(columns)
        parts = (rows_of_file(folder / FILE, found["rows"][0]),)
    store = Store(relation.path, relation.kind, connection, parts, folder, passing)
    cells = {
        column.name: StoredCells(store, f"c{place}", column.text, column.number, column.word)
        for place, column in enumerate(columns)
        if column.text is not None and not column.is_list
    }
    columns_of_lists = {}
    for place, path in lists.items():
        steps = _steps(columns[place], found["widths"][str(place)])
        laid = {name: replace(own, value=f"s{i}") for i, (name, own) in enumerate(steps.items())}
        below = replace(store, parts=(rows_of_file(path, found["steps"][str(place)]),))
        lengths = StoredCells(store, f"n{place}", "''", _length(columns[place])).numbers().astype(np.int64)
        step_columns: dict[str, Sequence[str]] = {**_step_columns(below, laid, f"l{place}")}
        columns_of_lists[columns[place].name] = ListColumn(lengths, step_columns)
    table = _table(relation, cells, columns_of_lists, len(store))
    table.space, table.stamp = passing.space(memory_limit), list(key)
    return table


def _table(
    relation: Relation, columns: Mapping[str, Sequence[str]], lists: dict[str, ListColumn], rows: int | None = None
) -> Table:
    lists = {name: column for name, column in lists.items() if column.columns}
    left_out = {own.name: own.kind for own in relation.columns if own.name not in columns and own.name not in lists}
    rows = sum(part.rows for part in relation.parts) if rows is None else rows
    return Table(relation.path, columns, range(1, rows + 1), "row", lists, left_out)


def _to_copy(column: Column) -> str:
    if column.kind == "INTERVAL":
        return f"epoch({column.value})"
    if "HUGEINT" in column.kind and not column.is_list:
        return f"{column.value}::VARCHAR"
    return column.value if column.is_list or column.text is not None else "NULL"


def _copied(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns as they are called in a file of ours."""
    kinds = {"INTERVAL": "DOUBLE", "HUGEINT": "VARCHAR", "UHUGEINT": "VARCHAR"}
    each = enumerate(columns)
    return tuple(replace(own, value=f"c{place}", kind=kinds.get(own.kind, own.kind)) for place, own in each)


def _numbers(cells: StoredCells) -> np.ndarray:
    return np.concatenate([np.empty(0), *(values for values, _ in cells.values())])


def _length(column: Column) -> str:
    return f"coalesce(len({column.value}), 0)::DOUBLE"


def _lengths(store: Store, column: Column) -> StoredCells:
    return StoredCells(store, "", "''", _length(column))


def _steps(column: Column, width: int) -> dict[str, Column]:
    """Return the columns that the steps of lists make, by name: several where each step is a list of numbers."""
    step = column.element
    if not step.is_list:
        return {column.name: step} if step.text is not None else {}
    inner = [replace(step.element, value=f"step[{i + 1}]") for i in range(width)]
    return {f"{column.name}_{i}": own for i, own in enumerate(inner) if own.text is not None}


def _step_columns(store: Store, steps: Mapping[str, Column], key: str = "") -> dict[str, StoredCells]:
    each = enumerate(steps.items())
    return {name: StoredCells(store, f"{key}s{i}", own.text or "''", own.number, own.word) for i, (name, own) in each}


def _width(store: Store, column: Column) -> int:
    """Return the numbers in each step of a column of lists of lists; 1 of other lists."""
    if not column.element.is_list:
        return 1
    steps = f"SELECT row, coalesce(len(step), 0) AS width FROM ({store.rows(f'unnest({column.value}) AS step')})"
    first = store.ask(f"SELECT width FROM ({steps}) ORDER BY row LIMIT 1")
    width = int(first[0][0]) if first else 0
    wrong = store.ask(f"SELECT row, width FROM ({steps}) WHERE width <> {width} ORDER BY row LIMIT 1")
    if wrong:
        raise ValueError(
            f"row {wrong[0][0] + 1}, column {column.name!r}: expected {width} numbers in each step, as in the first, "
            f"got {wrong[0][1]}; mend the row"
        )
    return width
