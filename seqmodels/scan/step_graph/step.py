"""Graph of a cell's step and of its backward, with the choice of values to save or to recompute.

B rows, H units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from seqmodels.cells.base import Cell
from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.linear.base import LinearCell
from seqmodels.scan.step_graph.derive import derive
from seqmodels.scan.step_graph.graph import UNIT, Graph, Leaf, Node, apply, needed
from seqmodels.scan.step_graph.operations import OPERATIONS
from seqmodels.scan.step_graph.trace import Tracer, attributes, record
from seqmodels.scan.step_graph.values import Blocks, CannotFuseError, Source


class Step(NamedTuple):
    """One step of a cell.

    Fields:
        graph: its nodes.
        fields: name of the field of each block of H of the state, those of `h` first.
        inputs: number of blocks of H units in the projected input.
        noise: number of further blocks that each step reads, without gradient.
        gates: number of blocks of the recurrent product; 0 if there is none to compute.
        sources: tensors that it reads from the cell.
        next: blocks of the state after it.
        product_input: input of the recurrent product, computed from the state; None without a product.
    """

    graph: Graph
    fields: tuple[str, ...]
    inputs: int
    noise: int
    gates: int
    sources: tuple[Source, ...]
    next: tuple[Node, ...]
    product_input: Node | None


class Backward(NamedTuple):
    """Backward of a `Step`; its nodes read the saved values as leaves "kept" and "kept_number".

    Fields:
        kept: nodes of the step that forward saves as blocks.
        kept_numbers: nodes that it saves as one number per row.
        inputs: gradient of each block of the projected input, or None.
        products: gradient of each block of the recurrent product.
        states: gradient of each block of the state, without the part through the product.
        through_product: part of that gradient through the input of the product.
        tensors: gradients by source and block, still to be summed.
    """

    kept: tuple[Node, ...]
    kept_numbers: tuple[Node, ...]
    inputs: tuple[Node | None, ...]
    products: tuple[Node | None, ...]
    states: tuple[Node | None, ...]
    through_product: tuple[Node | None, ...]
    tensors: dict[tuple[int, int], Node]
    tensors_of_product_input: dict[tuple[int, int], Node]


def trace_step(cell: Any, projects: bool) -> Step:
    """Trace one step of `cell` on small tensors.

    Args:
        cell: a `GatedCell` or `LinearCell`.
        projects: whether the input is the product with `weight_ih` only, instead of the result of `project`.

    Raises:
        CannotFuseError: the step cannot be generated; the message says why.
    """
    buffers = [(buffer, buffer.clone()) for buffer in cell.buffers() if buffer.device.type != "meta"]
    try:
        with torch.random.fork_rng(devices=[]):  # a trace must not advance the random state
            return _Trace(cell, projects).step()
    finally:
        with torch.no_grad():  # nor update statistics of submodules
            for buffer, before in buffers:
                if not torch.equal(buffer, before):
                    buffer.copy_(before)


class _Trace:
    """Trace of one step of a cell."""

    def __init__(self, cell: Any, projects: bool) -> None:
        known = attributes(cell)
        # Any number of rows works, unless the cell holds tensors of one value per row.
        self.rows = next((t.shape[0] for _, t, per_row in known.values() if per_row and t.dim() == 2), 2)
        self.like = next((t for _, t, _ in known.values() if t.is_floating_point()), torch.empty(0))
        with torch.no_grad():
            self.width = cell.project(self.like.new_zeros(self.rows, 1, cell.input_size)).shape[-1]
        self.cell, self.units, self.sizes = cell, cell.hidden_size, cell.state_sizes()
        if "h" not in self.sizes or any(size % self.units for size in (*self.sizes.values(), self.width)):
            raise CannotFuseError(
                f"its state {self.sizes} and projected input {self.width} are not blocks of H = {self.units}"
            )
        self.inputs = len(cell.gates) if projects else self.width // self.units
        self.graph = Graph()
        self.tracer = Tracer(self.graph, self.units, self.rows, self.like.dtype, known)
        self.u = self._input(projects)
        self.fields = state_blocks(cell)
        self.state = self._state()

    def step(self) -> Step:
        cell, gates, product_input = self.cell, 0, None
        if isinstance(cell, LinearCell):
            after = record(self.tracer, lambda: cell.advance(*cell.coefficients(self.u), self.state.h))
        else:
            gates, product_input, product = _product(self.tracer, cell, self.state)
            r = self._tensor(product)
            after = record(self.tracer, lambda: tuple(cell.update(self.u, r, self.state)))
        made = {
            name: value.nodes * (self.sizes[name] // self.units // max(1, len(value.nodes)))
            for name, value in zip(self.sizes, after, strict=True)
        }
        return Step(
            self.graph,
            tuple(name for name, _ in self.fields),
            self.inputs,
            self.width // self.units - self.inputs,
            gates,
            tuple(self.tracer.sources),
            tuple(made[name][block] for name, block in self.fields),
            product_input,
        )

    def _tensor(self, nodes: Sequence[Node]) -> torch.Tensor:
        """Return a tensor that stands for `nodes`."""
        tensor = self.like.new_full((self.rows, len(nodes) * self.units), 0.5)
        self.tracer.know(tensor, Blocks(tuple(nodes)))
        return tensor

    def _input(self, projects: bool) -> torch.Tensor:
        nodes = [self.graph.leaf("u", 0, block) for block in range(self.inputs)]
        if projects and self.cell.bias_ih is not None:
            bias = self.tracer.value(self.cell.bias_ih).nodes
            nodes = [node + of_bias for node, of_bias in zip(nodes, bias, strict=True)]
        noise = range(self.width // self.units - self.inputs)
        return self._tensor([*nodes, *(self.graph.leaf("noise", 0, block) for block in noise)])

    def _state(self) -> Any:
        nodes: dict[str, list[Node]] = {name: [] for name in self.sizes}
        for index, (name, _) in enumerate(self.fields):
            nodes[name].append(self.graph.leaf("state", index))
        return self.cell.state_type(*(self._tensor(nodes[name]) for name in self.sizes))


def state_blocks(cell: Cell) -> list[tuple[str, int]]:
    """Return the blocks of H of a cell's state as field and position, the output `h` first."""
    sizes = cell.state_sizes()
    names = ["h", *(name for name in sizes if name != "h")]
    return [(name, block) for name in names for block in range(sizes[name] // cell.hidden_size)]


def _product(
    tracer: Tracer, cell: GatedCell, state: tuple[torch.Tensor, ...]
) -> tuple[int, Node | None, tuple[Node, ...]]:
    """Trace the recurrent product: return the number of computed blocks, its input, and the blocks with bias."""
    graph, gates = tracer.graph, len(cell.gates)
    (read,) = record(tracer, cell.recurrent_input, state)
    if len(read.nodes) != 1:
        raise CannotFuseError("recurrent_input is not of width H")
    product: tuple[Node, ...] = tuple(graph.leaf("r", 0, block) for block in range(gates))
    diagonal = cell.heads == cell.hidden_size
    if diagonal:  # an elementwise product without a matrix
        tracer.sources.append(Source("weight_hh", UNIT, gates, True))
        index = len(tracer.sources) - 1
        product = tuple(graph.leaf("tensor", index, block, UNIT) * read.nodes[0] for block in range(gates))
    if cell.bias_hh is not None:
        bias = tracer.value(cell.bias_hh).nodes
        product = tuple(node + of_bias for node, of_bias in zip(product, bias, strict=True))
    return (0, None, product) if diagonal else (gates, read.nodes[0], product)


def backward_of(step: Step) -> Backward:
    """Derive the backward of `step`, and choose the values to save for it."""
    graph = step.graph
    forward = {node.index for node in needed([*step.next, *([step.product_input] if step.product_input else [])])}
    wanted = {index for index, source in enumerate(step.sources) if source.wanted}
    cotangents = [graph.leaf("cotangent", index) for index in range(len(step.next))]
    gradients = _by_leaf(derive(list(step.next), cotangents, wanted))
    through: dict[Leaf, Node] = {}
    if step.product_input is not None:
        through = _by_leaf(derive([step.product_input], [graph.leaf("product", 0)], wanted))
    kept = _keep(step, forward, list(gradients.values()))
    blocks = [node for node in kept if "j" in node.kind]
    numbers = [node for node in kept if "j" not in node.kind]
    known = {node.index: graph.leaf("kept", 0, k) for k, node in enumerate(blocks)}
    known.update((node.index, graph.leaf("kept_number", 0, k, node.kind)) for k, node in enumerate(numbers))
    for index, node in enumerate(step.next):
        if not node.leaf:
            known[node.index] = graph.leaf("next", index)
    found = {leaf: _rewrite(node, known) for leaf, node in gradients.items()}
    return Backward(
        tuple(blocks),
        tuple(numbers),
        tuple(found.get(Leaf("u", 0, block)) for block in range(step.inputs)),
        tuple(found.get(Leaf("r", 0, block)) for block in range(step.gates)),
        tuple(found.get(Leaf("state", index)) for index in range(len(step.next))),
        tuple(through.get(Leaf("state", index)) for index in range(len(step.next))),
        {(leaf.index, leaf.block): node for leaf, node in found.items() if leaf.role == "tensor"},
        {(leaf.index, leaf.block): node for leaf, node in through.items() if leaf.role == "tensor"},
    )


def _by_leaf(gradients: dict[Node, Node]) -> dict[Leaf, Node]:
    return {node.leaf: gradient for node, gradient in gradients.items() if node.leaf is not None}


def _keep(step: Step, forward: set[int], gradients: list[Node]) -> list[Node]:
    """Return the values that backward reads and cannot recompute cheaply from the states."""
    nodes = needed(gradients)
    read = {arg.index for node in nodes if node.index not in forward for arg in node.args if arg.index in forward}
    read |= {node.index for node in gradients if node.index in forward}
    states = {node.index for node in step.next if not node.leaf}
    effort: dict[int, float] = {}  # number of costly operations to compute a value from saved ones
    kept = []
    for node in nodes:
        if node.index not in forward:
            continue
        effort[node.index] = 0.0 if node.index in states else _effort(node, effort)
        if node.index in read and effort[node.index] > 1:
            kept.append(node)
            effort[node.index] = 0.0
    return kept


def _effort(node: Node, effort: dict[int, float]) -> float:
    if node.leaf:
        return float("inf") if node.leaf.role in ("u", "r") else 0.0  # overwritten, or never stored
    if "b" not in node.kind:
        return 0.0  # computed once per call
    if node.operation == "sum":
        return float("inf")
    own = 0.0 if node.operation == "literal" or OPERATIONS[node.operation].cheap else 1.0
    return own + sum(effort[arg.index] for arg in node.args)


def _rewrite(node: Node, known: dict[int, Node]) -> Node:
    """Rewrite `node` to read saved values; `known` is extended."""
    if node.index not in known:
        args = [_rewrite(arg, known) for arg in node.args]
        known[node.index] = apply(node.operation, *args) if args else node
    return known[node.index]
