"""Generation of the kernel `backward`: steps from `stop` back to `start`, and their gradients."""

from __future__ import annotations

from collections.abc import Iterable

from seqmodels.scan.fused_cuda.text import Layout, Text, finals, gate_at, handed_back, tile
from seqmodels.scan.step_graph.graph import Leaf, Node, needed
from seqmodels.scan.step_graph.step import Backward, Step


def backward_text(step: Step, backward: Backward, layout: Layout) -> list[str]:
    text = Text("backward", step, layout)
    nodes, beyond = needed(finals(backward)), needed(handed_back(backward))
    text.begin(needed([*finals(backward), *handed_back(backward)]))
    text.weights(turned=True)
    last = "(stop.to(tl.int64) - 1)"
    text.add(
        1,
        f"outputs_step = rows * ({layout.outputs} * units)",
        f"memory_step = rows * ({layout.memory} * units)",
        f"outputs_t = outputs + {last} * outputs_step",
        f"memory_t = memory + {last} * memory_step" if layout.memory else "",
        f"outside_t = outside + {last} * outside_step",
        f"row_t = {last} * rows + row",
    )
    _running(text, "{1} = tl.load({0}, mask=real, other=0.0)")
    _beyond(text, backward, beyond)
    text.add(1, "for i in range(0, stop - start):")
    text.again(2, "stop - 1 - i", "reset + row_t")
    text.befores(2, [*nodes, *beyond] if step.gates else nodes)
    made = text.nodes(2, nodes, lambda leaf: _read_backward(text, leaf))
    _hand_back(text, backward)
    if step.gates:
        text.add(2, "if PERSISTENT:")
        _returned(text, backward)
        text.nodes(3, [node for node in beyond if node.index not in made], _read_through)
        _finish(text, backward, 3, "v")
    else:
        _finish(text, backward, 2, "v")
    text.add(2, "outputs_t -= outputs_step", "memory_t -= memory_step" if layout.memory else "")
    text.add(2, "outside_t -= outside_step", "row_t -= rows")
    _running(text, "tl.store({0}, {1}, mask=real)")
    return [line for line in text.lines if line.strip()]


def _running(text: Text, line: str) -> None:
    """Load or store the values carried from step to step: gradients and sums."""

    def put(buffer: str, name: str, slot: int) -> str:
        return line.format(f"{buffer} + ({slot} * rows + row) * units + unit", f"{name}{slot}")

    count = len(text.layout.sums)
    text.add(1, *(put("carried", "c", field) for field in text.fields))
    text.add(1, *(put("sums", "a", slot) for slot in range(count)))
    text.when("RESET", 1, *(put("sums", "a", count + field) for field in text.fields))


def _beyond(text: Text, backward: Backward, nodes: list[Node]) -> None:
    """Add the gradient from the product of step `stop`, computed since the last launch."""
    if not text.step.gates:
        return
    text.add(1, "if not PERSISTENT:", "    if stop < steps:")
    text.add(3, "outputs_t += outputs_step", "memory_t += memory_step" if text.layout.memory else "")
    text.again(3, "stop", "reset + row_t + rows")
    text.befores(3, nodes)
    text.add(3, f"handed = tl.load({gate_at('returned', 1, 0)}, mask=live, other=0.0).to(KIND)")
    text.nodes(3, nodes, _read_through, "e")
    _finish(text, backward, 3, "e", text.outside)
    text.add(3, "outputs_t -= outputs_step", "memory_t -= memory_step" if text.layout.memory else "")


def _read_through(leaf: Leaf) -> str:
    return {"product": "handed", "state": f"b{leaf.index}"}[leaf.role]


def _read_backward(text: Text, leaf: Leaf) -> str:
    index, layout = leaf.index, text.layout
    if leaf.role == "cotangent":
        if index >= layout.outputs:
            return f"c{index}"
        return (
            f"c{index} + tl.load(outside_t + row * outside_row + {index} * units + unit, mask=live, other=0.0).to(KIND)"
        )
    return {
        "state": f"b{index}",
        "next": f"tl.load({text.state_at(index, True)}, mask=live, other=0.0)",
        "noise": text.noise(leaf, "(stop - 1 - i)"),
        "kept": f"tl.load({tile('kept', layout.kept, leaf.block)}, mask=live, other=0.0).to(KIND)",
        "kept_number": f"tl.load(kept_numbers + row_t * {layout.numbers} + {leaf.block}, mask=row < rows, other=0.0)",
    }[leaf.role]


def _hand_back(text: Text, backward: Backward) -> None:
    """Write the gradients of one step to their destinations."""
    for block, node in enumerate(backward.inputs):
        text.add(2, f"tl.store({tile('du', len(backward.inputs), block)}, {_live(node)}, mask=real)")
    gates = len(backward.products)
    text.add(2, *(f"d{gate} = {_live(node)}" for gate, node in enumerate(backward.products)))
    stores = [f"tl.store({gate_at('dr_t', gates, gate)}, d{gate}, mask=real)" for gate in range(gates)]
    text.when("SEPARATE", 2, *([f"dr_t = dr + (row_t - row) * ({gates} * units)", *stores] if gates else []))
    for key, node in backward.tensors.items():
        if key not in text.layout.shared:
            text.add(2, f"a{text.layout.sums[key]} += {_once(text, key, node, f'v{node.index}')}")
    for field, node in enumerate(backward.states):
        text.add(2, f"c{field} = tl.where(live, {'0.0' if node is None else f'v{node.index}'}, c{field})")


def _live(node: Node | None) -> str:
    return "tl.zeros([ROWS, UNITS], KIND)" if node is None else f"tl.where(live, v{node.index}, 0.0)"


def _once(text: Text, key: tuple[int, int], node: Node, name: str) -> str:
    """Return the term of a sum; a number shared by all units of a row counts at the first only."""
    shared = "j" not in text.step.sources[key[0]].kind and "j" not in node.kind
    return f"tl.where(live{' & (unit == 0)' if shared else ''}, {name}, 0.0)"


def _returned(text: Text, backward: Backward) -> None:
    """Compute the gradient of the input of the product, through the weights."""
    text.add(3, "handed = tl.zeros([ROWS, UNITS], tl.float32)")
    for gate, node in enumerate(backward.products):
        if node is not None:
            text.add(3, f"handed = tl.dot(d{gate}.to(DOT), w{gate}, handed, input_precision=PRECISION)")


def _finish(text: Text, backward: Backward, depth: int, prefix: str, outside: Iterable[int] = ()) -> None:
    """Add the gradient through the product; that of a row that was reset goes to the fresh state."""

    def value(node: Node) -> str:
        return f"tl.where(live, {'v' if node.index in outside else prefix}{node.index}, 0.0)"

    for key, source in backward.tensors_of_product_input.items():
        name = f"{'v' if source.index in outside else prefix}{source.index}"
        text.add(depth, f"a{text.layout.sums[key]} += {_once(text, key, source, name)}")
    for field, node in enumerate(backward.through_product):
        if node is not None:
            text.add(depth, f"c{field} += {value(node)}")
    for field in text.fields:
        slot = len(text.layout.sums) + field
        text.when(
            "RESET", depth, f"a{slot} += tl.where(again, c{field}, 0.0)", f"c{field} = tl.where(again, 0.0, c{field})"
        )
