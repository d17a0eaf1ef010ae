"""Interface of engines."""

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
        run: ``(cell, inputs, state, lengths, reset) -> (outputs, state)``, as `seqmodels.scan.scan`, with checked
            arguments, a state, and `reset` None or ``(B, T)``.
        obstacle: ``(cell, inputs, reset)`` -> reason why it cannot run the call, or None. With `inputs` None it refers
            to the cell alone.
        reason: reason for choosing it.
        cells: classes of cells that it is for.
        reads_memory: whether it reads memory by address, and so needs tensors whose memory holds their values.
    """

    run: Callable[[Cell, Tensor, State, Tensor | None, Tensor | None], tuple[Tensor, State]]
    obstacle: Callable[[Cell, Tensor | None, Tensor | None], str | None]
    reason: str
    cells: type[Cell] | tuple[type[Cell], ...] = Cell
    reads_memory: bool = False
