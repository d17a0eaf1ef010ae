"""Text of one generated kernel: arguments, addresses and nodes.

The names in the text are explained in ``emit.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from seqmodels.scan.step_graph.graph import Leaf, Node
from seqmodels.scan.step_graph.operations import OPERATIONS
from seqmodels.scan.step_graph.step import Backward, Step

#: Buffers of each kernel besides the tensors of the cell.
BUFFERS = {
    "forward": "u weight products outputs memory kept kept_numbers product_inputs noise fresh numbers reset lengths",
    "backward": "weight returned outputs memory kept kept_numbers noise fresh numbers reset "
    "lengths outside carried du dr sums",
}
_SIZES = {
    "forward": "start, stop, steps, rows, units, head, span, memory_step, u_row, u_step",
    "backward": "start, stop, steps, rows, units, head, span, outside_row, outside_step",
}
_OPTIONS = {
    "forward": "SAVING RESET LENGTHS PERSISTENT KIND DOT PRECISION ROWS UNITS",
    "backward": "RESET LENGTHS PERSISTENT SEPARATE KIND DOT PRECISION ROWS UNITS",
}


class Layout(NamedTuple):
    """Memory layout of the generated text.

    Fields:
        outputs: number of blocks of H of the state's field h.
        memory: number of blocks of all other fields.
        kept: number of blocks saved for backward.
        numbers: number of saved scalars per row.
        sums: slot of ``(B, H)``, summed over steps, of each source and block with a gradient of its own.
        shared: buffer and block, such as ("du", 2), of each whose gradient is a sum over that block.
        separate: whether the gradient of the product differs from that of the projected input.
        reduces: whether there are sums over units.
    """

    outputs: int
    memory: int
    kept: int
    numbers: int
    sums: dict[tuple[int, int], int]
    shared: dict[tuple[int, int], tuple[str, int]]
    separate: bool
    reduces: bool


class Text:
    """Lines of one kernel, and how it reads leaves."""

    def __init__(self, name: str, step: Step, layout: Layout) -> None:
        self.step, self.layout = step, layout
        pointers = [*BUFFERS[name].split(), *(f"tensor{index}" for index in range(len(step.sources)))]
        options = ", ".join(f"{option}: tl.constexpr" for option in _OPTIONS[name].split())
        self.lines = ['@triton.jit(do_not_specialize=["start", "stop"])', f"def {name}("]
        self.lines += [f"    {', '.join(pointers)},", f"    {_SIZES[name]},", f"    {options},", "):"]
        self.fields = range(len(step.fields))
        self.outside: set[int] = set()  # nodes with the same value at all steps

    def add(self, depth: int, *lines: str) -> None:
        self.lines += ["    " * depth + line for line in lines]

    def when(self, option: str, depth: int, *lines: str) -> None:
        """Add lines under a compile-time condition."""
        if lines:
            self.add(depth, f"if {option}:")
            self.add(depth + 1, *lines)

    def begin(self, nodes: Iterable[Node]) -> None:
        """Write addresses, masks and the values that are the same at all steps."""
        self.add(
            1,
            "row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]).to(tl.int64)",
            "column = tl.arange(0, UNITS)[None, :]",
            "unit = tl.program_id(1) * span + column",
            "real = (row < rows) & (column < span) & (unit < units)",
            "group = unit // head * rows + row",
        )
        self.when("LENGTHS", 1, "length = tl.load(lengths + row, mask=row < rows, other=0)")
        loads = (f"f{field} = tl.load(fresh + {field} * units + unit, mask=real, other=0.0)" for field in self.fields)
        self.when("RESET", 1, *loads)
        for node in nodes:
            leaf = node.leaf
            fixed = leaf is None and node.operation != "sum" and all(arg.index in self.outside for arg in node.args)
            if fixed or (leaf is not None and leaf.role in ("tensor", "number")):
                self.outside.add(node.index)
                self.add(1, f"v{node.index} = {self._fixed(leaf, node.kind) if leaf else self._value(node, {})}")

    def weights(self, turned: bool) -> None:
        """Load the weights of this program's head by gate: ``(k, n)`` for the product, transposed for its gradient."""
        if self.step.gates:
            self.add(1, "if PERSISTENT:", "    across = tl.arange(0, UNITS)[:, None]")
            self.add(2, "held = (across < span) & (column < span)", "first = tl.program_id(1) * span")
        for gate in range(self.step.gates):
            n, k = ("across", "column") if turned else ("column", "across")
            at = f"weight + ({gate} * units + first + {n}) * head + {k}"
            self.add(2, f"w{gate} = tl.load({at}, mask=held, other=0.0).to(DOT)")

    def again(self, depth: int, t: str, at: str) -> None:
        """Write the masks of the rows that take part at step t and of those that are reset."""
        self.add(depth, "live = real")
        self.when("LENGTHS", depth, f"live = real & ({t} < length)")
        self.when("RESET", depth, f"again = live & (tl.load({at}, mask=row < rows, other=0) != 0)")

    def state_at(self, field: int, after: bool = False) -> str:
        """Return the address of a field of the state before step t, or after it."""
        outputs, memory = self.layout.outputs, self.layout.memory
        name, blocks, block = ("outputs", outputs, field) if field < outputs else ("memory", memory, field - outputs)
        return tile(f"{name}_t + {name}_step" if after else f"{name}_t", blocks, block, "row")

    def noise(self, leaf: Leaf, t: str) -> str:
        """Return the text that reads the noise ``(B, T, k*H)`` beside the projected input."""
        row = f"(row * steps + {t})"
        return f"tl.load({tile('noise', self.step.noise, leaf.block, row)}, mask=live, other=0.0).to(KIND)"

    def befores(self, depth: int, nodes: Iterable[Node]) -> None:
        """Load the fields of the state before the step that `nodes` read."""
        fields = sorted({node.leaf.index for node in nodes if node.leaf and node.leaf.role == "state"})
        for field in fields:
            self.add(depth, f"b{field} = tl.load({self.state_at(field)}, mask=live, other=0.0)")
            self.when("RESET", depth, f"b{field} = tl.where(again, f{field}, b{field})")

    def nodes(
        self, depth: int, nodes: Iterable[Node], read: Callable[[Leaf], str], prefix: str = "v"
    ) -> dict[int, str]:
        """Write the computation of `nodes`; return their names by index."""
        names: dict[int, str] = {}
        for node in nodes:
            names[node.index] = f"{'v' if node.index in self.outside else prefix}{node.index}"
            if node.index not in self.outside:
                value = read(node.leaf) if node.leaf else self._value(node, names)
                self.add(depth, f"{names[node.index]} = {value}")
        return names

    def _value(self, node: Node, names: dict[int, str]) -> str:
        if node.operation == "literal":
            return f"tl.full([], {node.number!r}, KIND)"
        args = [names.get(arg.index, f"v{arg.index}") for arg in node.args]
        if node.operation == "sum":
            return f"tl.sum(tl.where(real, {args[0]}, 0.0), axis=1)[:, None]"
        return OPERATIONS[node.operation].text.format(*args)

    def _fixed(self, leaf: Leaf, kind: str) -> str:
        if leaf.role == "number":
            return f"tl.load(numbers + {leaf.index})"
        name, at = f"tensor{leaf.index}", f"{leaf.block} * units + unit"
        by_row = tile(name, self.step.sources[leaf.index].blocks, leaf.block, "row")
        return {
            "": f"tl.load({name}).to(KIND)",
            "b": f"tl.load({name} + row, mask=row < rows, other=0.0).to(KIND)",
            "j": f"tl.load({name} + {at}, mask=unit < units, other=0.0).to(KIND)",
            "bj": f"tl.load({by_row}, mask=real, other=0.0).to(KIND)",
        }[kind]


def tile(name: str, blocks: int, block: int, row: str = "row_t") -> str:
    """Return the address of a block of H in a row of several."""
    return f"{name} + {row} * ({blocks} * units) + {block} * units + unit"


def gate_at(name: str, gates: int, gate: int) -> str:
    """Return the address of a gate's unit in a product ``(heads, B, gates * head)``."""
    return f"{name} + (group * {gates} + {gate}) * head + unit % head"


def results(step: Step, backward: Backward) -> list[Node]:
    product = [] if step.product_input is None else [step.product_input]
    return [*step.next, *backward.kept, *backward.kept_numbers, *product]


def finals(backward: Backward) -> list[Node]:
    blocks = (*backward.inputs, *backward.products, *backward.states)
    return [*(node for node in blocks if node is not None), *backward.tensors.values()]


def handed_back(backward: Backward) -> list[Node]:
    return [*(n for n in backward.through_product if n is not None), *backward.tensors_of_product_input.values()]
