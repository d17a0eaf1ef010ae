"""What an engine is: one way of running a cell over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from seqmodels.cells.base import Cell
from seqmodels.state import State


class Engine(NamedTuple):
    """One way of running a cell over time.

    Fields:
        run: ``(cell, inputs, state, lengths, reset) -> (outputs, state)``, as
            `seqmodels.scan.scan`, but with checked arguments, a given state, and `reset` either
            None or ``(B, T)``.
        obstacle: ``(cell, inputs, reset)`` -> why it cannot run this, in words, or None where it
            can. With `inputs` None: whether it can run the cell at all.
        reason: what speaks for it where it can run.
        cells: the classes of cells that it is for; that it cannot run others goes without saying.
    """

    run: Callable[[Cell, Tensor, State, Tensor | None, Tensor | None], tuple[Tensor, State]]
    obstacle: Callable[[Cell, Tensor | None, Tensor | None], str | None]
    reason: str
    cells: type[Cell] | tuple[type[Cell], ...] = Cell


def transformed() -> bool:
    """Whether a `torch.func` transform or forward-mode differentiation is under way."""
    return torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0


def traced() -> bool:
    """Whether values cannot be looked at, because a compiler, an exporter or a transform is at work."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or transformed()
