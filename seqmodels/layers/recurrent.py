"""Time: a cell run over a sequence, in either direction, in both, and in stacks.

Every layer has the same call, ``layer(inputs, state, lengths, reset) -> (outputs, state)``, so
that layers nest freely. B rows, T steps, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqmodels.cells.base import Cell
from seqmodels.scan import choose, reference_steps, scan
from seqmodels.state import State, stack_steps


class Recurrent(nn.Module):
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
    """

    def __init__(self, cell: Cell, reverse: bool = False, initial_state: str = "zero", engine: str = "auto") -> None:
        super().__init__()
        if initial_state not in ("zero", "learned"):
            raise ValueError(f"initial_state must be 'zero' or 'learned', got {initial_state!r}")
        self.cell = cell
        self.reverse = reverse
        self.engine = engine
        self.input_size = cell.input_size
        self.output_size = cell.output_size
        if initial_state == "learned":
            cell.learn_initial_state()

    @property
    def carries(self) -> bool:
        """Whether a window may start from the state of the window before it."""
        return not self.reverse

    def initial_state(self, batch_size: int, like: Tensor) -> State:
        """The state before the first step."""
        return self.cell.initial_state(batch_size, like)

    def explain(self, inputs: Tensor | None = None, reset: Tensor | None = None) -> str:
        """Which engine runs, and why."""
        if self.engine != "auto":
            return f"{self.engine}: asked for by engine={self.engine!r}"
        return ": ".join(choose(self.cell, inputs, reset))

    def forward(
        self,
        inputs: Tensor,
        state: State = None,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Outputs ``(B, T, output_size)`` and the last state; arguments as for `seqmodels.scan.scan`."""
        if self.reverse:
            inputs, reset = flip(inputs, lengths), None if reset is None else self._flip_reset(reset)
        outputs, state = scan(self.cell, inputs, state, lengths, reset, self.engine)
        return (flip(outputs, lengths) if self.reverse else outputs), state

    def states(
        self,
        inputs: Tensor,
        state: State = None,
        lengths: Tensor | None = None,
        reset: Tensor | None = None,
    ) -> State:
        """The state after *every* step, as one state of ``(B, T, ...)``; always by the plain loop."""
        if self.reverse:
            inputs, reset = flip(inputs, lengths), None if reset is None else self._flip_reset(reset)
        if state is None:
            state = self.initial_state(inputs.shape[0], inputs)
        if reset is not None and reset.dim() == 1:
            reset = torch.cat((reset.unsqueeze(1), reset.new_zeros(len(reset), inputs.shape[1] - 1)), dim=1)
        states = stack_steps(reference_steps(self.cell, inputs, state, lengths, reset)[1])
        if self.reverse:
            from seqmodels.state import map_state

            states = map_state(lambda leaf: flip(leaf, lengths), states)
        return states

    def _flip_reset(self, reset: Tensor) -> Tensor:
        if reset.dim() == 2:
            raise ValueError("reset inside a window cannot be given to a reversed layer: it must be (batch,)")
        return reset


def flip(inputs: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverse the real steps of each row; padding stays where it is."""
    if lengths is None:
        return inputs.flip(1)
    steps = torch.arange(inputs.shape[1], device=inputs.device)
    mirrored = lengths.unsqueeze(1) - 1 - steps
    index = torch.where(mirrored >= 0, mirrored, steps)
    return inputs[torch.arange(len(inputs), device=inputs.device).unsqueeze(1), index]
