"""Meaning of the columns of a table: inferred where only one reading makes sense, else asked for.

Four layouts:

- series: one row per point in time, to be forecast. With a `series` column, many of them.
- wide: one row per sequence; the columns are its steps (x1, x2, ... or x1, y1, x2, y2, ...).
- long: one row per step; a `sequence` column says which sequence it is of.
- text: one row per sequence; a column of text, whose characters are the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from seqmodels.data.columns.distinct import count_distinct, told_apart_by
from seqmodels.data.columns.guess import LayoutKind, infer_kind
from seqmodels.data.columns.roles import (
    MOST_CLASSES,
    Columns,
    longest_text,
    numbered_among,
    numbered_columns,
    numbers_rows,
    other_columns,
    split_column,
    time_columns,
)
from seqmodels.data.columns.targets.kind import TargetKind, grades_note, target_kind
from seqmodels.data.number_text import first_in_another_unit
from seqmodels.data.read.table import Table
from seqmodels.quoting import listed, shown

# The options that mean something in each layout, besides `target` and `layout`.
_OF_SEQUENCES = {"group", "weight", "split", "target_per", "target_kind"}
MEANINGFUL = {
    "series": {"time", "time_format", "series", "features", "target_kind"},
    "wide": {"features", "features_per_step", *_OF_SEQUENCES},
    "long": {"features", "sequence", "text", "time", "time_format", *_OF_SEQUENCES},
    "text": {"text", *_OF_SEQUENCES},
}


@dataclass(frozen=True)
class Layout:
    """Meaning of the columns; plain values only, so that it can lie in a checkpoint.

    Fields as in `Columns`, all decided; and
        feature_names: names of the features of one step.
        notes: what was inferred or left out, in words.
    """

    kind: LayoutKind
    target: str
    target_kind: TargetKind
    target_per: Literal["sequence", "step"]
    features: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    time: str | None = None
    series: str | None = None
    sequence: str | None = None
    text: str | None = None
    group: str | None = None
    notes: tuple[str, ...] = ()
    more_targets: tuple[str, ...] = ()
    split: str | None = None
    lists: tuple[str, ...] = ()
    target_cuts: tuple[float, ...] = ()
    time_format: str | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to be learned."""
        return (self.target, *self.more_targets)

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, without what no new file is read by; as in older checkpoints."""
        left_out = {"split"} | ({"time_format"} if self.time_format is None else set())
        fields = {key: value for key, value in vars(self).items() if key not in left_out}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Layout:
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in plain.items()}
        return cls(**fields)


def infer(table: Table, asked: Columns) -> Layout:
    """Decide what the columns mean.

    >>> table = Table("a.csv", {"x1": ["1"], "x2": ["5"], "x3": ["2"], "kind": ["up"]}, [2])
    >>> layout = infer(table, Columns(target="kind"))
    >>> layout.kind, layout.features, layout.target_kind
    ('wide', ('x1', 'x2', 'x3'), 'labels')

    Raises:
        ValueError: a named column is not there or has two meanings, a value is none of those
            allowed, or more than one reading makes sense.
    """
    _check_columns(table, asked)
    _refuse_units(table, asked)
    # The words train and test in a column are the split, but of series, which are split by time.
    column = split_column(table, asked) if asked.split is None else None
    kind = asked.layout or infer_kind(table, replace(asked, split=column or asked.split))
    if column is not None and kind != "series":
        asked = replace(asked, split=column)
    _check_meaning(asked, kind)
    decide: dict[str, Callable[[Table, Columns], Layout]] = {
        "series": _series,
        "wide": _wide,
        "long": _long,
        "text": _text,
    }
    found = decide[kind](table, asked)
    notes = (*found.notes, *grades_note(table, asked, found.target_kind), *_rows_note(table, asked))
    if column is not None and kind != "series":
        notes += (f"split by the words in {shown(column)}",)
    split = asked.split
    return replace(found, more_targets=asked.more_targets, time_format=asked.time_format, split=split, notes=notes)


def _rows_note(table: Table, asked: Columns) -> tuple[str, ...]:
    """Say which columns are left out because they number the rows."""
    used = {*asked.named().values(), *(asked.features or ())}
    found = [name for name in table.columns if name not in used and numbers_rows(table, name)]
    return (f"left out, numbers of rows: {listed(found, quoted=True)}",) if found else ()


def _check_columns(table: Table, asked: Columns) -> None:
    named = asked.named()
    for option, name in named.items():
        table.cells(name, option)
        twin = next((other for other in named if named[other] == name and other != option), None)
        if twin is not None:
            raise ValueError(f"data.{option} and data.{twin} both name the column {name!r}; name two different ones")
    for name in asked.features or ():
        table.cells(name, "features")
        if name in named.values() and name not in (asked.target, *asked.more_targets):
            raise ValueError(f"data.features names the column {name!r}, which has another meaning; leave it out there")


def _refuse_units(table: Table, asked: Columns) -> None:
    """Refuse a target of numbers in several currencies or units, which would be taken for words."""
    cells = table.columns[asked.target]
    if asked.target_kind not in (None, "values") or table.is_numeric(asked.target):
        return
    if (odd := first_in_another_unit(cells)) is not None and count_distinct(table, [asked.target]) > MOST_CLASSES:
        row = next(row for row, cell in enumerate(cells) if cell.strip() == odd)
        raise ValueError(
            f"{table.place(row, asked.target)}: expected a number in the unit of those before ({shown(cells[0])}), "
            f"got {shown(odd)}; write all in one currency or unit"
        )


def _check_meaning(asked: Columns, kind: str) -> None:
    """Refuse options that the layout would ignore."""
    for option, value in asdict(asked).items():
        if value is not None and option not in {"target", "more_targets", "layout"} | MEANINGFUL[kind]:
            known = ", ".join(sorted(MEANINGFUL[kind]))
            raise ValueError(
                f"data.{option} has no meaning in the {kind} layout, which takes {known}; "
                f"leave it out, or choose another layout with data.layout={'|'.join(MEANINGFUL)}"
            )
    if asked.target_per == "step" and kind != "long":
        raise ValueError("data.target_per=step needs one row per step: the long layout, with data.sequence=COLUMN")
    if asked.more_targets and kind == "series":
        raise ValueError(
            f"data.target: a time series is forecast one column at a time, got {[asked.target, *asked.more_targets]}; "
            "name one, or, for sequences with several targets, say data.layout=wide or name data.sequence=COLUMN"
        )
    if asked.target_kind in ("labels", "sets") and kind == "series":
        raise ValueError(
            f"data.target_kind={asked.target_kind}: a time series is forecast as numbers; for labelled sequences, "
            "say data.layout=wide or name data.sequence=COLUMN"
        )


def _series(table: Table, asked: Columns) -> Layout:
    table.numbers(asked.target, "target")
    time = _infer_time(table, asked, asked.series)
    if time is None and asked.series is None and asked.layout is None:
        _refuse_several(table, asked)
    features, notes = _features(table, asked, [time] if time else [])
    names = (asked.target, *features)
    notes = (f"rows in the order of {repr(time) if time else 'the file'}", *notes)
    return Layout("series", asked.target, "values", "sequence", names, names, time, asked.series, notes=notes)


def _refuse_several(table: Table, asked: Columns) -> None:
    """Refuse to take series one below another, whose times are numbers that come again, for one."""
    for time in time_columns(table, asked):
        others = [name for name in other_columns(table, asked) if name not in (time, *(asked.features or ()))]
        if (name := told_apart_by(table, time, others)) is not None:
            raise ValueError(
                f"{table.path}: {shown(time)} comes again for each {shown(name)}; name the series with "
                f"data.series={listed([name])}, or say data.layout=series to take the rows as one, in the order of "
                "the file"
            )


def _wide(table: Table, asked: Columns) -> Layout:
    features, notes = _features(table, asked, time_columns(table, asked))
    numbered = None
    if asked.features is None and (steps := numbered_among(list(features))):
        kept = set(steps)
        aside = [name for name in features if name not in kept]
        features, numbered = tuple(steps), numbered_columns(steps)
        notes += (f"left out, not numbered as the others: {listed(aside)}",) if aside else ()
    width = asked.features_per_step
    names: tuple[str, ...] = ("value",)
    if numbered is not None and width in (None, len(numbered[1])):
        features, names = tuple(numbered[0]), tuple(stem or "value" for stem in numbered[1])
        width = len(names)
    width = 1 if width is None else width
    if not features and (words := other_columns(table, asked)):
        table.numbers(words[0])  # says which cell of it is no number
    if not features or width < 1 or len(features) % width:
        raise ValueError(
            f"data.features_per_step must divide the number of feature columns ({len(features)}), got {width}; "
            "name the columns, in order, with data.features=[...]"
        )
    if len(names) != width:
        names = tuple(f"value{i + 1}" for i in range(width))
    kind = target_kind(table, asked)
    return Layout("wide", asked.target, kind, "sequence", features, names, group=asked.group, notes=notes)


def _long(table: Table, asked: Columns) -> Layout:
    if asked.sequence is None:
        raise ValueError("data.layout=long needs data.sequence=COLUMN, the column that says which sequence a row is of")
    if asked.text is not None and asked.features is not None:
        raise ValueError("data.text and data.features: the steps are either words or numbers; name one of the two")
    time = _infer_time(table, asked, asked.sequence)
    text = asked.text
    features, notes = ((), ()) if text else _features(table, asked, [time] if time else [])
    if not features and text is None:
        words = [name for name in other_columns(table, asked) if name != time]
        if len(words) != 1:
            raise ValueError(
                f"data.features: {table.path} has no column of numbers to learn from besides the target; name a "
                f"column of words or letters with data.text={'|'.join(words[:4]) or 'COLUMN'}"
            )
        text, notes = words[0], (f"the steps are the words in {words[0]!r}",)
    inferred = "sequence" if _constant_within(table, asked.sequence, (asked.target, *asked.more_targets)) else "step"
    per = asked.target_per or inferred
    return Layout(
        "long",
        asked.target,
        target_kind(table, asked),
        "step" if per == "step" else "sequence",
        features,
        features,
        time=time,
        sequence=asked.sequence,
        text=text,
        group=asked.group,
        notes=(f"steps in the order of {repr(time) if time else 'the file'}", *notes),
    )


def _text(table: Table, asked: Columns) -> Layout:
    words = [name for name in other_columns(table, asked) if not table.is_numeric(name)]
    text = asked.text or longest_text(table, words)
    if text is None:
        raise ValueError(f"data.text: {table.path} has no column of text; name one with data.text=COLUMN")
    notes = (f"the text is {shown(text)}, the longest of {listed(words)}",) if not asked.text and len(words) > 1 else ()
    kind = target_kind(table, asked)
    return Layout("text", asked.target, kind, "sequence", text=text, group=asked.group, notes=notes)


def _features(table: Table, asked: Columns, leave: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the feature columns, all other columns of numbers unless named; and a note on those left out."""
    if asked.features is not None:
        for name in asked.features:
            table.numbers(name)
        return tuple(name for name in asked.features if name not in (asked.target, *asked.more_targets)), ()
    aside = set(leave)
    others = [name for name in other_columns(table, asked) if name not in aside]
    left = [name for name in others if not table.is_numeric(name)]
    note = (f"left out, not numbers: {listed(left)}",) if left else ()
    return tuple(name for name in others if table.is_numeric(name)), note


def _infer_time(table: Table, asked: Columns, within: str | None) -> str | None:
    """Return the column to order rows by: the one asked for, or the only one that can be."""
    if asked.time is not None:
        return asked.time
    found = time_columns(table, asked)
    if len(found) != 1:
        return None
    # Dates that repeat are a mistake to be told of; a "year" that repeats is not what orders the rows.
    columns = [*([within] if within else []), found[0]]
    return found[0] if not table.is_numeric(found[0]) or count_distinct(table, columns) == len(table) else None


def _constant_within(table: Table, sequence: str, targets: tuple[str, ...]) -> bool:
    """Say whether every sequence has one target only, and some sequence more than one row."""
    sequences = count_distinct(table, [sequence])
    return sequences < len(table) and count_distinct(table, [sequence, *targets]) == sequences
