"""Settings from the environment, `${oc.env:NAME}` or `${oc.env:NAME,default}`: read at use, stored as written."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml

# Largest number of references from setting to setting.
MOST_STEPS = 10
_NAMED = re.compile(r"\$\{oc\.env:\s*([^{},\s]+)\s*(?:,\s*([^{}]*))?\}")


class Resolved(dict[str, Any]):
    """Config with environment variables resolved; `written` is the same config as written."""

    written: Mapping[str, Any]


def resolved(config: Mapping[str, Any], strict: bool = False) -> Resolved:
    """Resolve the environment variables in a config.

    Args:
        config: plain values.
        strict: whether all variables must be set; else settings with unset variables stay as written.

    Raises:
        ValueError: a variable that is not set.
    """
    made = Resolved({key: _value(value, strict) for key, value in config.items()})
    made.written = as_written(config)
    return made


def as_written(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the config in the form to store."""
    return config.written if isinstance(config, Resolved) else config


def named(written: Any, values: Any, but: Collection[str] = ()) -> Any:
    """Return the values with each setting that refers to a variable, directly or not, as written.

    >>> named({"path": "${oc.env:DATA}/a", "seed": 0}, {"path": "/data/a", "seed": 1})
    {'path': '${oc.env:DATA}/a', 'seed': 1}

    Args:
        written: plain values, unresolved.
        values: the same, resolved.
        but: dotted names of new settings or groups.
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
    """Replace values from the environment in a text about a run by the settings as written."""
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
