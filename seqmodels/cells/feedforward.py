"""Feedforward layer in place of a cell.

    y_t = tanh(W x_t + b)      (or relu)

The baseline for what can be reached without recurrence.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from seqmodels.cells.base import Cell
from seqmodels.cells.product import Linear
from seqmodels.registry import register


class NoState(NamedTuple):
    """Empty state of a cell without memory."""


@register("cell", "feedforward")
class FeedforwardCell(Cell):
    """Feedforward layer in place of a cell: the baseline that recurrence must beat.

    >>> y, state = FeedforwardCell(3, 5)(torch.ones(2, 3))
    >>> y.shape, state
    (torch.Size([2, 5]), NoState())

    Args:
        hidden_size: H, the width of the output.
        nonlinearity: "tanh" or "relu".
        bias: whether to add a bias.
    """

    state_type = NoState

    def __init__(
        self, input_size: int, hidden_size: int, nonlinearity: Literal["tanh", "relu"] = "tanh", bias: bool = True
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.nonlinearity = nonlinearity
        self.linear = Linear(input_size, hidden_size, bias=bias)

    def project(self, x: Tensor) -> Tensor:
        return self.linear(x)

    def step(self, u: Tensor, state: NoState) -> tuple[Tensor, NoState]:
        return getattr(torch, self.nonlinearity)(u), state
