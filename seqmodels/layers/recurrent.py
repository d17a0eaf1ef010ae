"""Recurrent layer: a cell run over time.

B rows, T steps, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqmodels.cells.base import Cell
from seqmodels.layers.base import Layer
from seqmodels.layers.regularise import Regularisers
from seqmodels.scan import check_engine, check_inputs, choose, scan, scan_states
from seqmodels.state import State


class Recurrent(Layer):
    """Run a cell over time.

    >>> from seqmodels.cells import GRUCell
    >>> layer = Recurrent(GRUCell(3, 5))
    >>> y, state = layer(torch.zeros(2, 7, 3))
    >>> y.shape, state.h.shape
    (torch.Size([2, 7, 5]), torch.Size([2, 5]))

    Args:
        cell: any `seqmodels.cells.Cell`.
        reverse: whether to run from the last real step of each row to its first. Outputs stay at their step.
        initial_state: "zero" or "learned".
        engine: "auto" or the name of an engine; `explain` tells the choice and the reason.
        regularisers: dropout, zoneout and clipping; see `seqmodels.layers.Regularisers`.

    Raises:
        ValueError: an unknown option, or a regulariser that cannot act on the cell.
    """

    def __init__(
        self,
        cell: Cell,
        reverse: bool = False,
        initial_state: str = "zero",
        engine: str = "auto",
        regularisers: Regularisers | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(cell, Cell):
            raise ValueError(f"cell must be a seqmodels.cells.Cell, got {type(cell).__name__}")
        if initial_state not in ("zero", "learned"):
            raise ValueError(f"initial_state must be 'zero' or 'learned', got {initial_state!r}")
        if not isinstance(regularisers, Regularisers | None):
            raise ValueError(f"regularisers must be a seqmodels.layers.Regularisers, got {type(regularisers).__name__}")
        check_engine(engine)
        self.regularisers = regularisers or Regularisers()
        self.regularisers.check(cell)
        self.cell = cell
        self.reverse = reverse
        self.engine = engine
        self.input_size = cell.input_size
        self.output_size = cell.output_size
        if initial_state == "learned":
            cell.learn_initial_state()

    @property
    def carries(self) -> bool:
        return not self.reverse

    def initial_state(self, batch_size: int, like: Tensor) -> State:
        return self.cell.initial_state(batch_size, like)

    def explain(self, inputs: Tensor | None = None, reset: Tensor | None = None) -> str:
        """Return which engine runs, and why.

        >>> from seqmodels.cells import LSTMCell
        >>> Recurrent(LSTMCell(3, 5)).explain()
        'LSTMCell: fused (its step is compiled into code of its own)'
        """
        like = next(self.cell.parameters(), torch.empty(0)).new_empty(1, 1, 1) if inputs is None else inputs
        cell = self.regularisers.on_cell(self.cell, like, self.training, draw=False)
        asked = f"engine={self.engine!r} was asked for"
        name, reason = choose(cell, inputs, reset) if self.engine == "auto" else (self.engine, asked)
        options = _in_words(self.regularisers)
        return f"{type(self.cell).__name__}{options and f' with {options}'}: {name} ({reason})"

    def _run(
        self, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None, every: bool
    ) -> tuple[Tensor, State]:
        cell, inputs = self._regularised(inputs)
        if every:
            outputs, state = scan_states(cell, inputs, state, lengths, reset, self.reverse)
        else:
            outputs, state = scan(cell, inputs, state, lengths, reset, self.engine, self.reverse)
        return self.regularisers.on_outputs(outputs, self.training), state

    def _regularised(self, inputs: Tensor) -> tuple[Cell, Tensor]:
        if not self.regularisers.active():
            return self.cell, inputs
        check_inputs(self.cell, inputs)
        cell = self.regularisers.on_cell(self.cell, inputs, self.training)
        return cell, self.regularisers.on_inputs(inputs, self.training)

    def extra_repr(self) -> str:
        shown = [
            f"{name}={value!r}"
            for name, value, default in (("reverse", self.reverse, False), ("engine", self.engine, "auto"))
            if value != default
        ]
        return ", ".join(filter(None, [*shown, _in_words(self.regularisers)]))


def _in_words(regularisers: Regularisers) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in regularisers.active().items())
