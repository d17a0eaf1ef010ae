"""A cell run over time, in either direction.

B rows, T steps, F features.
"""

from __future__ import annotations

from torch import Tensor

from seqmodels.cells.base import Cell
from seqmodels.layers.base import Layer
from seqmodels.scan import check_engine, choose, scan, scan_states
from seqmodels.state import State


class Recurrent(Layer):
    """Run a cell over time.

    >>> import torch
    >>> from seqmodels.cells import GRUCell
    >>> layer = Recurrent(GRUCell(3, 5))
    >>> y, state = layer(torch.zeros(2, 7, 3))
    >>> y.shape, state.h.shape
    (torch.Size([2, 7, 5]), torch.Size([2, 5]))

    Args:
        cell: any `seqmodels.cells.Cell`.
        reverse: whether to run from each row's last real step to its first. Outputs stay at
            the step they belong to.
        initial_state: "zero" or "learned".
        engine: "auto" or an engine by name; `explain` says what was picked and why.

    Raises:
        ValueError: an unknown option.
    """

    def __init__(self, cell: Cell, reverse: bool = False, initial_state: str = "zero", engine: str = "auto") -> None:
        super().__init__()
        if not isinstance(cell, Cell):
            raise ValueError(f"cell must be a seqmodels.cells.Cell, got {type(cell).__name__}")
        if initial_state not in ("zero", "learned"):
            raise ValueError(f"initial_state must be 'zero' or 'learned', got {initial_state!r}")
        check_engine(engine)
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
        """Which engine runs, and why.

        >>> from seqmodels.cells import LSTMCell
        >>> Recurrent(LSTMCell(3, 5)).explain()
        "LSTMCell: vendor (the cell is exactly torch's own)"
        """
        asked = f"engine={self.engine!r} was asked for"
        name, reason = choose(self.cell, inputs, reset) if self.engine == "auto" else (self.engine, asked)
        return f"{type(self.cell).__name__}: {name} ({reason})"

    def forward(
        self, inputs: Tensor, state: State = None, lengths: Tensor | None = None, reset: Tensor | None = None
    ) -> tuple[Tensor, State]:
        return scan(self.cell, inputs, state, lengths, reset, self.engine, self.reverse)

    def unroll(
        self, inputs: Tensor, state: State = None, lengths: Tensor | None = None, reset: Tensor | None = None
    ) -> tuple[Tensor, State]:
        return scan_states(self.cell, inputs, state, lengths, reset, self.reverse)

    def extra_repr(self) -> str:
        return ", ".join(
            f"{name}={value!r}"
            for name, value, default in (("reverse", self.reverse, False), ("engine", self.engine, "auto"))
            if value != default
        )
