"""One pass over a composed config that finds every problem in it, before anything heavy is imported."""

import copy
from collections.abc import Iterator
from typing import Any

from seqmodels.cli.config.compose import Composition
from seqmodels.cli.config.library import Library
from seqmodels.cli.config.settings import Plain, settings
from seqmodels.cli.config.shape import PARTS, select, unnamed_parts, wrong_parts
from seqmodels.cli.errors import MOST_PROBLEMS
from seqmodels.cli.rules.cells import cell, own_cell, regularisers
from seqmodels.cli.rules.fit import sees_future, shapes
from seqmodels.cli.rules.heads import beam, chain, skip, teacher, window_of_head
from seqmodels.cli.rules.single import rule_for
from seqmodels.cli.rules.training import fractions, optimizer, schedule, trainer, windows
from seqmodels.quoting import nearest, shown

MISSING = "???"
UNDECIDED = ("task.", "model.head.")
# Rules across settings: generators of messages ``setting: what is wrong: cure``.
ALWAYS = (windows, fractions, cell, regularisers, optimizer, schedule, trainer)
# Those about the task and the head, which the data may still have to suggest.
OF_PARTS = (sees_future, shapes, skip, window_of_head, chain, own_cell, teacher, beam)

# What a setting is called elsewhere, and here.
ALIASES = {
    "k1": "training.window",
    "bptt": "training.window",
    "epochs": "trainer.max_epochs",
    "steps": "trainer.max_steps",
    "gpus": "trainer.devices",
    "learning_rate": "optimizer.lr",
    "clip": "trainer.gradient_clip_val",
    "grad_clip": "trainer.gradient_clip_val",
    "num_layers": "model.hidden_sizes",
}


def check(composition: Composition, library: Library, decided: bool = True) -> list[str]:
    """Return every problem of a config, in words: unknown settings, types, ranges, combinations, missing values.

    Args:
        composition: the config, and its schema.
        library: the config files there are.
        decided: false while the data have still to suggest task and head, which are then left out.
    """
    config, schema = composition.config, composition.schema
    unfit = list(wrong_parts(schema)) or list(unnamed_parts(config))
    if unfit:
        return unfit
    problems: list[str] = []
    repaired, missing = copy.deepcopy(config), []
    for path, value in settings(config):
        if len(problems) > MOST_PROBLEMS:  # to search a cure for each would take minutes
            break
        if not decided and path.startswith(UNDECIDED):
            continue
        unknown = _unknown(path, schema, library)
        problem = unknown or _wrong(path, value, schema, library)
        if problem:
            problems.append(problem)
            setting = _setting(path, schema)
            _replace(repaired, setting, select(schema, setting))
        elif value == MISSING:
            missing.append(path)
    problems += _renamed(config, schema) if decided else []
    # The other rules are tried with defaults in the place of wrong values, to find all at once.
    problems += combinations(repaired, decided)
    if missing:
        problems.append(_needed(missing, composition, library))
    return list(dict.fromkeys(problems))


def combinations(config: Plain, decided: bool = True) -> Iterator[str]:
    """Yield every combination that cannot work, in a config whose single values are good."""
    for rule in (*ALWAYS, *(OF_PARTS if decided else ())):
        yield from rule(config)


def _needed(missing: list[str], composition: Composition, library: Library) -> str:
    """Return the problem of settings without a value, and what is said of them."""
    example = " ".join(f"{path}=..." for path in missing)
    meanings = []
    for path in missing:
        group, _, setting = path.rpartition(".")
        meaning = library.meaning(group, str(composition.choices.get(group)), setting).rstrip(".")
        meanings += [meaning if len(missing) == 1 else f"{path}: {meaning}"] if meaning else []
    words = "needs a value" if len(missing) == 1 else "need values"
    return f"{', '.join(missing)}: {words}: {example}" + (f" ({'; '.join(meanings)})" if meanings else "")


def _unknown(path: str, schema: Plain, library: Library) -> str | None:
    """Return the problem of a setting that does not exist."""
    keys = path.split(".")
    for depth, key in enumerate(keys):
        parent = select(schema, ".".join(keys[:depth])) if depth else schema
        if depth and parent == {}:
            return None  # an empty mapping as default: its keys are the user's
        if not isinstance(parent, dict):
            return f"{path}: there is no such setting: {'.'.join(keys[:depth])} is a single value"
        if key not in parent:
            unknown = ".".join(keys[: depth + 1])
            return f"{unknown}: there is no such setting{_hint(unknown, schema, library)}"
    return None


def _setting(path: str, schema: Plain) -> str:
    """Return the single value in whose place a path leads on, or the path as it is.

    >>> _setting("data.seed.a.b", {"data": {"seed": 0}})
    'data.seed'
    """
    keys = path.split(".")
    above = (".".join(keys[:depth]) for depth in range(1, len(keys)))
    return next((one for one in above if not isinstance(select(schema, one), dict)), path)


def _wrong(path: str, value: Any, schema: Plain, library: Library) -> str | None:
    """Return the problem of a value that its setting cannot have."""
    default = select(schema, path)
    if isinstance(default, dict) and default:
        group = path.replace(".", "/")
        cure = f"choose with {group}={value}" if group in library.groups() else f"set {path}.{next(iter(default))}=..."
        return f"{path}: is a group of settings, not a single value: {cure}"
    rule = rule_for(path, schema)
    if value == MISSING or rule is None or rule.holds(value):
        return None
    got = "null" if value is None else str(value).lower() if isinstance(value, bool) else shown(value)
    return f"{path}: must be {rule.words}, got {got}"


def _hint(path: str, schema: Plain, library: Library) -> str:
    """Say where the setting was probably meant to go."""
    parent, _, key = path.rpartition(".")
    groups = {group.rpartition("/")[2]: group for group in library.groups()}
    if not parent and key in groups:
        return f"; choose with {groups[key]}=..."
    group = parent.replace(".", "/")
    offered = library.parts(group) or (library.options(group) if parent else {})
    owners = [name for name in offered if library.is_shipped(group, name) and key in library.read(group, name)]
    if owners:
        return f" in {group}={select(schema, f'{parent}.name')}; {_has(owners)} it"
    siblings = select(schema, parent) if parent else schema
    close = nearest(key, siblings)
    if close:
        return f"; did you mean {parent}{'.' if parent else ''}{close}?"
    meant = _elsewhere(key, [known for known, _ in settings(schema)])
    return f"; did you mean {' or '.join(meant[:3])}?" if meant else ""


def _has(owners: list[str]) -> str:
    *others, last = owners
    return f"{', '.join(others)} and {last} have" if others else f"{last} has"


def _elsewhere(key: str, every: list[str]) -> list[str]:
    """Return settings anywhere whose last name is the key, or known by it, or close to it."""
    if key in ALIASES:
        return [ALIASES[key]]
    last = [known.rpartition(".")[2] for known in every]
    close = key if key in last else nearest(key, last)
    return [known for known in every if known.rpartition(".")[2] == close]


def _renamed(config: Plain, schema: Plain) -> Iterator[str]:
    """Refuse a part's name overwritten, which would keep another part's settings."""
    for path in PARTS:
        wanted, chosen = select(config, f"{path}.name"), select(schema, f"{path}.name")
        if wanted != chosen and isinstance(wanted, str) and wanted != MISSING:
            yield f"{path}.name: choose with {path.replace('.', '/')}={wanted}, so that its settings come too"


def _replace(config: Plain, path: str, default: Any) -> None:
    """Put a setting's default in the place of a wrong value."""
    above, _, key = path.rpartition(".")
    holder = select(config, above) if above else config
    if isinstance(holder, dict):
        holder[key] = copy.deepcopy(default)
