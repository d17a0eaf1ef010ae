"""Lowering of torch's functions to operations of the graph.

To add a composite function, add an entry to `_COMPOSITES`; one that is not elementwise stands under ``@lowers("its aten
name")``, takes the tracer and the function's arguments, with tensors as `Blocks`, and returns `Blocks`. An elementwise
operation of its own is an entry in ``operations.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from seqmodels.scan.step_graph.graph import Node, Value, apply
from seqmodels.scan.step_graph.operations import OPERATIONS
from seqmodels.scan.step_graph.values import Blocks, CannotFuseError, Values

_LOWERINGS: dict[str, Callable[..., Any]] = {}
_ELEMENTWISE = {aten: name for name, operation in OPERATIONS.items() for aten in operation.aten}
_COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne")
_SAME = ("clone", "alias", "contiguous", "lift_fresh", "view_as", "positive", "detach_")


def lowers(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as the lowering of these torch functions."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        _LOWERINGS.update(dict.fromkeys(names, function))
        return function

    return decorate


def lower(
    tracer: Values, name: str, function: Any, result: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> list[Blocks | None]:
    """Return the traced values of the results of torch's function `name`.

    Raises:
        CannotFuseError: an operation that cannot be generated.
    """
    first = result[0] if isinstance(result, (tuple, list)) else result
    if name in ("sym_size", "is_same_size") or not isinstance(first, Tensor):
        if name in ("_local_scalar_dense", "is_nonzero", "equal"):
            raise CannotFuseError("it looks at a tensor's values (a Python branch, item() or a print)")
        return []
    if function._schema.is_mutable:
        raise CannotFuseError(f"{name} changes a tensor in place")
    if name in _SAME:
        return [tracer.value(args[0])]
    # A tensor without axes is a scalar and takes the dtype of the other operand.
    kinds = {part.dtype for part in (result if isinstance(result, (tuple, list)) else [result]) if part.dim()}
    if not kinds <= {tracer.dtype, torch.bool} or (torch.bool in kinds and name not in _COMPARISONS):
        raise CannotFuseError(f"{name} gives {', '.join(map(str, kinds))}: only {tracer.dtype} can be generated")
    if name in _ELEMENTWISE:
        operands = [_blocks(tracer, arg) for arg in args]
        return [elementwise(_ELEMENTWISE[name], *operands)]
    if name not in _LOWERINGS:
        raise CannotFuseError(f"the operation {name} cannot be generated")
    operands = [_blocks(tracer, arg) if isinstance(arg, Tensor) else arg for arg in args]
    given = {key: _blocks(tracer, arg) if isinstance(arg, Tensor) else arg for key, arg in kwargs.items()}
    values = _LOWERINGS[name](tracer, result, *operands, **given)
    return values if isinstance(values, list) else [values]


def _blocks(tracer: Values, value: Any) -> Blocks:
    if isinstance(value, Tensor):
        return tracer.value(value)
    if isinstance(value, (bool, int, float)):
        return Blocks((tracer.graph.number(value),))
    raise CannotFuseError(f"an argument of type {type(value).__name__} cannot be generated")


def elementwise(operation: str, *operands: Blocks) -> Blocks:
    count = max(len(operand.nodes) for operand in operands)
    spread = [operand.nodes * count if len(operand.nodes) == 1 else operand.nodes for operand in operands]
    if any(len(nodes) != count for nodes in spread):
        raise CannotFuseError(f"{operation} of values of {' and '.join(str(len(o.nodes)) for o in operands)} blocks")
    nodes = tuple(apply(operation, *args) for args in zip(*spread, strict=True))
    return Blocks(nodes, any(operand.stacked for operand in operands))


def _blockwise(function: Callable[..., Node]) -> Callable[..., Blocks]:
    """Return the lowering that applies a function of nodes to the blocks of its tensors and numbers."""

    def lowering(tracer: Values, result: Any, *args: Any, **kwargs: Any) -> Blocks:
        operands = [_blocks(tracer, arg) if not isinstance(arg, Blocks) else arg for arg in args if arg is not None]
        count = max(len(operand.nodes) for operand in operands)
        spread = [o.nodes * count if len(o.nodes) == 1 else o.nodes for o in operands]
        nodes = tuple(function(*nodes, **kwargs) for nodes in zip(*spread, strict=True))
        return Blocks(nodes, any(operand.stacked for operand in operands))

    return lowering


def _times(x: Node, scale: Node | None, alpha: float) -> Node:
    return x * scale if scale is not None else x if alpha == 1 else x * alpha


def _div(one: Node, other: Node, rounding_mode: str | None = None) -> Node:
    if rounding_mode is not None:
        raise CannotFuseError("a division that rounds cannot be generated")
    return one / other


def rsqrt(x: Node) -> Node:
    return x.graph.number(1) / apply("sqrt", x)


def _elu(x: Node, alpha: Value = 1, scale: Value = 1, _: Value = 1) -> Node:
    below = apply("where", apply("gt", x, 0), 0, x)  # where exp is finite
    return apply("where", apply("gt", x, 0), x, apply("expm1", below) * alpha) * scale


def _softplus(x: Node, beta: Node | None = None, threshold: Node | None = None) -> Node:
    if threshold is not None and threshold.number != 20:
        raise CannotFuseError("softplus with a threshold of its own cannot be generated")
    return apply("softplus", x) if beta is None else apply("softplus", x * beta) / beta


def _gelu(x: Node, approximate: str = "none") -> Node:
    if approximate == "tanh":
        inner = (2 / torch.pi) ** 0.5 * (x + 0.044715 * (x * (x * x)))
        return x * 0.5 * (1 + apply("tanh", inner))
    return x * 0.5 * (1 + apply("erf", x * 0.5**0.5))


def _between(x: Node, low: Value = -1, high: Value = 1) -> Node:
    """Clamp `x`, without gradient at the bounds, as in torch's hard functions."""
    y = apply("where", apply("le", x, low), low, x)
    return apply("where", apply("ge", x, high), high, y)


_COMPOSITES: dict[str, Callable[..., Node]] = {
    "add": lambda one, other, scale=None, alpha=1: one + _times(other, scale, alpha),
    "sub": lambda one, other, scale=None, alpha=1: one - _times(other, scale, alpha),
    "rsub": lambda one, other, scale=None, alpha=1: other - _times(one, scale, alpha),
    "div": _div,
    "reciprocal": lambda x: 1 / x,
    "rsqrt": rsqrt,
    "square": lambda x: x * x,
    "relu": lambda x: apply("where", apply("le", x, 0), 0, x),  # NaN stays NaN
    "leaky_relu": lambda x, slope=0.01: apply("where", apply("gt", x, 0), x, x * slope),
    "elu": _elu,
    "silu": lambda x: x * apply("sigmoid", x),
    "softplus": _softplus,
    "gelu": _gelu,
    "hardsigmoid": lambda x: _between(x * (1 / 6) + 0.5, 0, 1),
    "hardtanh": _between,
    "lerp": lambda start, end, weight: start + weight * (end - start),
    "addcmul": lambda x, one, other, value=1: x + _times(one * other, None, value),
    "addcdiv": lambda x, one, other, value=1: x + _times(one / other, None, value),
    "seqmodels::clip_gradient": lambda x, limit: apply("clip_gradient", x, limit),
}
_LOWERINGS.update({name: _blockwise(function) for name, function in _COMPOSITES.items()})


@lowers("clamp_max")
def _clamp_max(tracer: Values, result: Tensor, x: Blocks, high: Any) -> Blocks:
    return _clamp(tracer, result, x, None, high)


@lowers("clamp", "clamp_min")
def _clamp(tracer: Values, result: Tensor, x: Blocks, low: Any = None, high: Any = None, **bounds: Any) -> Blocks:
    nodes = x.nodes
    low, high = bounds.get("min", low), bounds.get("max", high)
    for bound, comparison in ((low, "lt"), (high, "gt")):
        if bound is not None:
            limits = (bound if isinstance(bound, Blocks) else _blocks(tracer, bound)).nodes
            limits = limits * len(nodes) if len(limits) == 1 else limits
            nodes = tuple(
                apply("where", apply(comparison, node, limit), limit, node)
                for node, limit in zip(nodes, limits, strict=True)
            )
    return Blocks(nodes, x.stacked)
