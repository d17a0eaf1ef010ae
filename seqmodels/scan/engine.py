"""What an engine is: one way of running a cell over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from seqmodels.cells.base import Cell
from seqmodels.cells.checks import traced as traced
from seqmodels.cells.checks import transformed as transformed
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
        reads_memory: whether it reads memory by address, so that it needs tensors that are what theirs holds.
    """

    run: Callable[[Cell, Tensor, State, Tensor | None, Tensor | None], tuple[Tensor, State]]
    obstacle: Callable[[Cell, Tensor | None, Tensor | None], str | None]
    reason: str
    cells: type[Cell] | tuple[type[Cell], ...] = Cell
    reads_memory: bool = False
