"""What the columns of a table mean: inferred where only one reading makes sense, else asked for.

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

import numpy as np

from seqmodels.data.columns.guess import LayoutKind, infer_kind
from seqmodels.data.columns.roles import (
    Columns,
    looks_like_labels,
    numbered_among,
    numbered_columns,
    other_columns,
    time_columns,
)
from seqmodels.data.read.table import Table
from seqmodels.quoting import listed, shown

TargetKind = Literal["labels", "values", "sets"]
# So many whole numbers that count up may be classes or amounts.
FEWEST_GRADES = 5
TARGET_KINDS = ("labels", "values", "sets")
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
    """What the columns mean; plain values only, so that it can lie in a checkpoint.

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
    lists: tuple[str, ...] = ()
    target_cuts: tuple[float, ...] = ()
    time_format: str | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to be learned."""
        return (self.target, *self.more_targets)

    def to_plain(self) -> dict[str, Any]:
        """As a dict of plain values; a format that was not needed is left out, as in older checkpoints."""
        fields = {key: value for key, value in vars(self).items() if (key, value) != ("time_format", None)}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Layout:
        """The inverse of `to_plain`."""
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
    _check_values(asked)
    _check_columns(table, asked)
    kind = asked.layout or infer_kind(table, asked)
    _check_meaning(asked, kind)
    decide: dict[str, Callable[[Table, Columns], Layout]] = {
        "series": _series,
        "wide": _wide,
        "long": _long,
        "text": _text,
    }
    found = decide[kind](table, asked)
    notes = (*found.notes, *_grades(table, asked, found))
    return replace(found, more_targets=asked.more_targets, time_format=asked.time_format, notes=notes)


def _grades(table: Table, asked: Columns, found: Layout) -> tuple[str, ...]:
    """A word on whole numbers that count up and were taken for classes, since they may be amounts or grades."""
    if found.target_kind != "labels" or asked.target_kind is not None or not table.is_numeric(asked.target):
        return ()
    values = np.unique(table.numbers(asked.target, "target"))
    values = values[np.isfinite(values)]
    if len(values) < FEWEST_GRADES or (np.diff(values) != 1).any():
        return ()
    return (
        f"{values[0]:g} to {values[-1]:g} in {shown(asked.target)} taken for classes; if they are amounts, say "
        "data.target_kind=values",
    )


def _check_values(asked: Columns) -> None:
    allowed = {"layout": tuple(MEANINGFUL), "target_per": ("sequence", "step"), "target_kind": TARGET_KINDS}
    for option, values in allowed.items():
        if getattr(asked, option) not in (None, *values):
            known = ", ".join(values)
            raise ValueError(f"data.{option} must be one of {known} or null, got {getattr(asked, option)!r}")


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
    features, notes = _features(table, asked, [time] if time else [])
    names = (asked.target, *features)
    notes = (f"rows in the order of {repr(time) if time else 'the file'}", *notes)
    return Layout("series", asked.target, "values", "sequence", names, names, time, asked.series, notes=notes)


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
    kind = _target_kind(table, asked)
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
        _target_kind(table, asked),
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
    text = asked.text or next((name for name in other_columns(table, asked) if not table.is_numeric(name)), None)
    if text is None:
        raise ValueError(f"data.text: {table.path} has no column of text; name one with data.text=COLUMN")
    return Layout("text", asked.target, _target_kind(table, asked), "sequence", text=text, group=asked.group)


def _target_kind(table: Table, asked: Columns) -> TargetKind:
    if asked.more_targets:
        return _kind_of_several(table, asked)
    if asked.target_kind == "sets":
        return "sets"
    if asked.target_kind == "labels" or (asked.target_kind is None and looks_like_labels(table, asked.target)):
        return "labels"
    table.numbers(asked.target, "target")
    return "values"


def _kind_of_several(table: Table, asked: Columns) -> TargetKind:
    """Several columns to be learned: one label each that holds (1) or not (0), or one number each."""
    names = (asked.target, *asked.more_targets)
    words = [name for name in names if not table.is_numeric(name)]
    if asked.target_kind == "labels" or words:
        what = f"{words[0]!r} holds words" if words else "got data.target_kind=labels"
        raise ValueError(
            f"data.target: several columns are learned as numbers, or as labels that hold (1) or not (0); {what}; "
            "name one column, or write each label as a column of 0 and 1"
        )
    if asked.target_kind is not None:
        return "sets" if asked.target_kind == "sets" else "values"
    values = np.unique(np.concatenate([table.numbers(name, "target") for name in names]))
    return "sets" if np.isin(values[np.isfinite(values)], (0, 1)).all() else "values"


def _features(table: Table, asked: Columns, leave: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The feature columns, all other columns of numbers unless they are named; and a note on those left out."""
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
    """The column to order rows by: the one asked for, or the only one that can be."""
    if asked.time is not None:
        return asked.time
    found = time_columns(table, asked)
    if len(found) != 1:
        return None
    owners = table.columns[within] if within else [""] * len(table)
    distinct = len(set(zip(owners, table.columns[found[0]], strict=True))) == len(table)
    # Dates that repeat are a mistake to be told of; a "year" that repeats is not what orders the rows.
    return found[0] if distinct or not table.is_numeric(found[0]) else None


def _constant_within(table: Table, sequence: str, targets: tuple[str, ...]) -> bool:
    """Whether every sequence has one target only, and some sequence more than one row."""
    pairs = set(zip(table.columns[sequence], *(table.columns[name] for name in targets), strict=True))
    return len(pairs) == len(set(table.columns[sequence])) < len(table)
