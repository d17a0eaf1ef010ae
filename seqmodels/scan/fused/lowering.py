"""What each of torch's functions means for a traced value: an operation of the graph, or several.

To add a function that is made of others: a function here under ``@lowers("its aten name")``,
which takes the tracer and the function's arguments, tensors as `Blocks`, and gives the result's.
One that is an elementwise operation of its own is an entry in ``operations.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from seqmodels.scan.fused.graph import Node
from seqmodels.scan.fused.operations import OPERATIONS
from seqmodels.scan.fused.trace import Blocks, CannotFuseError, Tracer

_LOWERINGS: dict[str, Callable[..., Any]] = {}
_ELEMENTWISE = {aten: name for name, operation in OPERATIONS.items() for aten in operation.aten}
_COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne")
_SAME = ("clone", "alias", "contiguous", "lift_fresh", "view_as", "positive", "detach_")


def lowers(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function says what torch's functions of these names come to."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        _LOWERINGS.update(dict.fromkeys(names, function))
        return function

    return decorate


def lower(
    tracer: Tracer, name: str, function: Any, result: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> list[Blocks | None]:
    """The values of what torch's function `name` gave, one for each of its results.

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
    # A tensor without axes is a number, and takes the type of what it meets.
    kinds = {part.dtype for part in (result if isinstance(result, (tuple, list)) else [result]) if part.dim()}
    if not kinds <= {tracer.dtype, torch.bool} or (torch.bool in kinds and name not in _COMPARISONS):
        raise CannotFuseError(f"{name} gives {', '.join(map(str, kinds))}: only {tracer.dtype} can be generated")
    if name in _ELEMENTWISE:
        operands = [_blocks(tracer, arg) for arg in args]
        return [_elementwise(tracer, _ELEMENTWISE[name], *operands)]
    if name not in _LOWERINGS:
        raise CannotFuseError(f"the operation {name} cannot be generated")
    operands = [_blocks(tracer, arg) if isinstance(arg, Tensor) else arg for arg in args]
    given = {key: _blocks(tracer, arg) if isinstance(arg, Tensor) else arg for key, arg in kwargs.items()}
    values = _LOWERINGS[name](tracer, result, *operands, **given)
    return values if isinstance(values, list) else [values]


def _blocks(tracer: Tracer, value: Any) -> Blocks:
    if isinstance(value, Tensor):
        return tracer.value(value)
    if isinstance(value, (bool, int, float)):
        return Blocks((tracer.graph.number(value),))
    raise CannotFuseError(f"an argument of type {type(value).__name__} cannot be generated")


def _elementwise(tracer: Tracer, operation: str, *operands: Blocks) -> Blocks:
    count = max(len(operand.nodes) for operand in operands)
    spread = [operand.nodes * count if len(operand.nodes) == 1 else operand.nodes for operand in operands]
    if any(len(nodes) != count for nodes in spread):
        raise CannotFuseError(f"{operation} of values of {' and '.join(str(len(o.nodes)) for o in operands)} blocks")
    nodes = tuple(tracer.graph.apply(operation, *args) for args in zip(*spread, strict=True))
    return Blocks(nodes, any(operand.stacked for operand in operands))


def _compose(*names: str) -> Callable[[Callable[..., Node]], Callable[..., Node]]:
    """Decorator: lowers functions of torch by a function of one node for each tensor or number argument."""

    def decorate(function: Callable[..., Node]) -> Callable[..., Node]:
        def blockwise(tracer: Tracer, result: Any, *args: Any, **kwargs: Any) -> Blocks:
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
def _rsqrt(graph: Any, x: Node) -> Node:
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
    """`x` clamped; a bound that is reached has no gradient, as in torch's hard functions."""
    y = graph.apply("where", graph.apply("le", x, low), low, x)
    return graph.apply("where", graph.apply("ge", x, high), high, y)


@lowers("clamp_max")
def _clamp_max(tracer: Tracer, result: Tensor, x: Blocks, high: Any) -> Blocks:
    return _clamp(tracer, result, x, None, high)


@lowers("clamp", "clamp_min")
def _clamp(tracer: Tracer, result: Tensor, x: Blocks, low: Any = None, high: Any = None, **bounds: Any) -> Blocks:
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


@lowers("ones_like", "zeros_like", "full_like", "ones", "zeros", "full", "scalar_tensor", "new_zeros", "new_ones")
def _constant(tracer: Tracer, result: Tensor, *args: Any, **kwargs: Any) -> Blocks:
    return _spread(tracer, tracer.graph.number(result.flatten()[0].item()), tuple(result.shape))


def _spread(tracer: Tracer, node: Node, shape: tuple[int, ...]) -> Blocks:
    """One number for all units of a tensor of this shape: as many blocks as it has."""
    if not shape or shape[-1] == 1:
        return Blocks((node,))
    if len(shape) > 2:
        return Blocks((node,) * shape[-2], stacked=True)
    return Blocks((node,) * _whole(tracer, shape[-1], stacked=False))


@lowers("split", "split_with_sizes", "chunk", "unsafe_split", "unsafe_chunk")
def _split(tracer: Tracer, result: Sequence[Tensor], x: Blocks, sizes: Any, dim: int = 0) -> list[Blocks]:
    pieces, start = [], 0
    for piece in result:
        count = _whole(tracer, piece.shape[1 if x.stacked else -1], x.stacked)
        pieces.append(Blocks(x.nodes[start : start + count], x.stacked))
        start += count
    _units_axis(dim, result[0].dim(), x.stacked)
    return pieces


@lowers("slice")
def _slice(
    tracer: Tracer, result: Tensor, x: Blocks, dim: int = 0, start: int | None = None, end: Any = None, step: int = 1
) -> Blocks:
    axis, rank = dim % result.dim(), result.dim()
    whole = len(x.nodes) * (1 if x.stacked else tracer.units)
    if axis < rank - (2 if x.stacked else 1):  # rows
        if result.shape[axis] != tracer.rows:
            raise CannotFuseError("a choice of rows cannot be generated")
        return x
    if x.stacked and axis == rank - 1 and result.shape[-1] == tracer.units:
        return x
    _units_axis(dim, rank, x.stacked)
    if step != 1 or "j" not in x.nodes[0].kind:
        raise CannotFuseError("a choice of single units, or a slice with a step, cannot be generated")
    start = 0 if start is None else start + whole if start < 0 else start
    first = _whole(tracer, start, x.stacked)
    return Blocks(x.nodes[first : first + _whole(tracer, result.shape[axis], x.stacked)], x.stacked)


@lowers("select")
def _select(tracer: Tracer, result: Tensor, x: Blocks, dim: int, index: int) -> Blocks:
    if not x.stacked or dim % (result.dim() + 1) != result.dim() - 1:
        raise CannotFuseError("select takes single rows or units, which cannot be generated")
    return Blocks((x.nodes[index],))


@lowers("unbind")
def _unbind(tracer: Tracer, result: Sequence[Tensor], x: Blocks, dim: int = 0) -> list[Blocks]:
    if not x.stacked or dim % (result[0].dim() + 1) != result[0].dim() - 1:
        raise CannotFuseError("unbind over rows or units cannot be generated")
    return [Blocks((node,)) for node in x.nodes]


@lowers("cat")
def _cat(tracer: Tracer, result: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> Blocks:
    values = [tracer.value(tensor) for tensor in tensors]
    _units_axis(dim, result.dim(), values[0].stacked)
    return Blocks(tuple(node for value in values for node in value.nodes), values[0].stacked)


@lowers("stack")
def _stack(tracer: Tracer, result: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> Blocks:
    values = [tracer.value(tensor) for tensor in tensors]
    if dim % result.dim() != result.dim() - 2 or any(value.stacked or len(value.nodes) != 1 for value in values):
        raise CannotFuseError("stack is generated only for values of H units, on the axis before the last")
    return Blocks(tuple(value.nodes[0] for value in values), stacked=True)


@lowers("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "expand", "_reshape_alias", "repeat")
def _view(tracer: Tracer, result: Tensor, x: Blocks, *args: Any, **kwargs: Any) -> Blocks:
    """The same numbers in another form: ``(B, k*H)``, ``(B, k, H)``, or spread over rows."""
    shape, count = tuple(result.shape), len(x.nodes)
    if "j" not in x.nodes[0].kind:
        return _spread(tracer, x.nodes[0], shape)
    if any(size not in (1, tracer.rows) for size in shape[: -2 if len(shape) > 2 else -1]) and "b" in x.nodes[0].kind:
        raise CannotFuseError(f"a view as {shape} cannot be generated: it mixes rows")
    if shape[-1] == tracer.units * count and len(shape) <= 2:
        return Blocks(x.nodes, stacked=False)
    if shape[-1] == tracer.units and len(shape) >= 2 and shape[-2] in (count, 1):
        return Blocks(x.nodes, stacked=len(shape) > 2 or count > 1)
    if count == 1 and shape[-1] % tracer.units == 0 and len(shape) == 2:  # repeated
        return Blocks(x.nodes * (shape[-1] // tracer.units))
    raise CannotFuseError(f"a view as {shape} cannot be generated: only (B, k*H) and (B, k, H)")


@lowers("sum")
def _sum(tracer: Tracer, result: Tensor, x: Blocks, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Blocks:
    return _reduce(tracer, result, x, dim, keepdim, mean=False)


@lowers("mean")
def _mean(tracer: Tracer, result: Tensor, x: Blocks, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Blocks:
    return _reduce(tracer, result, x, dim, keepdim, mean=True)


@lowers("var")
def _var(
    tracer: Tracer, result: Tensor, x: Blocks, dim: Any = None, correction: float | None = None, keepdim: bool = False
) -> Blocks:
    return _moments(tracer, result, x, dim, correction, keepdim)[0]


@lowers("var_mean")
def _var_mean(
    tracer: Tracer, result: Any, x: Blocks, dim: Any = None, correction: float | None = None, keepdim: bool = False
) -> list[Blocks]:
    return list(_moments(tracer, result[0], x, dim, correction, keepdim))


def _moments(
    tracer: Tracer, result: Tensor, x: Blocks, dim: Any, correction: float | None, keepdim: bool
) -> tuple[Blocks, Blocks]:
    mean = _reduce(tracer, result, x, dim, keepdim, mean=True)
    distance = _elementwise(tracer, "sub", x, mean)
    total = _reduce(tracer, result, _elementwise(tracer, "mul", distance, distance), dim, keepdim, mean=False)
    count = tracer.units * (1 if x.stacked else len(x.nodes)) - (1 if correction is None else correction)
    return _elementwise(tracer, "mul", total, Blocks((tracer.graph.number(1 / count),))), mean


def _reduce(tracer: Tracer, result: Tensor, x: Blocks, dim: Any, keepdim: bool, mean: bool) -> Blocks:
    axes = [dim] if isinstance(dim, int) else list(dim or [])
    rank = result.dim() if keepdim else result.dim() + 1
    if [axis % rank for axis in axes] != [rank - 1] or not keepdim:
        raise CannotFuseError("a sum or mean is generated only over the last axis, with keepdim=True")
    graph = tracer.graph
    if any("j" not in node.kind for node in x.nodes):
        raise CannotFuseError("a sum of what is the same for all units cannot be generated")
    parts = [graph.apply("sum", node) for node in x.nodes]
    if not x.stacked:
        whole = parts[0]
        for part in parts[1:]:
            whole = graph.add(whole, part)
        parts = [whole]
    if mean:
        share = graph.number(1 / (tracer.units * (1 if x.stacked else len(x.nodes))))
        parts = [graph.mul(part, share) for part in parts]
    return Blocks(tuple(parts), x.stacked)


@lowers("native_layer_norm")
def _layer_norm(
    tracer: Tracer, result: Any, x: Blocks, shape: Sequence[int], weight: Any, bias: Any, eps: float
) -> list[Blocks]:
    if len(shape) != 1:
        raise CannotFuseError("layer_norm is generated only over the last axis")
    var, mean = _moments(tracer, result[1], x, -1, 0, True)
    graph = tracer.graph
    scale = Blocks(tuple(_rsqrt(graph, graph.add(node, graph.number(eps))) for node in var.nodes))
    y = _elementwise(tracer, "mul", _elementwise(tracer, "sub", x, mean), scale)
    y = y if weight is None else _elementwise(tracer, "mul", y, weight)
    y = y if bias is None else _elementwise(tracer, "add", y, bias)
    return [Blocks(y.nodes, x.stacked), mean, scale]


def _whole(tracer: Tracer, size: int, stacked: bool) -> int:
    """How many blocks a length along the axis of units is."""
    if stacked:
        return size
    if size % tracer.units:
        raise CannotFuseError(f"a piece of {size} of the units cannot be generated: only blocks of H={tracer.units}")
    return size // tracer.units


def _units_axis(dim: int, rank: int, stacked: bool) -> None:
    if dim % rank != (rank - 2 if stacked else rank - 1):
        raise CannotFuseError("cutting or joining along the rows cannot be generated")
