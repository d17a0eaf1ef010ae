"""What a layer is: one call through time, the same for all, so that layers nest freely.

B rows, T steps, F features.
"""

from __future__ import annotations

from torch import Tensor, nn

from seqmodels.state import State, describe


class Layer(nn.Module):
    """Sequences in, sequences and the last state out.

    Attributes:
        input_size: width of the inputs.
        output_size: width of the outputs.
    """

    input_size: int
    output_size: int

    @property
    def carries(self) -> bool:
        """Whether a window may start from the state that the window before it ended in."""
        raise NotImplementedError

    def initial_state(self, batch_size: int, like: Tensor) -> State:
        """The state before the first step, of `batch_size` rows, with the device and dtype of `like`."""
        raise NotImplementedError

    def forward(
        self, inputs: Tensor, state: State = None, lengths: Tensor | None = None, reset: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run over all steps.

        Args:
            inputs: ``(B, T, input_size)``, T at least 1.
            state: the state before the first step; None for the initial state.
            lengths: int64 ``(B,)``, each 0 to T. After a row's length its state stands still, and
                its outputs are zero.
            reset: bool ``(B,)`` or, where the layer carries, ``(B, T)``. Where true, the row
                starts from the initial state at that step (at the first, where it is ``(B,)``).

        Returns:
            outputs ``(B, T, output_size)``, and the state after each row's last step.

        Raises:
            ValueError: a wrong shape, dtype or value; the message names the argument.
        """
        raise NotImplementedError

    def unroll(
        self, inputs: Tensor, state: State = None, lengths: Tensor | None = None, reset: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """As `forward`, by the plain loop, but with the state after *every* step: leaves ``(B, T, ...)``."""
        raise NotImplementedError

    def states(
        self, inputs: Tensor, state: State = None, lengths: Tensor | None = None, reset: Tensor | None = None
    ) -> State:
        """The state after every step, as one state with leaves ``(B, T, ...)``."""
        return self.unroll(inputs, state, lengths, reset)[1]

    def explain(self, inputs: Tensor | None = None, reset: Tensor | None = None) -> str:
        """Which engine runs each cell, and why; one line per cell."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.output_size}"


def split_state(state: State, names: list[str]) -> list[State]:
    """The states of a layer's parts, one per name; all None where there is no state yet.

    Raises:
        ValueError: not a tuple with one state per part.
    """
    if state is None:
        return [None] * len(names)
    if not isinstance(state, tuple) or hasattr(state, "_fields") or len(state) != len(names):
        raise ValueError(f"state must be the tuple ({', '.join(names)}), got {describe(state)}")
    return list(state)
