"""Bidirectional layer."""

from __future__ import annotations

import torch
from torch import Tensor

from seqmodels.layers.base import Layer, split_state
from seqmodels.layers.recurrent import Recurrent
from seqmodels.state import State


class Bidirectional(Layer):
    """Run one layer forwards and another backwards, and merge their outputs step by step.

    The state is the pair (forward state, backward state). It is not carried from window to window: the backward layer
    would need the next window.

    >>> from seqmodels.cells import GRUCell
    >>> layer = Bidirectional(Recurrent(GRUCell(3, 5)), Recurrent(GRUCell(3, 5), reverse=True))
    >>> y, (state, backward_state) = layer(torch.zeros(2, 7, 3))
    >>> y.shape, backward_state.h.shape
    (torch.Size([2, 7, 10]), torch.Size([2, 5]))

    Args:
        forward: a `Recurrent`.
        backward: a `Recurrent` with ``reverse=True`` and the same input_size.
        merge: "concat" (forward first) or "sum", which needs equal output sizes.

    Raises:
        ValueError: layers that do not fit, or an unknown merge.
    """

    def __init__(self, forward: Recurrent, backward: Recurrent, merge: str = "concat") -> None:
        super().__init__()
        _check(forward, backward, merge)
        self.forward_layer = forward
        self.backward_layer = backward
        self.merge = merge
        self.input_size = forward.input_size
        self.output_size = forward.output_size + (backward.output_size if merge == "concat" else 0)

    @property
    def carries(self) -> bool:
        return False

    def initial_state(self, batch_size: int, like: Tensor) -> State:
        return tuple(layer.initial_state(batch_size, like) for layer in (self.forward_layer, self.backward_layer))

    def explain(self, inputs: Tensor | None = None, reset: Tensor | None = None) -> str:
        return "\n".join(layer.explain(inputs, reset) for layer in (self.forward_layer, self.backward_layer))

    def _run(
        self, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None, every: bool
    ) -> tuple[Tensor, State]:
        before = split_state(state, ["forward state", "backward state"])
        layers = (self.forward_layer, self.backward_layer)
        runs = [layer.unroll if every else layer for layer in layers]
        (y, last), (y_backward, last_backward) = (
            run(inputs, one, lengths, reset) for run, one in zip(runs, before, strict=True)
        )
        y = y + y_backward if self.merge == "sum" else torch.cat((y, y_backward), dim=-1)
        return y, (last, last_backward)

    def extra_repr(self) -> str:
        return f"merge={self.merge!r}"


def _check(forward: Recurrent, backward: Recurrent, merge: str) -> None:
    if merge not in ("concat", "sum"):
        raise ValueError(f"merge must be 'concat' or 'sum', got {merge!r}")
    for name, layer, reverse in (("forward", forward, False), ("backward", backward, True)):
        if not isinstance(layer, Recurrent) or layer.reverse is not reverse:
            got = f"one with reverse={layer.reverse}" if isinstance(layer, Recurrent) else type(layer).__name__
            raise ValueError(f"{name} must be a Recurrent with reverse={reverse}, got {got}")
    if forward.input_size != backward.input_size:
        raise ValueError(
            f"forward and backward must have one input_size, got {forward.input_size} and {backward.input_size}"
        )
    if merge == "sum" and forward.output_size != backward.output_size:
        raise ValueError(
            f"merge='sum' needs equal output sizes, got {forward.output_size} and {backward.output_size}; "
            "use merge='concat'"
        )
