"""Layout of a table: told from its columns, or asked for with every reading that there is."""

from __future__ import annotations

from typing import Literal

from seqmodels.data.columns.distinct import count_distinct, stays_in_runs, told_apart_by
from seqmodels.data.columns.roles import (
    NAMES_OF_LABELS,
    Columns,
    is_prose,
    longest_text,
    looks_like_labels,
    numbered_among,
    numbered_columns,
    other_columns,
    time_columns,
)
from seqmodels.data.read.table import Table
from seqmodels.quoting import listed, shown

LayoutKind = Literal["series", "wide", "long", "text"]

# Columns that are listed by name.
SHOWN = 8


def infer_kind(table: Table, asked: Columns) -> LayoutKind:
    """Infer the layout where only one can be meant.

    Raises:
        ValueError: more than one reading makes sense.
    """
    if asked.sequence is not None:
        return "long"
    if asked.text is not None:
        return "text"
    if asked.series is not None or asked.time is not None:
        return "series"
    times = time_columns(table, asked)
    others = other_columns(table, asked)
    numbers = [name for name in others if table.is_numeric(name) and name not in times]
    told = {*numbers, *times}
    texts = [name for name in others if name not in told]
    if len(texts) == 1 and len(others) == 1 and asked.features is None:
        return "text"
    words = not table.is_numeric(asked.target)
    labelled = bool(asked.more_targets) or looks_like_labels(table, asked.target)

    def in_order() -> bool:  # a row is a point in time
        return any(count_distinct(table, [name]) == len(table) for name in times)

    # Columns to learn words from that the user has named: no series, whose target is a number.
    named = asked.features is not None and not times and words
    if named or (labelled and numbered_among(numbers) and (words or not in_order())):
        return "wide"
    if texts and (words or labelled) and not in_order() and numbered_among(numbers) is None and asked.features is None:
        text = longest_text(table, texts)
        if text is not None and is_prose(table, text):
            return "text"
    alone = not asked.more_targets and table.is_numeric(asked.target)
    if alone and (times or not numbered_columns(numbers)) and asked.target.lower() not in NAMES_OF_LABELS:
        return "series"
    raise ValueError(unclear(table, asked))


def unclear(table: Table, asked: Columns) -> str:
    """Say how the layout of a table could be named.

    >>> columns = {"who": ["a", "a", "b"], "speed": ["1", "2", "3"], "kind": ["x", "x", "y"]}
    >>> table = Table("walks.csv", columns, [2, 3, 4])
    >>> print(unclear(table, Columns("kind")).split("; say ")[1])
    data.sequence=who (a row is a step of the sequence that 'who' names), data.layout=series (a row is a point in \
time) or data.layout=wide (a row is a sequence, its columns are the steps)
    """
    others = other_columns(table, asked)
    times = set(time_columns(table, asked))
    texts = {name: None for name in others if not table.is_numeric(name) and name not in times}  # in their order
    runs = [name for name in others if stays_in_runs(table, name)]
    apart = [name for time in times if (name := told_apart_by(table, time, [o for o in others if o not in times]))]
    readings = [
        f"data.series={listed([name])} (a row is a point in time of what {shown(name)} names)" for name in apart
    ]
    readings += [
        f"data.sequence={listed([name])} (a row is a step of the sequence that {shown(name)} names)"
        for name in runs[:2]
    ] or ["data.sequence=COLUMN (a row is a step of the sequence that COLUMN names)"]
    columns_as_steps = "data.layout=wide (a row is a sequence, its columns are the steps)"
    numbered = numbered_among([name for name in others if name not in texts])
    if numbered:
        ends = f"{listed(numbered[:1])} to {listed(numbered[-1:])}"
        columns_as_steps = f"data.layout=wide (a row is a sequence, its steps are {ends})"
    by_time = "data.layout=series (a row is a point in time)"
    readings += [by_time, columns_as_steps] if runs else [columns_as_steps, by_time]
    readings += [f"data.text={listed([name])} (a text per row)" for name in texts if name not in runs][:2]
    return (
        f"data.layout: how {table.path} holds its sequences cannot be told from its columns "
        f"({listed(table.columns, SHOWN)}); say {', '.join(readings[:-1])} or {readings[-1]}"
    )
