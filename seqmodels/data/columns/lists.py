"""Rows that hold whole sequences in lists, written out: a row for each step, as in the long layout.

row  label  x            row  label  x
1    up     [3, 4]   ->  1    up     3
2    down   [5]          1    up     4
                         2    down   5
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seqmodels.data.columns.roles import Columns
from seqmodels.data.read.table import Table
from seqmodels.quoting import listed, shown

# The column that says which row a step is of.
ROW = "row"


def unnest(table: Table, asked: Columns, missing: str) -> tuple[Table, Columns, tuple[str, ...]]:
    """A table whose lists are written out, if they are to be; what was asked for, in its columns; and which lists.

    They are if `asked` names one of them or the layout nested, or names nothing to learn from.

    Raises:
        ValueError: lists of one row have different lengths, a row has no steps, or there are no lists at all.
    """
    lists = table.lists
    targets = (asked.target, *asked.more_targets)
    named = [name for name in (*targets, asked.text, *(asked.features or ())) if name in lists]
    free = asked.features is None and asked.text is None and asked.sequence is None and asked.series is None
    if asked.layout == "nested" and not lists:
        raise ValueError(
            f"data.layout=nested: {table.path} has no column of lists (its columns: {listed(table.columns)}); "
            "choose another layout"
        )
    if not lists or not (asked.layout == "nested" or named or (free and asked.layout is None)):
        return table, asked, ()
    numbers = [name for name, column in lists.items() if column.is_numeric(name)]
    chosen = tuple(dict.fromkeys([*named, *(numbers if free else [])])) or tuple(lists)[:1]
    if asked.text is None and free and not [name for name in chosen if name not in targets]:
        texts = [name for name in lists if name not in targets]
        if len(texts) == 1:  # words with their tags
            chosen, asked = (*chosen, *texts), replace(asked, text=texts[0])
    features = asked.features
    if features is not None:
        features = tuple(key for name in features for key in (lists[name].columns if name in lists else (name,)))
    elif asked.text is None:
        features = tuple(key for name in chosen if name not in targets for key in lists[name].columns)
    asked = replace(asked, layout="long", sequence=asked.sequence or ROW, features=features)
    return explode(table, chosen, missing), asked, chosen


def explode(table: Table, chosen: tuple[str, ...], missing: str) -> Table:
    """A row for each step of the chosen lists; all other columns are repeated.

    Raises:
        ValueError: as `unnest`.
    """
    for name in chosen:
        if name not in table.lists:
            raise ValueError(
                f"{table.path} has no column of lists {shown(name)}; it has {listed(table.lists) or 'none'}"
            )
    lists = {name: table.lists[name] for name in chosen}
    lengths = lists[chosen[0]].lengths
    for name, column in lists.items():
        other = np.flatnonzero(column.lengths != lengths)
        if len(other):
            row = int(other[0])
            raise ValueError(
                f"{table.place(row, name)}: expected {lengths[row]} steps as in {shown(chosen[0])}, got "
                f"{column.lengths[row]}; the lists of a row must be of one length"
            )
    empty = np.flatnonzero(lengths == 0)
    if len(empty) and missing != "drop":
        raise ValueError(
            f"{table.place(int(empty[0]), chosen[0])}: the sequence has no steps ({len(empty)} such rows in all); "
            "leave such rows out with data.missing=drop"
        )
    owner = np.repeat(np.arange(len(table)), lengths)
    columns: dict[str, Sequence[str]] = {ROW: [str(table.lines[i]) for i in owner.tolist()]}
    for name, cells in table.columns.items():
        columns.setdefault(name, [cells[i] for i in owner.tolist()])
    for column in lists.values():
        columns |= column.columns
    lines = [table.lines[i] for i in owner.tolist()]
    return Table(table.path, columns, lines, table.unit, space=table.space, stamp=table.stamp)
