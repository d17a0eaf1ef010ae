"""Decoder layers and their initial state from the encoder's features.

B rows, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from seqmodels.cells.product import Linear
from seqmodels.kinds import list_of, whole
from seqmodels.layers import Layer, Recurrent, Stack
from seqmodels.registry import make
from seqmodels.state import State, leaves, map_state

# Units of a layer: with more, the weights of one matrix fit into no memory.
WIDE = 100_000
Size = Annotated[int, whole(1, WIDE)]
Sizes = Annotated[Sequence[int], list_of(whole(1, WIDE), "[128]")]


class Bridge(nn.Module):
    """Initial state of any layers from features: ``tanh(W m + b)``, split into the state's fields.

    >>> bridge = Bridge(3, make_layers(2, {"name": "gru"}, [4, 5], dropout=0.0))
    >>> [field.h.shape for field in bridge(torch.zeros(1, 3))]
    [torch.Size([1, 4]), torch.Size([1, 5])]

    Attributes:
        empty: whether the layers are stateless, so that nothing is passed.
    """

    def __init__(self, input_size: int, layers: Layer) -> None:
        super().__init__()
        # Sizes only: the bridge owns no layers, and computes the whole state.
        self.template = layers.initial_state(1, torch.zeros(1))
        self.sizes = [leaf[0].numel() for leaf in leaves(self.template)]
        self.empty = not self.sizes
        self.linear = None if self.empty else Linear(input_size, sum(self.sizes))

    def forward(self, condition: Tensor) -> State:
        """Return the state of B rows from features ``(B, F)``."""
        if self.linear is None:
            return self.template
        parts = iter(torch.tanh(self.linear(condition)).to(condition.dtype).split(self.sizes, dim=-1))
        return map_state(lambda leaf: next(parts).reshape(-1, *leaf.shape[1:]), self.template)


def make_layers(input_size: int, cell: Mapping[str, Any], hidden_sizes: Sequence[int], dropout: float) -> Stack:
    """Build a stack of recurrent layers from a cell's name.

    Args:
        cell: `name` and options of the cells.

    Raises:
        ValueError: an unknown cell or option.
    """
    options = dict(cell)
    if "name" not in options:
        raise ValueError(f"cell must have a name, such as {{'name': 'lstm'}}, got {dict(cell)!r}")
    name = options.pop("name")
    layers: list[Recurrent] = []
    for size in hidden_sizes:
        layers.append(Recurrent(make("cell", name, input_size, size, **options)))
        input_size = layers[-1].output_size
    return Stack(layers, dropout=dropout if len(layers) > 1 else 0.0)
