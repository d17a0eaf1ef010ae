"""Kinds of values an option may have, each in words and as a test.

An option's annotation names its kind, and everything that checks or explains the option reads it there:

    def __init__(self, horizon: Count = 1, noise: Annotated[float, not_negative] = 0.0) -> None: ...
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Annotated, Any, NamedTuple


class Rule(NamedTuple):
    """Rule for a value, in words and as a test."""

    words: str
    holds: Callable[[Any], bool]

    def check(self, name: str, value: Any) -> Any:
        """Return a value that the rule allows.

        Raises:
            ValueError: it does not; the message says what `name` must be.
        """
        if not self.holds(value):
            raise ValueError(f"{name} must be {self.words}, got {value!r}")
        return value


def all_text(value: Any) -> bool:
    """Say whether a value is a list of texts."""
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def whole(least: int, most: int | None = None) -> Rule:
    """Allow a whole number."""
    words = f"a whole number of at least {least}" + ("" if most is None else f" and at most {most}")

    def holds(value: Any) -> bool:
        is_whole = isinstance(value, Integral) and not isinstance(value, bool)
        return is_whole and least <= value <= (value if most is None else most)

    return Rule(words, holds)


def number(words: str, holds: Callable[[float], bool]) -> Rule:
    """Allow a whole or a decimal number with some property (NaN has none)."""
    return Rule(f"a number{words}", lambda value: _is_number(value) and holds(value))


def choice(*values: str) -> Rule:
    """Allow one of some words."""
    return Rule(f"one of {', '.join(map(str, values))}", lambda value: value in values)


def either(*rules: Rule) -> Rule:
    """Allow what any of the rules allows."""
    return Rule(", or ".join(rule.words for rule in rules), lambda value: any(rule.holds(value) for rule in rules))


def optional(rule: Rule) -> Rule:
    """Allow what the rule does, or null."""
    return Rule(f"{rule.words}, or null", lambda value: value is None or rule.holds(value))


def list_of(rule: Rule, example: str, length: int | None = None) -> Rule:
    """Allow a list, not empty, each item as the rule says."""

    def holds(value: Any) -> bool:
        if not isinstance(value, list | tuple) or not value or len(value) != (length or len(value)):
            return False
        return all(rule.holds(item) for item in value)

    return Rule(f"a list such as {example}, each item {rule.words}", holds)


at_least_one = whole(1)
any_number = number("", lambda value: abs(value) < float("inf"))
positive = number(" above 0", lambda value: 0 < value < float("inf"))
not_negative = number(" of at least 0", lambda value: 0 <= value < float("inf"))
below_one = number(" of at least 0 and below 1", lambda value: 0 <= value < 1)
up_to_one = number(" above 0 and at most 1", lambda value: 0 < value <= 1)
between = number(" between 0 and 1", lambda value: 0 < value < 1)
share = number(" from 0 to 1", lambda value: 0 <= value <= 1)
above_0_below_1 = number(" above 0 and below 1", lambda value: 0 < value < 1)
up_to_a_turn = number(" above 0 and at most 2 pi", lambda value: 0 < value <= 6.2831853071795865)
speed = number(" from 0.5 to 2", lambda value: 0.5 <= value <= 2)
text = Rule("text", lambda value: isinstance(value, str))
boolean = Rule("true or false", lambda value: isinstance(value, bool))
endless = Rule("a whole number of at least 1, or -1 for no limit", lambda v: whole(1).holds(v) or v == -1)
batches = optional(
    Rule(
        "a whole number of batches, or a share from 0.0 to 1.0",
        lambda v: whole(0).holds(v) or (isinstance(v, float) and 0 <= v <= 1),
    )
)


def _is_fold(value: Any) -> bool:
    found = re.fullmatch(r"(\d+)/(\d+)", str(value))
    return found is not None and 1 <= int(found[1]) <= int(found[2])


fold = Rule("such as 2/5, the second of five folds", _is_fold)
tags = Rule("a list of tags, such as [coding]", lambda v: all_text(v) and len(v) > 0)
duration = Rule(
    "days:hours:minutes:seconds such as 00:00:05:00",
    lambda v: isinstance(v, str) and re.fullmatch(r"\d+:\d+:\d+:\d+", v) is not None,
)
column = Rule("the name of a column", lambda v: isinstance(v, str | int) and not isinstance(v, bool))
columns = Rule("a list of columns such as [a, b]", lambda v: isinstance(v, list | tuple) and all(map(column.holds, v)))
file_name = Rule(
    "letters, digits, '.', '_' and '-' only",
    lambda v: isinstance(v, str) and re.fullmatch(r"[A-Za-z0-9._-]+", v) is not None,
)

# Annotations that many options share.
Count = Annotated[int, at_least_one]
Share = Annotated[float, below_one]
Seed = Annotated[int, whole(0)]
Column = Annotated[str, column]
ColumnNames = Annotated[Sequence[str], columns]
