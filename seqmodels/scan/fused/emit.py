"""The C text of a step and its backward: functions of one row, over its units from j0 to j1.

``vectors.c`` comes before it, ``sequence.c`` after. A sum over units ends a loop over j; what
depends on it comes in the next loop. So a function has as many loops, "levels", as sums lie
behind one another, and one more. Everything is stored in the last loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seqmodels.scan.fused.graph import Leaf, Node, needed
from seqmodels.scan.fused.operations import OPERATIONS
from seqmodels.scan.fused.step import Backward, Step

#: The fields of `struct problem`, one per argument of a call, in order: name and C type.
PROBLEM: dict[str, str] = {
    "steps": "long",
    "rows": "long",
    "units": "long",
    "padded": "long",
    "head": "long",
    "panel_rows": "long",
    "threads": "long",
    "by_units": "long",
    "saving": "long",
    "state_gradient": "long",
    "u_step": "long",
    "u_row": "long",
    "input_step": "long",
    "features": "long",
    "noise_step": "long",
    "noise_row": "long",
    "kept_row": "long",
    "product_row": "long",
    "order": "const int64_t *",
    "lengths": "const int64_t *",
    "reset": "const uint8_t *",
    "u": "const real *",
    "input_weight": "const real *",
    "packed_input": "real *",
    "input_products": "real *",
    "noise": "const real *",
    "weight": "const real *",
    "packed": "real *",
    "products": "real *",
    "inputs": "real *",
    "fresh": "const real *",
    "kept": "real *",
    "extra": "real *",
    "kept_numbers": "real *",
    "scratch": "real *",
    "zeros": "const real *",
    "numbers": "const real *",
    "input_gradient": "real *",
    "product_gradient": "real *",
    "carried": "real *",
    "fresh_gradient": "real *",
    "sums": "real *",
    "row_sums": "real *",
}


class Shape(NamedTuple):
    """What a caller must know of the generated code.

    Fields:
        kept: blocks kept in the place of the projected input, and then in a buffer of their own.
        numbers: kept numbers of a row.
        scratch: blocks that one thread needs between loops.
        separate: whether the product's gradient is another than the projected input's.
        plain: whether the recurrent product reads the output as it is.
        sums: for each source and block that has a gradient, where its sum is: a slot of H.
        row_sums: the same for sources with one value a row.
        back_levels: loops in backward.
    """

    kept: int
    extra: int
    numbers: int
    scratch: int
    separate: bool
    plain: bool
    sums: dict[tuple[int, int], int]
    row_sums: dict[tuple[int, int], int]


def emit(step: Step, backward: Backward, double: bool, vectors: str, sequence: str) -> tuple[str, Shape]:
    """The whole C text for a step, between the two hand-written parts, and its shape."""
    kept = min(len(backward.kept), step.inputs)
    plain = step.product_input is None or step.product_input.leaf == Leaf("state", 0)
    separate = step.gates > 0 and backward.products != backward.inputs
    sums, row_sums = _slots(step, backward)
    writer = _Writer(kept, sums, row_sums, step)
    forward_stores = {f"h->after[{field}] + j": node for field, node in enumerate(step.next)}
    saving = {writer.kept_at(slot): node for slot, node in enumerate(backward.kept)}
    forward, levels = writer.function("forward_row", forward_stores, saving, backward.kept_numbers)
    backward_stores: dict[str, Node | None] = {
        f"h->du + {block} * p->padded + j": node for block, node in enumerate(backward.inputs)
    }
    if separate:
        backward_stores.update(
            (f"h->dr + {block} * p->padded + j", node) for block, node in enumerate(backward.products)
        )
    backward_stores.update((f"h->carried[{field}] + j", node) for field, node in enumerate(backward.states))
    back, back_levels = writer.function("backward_row", backward_stores, {}, (), sums=backward.tensors)
    through: dict[str, Node | None] = {
        f"h->carried[{field}] + j": node for field, node in enumerate(backward.through_product) if node is not None
    }
    parts = [f"#define DOUBLE {int(double)}", vectors]
    shape = Shape(
        kept, len(backward.kept) - kept, len(backward.kept_numbers), writer.scratch, separate, plain, sums, row_sums
    )
    parts += [_defines(step, shape, levels, back_levels), _structs(), forward, back]
    if step.gates:
        text, _ = writer.function(
            "input_backward_row", through, {}, (), sums=backward.tensors_of_product_input, onto=True
        )
        parts.append(text)
        if not plain and step.product_input is not None:
            parts.append(writer.function("input_row", {"h->input + j": step.product_input}, {}, ())[0])
    return "\n".join([*parts, sequence]), shape


def _slots(step: Step, backward: Backward) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    keys = dict.fromkeys([*backward.tensors, *backward.tensors_of_product_input])
    by_row = [key for key in keys if "b" in step.sources[key[0]].kind]
    by_unit = [key for key in keys if key not in by_row]
    return {key: slot for slot, key in enumerate(by_unit)}, {key: slot for slot, key in enumerate(by_row)}


def _defines(step: Step, shape: Shape, levels: int, back_levels: int) -> str:
    units = max(1, 4 // step.gates) if step.gates else 1
    values = {
        "INPUTS": step.inputs,
        "GATES": step.gates,
        "UNITS": units,
        "FIELDS": len(step.fields),
        "OUTPUTS": step.fields.count("h"),
        "KEPT_EXTRA": shape.extra,
        "KEPT_NUMBERS": shape.numbers,
        "PLAIN_INPUT": int(shape.plain),
        "LEVELS": levels,
        "LEVELS_BACK": back_levels,
        "SUMS": len(shape.sums),
        "ROW_SUMS": len(shape.row_sums),
        "SCRATCH": shape.scratch,
    }
    return "\n".join(f"#define {name} {value}" for name, value in values.items())


def _structs() -> str:
    fields = "\n".join(f"  {kind} {name};" for name, kind in PROBLEM.items())
    return f"""struct problem {{
{fields}
  const real *const *tensors;
  real *states[FIELDS];
  long state_step[FIELDS];
  const real *outside[FIELDS];
  long outside_step[FIELDS], outside_row[FIELDS];
}};
struct row {{
  long row, id, r_block, u_block;
  const real *u, *noise, *r, *outside[FIELDS], *before[FIELDS];
  real *kept, *extra, *numbers, *after[FIELDS], *carried[FIELDS], *du, *dr, *input;
}};
INLINE void store_units(real *at, vec x, long left) {{ store(at, left >= LANES ? x : v_first(x, left)); }}
INLINE void add_to(real *at, vec x) {{ store(at, load(at) + x); }}
"""


class _Writer:
    """Writes functions; remembers how much scratch memory they need."""

    def __init__(
        self, kept: int, sums: Mapping[tuple[int, int], int], row_sums: Mapping[tuple[int, int], int], step: Step
    ) -> None:
        self.scratch = 0
        self._kept = kept
        self._sums = sums
        self._row_sums = row_sums
        self._step = step

    def kept_at(self, slot: int) -> str:
        if slot < self._kept:
            return f"h->kept + {slot} * p->padded + j"
        return f"h->extra + {slot - self._kept} * p->padded + j"

    def function(
        self,
        name: str,
        stores: Mapping[str, Node | None],
        saving: Mapping[str, Node],
        numbers: Sequence[Node],
        sums: Mapping[tuple[int, int], Node] | None = None,
        onto: bool = False,
    ) -> tuple[str, int]:
        """The text of one function and its number of loops.

        Args:
            name: of the function.
            stores: where each result goes; None stores 0.
            saving: where each kept value goes, where it is asked for.
            numbers: kept numbers of the row.
            sums: gradients to be summed over rows, by source and block.
            onto: whether results are added to what is there.
        """
        sums = sums or {}
        results = [*[node for node in stores.values() if node], *saving.values(), *numbers, *sums.values()]
        nodes = needed(results)
        level: dict[int, int] = {}
        for node in nodes:
            below = max((level[arg.index] for arg in node.args), default=0)
            level[node.index] = below + 1 if node.operation == "sum" else below
        last = max((level[node.index] for node in results), default=0)
        lines = _Loops(self, nodes, level, last)
        for depth in range(last + 1):
            lines.numbers(depth)
            lines.loop(depth, stores, saving, numbers, sums, onto)
        body = "\n".join(lines.text)
        argument = ", const int saving" if name == "forward_row" else ""
        head = f"INLINE void {name}(const struct problem *p, const struct row *h, long j0, long j1{argument}) {{"
        return f"{head}\n{body}\n}}", last + 1

    def load(self, leaf: Leaf, kind: str) -> str:
        """C text of a leaf's value at j."""
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
        """C text that adds a gradient to its sum."""
        if key in self._row_sums:
            at = f"p->row_sums + (h->row * ROW_SUMS + {self._row_sums[key]}) * p->padded + j"
        else:
            at = f"p->sums + (h->id * SUMS + {self._sums[key]}) * p->padded + j"
        if "j" not in kind and "j" not in self._step.sources[key[0]].kind:  # one number of a row, counted once
            return f"    if (j == 0) add_to({at}, v_first({value}, 1));"
        return f"    add_to({at}, {value});"


class _Loops:
    """The loops of one function."""

    def __init__(self, writer: _Writer, nodes: list[Node], level: dict[int, int], last: int) -> None:
        self.text: list[str] = []
        self._writer = writer
        self._nodes = nodes
        self._level = level
        self._last = last
        self._outside: set[int] = set()  # values of the whole row, made already
        self._stored: dict[int, int] = {}  # values of each unit that later loops read again, by slot

    def numbers(self, depth: int) -> None:
        """The values of the whole row that can be had before loop `depth`."""
        for node in self._nodes:
            alone = "j" not in node.kind and node.index not in self._outside and self._level[node.index] <= depth
            if alone and node.operation != "sum" and all(arg.index in self._outside for arg in node.args):
                self._outside.add(node.index)
                self.text.append(f"  const vec v{node.index} = {self._value(node)};")

    def loop(
        self,
        depth: int,
        stores: Mapping[str, Node | None],
        saving: Mapping[str, Node],
        numbers: Sequence[Node],
        sums: Mapping[tuple[int, int], Node],
        onto: bool,
    ) -> None:
        totals = [n for n in self._nodes if n.operation == "sum" and self._level[n.index] == depth + 1]
        final = depth == self._last
        self.text += [f"  vec total{node.index} = splat(0);" for node in totals]
        self.text.append("  for (long j = j0; j < j1; j += LANES) {")
        made: set[int] = set()
        for node in totals:
            self._make(node.args[0], made)
            self.text.append(f"    total{node.index} += v_first(v{node.args[0].index}, p->units - j);")
        if final:
            self._finish(made, stores, saving, sums, onto)
        else:
            self._store_costly(made, depth)
        self.text.append("  }")
        for node in totals:
            self._outside.add(node.index)
            self.text.append(f"  const vec v{node.index} = splat(v_total(total{node.index}));")
        if final and numbers:
            kept = [f"h->numbers[{slot}] = v{node.index}[0];" for slot, node in enumerate(numbers)]
            self.text.append(f"  if (saving) {{ {' '.join(kept)} }}")

    def _finish(
        self,
        made: set[int],
        stores: Mapping[str, Node | None],
        saving: Mapping[str, Node],
        sums: Mapping[tuple[int, int], Node],
        onto: bool,
    ) -> None:
        for node in (*stores.values(), *saving.values(), *sums.values()):
            if node is not None:
                self._make(node, made)
        lines = []
        for at, node in stores.items():
            value = "splat(0)" if node is None else f"v{node.index}"
            masked = at.startswith(("h->du", "h->dr"))
            lines.append(
                f"    add_to({at}, {value});" if onto
                else f"    store_units({at}, {value}, p->units - j);" if masked
                else f"    store({at}, {value});"
            )  # fmt: skip
        if saving:
            kept = " ".join(f"store({at}, v{node.index});" for at, node in saving.items())
            lines.append(f"    if (saving) {{ {kept} }}")
        lines += [self._writer.add_sum(key, f"v{node.index}", node.kind) for key, node in sums.items()]
        self.text += lines

    def _make(self, node: Node, made: set[int]) -> None:
        """Write what makes `node` at j, unless it is there."""
        if node.index in made or node.index in self._outside:
            return
        made.add(node.index)
        if node.index in self._stored:
            value = f"load({self._slot(self._stored[node.index])})"
        else:
            for arg in node.args:
                self._make(arg, made)
            value = self._value(node)
        self.text.append(f"    const vec v{node.index} = {value};")

    def _store_costly(self, made: set[int], depth: int) -> None:
        """Keep for later loops what is costly to make again and can be made by now."""
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
