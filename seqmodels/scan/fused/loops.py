"""C text of functions of one row: loops over its units, one more than the longest chain of sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from seqmodels.scan.step_graph.graph import Leaf, Node, needed
from seqmodels.scan.step_graph.operations import OPERATIONS
from seqmodels.scan.step_graph.step import Step


class Results(NamedTuple):
    """What one function computes.

    Fields:
        stores: results by destination; None stores 0.
        saving: values to save by destination, stored on request.
        numbers: saved scalars of the row.
        sums: gradients to sum over rows, by source and block.
        onto: whether to add results to the destination.
    """

    stores: Mapping[str, Node | None]
    saving: Mapping[str, Node] = MappingProxyType({})
    numbers: Sequence[Node] = ()
    sums: Mapping[tuple[int, int], Node] = MappingProxyType({})
    onto: bool = False

    def nodes(self) -> list[Node]:
        stored = [node for node in self.stores.values() if node]
        return [*stored, *self.saving.values(), *self.numbers, *self.sums.values()]


class Writer:
    """Writer of functions that tracks the scratch memory they need."""

    def __init__(
        self, kept: int, sums: Mapping[tuple[int, int], int], row_sums: Mapping[tuple[int, int], int], step: Step
    ) -> None:
        self.scratch = 0
        self.prepared: dict[Node, int] = {}
        self._kept = kept
        self._sums = sums
        self._row_sums = row_sums
        self._step = step

    def kept_at(self, slot: int) -> str:
        if slot < self._kept:
            return f"h->kept + {slot} * p->padded + j"
        return f"h->extra + {slot - self._kept} * p->padded + j"

    def function(self, name: str, made: Results) -> tuple[str, int]:
        """Return the text of one function and its number of loops."""
        results = made.nodes()
        nodes = needed(results)
        level: dict[int, int] = {}
        for node in nodes:
            below = max((level[arg.index] for arg in node.args), default=0)
            level[node.index] = below + 1 if node.operation == "sum" else below
        last = max((level[node.index] for node in results), default=0)
        lines = _Loops(self, nodes, level, last)
        for depth in range(last + 1):
            lines.numbers(depth)
            lines.loop(depth, made)
        body = "\n".join(lines.text)
        argument = ", const int saving" if name == "forward_row" else ""
        head = f"INLINE void {name}(const struct problem *p, const struct row *h, long j0, long j1{argument}) {{"
        return f"{head}\n{body}\n}}", last + 1

    def prepare(self) -> str:
        """Return the text of the function that computes costly values common to all rows once per call."""
        lines = ["INLINE void prepare(const struct problem *p) {", "  for (long j = 0; j < p->padded; j += LANES) {"]
        for node in needed(self.prepared):
            if not node.leaf and node.operation != "literal":
                value = OPERATIONS[node.operation].text.format(*(f"v{arg.index}" for arg in node.args))
            else:
                value = self.load(node.leaf, node.kind) if node.leaf else f"splat((real){node.number!r})"
            lines.append(f"    const vec v{node.index} = {value};")
        lines += [f"    store({self.prepared_at(slot)}, v{node.index});" for node, slot in self.prepared.items()]
        return "\n".join([*lines, "  }", "}"])

    @staticmethod
    def prepared_at(slot: int) -> str:
        return f"p->prepared + {slot} * p->padded + j"

    def from_prepared(self, node: Node, at: int | None = None) -> str:
        """Return C text that reads a value computed once per call, at j or `at`."""
        place = self.prepared_at(self.prepared.setdefault(node, len(self.prepared)))
        return f"load({place if at is None else place.replace('+ j', f'+ {at}')})"

    @staticmethod
    def is_made_once(node: Node) -> bool:
        """Return whether a value is costly and depends only on the cell's vectors and scalars."""
        made = not node.leaf and node.operation not in ("literal", "sum")
        return made and "b" not in node.kind and not OPERATIONS[node.operation].cheap

    def load(self, leaf: Leaf, kind: str) -> str:
        """Return C text of the value of a leaf at j."""
        index, block = leaf.index, leaf.block
        at = f"{block} * p->padded + j"
        if leaf.role == "tensor":
            blocks = self._step.sources[index].blocks
            return {
                "": f"splat(p->tensors[{index}][0])",
                "b": f"splat(p->tensors[{index}][h->row])",
                "j": f"load(p->tensors[{index}] + {at})",
                "bj": f"load(p->tensors[{index}] + h->row * {blocks} * p->padded + {at})",
            }[kind]
        if leaf.role == "cotangent":
            carried = f"load(h->carried[{index}] + j)"
            return f"{carried} + load(h->outside[{index}] + j)" if self._step.fields[index] == "h" else carried
        return {
            "u": f"load(h->u + {block} * h->u_block + j)",
            "noise": f"load(h->noise + {at})",
            "r": f"load(h->r + {block} * h->r_block + j)",
            "state": f"load(h->before[{index}] + j)",
            "next": f"load(h->after[{index}] + j)",
            "product": "load(h->r + j)",
            "kept": f"load({self.kept_at(block)})",
            "kept_number": f"splat(h->numbers[{block}])",
            "number": f"splat(p->numbers[{index}])",
        }[leaf.role]

    def add_sum(self, key: tuple[int, int], value: str, kind: str) -> str:
        """Return C text that adds a gradient to its sum."""
        if key in self._row_sums:
            at = f"p->row_sums + (h->row * ROW_SUMS + {self._row_sums[key]}) * p->padded + j"
        else:
            at = f"p->sums + (h->id * SUMS + {self._sums[key]}) * p->padded + j"
        if "j" not in kind and "j" not in self._step.sources[key[0]].kind:  # one number per row, counted once
            return f"    if (j == 0) add_to({at}, v_first({value}, 1));"
        return f"    add_to({at}, {value});"


class _Loops:
    """Loops of one function."""

    def __init__(self, writer: Writer, nodes: list[Node], level: dict[int, int], last: int) -> None:
        self.text: list[str] = []
        self._writer = writer
        self._nodes = nodes
        self._level = level
        self._last = last
        self._outside: set[int] = set()  # values of the whole row written so far
        self._stored: dict[int, int] = {}  # slots of values per unit that later loops read again

    def numbers(self, depth: int) -> None:
        """Write the values of the whole row available before loop `depth`."""
        for node in self._nodes:
            alone = "j" not in node.kind and node.index not in self._outside and self._level[node.index] <= depth
            if alone and self._writer.is_made_once(node):  # the same at each j, so read the first
                self._outside.add(node.index)
                self.text.append(f"  const vec v{node.index} = {self._writer.from_prepared(node, 0)};")
                continue
            if alone and node.operation != "sum" and all(arg.index in self._outside for arg in node.args):
                self._outside.add(node.index)
                self.text.append(f"  const vec v{node.index} = {self._value(node)};")

    def loop(self, depth: int, results: Results) -> None:
        totals = [n for n in self._nodes if n.operation == "sum" and self._level[n.index] == depth + 1]
        final = depth == self._last
        self.text += [f"  vec total{node.index} = splat(0);" for node in totals]
        self.text.append("  for (long j = j0; j < j1; j += LANES) {")
        made: set[int] = set()
        for node in totals:
            self._make(node.args[0], made)
            self.text.append(f"    total{node.index} += v_first(v{node.args[0].index}, p->units - j);")
        if final:
            self._finish(made, results)
        else:
            self._store_costly(made, depth)
        self.text.append("  }")
        for node in totals:
            self._outside.add(node.index)
            self.text.append(f"  const vec v{node.index} = splat(v_total(total{node.index}));")
        if final and results.numbers:
            kept = [f"h->numbers[{slot}] = v{node.index}[0];" for slot, node in enumerate(results.numbers)]
            self.text.append(f"  if (saving) {{ {' '.join(kept)} }}")

    def _finish(self, made: set[int], results: Results) -> None:
        for node in (*results.stores.values(), *results.saving.values(), *results.sums.values()):
            if node is not None:
                self._make(node, made)
        lines = []
        for at, node in results.stores.items():
            value = "splat(0)" if node is None else f"v{node.index}"
            masked = at.startswith(("h->du", "h->dr"))
            lines.append(
                f"    add_to({at}, {value});" if results.onto
                else f"    store_units({at}, {value}, p->units - j);" if masked
                else f"    store({at}, {value});"
            )  # fmt: skip
        if results.saving:
            kept = " ".join(f"store({at}, v{node.index});" for at, node in results.saving.items())
            lines.append(f"    if (saving) {{ {kept} }}")
        lines += [self._writer.add_sum(key, f"v{node.index}", node.kind) for key, node in results.sums.items()]
        self.text += lines

    def _make(self, node: Node, made: set[int]) -> None:
        """Write the computation of `node` at j, unless it is already written."""
        if node.index in made or node.index in self._outside:
            return
        made.add(node.index)
        if node.index in self._stored:
            value = f"load({self._slot(self._stored[node.index])})"
        elif self._writer.is_made_once(node):
            value = self._writer.from_prepared(node)
        else:
            for arg in node.args:
                self._make(arg, made)
            value = self._value(node)
        self.text.append(f"    const vec v{node.index} = {value};")

    def _store_costly(self, made: set[int], depth: int) -> None:
        """Store available costly values for later loops."""
        for node in self._nodes:
            costly = not node.leaf and node.operation not in ("literal", "sum") and not OPERATIONS[node.operation].cheap
            if costly and "j" in node.kind and self._level[node.index] == depth and node.index not in self._stored:
                self._make(node, made)
                self._stored[node.index] = len(self._stored)
                self._writer.scratch = max(self._writer.scratch, len(self._stored))
                self.text.append(f"    store({self._slot(self._stored[node.index])}, v{node.index});")

    @staticmethod
    def _slot(slot: int) -> str:
        return f"p->scratch + (h->id * SCRATCH + {slot}) * p->padded + j"

    def _value(self, node: Node) -> str:
        if node.leaf:
            return self._writer.load(node.leaf, node.kind)
        if node.operation == "literal":
            return f"splat((real){node.number!r})"
        return OPERATIONS[node.operation].text.format(*(f"v{arg.index}" for arg in node.args))
