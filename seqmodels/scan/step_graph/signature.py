"""Generated code by kind of cell, made once for all cells with equal graphs."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from seqmodels.scan.step_graph.values import CannotFuseError

#: Methods that make up a step; attributes of every module; types known by name and not by content.
_METHODS = ("project", "recurrent_input", "update", "coefficients", "advance")
OF_ANY_MODULE = {*vars(nn.Module())} - {"training"}
_NAMED = (type, types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType)
_SIMPLE = {bool, int, float, str, type(None)}
_AS_IT_IS = (bool, int, float, str, bytes, torch.dtype, torch.device, *_NAMED)


def made_once(known: dict[Any, Any], key: Any, make: Callable[[], Any], most: int) -> Any:
    """Return what is known for a key, made now if there is none; the oldest of `most` is dropped.

    Raises:
        CannotFuseError: it cannot be made, now or before.
    """
    found = known.get(key)
    if found is None:
        try:
            found = make()
        except CannotFuseError as error:
            found = CannotFuseError(str(error))
        if len(known) >= most:
            del known[next(iter(known))]
        known[key] = found
    if isinstance(found, CannotFuseError):
        raise found
    return found


def signature(value: Any, seen: dict[int, int] | None = None) -> Any:
    """Return what the graph of a cell depends on: class, methods, options, tensors by shape and identity."""
    seen = {} if seen is None else seen
    kind = type(value)
    if kind in _SIMPLE:
        return value
    if isinstance(value, Tensor):
        return value.shape, value.dtype, value.requires_grad, seen.setdefault(id(value), len(seen))
    if isinstance(value, _AS_IT_IS):
        return value
    if id(value) in seen:  # a cycle
        return seen[id(value)]
    seen[id(value)] = len(seen)
    if isinstance(value, nn.Module):
        own = [(name, signature(part, seen)) for name, part in value.__dict__.items() if name not in OF_ANY_MODULE]
        homes = [home for home in (value._parameters, value._buffers, value._modules) if home]
        methods = [getattr(kind, name, None) for name in _METHODS]
        return kind, *methods, *own, *(signature(home, seen) for home in homes)
    if isinstance(value, dict):
        return *value, *(signature(part, seen) for part in value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return kind, *(signature(part, seen) for part in value)
    return kind, signature(vars(value), seen) if hasattr(value, "__dict__") else repr(value)
