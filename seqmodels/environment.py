"""Settings in the environment, `${oc.env:NAME}` or `${oc.env:NAME,default}`: read at use, stored as written."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml

# Settings that name another setting that names another.
MOST_STEPS = 10
_NAMED = re.compile(r"\$\{oc\.env:\s*([^{},\s]+)\s*(?:,\s*([^{}]*))?\}")


class Resolved(dict[str, Any]):
    """A config with what the environment says in it; `written` is the same config as it was written."""

    written: Mapping[str, Any]


def resolved(config: Mapping[str, Any], strict: bool = False) -> Resolved:
    """The config with what the environment says in it.

    Args:
        config: plain values.
        strict: whether each variable must be set; else a setting whose variable is not is as it was written.

    Raises:
        ValueError: a variable that is not set.
    """
    made = Resolved({key: _value(value, strict) for key, value in config.items()})
    made.written = as_written(config)
    return made


def as_written(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config as it is to be stored."""
    return config.written if isinstance(config, Resolved) else config


def named(written: Any, values: Any, but: Collection[str] = ()) -> Any:
    """The values, in which a setting that names a variable, itself or by another setting, is as it was written.

    >>> named({"path": "${oc.env:DATA}/a", "seed": 0}, {"path": "/data/a", "seed": 1})
    {'path': '${oc.env:DATA}/a', 'seed': 1}

    Args:
        written: plain values, unresolved.
        values: the same, resolved.
        but: dotted names of settings, or groups of them, that are new.
    """

    def one(text: Any, value: Any, place: str) -> Any:
        if place in but:
            return value
        if isinstance(text, Mapping) and isinstance(value, Mapping):
            return {key: one(text.get(key), item, f"{place}.{key}".lstrip(".")) for key, item in value.items()}
        if isinstance(text, list) and isinstance(value, list) and len(text) == len(value):
            return [one(item, other, place) for item, other in zip(text, value, strict=True)]
        for _ in range(MOST_STEPS):
            if not isinstance(text, str) or "${" not in text:
                return value
            if "${oc.env:" in text:
                return text
            text = re.sub(r"\$\{([\w.]+)\}", lambda found: str(_at(written, found[1])), text)
        return value

    return one(written, values, "")


def _at(written: Any, name: str) -> Any:
    for key in name.split("."):
        written = written.get(key) if isinstance(written, Mapping) else None
    return written


def hide(text: str, config: Mapping[str, Any]) -> str:
    """A text about a run in which what the environment said is as it was written."""
    for written, value in _differing(as_written(config), config):
        text = text.replace(value, written)
    return text


def _differing(written: Any, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(written, Mapping):
        for key in written:
            yield from _differing(written[key], value[key])
    elif isinstance(written, list | tuple):
        for one, other in zip(written, value, strict=True):
            yield from _differing(one, other)
    elif isinstance(written, str) and written != value:
        yield written, str(value)


def _value(value: Any, strict: bool) -> Any:
    if isinstance(value, Mapping):
        return {key: _value(one, strict) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_value(one, strict) for one in value]

    def said(found: re.Match[str]) -> str:
        name, default = found.groups()
        if name not in os.environ and default is None and strict:
            raise ValueError(
                f"{value}: there is no environment variable {name}: set it, or give a default after a comma"
            )
        return os.environ.get(name, found[0] if default is None else default.strip("'\""))

    if not isinstance(value, str) or "${oc.env:" not in value:
        return value
    text = _NAMED.sub(said, value)
    decoded = re.fullmatch(r"\$\{oc\.decode:\s*([^{}]*)\}", text)
    return yaml.safe_load(decoded[1]) if decoded else text
