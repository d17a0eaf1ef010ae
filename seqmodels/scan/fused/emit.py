"""Generation of the C text of a step and its backward: functions of one row, over units j0 to j1.

``vectors.c`` comes before it, ``sequence.c`` after. A sum over units ends a loop over j; values that depend on it come
in the next loop. A function thus has one loop ("level") more than its longest chain of sums. Results are stored in the
last loop.
"""

from __future__ import annotations

from typing import NamedTuple

from seqmodels.scan.fused.loops import Results, Writer
from seqmodels.scan.step_graph.graph import Leaf, Node
from seqmodels.scan.step_graph.step import Backward, Step

#: Fields of `struct problem`, one per argument of a call, in order: name and C type.
PROBLEM: dict[str, str] = {
    name: kind
    for kind, names in (
        ("long", "steps rows units padded head panel_rows threads by_units saving state_gradient"),
        ("long", "u_step u_row input_step features noise_step noise_row kept_row product_row"),
        ("const int64_t *", "order lengths"),
        ("const uint8_t *", "reset"),
        ("const real *", "u input_weight"),
        ("real *", "packed_input input_products"),
        ("const real *", "noise weight"),
        ("real *", "packed products inputs"),
        ("const real *", "fresh"),
        ("real *", "kept extra kept_numbers scratch prepared"),
        ("const real *", "zeros numbers"),
        ("real *", "input_gradient product_gradient carried fresh_gradient sums row_sums"),
    )
    for name in names.split()
}


class Shape(NamedTuple):
    """Memory layout of the generated code.

    Fields:
        kept: number of saved blocks, first in place of the projected input, then in their own buffer.
        numbers: number of saved scalars per row.
        scratch: number of blocks that one thread needs between loops.
        prepared: number of blocks that depend only on the cell's tensors, computed once per call.
        separate: whether the gradient of the product differs from that of the projected input.
        plain: whether the recurrent product reads the output unchanged.
        sums: slot of H of the gradient sum, by source and block.
        row_sums: the same for sources with one value per row.
    """

    kept: int
    extra: int
    numbers: int
    scratch: int
    prepared: int
    separate: bool
    plain: bool
    sums: dict[tuple[int, int], int]
    row_sums: dict[tuple[int, int], int]


def emit(step: Step, backward: Backward, double: bool, vectors: str, sequence: str) -> tuple[str, Shape]:
    """Return the whole C text for a step, including the two hand-written parts, and its shape."""
    kept = min(len(backward.kept), step.inputs)
    plain = step.product_input is None or step.product_input.leaf == Leaf("state", 0)
    separate = step.gates > 0 and backward.products != backward.inputs
    sums, row_sums = _slots(step, backward)
    writer = Writer(kept, sums, row_sums, step)
    forward_stores = {f"h->after[{field}] + j": node for field, node in enumerate(step.next)}
    saving = {writer.kept_at(slot): node for slot, node in enumerate(backward.kept)}
    forward, levels = writer.function("forward_row", Results(forward_stores, saving, backward.kept_numbers))
    backward_stores: dict[str, Node | None] = {
        f"h->du + {block} * p->padded + j": node for block, node in enumerate(backward.inputs)
    }
    if separate:
        backward_stores.update(
            (f"h->dr + {block} * p->padded + j", node) for block, node in enumerate(backward.products)
        )
    backward_stores.update((f"h->carried[{field}] + j", node) for field, node in enumerate(backward.states))
    back, back_levels = writer.function("backward_row", Results(backward_stores, sums=backward.tensors))
    through: dict[str, Node | None] = {
        f"h->carried[{field}] + j": node for field, node in enumerate(backward.through_product) if node is not None
    }
    functions = [forward, back]
    if step.gates:
        handed = Results(through, sums=backward.tensors_of_product_input, onto=True)
        functions.append(writer.function("input_backward_row", handed)[0])
        if not plain and step.product_input is not None:
            functions.append(writer.function("input_row", Results({"h->input + j": step.product_input}))[0])
    extra, numbers = len(backward.kept) - kept, len(backward.kept_numbers)
    shape = Shape(kept, extra, numbers, writer.scratch, len(writer.prepared), separate, plain, sums, row_sums)
    head = [f"#define DOUBLE {int(double)}", vectors, _defines(step, shape, levels, back_levels), _structs()]
    return "\n".join([*head, *functions, writer.prepare(), sequence]), shape


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
