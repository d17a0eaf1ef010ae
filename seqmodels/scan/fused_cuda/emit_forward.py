"""Generation of the kernel `forward`: steps from `start` to `stop`, and the values saved for backward."""

from __future__ import annotations

from seqmodels.scan.fused_cuda.text import Layout, Text, gate_at, results, tile
from seqmodels.scan.step_graph.graph import Leaf, Node, needed
from seqmodels.scan.step_graph.step import Backward, Step


def forward_text(step: Step, backward: Backward, layout: Layout) -> list[str]:
    text = Text("forward", step, layout)
    product = [] if step.product_input is None else needed([step.product_input])
    nodes = needed(results(step, backward))
    text.begin(nodes)
    text.weights(turned=False)
    text.add(
        1,
        f"outputs_step = rows * ({layout.outputs} * units)",
        "outputs_t = outputs + start.to(tl.int64) * outputs_step",
        "u_t = u + start.to(tl.int64) * u_step",
        "row_t = start.to(tl.int64) * rows + row",
        "memory_t = memory + start.to(tl.int64) * memory_step" if layout.memory else "",
    )
    text.add(1, *(f"s{field} = tl.load({text.state_at(field)}, mask=real, other=0.0)" for field in text.fields))
    text.add(1, "for t in range(start, stop):")
    _start_step(text, 2, "t")
    made = _product(text, product)
    text.nodes(2, [node for node in nodes if node.index not in made], lambda leaf: _read_forward(text, leaf))
    _keep(text, backward)
    for field, node in enumerate(step.next):
        value = f"tl.where(live, v{node.index}, {{}})"
        h = field < layout.outputs
        stored = value.format("0.0") if h else f"v{node.index}"
        text.add(2, f"tl.store({text.state_at(field, True)}, {stored}, mask={'real' if h else 'live'})")
    for field, node in enumerate(step.next):
        text.add(2, f"s{field} = tl.where(live, v{node.index}, s{field})")
    text.add(2, "outputs_t += outputs_step", "u_t += u_step", "row_t += rows")
    text.add(2, "memory_t += memory_step" if layout.memory else "")
    if product:
        text.add(1, "if not PERSISTENT:", "    if stop < steps:")
        _start_step(text, 3, "stop")
        names = text.nodes(3, product, lambda leaf: f"s{leaf.index}", "e")
        text.add(3, f"p = tl.where(live, {names[product[-1].index]}, 0.0)")
        text.when("not SAVING", 3, "row_t = row")
        text.add(3, "tl.store(product_inputs + row_t * units + unit, p, mask=real)")
    return [line for line in text.lines if line.strip()]


def _start_step(text: Text, depth: int, t: str) -> None:
    text.again(depth, t, "reset + row_t")
    text.when("RESET", depth, *(f"s{field} = tl.where(again, f{field}, s{field})" for field in text.fields))


def _product(text: Text, product: list[Node]) -> dict[int, str]:
    """Compute the recurrent product of the step, or load it."""
    if not product:
        return {}
    made = text.nodes(2, product, lambda leaf: f"s{leaf.index}")
    text.add(2, "if PERSISTENT:", f"    p = tl.where(live, v{product[-1].index}, 0.0).to(DOT)")
    text.add(3, "if SAVING:", "    tl.store(product_inputs + row_t * units + unit, p, mask=real)")
    for gate in range(text.step.gates):
        text.add(3, f"r{gate} = tl.dot(p, w{gate}, input_precision=PRECISION)")
    text.add(2, "else:")
    for gate in range(text.step.gates):
        text.add(3, f"r{gate} = tl.load({gate_at('products', text.step.gates, gate)}, mask=live, other=0.0).to(KIND)")
    return made


def _read_forward(text: Text, leaf: Leaf) -> str:
    if leaf.role == "u":
        return f"tl.load(u_t + row * u_row + {leaf.block} * units + unit, mask=live, other=0.0).to(KIND)"
    if leaf.role == "noise":
        return text.noise(leaf, "t")
    return {"r": f"r{leaf.block}", "state": f"s{leaf.index}"}[leaf.role]


def _keep(text: Text, backward: Backward) -> None:
    stores = [
        f"tl.store({tile('kept', text.layout.kept, slot)}, v{node.index}, mask=live)"
        for slot, node in enumerate(backward.kept)
    ]
    for slot, node in enumerate(backward.kept_numbers):
        at = f"kept_numbers + row_t * {text.layout.numbers} + {slot}"
        stores.append(f"tl.store({at}, v{node.index}, mask=row < rows)")
    text.when("SAVING", 2, *stores)
