"""What each setting may be, by itself; rules across settings are in `seqmodels.cli.combinations`.

To add a rule: one line in the table of its group, `model.py`, `data.py`, `task.py` or `training.py`, made of
the kinds in `kinds.py`. A setting that is in none of them must have the type of its default.
"""

from __future__ import annotations

from typing import Any

from seqmodels.cli.rules.data import DATA
from seqmodels.cli.rules.kinds import Rule, any_number, boolean, text
from seqmodels.cli.rules.model import MODEL
from seqmodels.cli.rules.task import TASK
from seqmodels.cli.rules.training import TRAINING

RULES: dict[str, Rule] = {**TRAINING, **MODEL, **DATA, **TASK}


def rule_for(path: str, default: Any) -> Rule | None:
    """The rule for a setting of seqmodels' own: as in the table, else by its default's type.

    >>> rule_for("optimizer.lr", 0.002).words
    'a number above 0'
    """
    # A head may have a cell of its own, with the same settings.
    return RULES.get(path.replace("model.head.cell.", "model.cell.")) or rule_by_type(default)


def rule_by_type(default: Any) -> Rule | None:
    """The rule of a default's type; None where the default does not tell."""
    if default is None or default == "???":
        return None
    if isinstance(default, bool):
        return boolean
    if isinstance(default, int):
        return Rule("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool))
    if isinstance(default, float):
        return any_number
    if isinstance(default, list):
        return Rule("a list such as [a, b]", lambda value: isinstance(value, list))
    return text
