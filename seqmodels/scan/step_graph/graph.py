"""Graph of elementwise operations on blocks of H units, for one step of a cell.

The `kind` of a node says whether it has one value per row and unit, per row, per unit, or in all.
Nodes are created by `Graph` only, which shares equal ones and folds constants.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

#: Kinds: the axes that a value depends on, `b` for rows and `j` for units; the union of those of its arguments.
SCALAR, UNIT, ROW, FULL = "", "j", "b", "bj"


class Leaf(NamedTuple):
    """Origin of a value.

    Fields:
        role: "u" and "r", the input and recurrent product; "state" before the step; "next" after
            it; "tensor", read from the cell by `update`; "number", a Python number; "cotangent",
            the gradient of a field of the next state; "product", that of the recurrent product's
            input.
        index: number of the field, tensor or number.
        block: number of the block of H units.
    """

    role: str
    index: int  # type: ignore[assignment]  # also a method of tuples
    block: int = 0


class Node:
    """Value in a graph: an operation on other nodes, or a leaf."""

    __slots__ = ("args", "index", "kind", "leaf", "number", "operation")
    args: tuple[Node, ...]

    def __init__(
        self, index: int, operation: str, args: tuple[Node, ...], kind: str, leaf: Leaf | None, number: float | None
    ) -> None:
        self.index = index
        self.operation = operation
        self.args = args
        self.kind = kind
        self.leaf = leaf
        self.number = number

    def __repr__(self) -> str:
        what = self.leaf or self.number or ", ".join(f"v{arg.index}" for arg in self.args)
        return f"v{self.index} = {self.operation}({what})"


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
        return self._make("leaf", (), kind, Leaf(role, index, block), None)

    def number(self, value: float) -> Node:
        """Return the node of a constant."""
        value = float(value)
        if value in _LITERALS:
            return self._make("literal", (), SCALAR, None, value)
        if value not in self.numbers:
            self.numbers.append(value)
        return self._make("leaf", (), SCALAR, Leaf("number", self.numbers.index(value)), value)

    def apply(self, operation: str, *args: Node) -> Node:
        """Apply `operation`, a name in `OPERATIONS`, to `args`."""
        simpler = _simplify(self, operation, args)
        if simpler is not None:
            return simpler
        if operation == "sum":
            return self._make("sum", args, ROW, None, None)
        kind = "".join(letter for letter in "bj" if any(letter in arg.kind for arg in args))
        return self._make(operation, args, kind, None, None)

    def add(self, one: Node, other: Node) -> Node:
        return self.apply("add", one, other)

    def mul(self, one: Node, other: Node) -> Node:
        return self.apply("mul", one, other)

    def sub(self, one: Node, other: Node) -> Node:
        return self.apply("sub", one, other)

    def _make(self, operation: str, args: tuple[Node, ...], kind: str, leaf: Leaf | None, number: float | None) -> Node:
        key = (operation, *(arg.index for arg in args), leaf, number if leaf is None else None)
        if key not in self._known:
            self._known[key] = Node(len(self.nodes), operation, args, kind, leaf, number)
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


def _simplify(graph: Graph, operation: str, args: tuple[Node, ...]) -> Node | None:
    """Return a simpler node for `operation` on `args` with literals, or None."""
    values = [arg.number if arg.operation == "literal" else None for arg in args]
    fold = _FOLDS.get(operation)
    if fold is None or all(value is None for value in values):
        return None
    if all(value is not None for value in values):
        return graph.number(_EXACT[operation](*values)) if operation in _EXACT else None
    return fold(graph, args, values)


def _fold_add(graph: Graph, args: tuple[Node, ...], values: list[Any]) -> Node | None:
    return args[1] if values[0] == 0 else args[0] if values[1] == 0 else None


def _fold_sub(graph: Graph, args: tuple[Node, ...], values: list[Any]) -> Node | None:
    return graph.apply("neg", args[1]) if values[0] == 0 else args[0] if values[1] == 0 else None


def _fold_mul(graph: Graph, args: tuple[Node, ...], values: list[Any]) -> Node | None:
    for value, other in ((values[0], args[1]), (values[1], args[0])):
        if value == 1:
            return other
        if value == -1:
            return graph.apply("neg", other)
    return None


def _fold_div(graph: Graph, args: tuple[Node, ...], values: list[Any]) -> Node | None:
    return args[0] if values[1] == 1 else None


def _fold_pow(graph: Graph, args: tuple[Node, ...], values: list[Any]) -> Node | None:
    known = {1.0: lambda x: x, 2.0: lambda x: graph.mul(x, x), 0.5: lambda x: graph.apply("sqrt", x)}
    known[-1.0] = lambda x: graph.apply("div", graph.number(1), x)
    return known[values[1]](args[0]) if values[1] in known else None


#: ``(graph, args, literals) -> a simpler node or None``.
_FOLDS: dict[str, Callable[[Graph, tuple[Node, ...], list[Any]], Node | None]] = {
    "add": _fold_add,
    "sub": _fold_sub,
    "mul": _fold_mul,
    "div": _fold_div,
    "neg": lambda graph, args, values: None,
    "pow": _fold_pow,
}
