"""Generation of the Triton text of a cell's step and its backward, from the same graphs as the C text.

Two kernels, `forward` and `backward`, each over a tile of rows and of units, for the steps from `start` to `stop`,
serve two drivers. PERSISTENT: one launch for the whole sequence, with the state in registers, the recurrent weights of
one head on chip, and the recurrent product inside. Otherwise one launch per step, with the product computed between
launches: `forward` ends with the input of the product of the next step, and `backward` begins with the gradient from
the product of the next step. A sum over units needs a tile as wide as the whole row.

Names in the text: `live` rows and units take part at step t; `v7` is node 7 of the graph, `e7` the same at the step
beyond the loop; by field, `s` is the state, `b` the state before a step, `f` a fresh state, `c` the gradient carried
back; by gate, `r` is the product, `d` its gradient and `w` are weights; `p` is the input of the product and `handed`
its gradient; `a` are sums over steps.
"""

from __future__ import annotations

import re

from seqmodels.scan.fused_cuda.emit_backward import backward_text
from seqmodels.scan.fused_cuda.emit_forward import forward_text
from seqmodels.scan.fused_cuda.text import Layout, finals, handed_back, results
from seqmodels.scan.step_graph.graph import Node, needed
from seqmodels.scan.step_graph.step import Backward, Step

_VECTORS = "seqmodels.scan.fused_cuda.vectors_triton"


def emit(step: Step, backward: Backward) -> tuple[str, Layout]:
    """Return the text of the module and its layout."""
    layout = _layout(step, backward)
    text = "\n".join([*forward_text(step, backward, layout), "", "", *backward_text(step, backward, layout), ""])
    functions = ", ".join(sorted(set(re.findall(r"v_\w+", text))))
    head = ["import triton", "import triton.language as tl"]
    if functions:
        head.append(f"from {_VECTORS} import {functions}")
    return "\n".join([*head, "", "", text]), layout


def _layout(step: Step, backward: Backward) -> Layout:
    outputs = step.fields.count("h")
    shared = {
        key: found
        for key, node in backward.tensors.items()
        if key not in backward.tensors_of_product_input
        and step.sources[key[0]].kind == "j"
        and (found := _place(node, backward)) is not None
    }
    keys = dict.fromkeys([*backward.tensors, *backward.tensors_of_product_input])
    slots = {key: slot for slot, key in enumerate(key for key in keys if key not in shared)}
    return Layout(
        outputs,
        len(step.fields) - outputs,
        len(backward.kept),
        len(backward.kept_numbers),
        slots,
        shared,
        step.gates > 0 and backward.products != backward.inputs,
        any(
            node.operation == "sum"
            for node in needed([*results(step, backward), *finals(backward), *handed_back(backward)])
        ),
    )


def _place(node: Node, backward: Backward) -> tuple[str, int] | None:
    for name, blocks in (("du", backward.inputs), ("dr", backward.products)):
        if node in blocks:
            return name, blocks.index(node)
    return None
