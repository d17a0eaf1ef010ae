"""Lowering of torch's functions that split, join, broadcast and sum; see ``lowering.py``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from seqmodels.scan.step_graph.graph import Node, apply
from seqmodels.scan.step_graph.lowering import elementwise, lowers, rsqrt
from seqmodels.scan.step_graph.values import Blocks, CannotFuseError, Values


@lowers("ones_like", "zeros_like", "full_like", "ones", "zeros", "full", "scalar_tensor", "new_zeros", "new_ones")
def _constant(tracer: Values, result: Tensor, *args: Any, **kwargs: Any) -> Blocks:
    return _spread(tracer, tracer.graph.number(result.flatten()[0].item()), tuple(result.shape))


def _spread(tracer: Values, node: Node, shape: tuple[int, ...]) -> Blocks:
    """Repeat one value for all blocks of a tensor of this shape."""
    if not shape or shape[-1] == 1:
        return Blocks((node,))
    if len(shape) > 2:
        return Blocks((node,) * shape[-2], stacked=True)
    return Blocks((node,) * _whole(tracer, shape[-1], stacked=False))


@lowers("split", "split_with_sizes", "chunk", "unsafe_split", "unsafe_chunk")
def _split(tracer: Values, result: Sequence[Tensor], x: Blocks, sizes: Any, dim: int = 0) -> list[Blocks]:
    pieces, start = [], 0
    for piece in result:
        count = _whole(tracer, piece.shape[1 if x.stacked else -1], x.stacked)
        pieces.append(Blocks(x.nodes[start : start + count], x.stacked))
        start += count
    _units_axis(dim, result[0].dim(), x.stacked)
    return pieces


@lowers("slice")
def _slice(
    tracer: Values, result: Tensor, x: Blocks, dim: int = 0, start: int | None = None, end: Any = None, step: int = 1
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
def _select(tracer: Values, result: Tensor, x: Blocks, dim: int, index: int) -> Blocks:
    if not x.stacked or dim % (result.dim() + 1) != result.dim() - 1:
        raise CannotFuseError("select takes single rows or units, which cannot be generated")
    return Blocks((x.nodes[index],))


@lowers("unbind")
def _unbind(tracer: Values, result: Sequence[Tensor], x: Blocks, dim: int = 0) -> list[Blocks]:
    if not x.stacked or dim % (result[0].dim() + 1) != result[0].dim() - 1:
        raise CannotFuseError("unbind over rows or units cannot be generated")
    return [Blocks((node,)) for node in x.nodes]


@lowers("cat")
def _cat(tracer: Values, result: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> Blocks:
    values = [tracer.value(tensor) for tensor in tensors]
    _units_axis(dim, result.dim(), values[0].stacked)
    return Blocks(tuple(node for value in values for node in value.nodes), values[0].stacked)


@lowers("stack")
def _stack(tracer: Values, result: Tensor, tensors: Sequence[Tensor], dim: int = 0) -> Blocks:
    values = [tracer.value(tensor) for tensor in tensors]
    if dim % result.dim() != result.dim() - 2 or any(value.stacked or len(value.nodes) != 1 for value in values):
        raise CannotFuseError("stack is generated only for values of H units, on the axis before the last")
    return Blocks(tuple(value.nodes[0] for value in values), stacked=True)


@lowers("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "expand", "_reshape_alias", "repeat")
def _view(tracer: Values, result: Tensor, x: Blocks, *args: Any, **kwargs: Any) -> Blocks:
    """Lower a view: ``(B, k*H)``, ``(B, k, H)``, or expanded over rows."""
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


@lowers("var")
def _var(tracer: Values, result: Tensor, x: Blocks, *args: Any, **kwargs: Any) -> Blocks:
    return _moments(tracer, result, x, *args, **kwargs)[0]


@lowers("var_mean")
def _var_mean(tracer: Values, result: Any, x: Blocks, *args: Any, **kwargs: Any) -> list[Blocks]:
    return list(_moments(tracer, result[0], x, *args, **kwargs))


def _moments(
    tracer: Values, result: Tensor, x: Blocks, dim: Any = None, correction: float | None = None, keepdim: bool = False
) -> tuple[Blocks, Blocks]:
    mean = _mean(tracer, result, x, dim, keepdim)
    distance = elementwise("sub", x, mean)
    total = _sum(tracer, result, elementwise("mul", distance, distance), dim, keepdim)
    count = tracer.units * (1 if x.stacked else len(x.nodes)) - (1 if correction is None else correction)
    return elementwise("mul", total, Blocks((tracer.graph.number(1 / count),))), mean


@lowers("sum")
def _sum(tracer: Values, result: Tensor, x: Blocks, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Blocks:
    axes = [dim] if isinstance(dim, int) else list(dim or [])
    rank = result.dim() if keepdim else result.dim() + 1
    if [axis % rank for axis in axes] != [rank - 1] or not keepdim:
        raise CannotFuseError("a sum or mean is generated only over the last axis, with keepdim=True")
    if any("j" not in node.kind for node in x.nodes):
        raise CannotFuseError("a sum of what is the same for all units cannot be generated")
    parts = [apply("sum", node) for node in x.nodes]
    if not x.stacked:
        whole = parts[0]
        for part in parts[1:]:
            whole = whole + part
        parts = [whole]
    return Blocks(tuple(parts), x.stacked)


@lowers("mean")
def _mean(tracer: Values, result: Tensor, x: Blocks, *args: Any, **kwargs: Any) -> Blocks:
    total = _sum(tracer, result, x, *args, **kwargs)
    share = 1 / (tracer.units * (1 if x.stacked else len(x.nodes)))
    return Blocks(tuple(part * share for part in total.nodes), x.stacked)


@lowers("native_layer_norm")
def _layer_norm(
    tracer: Values, result: Any, x: Blocks, shape: Sequence[int], weight: Any, bias: Any, eps: float
) -> list[Blocks]:
    if len(shape) != 1:
        raise CannotFuseError("layer_norm is generated only over the last axis")
    var, mean = _moments(tracer, result[1], x, -1, 0, True)
    scale = Blocks(tuple(rsqrt(node + eps) for node in var.nodes))
    y = elementwise("mul", elementwise("sub", x, mean), scale)
    y = y if weight is None else elementwise("mul", y, weight)
    y = y if bias is None else elementwise("add", y, bias)
    return [Blocks(y.nodes, x.stacked), mean, scale]


def _whole(tracer: Values, size: int, stacked: bool) -> int:
    """Return the number of blocks in `size` units."""
    if stacked:
        return size
    if size % tracer.units:
        raise CannotFuseError(f"a piece of {size} of the units cannot be generated: only blocks of H={tracer.units}")
    return size // tracer.units


def _units_axis(dim: int, rank: int, stacked: bool) -> None:
    if dim % rank != (rank - 2 if stacked else rank - 1):
        raise CannotFuseError("cutting or joining along the rows cannot be generated")
