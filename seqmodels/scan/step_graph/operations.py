"""Operations of a step, with their code and derivatives.

To add an operation, add an entry to `OPERATIONS` with the aten functions it implements; for a composite function write
a lowering in ``lowering.py`` instead. What a literal argument simplifies stands in ``graph.py``. The text must be valid
both for a C compiler and for Triton. A new function that it calls is written twice: in ``vectors.c`` and in
``../fused_cuda/vectors_triton.py``. ``tests/scan/test_fused_operations.py`` compares values and gradients of every
entry with torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from seqmodels.scan.step_graph.graph import Node, apply

#: ``(node, cotangent) -> one gradient per argument``, None for no gradient.
Derivative = Callable[[Node, Node], "list[Node | None]"]


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


def _flat(node: Node, gradient: Node) -> list[Node | None]:
    """Return no gradients, for an operation whose value is a step function."""
    return [None] * len(node.args)


def _by(slope: Callable[[Node], Node]) -> Derivative:
    """Return the derivative of a function of one argument with this slope."""
    return lambda node, gradient: [gradient * slope(node)]


def _div(node: Node, gradient: Node) -> list[Node | None]:
    share = gradient / node.args[1]
    return [share, -(share * node)]


def _pow(node: Node, gradient: Node) -> list[Node | None]:
    base, exponent = node.args
    constant = exponent.number
    steep = exponent * apply("pow", base, exponent - 1 if constant is None else constant - 1)
    if constant is None:
        steep = apply("where", apply("eq", exponent, 0), 0, steep)
    still = apply("eq", base, 0) * apply("ge", exponent, 0)
    return [gradient * steep, gradient * apply("where", still, 0, node * apply("log", base))]


def _larger(comparison: str) -> Derivative:
    """Return the derivative of maximum or minimum: equal arguments get half each, as in torch."""

    def derivative(node: Node, gradient: Node) -> list[Node | None]:
        one, other = node.args
        half, equal = gradient * 0.5, apply("eq", one, other)
        chosen = (apply(comparison, one, other), apply(comparison, other, one))
        return [apply("where", equal, half, apply("where", each, gradient, 0)) for each in chosen]

    return derivative


def _where(node: Node, gradient: Node) -> list[Node | None]:
    condition = node.args[0]
    return [None, apply("where", condition, gradient, 0), apply("where", condition, 0, gradient)]


def _clip_gradient(node: Node, gradient: Node) -> list[Node | None]:
    limit = node.args[1]
    return [apply("minimum", apply("maximum", gradient, -limit), limit), None]


OPERATIONS: dict[str, Operation] = {
    "add": Operation("{0} + {1}", lambda n, d: [d, d]),
    "sub": Operation("{0} - {1}", lambda n, d: [d, -d]),
    "mul": Operation("{0} * {1}", lambda n, d: [d * n.args[1], d * n.args[0]], ("mul",)),
    "div": Operation("{0} / {1}", _div),
    "neg": Operation("-{0}", lambda n, d: [-d], ("neg",)),
    "abs": Operation("v_abs({0})", _by(lambda n: apply("sign", n.args[0])), ("abs",)),
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
    "sqrt": Operation("v_sqrt({0})", lambda n, d: [d * 0.5 / n], ("sqrt",), cheap=False),
    "exp": Operation("v_exp({0})", _by(lambda n: n), ("exp",), cheap=False),
    "expm1": Operation("v_expm1({0})", _by(lambda n: n + 1), ("expm1",), cheap=False),
    "log": Operation("v_log({0})", lambda n, d: [d / n.args[0]], ("log",), cheap=False),
    "log1p": Operation("v_log1p({0})", lambda n, d: [d / (n.args[0] + 1)], ("log1p",), cheap=False),
    "softplus": Operation("v_softplus({0})", _by(lambda n: apply("sigmoid", n.args[0])), cheap=False),
    "sigmoid": Operation("v_sigmoid({0})", _by(lambda n: n * (1 - n)), ("sigmoid",), cheap=False),
    "tanh": Operation("v_tanh({0})", _by(lambda n: n.graph.number(1) - n * n), ("tanh",), cheap=False),
    "sin": Operation("v_sin({0})", _by(lambda n: apply("cos", n.args[0])), ("sin",), cheap=False),
    "cos": Operation("v_cos({0})", _by(lambda n: -apply("sin", n.args[0])), ("cos",), cheap=False),
    "erf": Operation(
        "v_erf({0})",
        _by(lambda n: 1.1283791670955126 * apply("exp", -(n.args[0] * n.args[0]))),
        ("erf",),
        cheap=False,
    ),
    "pow": Operation("v_pow({0}, {1})", _pow, ("pow",), cheap=False),
    # Sum over all units of a row.
    "sum": Operation("", lambda n, d: [d], cheap=False),
    # Identity without gradient.
    "detach": Operation("{0}", _flat, ("detach",)),
    # Identity of the first argument; the gradient is clamped to the second.
    "clip_gradient": Operation("{0}", _clip_gradient),
}
