"""What a config must be before its settings are looked at: names with values, not endless, and its parts named."""

from collections.abc import Iterator
from typing import Any

from seqmodels.quoting import shown

# Values in a config, and how deep they may lie: ten times what those of seqmodels have.
MOST_VALUES, DEEPEST = 5000, 30
# Groups of settings that belong to a part, which is named in them.
PARTS = ("data", "task", "model.cell", "model.head", "optimizer", "scheduler")
GROUPS = ("model", "training", "trainer", *PARTS)
LATER = ("checkpoint", "early_stopping", "diagnostics")  # which older runs may lack


def wrong_shape(config: Any) -> str | None:
    """Say what is wrong with the shape of a config, which may be circular; None where nothing is.

    >>> wrong_shape([1]), wrong_shape({"data": {7: 1}}), wrong_shape({"data": {"path": "a.csv"}})
    ('expected settings as name: value, got a list', 'data: expected the name of a setting, got 7', None)
    """
    if not isinstance(config, dict):
        kinds = {list: "a list", str: "text", type(None): "nothing"}
        return f"expected settings as name: value, got {kinds.get(type(config), 'a single value')}"
    waiting: list[tuple[str, Any, int]] = [("", config, 0)]
    count = 0
    while waiting:
        place, value, depth = waiting.pop()
        count += 1
        if max(count, len(waiting)) > MOST_VALUES or depth > DEEPEST:
            return f"expected a config, got more than {MOST_VALUES} values, or more than {DEEPEST} inside one another"
        if isinstance(value, dict):
            odd = [key for key in value if not isinstance(key, str)]
            if odd:
                return f"{place}: expected the name of a setting, got {shown(odd[0])}".removeprefix(": ")
            waiting += [(f"{place}.{key}".lstrip("."), one, depth + 1) for key, one in value.items()]
        elif isinstance(value, list):
            waiting += [(place, one, depth + 1) for one in value]
    return None


def wrong_parts(config: dict[str, Any]) -> Iterator[str]:
    """Yield groups of settings that are none, and parts without a name."""
    for path in (*GROUPS, *(later for later in LATER if later in config)):
        group = select(config, path)
        if not isinstance(group, dict):
            yield f"{path}: expected a group of settings, got {'nothing' if group is None else shown(group)}"
    yield from unnamed_parts(config)


def unnamed_parts(config: dict[str, Any]) -> Iterator[str]:
    """Yield parts whose settings do not say whose they are."""
    for path in PARTS:
        name = select(config, f"{path}.name")
        if isinstance(select(config, path), dict) and not isinstance(name, str):
            got = "nothing" if name is None else shown(name)
            yield f"{path}.name: expected the name of the part that has these settings, got {got}"


def select(config: Any, path: str) -> Any:
    """Return the value at a dotted path, or None."""
    for key in path.split("."):
        config = config.get(key) if isinstance(config, dict) else None
    return config
