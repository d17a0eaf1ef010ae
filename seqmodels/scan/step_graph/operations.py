"""Operations of a step, with their code and derivatives.

To add an operation, add an entry to `OPERATIONS` with the aten functions it implements; for a
composite function write a lowering in ``lowering.py`` instead. What a literal argument simplifies stands in
``graph.py``. The text must be valid both for a C
compiler and for Triton. A new function that it calls is written twice: in ``vectors.c`` and in
``../fused_cuda/vectors_triton.py``. ``tests/scan/test_fused_operations.py`` compares values and
gradients of every entry with torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from seqmodels.scan.step_graph.graph import Graph, Node

#: ``(graph, node, cotangent) -> one gradient per argument``, None for no gradient.
Derivative = Callable[[Graph, Node, Node], "list[Node | None]"]


class Operation(NamedTuple):
    """An elementwise operation.

    Fields:
        text: code of the value, in C and Triton, with ``{0}``, ``{1}`` ... for the arguments.
        derivative: gradients of its arguments from that of its value.
        aten: names of torch's functions that it implements.
        cheap: whether to recompute it in backward instead of saving it.
    """

    text: str
    derivative: Derivative
    aten: tuple[str, ...] = ()
    cheap: bool = True


def _flat(graph: Graph, node: Node, gradient: Node) -> list[Node | None]:
    """Return no gradients, for an operation whose value is a step function."""
    return [None] * len(node.args)


def _by(slope: Callable[[Graph, Node], Node]) -> Derivative:
    """Return the derivative of a function of one argument with this slope."""
    return lambda graph, node, gradient: [graph.mul(gradient, slope(graph, node))]


def _mul(graph: Graph, node: Node, gradient: Node) -> list[Node | None]:
    return [graph.mul(gradient, node.args[1]), graph.mul(gradient, node.args[0])]


def _div(graph: Graph, node: Node, gradient: Node) -> list[Node | None]:
    share = graph.apply("div", gradient, node.args[1])
    return [share, graph.apply("neg", graph.mul(share, node))]


def _pow(graph: Graph, node: Node, gradient: Node) -> list[Node | None]:
    base, exponent = node.args
    less = graph.sub(exponent, graph.number(1)) if exponent.number is None else graph.number(exponent.number - 1)
    lower = graph.apply("pow", base, less)
    zero = graph.number(0)
    steep = graph.mul(exponent, lower)
    if exponent.number is None:
        steep = graph.apply("where", graph.apply("eq", exponent, zero), zero, steep)
    still = graph.mul(graph.apply("eq", base, zero), graph.apply("ge", exponent, zero))
    slope = graph.apply("where", still, zero, graph.mul(node, graph.apply("log", base)))
    return [graph.mul(gradient, steep), graph.mul(gradient, slope)]


def _larger(comparison: str) -> Derivative:
    """Return the derivative of maximum or minimum: equal arguments get half each, as in torch."""

    def derivative(graph: Graph, node: Node, gradient: Node) -> list[Node | None]:
        one, other = node.args
        zero, half = graph.number(0), graph.mul(gradient, graph.number(0.5))
        equal = graph.apply("eq", one, other)

        def share(chosen: Node) -> Node:
            return graph.apply("where", equal, half, graph.apply("where", chosen, gradient, zero))

        return [share(graph.apply(comparison, one, other)), share(graph.apply(comparison, other, one))]

    return derivative


def _where(graph: Graph, node: Node, gradient: Node) -> list[Node | None]:
    zero, condition = graph.number(0), node.args[0]
    return [None, graph.apply("where", condition, gradient, zero), graph.apply("where", condition, zero, gradient)]


def _clip_gradient(graph: Graph, node: Node, gradient: Node) -> list[Node | None]:
    limit = node.args[1]
    low = graph.apply("maximum", gradient, graph.apply("neg", limit))
    return [graph.apply("minimum", low, limit), None]


OPERATIONS: dict[str, Operation] = {
    "add": Operation("{0} + {1}", lambda g, n, d: [d, d]),
    "sub": Operation("{0} - {1}", lambda g, n, d: [d, g.apply("neg", d)]),
    "mul": Operation("{0} * {1}", _mul, ("mul",)),
    "div": Operation("{0} / {1}", _div),
    "neg": Operation("-{0}", lambda g, n, d: [g.apply("neg", d)], ("neg",)),
    "abs": Operation("v_abs({0})", _by(lambda g, n: g.apply("sign", n.args[0])), ("abs",)),
    "sign": Operation("v_sign({0})", _flat, ("sign", "sgn")),
    "floor": Operation("v_floor({0})", _flat, ("floor",)),
    "maximum": Operation("v_max({0}, {1})", _larger("gt"), ("maximum",)),
    "minimum": Operation("v_min({0}, {1})", _larger("lt"), ("minimum",)),
    "gt": Operation("v_bool({0} > {1})", _flat, ("gt",)),
    "ge": Operation("v_bool({0} >= {1})", _flat, ("ge",)),
    "lt": Operation("v_bool({0} < {1})", _flat, ("lt",)),
    "le": Operation("v_bool({0} <= {1})", _flat, ("le",)),
    "eq": Operation("v_bool({0} == {1})", _flat, ("eq",)),
    "ne": Operation("v_bool({0} != {1})", _flat, ("ne",)),
    "where": Operation("v_where({0}, {1}, {2})", _where, ("where",)),
    "sqrt": Operation(
        "v_sqrt({0})", lambda g, n, d: [g.apply("div", g.mul(d, g.number(0.5)), n)], ("sqrt",), cheap=False
    ),
    "exp": Operation("v_exp({0})", _by(lambda g, n: n), ("exp",), cheap=False),
    "expm1": Operation("v_expm1({0})", _by(lambda g, n: g.add(n, g.number(1))), ("expm1",), cheap=False),
    "log": Operation("v_log({0})", lambda g, n, d: [g.apply("div", d, n.args[0])], ("log",), cheap=False),
    "log1p": Operation(
        "v_log1p({0})", lambda g, n, d: [g.apply("div", d, g.add(n.args[0], g.number(1)))], ("log1p",), cheap=False
    ),
    "softplus": Operation("v_softplus({0})", _by(lambda g, n: g.apply("sigmoid", n.args[0])), cheap=False),
    "sigmoid": Operation(
        "v_sigmoid({0})", _by(lambda g, n: g.mul(n, g.sub(g.number(1), n))), ("sigmoid",), cheap=False
    ),
    "tanh": Operation("v_tanh({0})", _by(lambda g, n: g.sub(g.number(1), g.mul(n, n))), ("tanh",), cheap=False),
    "sin": Operation("v_sin({0})", _by(lambda g, n: g.apply("cos", n.args[0])), ("sin",), cheap=False),
    "cos": Operation("v_cos({0})", _by(lambda g, n: g.apply("neg", g.apply("sin", n.args[0]))), ("cos",), cheap=False),
    "erf": Operation(
        "v_erf({0})",
        _by(lambda g, n: g.mul(g.number(1.1283791670955126), g.apply("exp", g.apply("neg", g.mul(*n.args * 2))))),
        ("erf",),
        cheap=False,
    ),
    "pow": Operation("v_pow({0}, {1})", _pow, ("pow",), cheap=False),
    # Sum over all units of a row.
    "sum": Operation("", lambda g, n, d: [d], cheap=False),
    # Identity without gradient.
    "detach": Operation("{0}", _flat, ("detach",)),
    # Identity of the first argument; the gradient is clamped to the second.
    "clip_gradient": Operation("{0}", _clip_gradient),
}
