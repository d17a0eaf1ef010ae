"""What each setting may be by itself: as its constructor's annotation, `table.py` or the type of its default says."""

from typing import Any

from seqmodels.cli.config.library import PLACES
from seqmodels.cli.config.shape import select
from seqmodels.cli.rules.table import RULES
from seqmodels.kinds import Rule
from seqmodels.parts import Option
from seqmodels.parts.options import rule_of
from seqmodels.registry import known


def option_at(path: str, schema: dict[str, Any]) -> Option | None:
    """Return the option of a part that a setting is; None where it is none.

    >>> option_at("data.steps", {"data": {"name": "adding"}}).default
    200
    """
    place, _, name = path.rpartition(".")
    part = known(PLACES[place]).get(str(select(schema, f"{place}.name"))) if place in PLACES else None
    return None if part is None else part.options.get(name)


def rule_for(path: str, schema: dict[str, Any]) -> Rule | None:
    """Return the rule of a setting: of its option, else of the table, else of its default's type.

    >>> rule_for("optimizer.lr", {}).words
    'a number above 0'
    """
    option = option_at(path, schema)
    rule = RULES.get(path) if option is None else option.rule
    return rule or rule_by_type(select(schema, path))


def rule_by_type(default: Any) -> Rule | None:
    """Return the rule of a default's type; None where the default does not tell."""
    return None if default is None or default == "???" else rule_of(type(default))
