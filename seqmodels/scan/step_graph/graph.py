"""Graph of elementwise operations on blocks of H units, for one step of a cell.

The `kind` of a node says whether it has one value per row and unit, per row, per unit, or in all. Nodes are created by
`Graph` only, which shares equal ones and folds constants.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

#: Kinds: the axes that a value depends on, `b` for rows and `j` for units; the union of those of its arguments.
SCALAR, UNIT, ROW, FULL = "", "j", "b", "bj"


class Leaf(NamedTuple):
    """Origin of a value.

    Fields:
        role: "u" and "r", the input and recurrent product; "state" before the step; "next" after it; "tensor", read
            from the cell by `update`; "number", a Python number; "cotangent", the gradient of a field of the next
            state; "product", that of the recurrent product's input.
        index: number of the field, tensor or number.
        block: number of the block of H units.
    """

    role: str
    index: int  # type: ignore[assignment]  # also a method of tuples
    block: int = 0


class Node:
    """Value in a graph: an operation on other nodes, or a leaf; arithmetic on it makes nodes of the same graph."""

    __slots__ = ("args", "graph", "index", "kind", "leaf", "number", "operation")

    def __init__(
        self, graph: Graph, operation: str, args: tuple[Node, ...], kind: str, leaf: Leaf | None, number: float | None
    ) -> None:
        self.graph = graph
        self.index = len(graph.nodes)
        self.operation = operation
        self.args = args
        self.kind = kind
        self.leaf = leaf
        self.number = number

    def __repr__(self) -> str:
        what = self.leaf or self.number or ", ".join(f"v{arg.index}" for arg in self.args)
        return f"v{self.index} = {self.operation}({what})"

    def __add__(self, other: Value) -> Node:
        return apply("add", self, other)

    def __radd__(self, other: float) -> Node:
        return apply("add", other, self)

    def __sub__(self, other: Value) -> Node:
        return apply("sub", self, other)

    def __rsub__(self, other: float) -> Node:
        return apply("sub", other, self)

    def __mul__(self, other: Value) -> Node:
        return apply("mul", self, other)

    def __rmul__(self, other: float) -> Node:
        return apply("mul", other, self)

    def __truediv__(self, other: Value) -> Node:
        return apply("div", self, other)

    def __rtruediv__(self, other: float) -> Node:
        return apply("div", other, self)

    def __neg__(self) -> Node:
        return apply("neg", self)


Value: TypeAlias = "Node | float"


def apply(operation: str, *values: Value) -> Node:
    """Apply `operation`, a name in `OPERATIONS`, to nodes and numbers, of which one at least is a node."""
    graph = next(value.graph for value in values if isinstance(value, Node))
    args = tuple(value if isinstance(value, Node) else graph.number(value) for value in values)
    simpler = _simplify(operation, args)
    if simpler is not None:
        return simpler
    kind = "".join(letter for letter in "bj" if any(letter in arg.kind for arg in args))
    return graph.make(operation, args, ROW if operation == "sum" else kind)


#: Numbers written into the code, where they allow simplification; all others are its arguments.
_LITERALS = (0.0, 1.0, -1.0, 2.0, 0.5)


class Graph:
    """Nodes of one step in topological order."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.numbers: list[float] = []
        self._known: dict[tuple[object, ...], Node] = {}

    def leaf(self, role: str, index: int, block: int = 0, kind: str = FULL) -> Node:
        """Return the node of a leaf; the same node each time."""
        return self.make("leaf", (), kind, Leaf(role, index, block))

    def number(self, value: float) -> Node:
        """Return the node of a constant."""
        value = float(value)
        if value in _LITERALS:
            return self.make("literal", (), SCALAR, None, value)
        if value not in self.numbers:
            self.numbers.append(value)
        return self.make("leaf", (), SCALAR, Leaf("number", self.numbers.index(value)), value)

    def make(
        self,
        operation: str,
        args: tuple[Node, ...],
        kind: str,
        leaf: Leaf | None = None,
        number: float | None = None,
    ) -> Node:
        """Return the node of an operation as it stands; the same node each time."""
        key = (operation, *(arg.index for arg in args), leaf, number if leaf is None else None)
        if key not in self._known:
            self._known[key] = Node(self, operation, args, kind, leaf, number)
            self.nodes.append(self._known[key])
        return self._known[key]


def needed(outputs: Iterable[Node]) -> list[Node]:
    """Return the nodes that `outputs` depend on, including them, in topological order."""
    found: dict[int, Node] = {}
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if node.index not in found:
            found[node.index] = node
            waiting.extend(node.args)
    return [found[index] for index in sorted(found)]


_EXACT: dict[str, Callable[..., float]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
}


def _simplify(operation: str, args: tuple[Node, ...]) -> Node | None:
    """Return a simpler node for `operation` on `args` with literals, or None."""
    values = [arg.number if arg.operation == "literal" else None for arg in args]
    if operation not in _FOLDS or all(value is None for value in values):
        return None
    if all(value is not None for value in values):
        return args[0].graph.number(_EXACT[operation](*values)) if operation in _EXACT else None
    return _FOLDS[operation](args, values)


def _fold_add(args: tuple[Node, ...], values: list[Any]) -> Node | None:
    return args[1] if values[0] == 0 else args[0] if values[1] == 0 else None


def _fold_sub(args: tuple[Node, ...], values: list[Any]) -> Node | None:
    return -args[1] if values[0] == 0 else args[0] if values[1] == 0 else None


def _fold_mul(args: tuple[Node, ...], values: list[Any]) -> Node | None:
    for value, other in ((values[0], args[1]), (values[1], args[0])):
        if value in (1, -1):
            return other if value == 1 else -other
    return None


_POWERS: dict[float, Callable[[Node], Node]] = {
    1.0: lambda x: x,
    2.0: lambda x: x * x,
    0.5: lambda x: apply("sqrt", x),
    -1.0: lambda x: 1 / x,
}

#: ``(args, literals) -> a simpler node or None``.
_FOLDS: dict[str, Callable[[tuple[Node, ...], list[Any]], Node | None]] = {
    "add": _fold_add,
    "sub": _fold_sub,
    "mul": _fold_mul,
    "div": lambda args, values: args[0] if values[1] == 1 else None,
    "neg": lambda args, values: None,
    "pow": lambda args, values: _POWERS[values[1]](args[0]) if values[1] in _POWERS else None,
}
