"""Base class of cells that are linear in their state, so that all steps can run in parallel.

    h_t = a_t h_(t-1) + b_t        a_t, b_t independent of the state

W width of h: H, or 2H if h is complex.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from seqmodels.cells.base import Cell, HiddenState


class LinearCell(Cell):
    """Cell with a diagonal linear recurrence: each unit reads only its own past.

    A subclass implements `coefficients` in plain PyTorch, without Python branches on values, `project` if that is not
    the layer `linear`, and `readout` if the output is not h itself:

    >>> from seqmodels.cells import LinearCell
    >>> class AverageCell(LinearCell):
    ...     def __init__(self, input_size, hidden_size):
    ...         super().__init__(input_size, hidden_size)
    ...         self.linear = torch.nn.Linear(input_size, hidden_size)
    ...         self.rate = torch.nn.Parameter(torch.zeros(hidden_size))
    ...     def coefficients(self, u):
    ...         a = torch.sigmoid(self.rate)
    ...         return a, (1 - a) * u
    >>> y, state = AverageCell(3, 5)(torch.ones(2, 3))
    >>> y.shape, torch.equal(y, state.h)
    (torch.Size([2, 5]), True)

    Attributes:
        complex: whether h, a and b are complex, stored as real tensors ``[real | imaginary]`` along the last axis. A
            subclass then doubles the width of h in `state_sizes`.
    """

    state_type = HiddenState
    complex: ClassVar[bool] = False
    linear: nn.Module

    def project(self, x: Tensor) -> Tensor:
        """Compute the input product, by default of the layer `linear`."""
        u: Tensor = self.linear(x)
        return u

    def coefficients(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the factor a and the addend b from projected input ``(..., U)``, pointwise.

        Each is ``(..., W)``, or ``(W,)`` if the same at all steps. All steps of a sequence may be passed at once, ``(B,
        T, U)``.
        """
        raise NotImplementedError

    def advance(self, a: Tensor, b: Tensor, h: Tensor) -> Tensor:
        """Compute ``a h + b``, with a complex product if the cell is `complex`."""
        return (complex_product(a, h) if self.complex else a * h) + b

    def readout(self, h: Tensor, u: Tensor) -> Tensor:
        """Compute the output from the new state ``(..., W)`` and the projected input, for one step or all."""
        return h

    def step(self, u: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        a, b = self.coefficients(u)
        h = self.advance(a, b, state.h)
        return self.readout(h, u), HiddenState(h)


def complex_product(one: Tensor, other: Tensor) -> Tensor:
    """Multiply complex numbers ``(..., 2H)`` stored as ``[real | imaginary]``, with broadcasting.

    >>> complex_product(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])).tolist()  # (1 + 2i)(3 + 4i)
    [-5.0, 10.0]
    """
    a, b = one.chunk(2, dim=-1)
    c, d = other.chunk(2, dim=-1)
    return torch.cat((a * c - b * d, a * d + b * c), dim=-1)


def check_radii(r_min: float, r_max: float) -> None:
    """Check the range of |a|.

    Raises:
        ValueError: unless 0 <= r_min < r_max <= 1.
    """
    if not 0 <= r_min < r_max <= 1:
        raise ValueError(f"r_min and r_max must be 0 <= r_min < r_max <= 1, got r_min={r_min!r}, r_max={r_max!r}")
