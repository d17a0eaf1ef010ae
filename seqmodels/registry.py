"""Registry of parts by name, for configs and checkpoints.

A part registers itself with a decorator; its name then works in configs, in `seqmodels list` and in
checkpoints. Only registered names resolve: no import path is taken from a config or a checkpoint.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, TypeVar

from seqmodels.parts import KINDS, Part, checking, read_class, renewed, shipped
from seqmodels.quoting import suggest

PartT = TypeVar("PartT", bound=type)

_parts: dict[str, dict[str, type]] = {kind: {} for kind in KINDS}


def register(kind: str, name: str) -> Callable[[PartT], PartT]:
    """Register the decorated class as the part `name`, whose constructor then checks its options.

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
        known, place = _parts[kind].get(name), (cls.__module__, cls.__qualname__)
        owner = None if known is None else (known.__module__, known.__qualname__)
        if owner is None and not cls.__module__.startswith("seqmodels.") and name in shipped(kind):
            owner = (shipped(kind)[name].module, shipped(kind)[name].cls)
        if owner is not None and owner != place:
            raise ValueError(f"the {kind} name {name!r} is already taken by {'.'.join(owner)}")
        cls.__init__ = checking(kind, name, cls)  # type: ignore[misc]
        _parts[kind][name] = cls
        return cls

    return decorate


def known(kind: str) -> dict[str, Part]:
    """Return every part of one kind by name, sorted, as its source tells it; nothing is imported."""
    own = shipped(kind)
    foreign = {name: read_class(kind, name, cls) for name, cls in _parts[kind].items() if name not in own}
    return dict(sorted({**own, **foreign}.items())) if foreign else own


def names(kind: str) -> list[str]:
    """Return all names of one kind, sorted."""
    return sorted({*shipped(kind), *_parts[kind]})


def find(kind: str, name: str) -> type:
    """Return the class registered under `name`; only its own module is imported for it.

    Raises:
        ValueError: unknown name; the message suggests the nearest.
    """
    if name not in _parts[kind] and name in shipped(kind):
        importlib.import_module(shipped(kind)[name].module)
    if name not in _parts[kind]:
        hint = suggest(name, names(kind))
        raise ValueError(f"no {kind} is called {name!r}{hint} Known: {', '.join(names(kind))}")
    return _parts[kind][name]


def make(kind: str, name: str, /, *args: Any, **options: Any) -> Any:
    """Build the part called `name`.

    Raises:
        ValueError: no such part, or an option that its constructor does not take.
    """
    cls = find(kind, name)
    accepted = inspect.signature(cls).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
        options = present(kind, name, options)
        for option in options:
            if option not in accepted:
                raise ValueError(f"{kind} {name!r} has no option {option!r}{suggest(option, accepted)}")
    return cls(*args, **options)


def present(kind: str, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options under their present names; a former one is told, once."""
    part = read_class(kind, name, find(kind, name))
    return {renewed(part, option): value for option, value in options.items()}


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


def import_plugins(names: Iterable[str]) -> None:
    """Import packages named by the user, so that their parts register themselves.

    Raises:
        ValueError: a package that cannot be imported.
    """
    for name in names:
        try:
            import_named(name)
        except (ImportError, ValueError, TypeError) as error:  # an empty name, one that begins with a dot
            raise ValueError(f"plugins names {name!r}, which cannot be imported: {error}") from error
