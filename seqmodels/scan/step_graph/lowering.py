"""Lowering of torch's functions to operations of the graph.

To add a composite function, write a function here under ``@lowers("its aten name")`` that takes
the tracer and the function's arguments, with tensors as `Blocks`, and returns `Blocks`. An
elementwise operation of its own is an entry in ``operations.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from seqmodels.scan.step_graph.graph import Node
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
        return [elementwise(tracer, _ELEMENTWISE[name], *operands)]
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


def elementwise(tracer: Values, operation: str, *operands: Blocks) -> Blocks:
    count = max(len(operand.nodes) for operand in operands)
    spread = [operand.nodes * count if len(operand.nodes) == 1 else operand.nodes for operand in operands]
    if any(len(nodes) != count for nodes in spread):
        raise CannotFuseError(f"{operation} of values of {' and '.join(str(len(o.nodes)) for o in operands)} blocks")
    nodes = tuple(tracer.graph.apply(operation, *args) for args in zip(*spread, strict=True))
    return Blocks(nodes, any(operand.stacked for operand in operands))


def _compose(*names: str) -> Callable[[Callable[..., Node]], Callable[..., Node]]:
    """Register a lowering with one node for each tensor or number argument."""

    def decorate(function: Callable[..., Node]) -> Callable[..., Node]:
        def blockwise(tracer: Values, result: Any, *args: Any, **kwargs: Any) -> Blocks:
            operands = [_blocks(tracer, arg) if not isinstance(arg, Blocks) else arg for arg in args if arg is not None]
            count = max(len(operand.nodes) for operand in operands)
            spread = [o.nodes * count if len(o.nodes) == 1 else o.nodes for o in operands]
            nodes = tuple(function(tracer.graph, *nodes, **kwargs) for nodes in zip(*spread, strict=True))
            return Blocks(nodes, any(operand.stacked for operand in operands))

        _LOWERINGS.update(dict.fromkeys(names, blockwise))
        return function

    return decorate


def _scaled(graph: Any, other: Node, alpha: float) -> Node:
    return other if alpha == 1 else graph.mul(other, graph.number(alpha))


@_compose("add")
def _add(graph: Any, one: Node, other: Node, scale: Node | None = None, alpha: float = 1) -> Node:
    return graph.add(one, _scaled(graph, other, alpha) if scale is None else graph.mul(other, scale))


@_compose("sub")
def _sub(graph: Any, one: Node, other: Node, scale: Node | None = None, alpha: float = 1) -> Node:
    return graph.sub(one, _scaled(graph, other, alpha) if scale is None else graph.mul(other, scale))


@_compose("rsub")
def _rsub(graph: Any, one: Node, other: Node, scale: Node | None = None, alpha: float = 1) -> Node:
    return graph.sub(other, _scaled(graph, one, alpha) if scale is None else graph.mul(one, scale))


@_compose("div")
def _div(graph: Any, one: Node, other: Node, rounding_mode: str | None = None) -> Node:
    if rounding_mode is not None:
        raise CannotFuseError("a division that rounds cannot be generated")
    return graph.apply("div", one, other)


@_compose("reciprocal")
def _reciprocal(graph: Any, x: Node) -> Node:
    return graph.apply("div", graph.number(1), x)


@_compose("rsqrt")
def rsqrt(graph: Any, x: Node) -> Node:
    return graph.apply("div", graph.number(1), graph.apply("sqrt", x))


@_compose("square")
def _square(graph: Any, x: Node) -> Node:
    return graph.mul(x, x)


@_compose("relu")
def _relu(graph: Any, x: Node) -> Node:
    return graph.apply("where", graph.apply("le", x, graph.number(0)), graph.number(0), x)  # NaN stays NaN


@_compose("leaky_relu")
def _leaky_relu(graph: Any, x: Node, slope: Node | None = None) -> Node:
    slope = graph.number(0.01) if slope is None else slope
    return graph.apply("where", graph.apply("gt", x, graph.number(0)), x, graph.mul(x, slope))


@_compose("elu")
def _elu(graph: Any, x: Node, alpha: Node | None = None, scale: Node | None = None, _: Node | None = None) -> Node:
    below = graph.apply("where", graph.apply("gt", x, graph.number(0)), graph.number(0), x)  # where exp is finite
    low = graph.mul(graph.apply("expm1", below), graph.number(1) if alpha is None else alpha)
    y = graph.apply("where", graph.apply("gt", x, graph.number(0)), x, low)
    return y if scale is None else graph.mul(y, scale)


@_compose("silu")
def _silu(graph: Any, x: Node) -> Node:
    return graph.mul(x, graph.apply("sigmoid", x))


@_compose("softplus")
def _softplus(graph: Any, x: Node, beta: Node | None = None, threshold: Node | None = None) -> Node:
    if threshold is not None and threshold.number != 20:
        raise CannotFuseError("softplus with a threshold of its own cannot be generated")
    y = graph.apply("softplus", x if beta is None else graph.mul(x, beta))
    return y if beta is None else graph.apply("div", y, beta)


@_compose("gelu")
def _gelu(graph: Any, x: Node, approximate: str = "none") -> Node:
    half = graph.mul(x, graph.number(0.5))
    if approximate == "tanh":
        cube = graph.mul(x, graph.mul(x, x))
        inner = graph.mul(graph.number((2 / torch.pi) ** 0.5), graph.add(x, graph.mul(graph.number(0.044715), cube)))
        return graph.mul(half, graph.add(graph.number(1), graph.apply("tanh", inner)))
    return graph.mul(half, graph.add(graph.number(1), graph.apply("erf", graph.mul(x, graph.number(0.5**0.5)))))


@_compose("hardsigmoid")
def _hardsigmoid(graph: Any, x: Node) -> Node:
    line = graph.add(graph.mul(x, graph.number(1 / 6)), graph.number(0.5))
    return _between(graph, line, graph.number(0), graph.number(1))


@_compose("hardtanh")
def _hardtanh(graph: Any, x: Node, low: Node | None = None, high: Node | None = None) -> Node:
    return _between(graph, x, graph.number(-1) if low is None else low, graph.number(1) if high is None else high)


def _between(graph: Any, x: Node, low: Node, high: Node) -> Node:
    """Clamp `x`, without gradient at the bounds, as in torch's hard functions."""
    y = graph.apply("where", graph.apply("le", x, low), low, x)
    return graph.apply("where", graph.apply("ge", x, high), high, y)


@lowers("clamp_max")
def _clamp_max(tracer: Values, result: Tensor, x: Blocks, high: Any) -> Blocks:
    return _clamp(tracer, result, x, None, high)


@lowers("clamp", "clamp_min")
def _clamp(tracer: Values, result: Tensor, x: Blocks, low: Any = None, high: Any = None, **bounds: Any) -> Blocks:
    graph, nodes = tracer.graph, x.nodes
    low, high = bounds.get("min", low), bounds.get("max", high)
    for bound, comparison in ((low, "lt"), (high, "gt")):
        if bound is not None:
            limits = (bound if isinstance(bound, Blocks) else _blocks(tracer, bound)).nodes
            limits = limits * len(nodes) if len(limits) == 1 else limits
            nodes = tuple(
                graph.apply("where", graph.apply(comparison, node, limit), limit, node)
                for node, limit in zip(nodes, limits, strict=True)
            )
    return Blocks(nodes, x.stacked)


@_compose("lerp")
def _lerp(graph: Any, start: Node, end: Node, weight: Node) -> Node:
    return graph.add(start, graph.mul(weight, graph.sub(end, start)))


@_compose("addcmul")
def _addcmul(graph: Any, x: Node, one: Node, other: Node, value: float = 1) -> Node:
    return graph.add(x, _scaled(graph, graph.mul(one, other), value))


@_compose("addcdiv")
def _addcdiv(graph: Any, x: Node, one: Node, other: Node, value: float = 1) -> Node:
    return graph.add(x, _scaled(graph, graph.apply("div", one, other), value))


@_compose("seqmodels::clip_gradient")
def _clip_gradient(graph: Any, x: Node, limit: Node) -> Node:
    return graph.apply("clip_gradient", x, limit)
