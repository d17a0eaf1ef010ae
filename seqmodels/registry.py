"""Registry of parts by name, for configs and checkpoints.

A part registers itself with a decorator; its name then works in configs, in `seqmodels list` and in
checkpoints. Only registered names resolve: no import path is taken from a config or a checkpoint.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

from seqmodels.quoting import suggest

PartT = TypeVar("PartT", bound=type)

# Kinds of part, each with the package of built-in parts, imported on first use.
KINDS = {
    "cell": "seqmodels.cells",
    "head": "seqmodels.heads",
    "task": "seqmodels.tasks",
    "data": "seqmodels.data",
}

_parts: dict[str, dict[str, type]] = {kind: {} for kind in KINDS}
_found: set[str] = set()
# Modules without parts that import Lightning or torchmetrics, which takes seconds.
_WITHOUT_PARTS = ("seqmodels.tasks.metrics.",)


def register(kind: str, name: str) -> Callable[[PartT], PartT]:
    """Register the decorated class as the part `name`.

    >>> import torch
    >>> from seqmodels.cells import GatedCell, HiddenState
    >>> @register("cell", "my_cell")
    ... class MyCell(GatedCell):
    ...     def update(self, u, r, state):
    ...         return HiddenState(torch.tanh(u + r))
    >>> find("cell", "my_cell").__name__
    'MyCell'

    Raises:
        ValueError: the name already belongs to another class.
    """

    def decorate(cls: PartT) -> PartT:
        known = _parts[kind].get(name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"the {kind} name {name!r} is already taken by {known.__module__}.{known.__qualname__}")
        _parts[kind][name] = cls
        return cls

    return decorate


def names(kind: str) -> list[str]:
    """Return all registered names of one kind, sorted."""
    _discover(kind)
    return sorted(_parts[kind])


def find(kind: str, name: str) -> type:
    """Return the class registered under `name`.

    Raises:
        ValueError: unknown name; the message suggests the nearest.
    """
    _discover(kind)
    if name not in _parts[kind]:
        hint = suggest(name, _parts[kind])
        raise ValueError(f"no {kind} is called {name!r}{hint} Known: {', '.join(sorted(_parts[kind]))}")
    return _parts[kind][name]


def make(kind: str, name: str, /, *args: Any, **options: Any) -> Any:
    """Build the part called `name`.

    Raises:
        ValueError: no such part, or an option that its constructor does not take.
    """
    cls = find(kind, name)
    accepted = inspect.signature(cls).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
        for option in options:
            if option not in accepted:
                raise ValueError(f"{kind} {name!r} has no option {option!r}{suggest(option, accepted)}")
    return cls(*args, **options)


def import_named(name: str) -> ModuleType:
    """Import a module that the user has named.

    The working folder is searched last, and only for this.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0] or os.getcwd() in sys.path:
            raise
        sys.path.append(os.getcwd())
        return importlib.import_module(name)


def _discover(kind: str) -> None:
    """Import all modules of the kind's package once, so that its parts register themselves."""
    if kind in _found:
        return
    _found.add(kind)
    try:
        package = importlib.import_module(KINDS[kind])
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.startswith(_WITHOUT_PARTS):
                importlib.import_module(module.name)
    except BaseException:
        _found.discard(kind)  # so that the next search fails with the same error
        raise
