"""Options of a part, as its constructor's signature and docstring tell them."""

import functools
import re
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from seqmodels.kinds import Rule, any_number, boolean, choice, either, optional, text

#: The default of an option that has to be given; Hydra's word for it.
MISSING = "???"

_whole = Rule("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool))
_list = Rule("a list such as [a, b]", lambda value: isinstance(value, list | tuple))
_simple: dict[Any, Rule] = {bool: boolean, int: _whole, float: any_number, str: text}


class Option(NamedTuple):
    """An argument of a part's constructor.

    Fields:
        name: the argument's.
        default: as plain values; `MISSING` where it has to be given.
        rule: what a value must be; None where the annotation does not tell.
        strict: whether the annotation says more than a bare type; only then the constructor refuses what breaks the
            rule, for from Python a path may be a `Path` and a number numpy's.
        meaning: the argument's line in the docstring.
    """

    name: str
    default: Any
    rule: Rule | None
    strict: bool
    meaning: str


def make_option(name: str, default: Any, annotation: Any, meaning: str) -> Option:
    """Return the option that a signature and a docstring describe.

    >>> make_option("gaps", "allow", Literal["allow", "fill"] | None, "missing steps").rule.words
    'one of allow, fill, or null'
    """
    return Option(name, plain(default), rule_of(annotation), is_strict(annotation), meaning)


def plain(value: Any) -> Any:
    """Return a default as plain values: tuples as lists, mappings as dictionaries."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def rule_of(annotation: Any) -> Rule | None:
    """Return what values an annotation allows; None where it does not tell.

    >>> rule_of(int).words, rule_of(Annotated[float, any_number] | None).words, rule_of(Any)
    ('a whole number', 'a number, or null', None)
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        return next((one for one in annotation.__metadata__ if isinstance(one, Rule)), rule_of(annotation.__origin__))
    if origin is Literal:
        return choice(*get_args(annotation))
    if origin in (Union, types.UnionType):
        rules = [rule_of(one) for one in get_args(annotation) if one is not type(None)]
        known = [rule for rule in rules if rule is not None]
        if len(known) < len(rules):
            return None
        rule = known[0] if len(known) == 1 else either(*known)
        return optional(rule) if type(None) in get_args(annotation) else rule
    if annotation is list or (isinstance(origin, type) and issubclass(origin, Sequence)):
        return _list
    return _simple.get(annotation) if isinstance(annotation, type) else None


def is_strict(annotation: Any) -> bool:
    """Return whether an annotation names choices or a kind of value, and not only a type."""
    if get_origin(annotation) in (Union, types.UnionType):
        return all(is_strict(one) for one in get_args(annotation) if one is not type(None))
    return get_origin(annotation) in (Annotated, Literal)


_ENTRY = re.compile(r"^((?:\w+,\s*)*\w+):\s", re.S)
_REFERENCE = re.compile(r"^(?:as for|see) `([\w.]+)`")


@functools.cache
def meanings(doc: str) -> dict[str, str]:
    r"""Return the meaning of each argument that a docstring explains.

    >>> meanings("Do it.\n\nArgs:\n    a, b: two numbers\n        above 0.\n    c: another.\n\nRaises:\n    x: no.")
    {'a': 'two numbers above 0.', 'b': 'two numbers above 0.', 'c': 'another.'}
    """
    found: dict[str, str] = {}
    section = re.search(r"^(?:Args|Fields):\n((?:[ ]+.*\n?|\n(?=[ ]))+)", doc, re.M)
    if section is None:
        return found
    indent = re.match(r" *", section[1])[0]  # type: ignore[index]
    for entry in re.split(rf"\n{indent}(?=\S)", section[1].strip()):
        match = _ENTRY.match(entry)
        if match:
            words = " ".join(entry[match.end() :].split())
            found.update({name.strip(): words for name in match[1].split(",")})
    return found


def reference(meaning: str) -> str | None:
    """Return the class that a meaning refers to: ``as for `GatedCell```."""
    match = _REFERENCE.match(meaning)
    return match[1] if match else None
