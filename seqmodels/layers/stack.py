"""Stack of layers.

B rows, T steps.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from seqmodels.batch import step_mask
from seqmodels.layers.base import Layer, split_state
from seqmodels.scan import keep, prepare_lengths
from seqmodels.state import State


class Stack(Layer):
    """Stack layers of any widths, with dropout between them; the state is the tuple of their states.

        x_0 = inputs;  x_l = layer_l(dropout(x_(l-1))) [+ x_(l-1), if residual and of equal width]

    >>> import torch
    >>> from seqmodels.cells import LSTMCell
    >>> from seqmodels.layers import Recurrent
    >>> layer = Stack([Recurrent(LSTMCell(3, 8)), Recurrent(LSTMCell(8, 5))], dropout=0.1)
    >>> y, state = layer(torch.zeros(2, 7, 3))
    >>> y.shape, state[0].c.shape
    (torch.Size([2, 7, 5]), torch.Size([2, 8]))

    Args:
        layers: at least one; the input of each is as wide as the output of the one below.
        dropout: probability of zeroing an element between two layers, as in torch: neither before the first nor after
            the last.
        residual: whether to add the input of a layer to its output, for each layer with input and output of equal
            width.

    Raises:
        ValueError: no layers, widths that do not fit, dropout outside 0 to 1, or ``residual=True`` without such a
            layer.
    """

    def __init__(self, layers: Sequence[Layer], dropout: float = 0.0, residual: bool = False) -> None:
        super().__init__()
        _check(layers, dropout, residual)
        self.layers = nn.ModuleList(layers)
        self.dropout = float(dropout)
        self.residual = residual
        self.input_size = layers[0].input_size
        self.output_size = layers[-1].output_size

    @property
    def carries(self) -> bool:
        return all(layer.carries for layer in self._parts())

    def initial_state(self, batch_size: int, like: Tensor) -> State:
        return tuple(layer.initial_state(batch_size, like) for layer in self._parts())

    def explain(self, inputs: Tensor | None = None, reset: Tensor | None = None) -> str:
        return "\n".join(layer.explain(inputs, reset) for layer in self._parts())

    def _run(
        self, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None, every: bool
    ) -> tuple[Tensor, State]:
        before = split_state(state, [f"state of layer {i}" for i in range(len(self.layers))])
        if inputs.dim() == 3:
            lengths = prepare_lengths(lengths, inputs)
            if lengths is not None and self.residual:  # the residual path carries the padding too
                inputs = keep(step_mask(lengths, inputs.shape[1]).unsqueeze(-1), inputs)
        after = []
        for index, layer in enumerate(self._parts()):
            run = layer.unroll if every else layer
            dropped = functional.dropout(inputs, self.dropout, self.training) if index else inputs
            outputs, last = run(dropped, before[index], lengths, reset)
            inputs = outputs + inputs if self.residual and _can_add(layer) else outputs
            after.append(last)
        return inputs, tuple(after)

    def _parts(self) -> list[Layer]:
        return cast("list[Layer]", list(self.layers))

    def extra_repr(self) -> str:
        return f"dropout={self.dropout}, residual={self.residual}"


def _can_add(layer: Layer) -> bool:
    return layer.input_size == layer.output_size


def _check(layers: Sequence[Layer], dropout: float, residual: bool) -> None:
    if not layers or not all(isinstance(layer, Layer) for layer in layers):
        got = ", ".join(type(layer).__name__ for layer in layers) or "none"
        raise ValueError(f"layers must be at least one seqmodels layer, such as Recurrent(cell), got {got}")
    for index in range(1, len(layers)):
        below, above = layers[index - 1].output_size, layers[index].input_size
        if below != above:
            raise ValueError(f"layers[{index}] takes {above} features but layers[{index - 1}] gives {below}")
    if not 0 <= dropout <= 1:
        raise ValueError(f"dropout must be a probability from 0 to 1, got {dropout!r}")
    if dropout and len(layers) == 1:
        warnings.warn(f"dropout={dropout} has no effect: it acts between layers and there is one", stacklevel=3)
    if residual and not any(_can_add(layer) for layer in layers):
        widths = ", ".join(f"{layer.input_size} to {layer.output_size}" for layer in layers)
        raise ValueError(f"residual=True needs a layer whose output is as wide as its input, got {widths}")
