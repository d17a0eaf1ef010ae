"""Reverse-mode differentiation of the graph of a step."""

from __future__ import annotations

from seqmodels.scan.step_graph.graph import Node, apply, needed
from seqmodels.scan.step_graph.operations import OPERATIONS

#: Leaves whose gradient is always computed.
_DIFFERENTIABLE = ("u", "r", "state")


def derive(outputs: list[Node], cotangents: list[Node], tensors: set[int]) -> dict[Node, Node]:
    """Compute the gradients of the leaves from those of `outputs`, by reverse mode.

    For the leaves "tensor", only of those whose index is in `tensors`. Gradients of vectors of the cell are still to be
    summed over rows, those of scalars over rows and units.
    """
    nodes = needed(outputs)
    live: set[Node] = set()
    for node in nodes:
        leaf = node.leaf
        own = leaf and (leaf.role in _DIFFERENTIABLE or (leaf.role == "tensor" and leaf.index in tensors))
        if own or any(arg in live for arg in node.args):
            live.add(node)
    gradients: dict[Node, Node] = {}
    for output, cotangent in zip(outputs, cotangents, strict=True):
        _accumulate(gradients, output, cotangent)
    for node in reversed(nodes):
        if node not in live or node not in gradients or node.leaf:
            continue
        shares = OPERATIONS[node.operation].derivative(node, gradients[node])
        for arg, share in zip(node.args, shares, strict=True):
            if share is not None and arg in live:
                _accumulate(gradients, arg, share)
    return {node: gradient for node, gradient in gradients.items() if node.leaf and node in live}


def _accumulate(gradients: dict[Node, Node], node: Node, share: Node) -> None:
    if "j" in share.kind and "j" not in node.kind and not node.leaf:
        share = apply("sum", share)
    if node.leaf and node.kind == "b" and "j" in share.kind:
        share = apply("sum", share)
    if node in gradients and gradients[node].kind != share.kind and "j" not in node.kind:
        share, gradients[node] = (apply("sum", part) if "j" in part.kind else part for part in (share, gradients[node]))
    gradients[node] = gradients[node] + share if node in gradients else share
