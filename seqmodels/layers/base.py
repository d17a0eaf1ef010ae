"""Base class of layers, with one call through time for all, so that layers nest.

B rows, T steps, F features.
"""

from __future__ import annotations

from torch import Tensor, nn

from seqmodels.state import State, describe


class Layer(nn.Module):
    """Map sequences to sequences and a last state.

    Attributes:
        input_size: width of the inputs.
        output_size: width of the outputs.
    """

    input_size: int
    output_size: int

    @property
    def carries(self) -> bool:
        """Whether a window may start from the last state of the window before it."""
        raise NotImplementedError

    def initial_state(self, batch_size: int, like: Tensor) -> State:
        """Return the state before the first step, for `batch_size` rows, on the device and dtype of `like`."""
        raise NotImplementedError

    def forward(
        self, inputs: Tensor, state: State = None, lengths: Tensor | None = None, reset: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run over all steps.

        Args:
            inputs: ``(B, T, input_size)``, T at least 1.
            state: state before the first step; None for the initial state.
            lengths: int64 ``(B,)``, each 0 to T. Beyond its length the state of a row is held and its outputs are zero.
            reset: bool ``(B,)`` or, if the layer carries, ``(B, T)``. True restarts the row from the initial state at
                that step (at the first step for ``(B,)``).

        Returns:
            Outputs ``(B, T, output_size)`` and the state after the last step of each row.

        Raises:
            ValueError: a wrong shape, dtype or value; the message names the argument.
        """
        return self._run(inputs, state, lengths, reset, every=False)

    def unroll(
        self, inputs: Tensor, state: State = None, lengths: Tensor | None = None, reset: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Run as `forward` by the plain loop; return the states after *all* steps, leaves ``(B, T, ...)``."""
        return self._run(inputs, state, lengths, reset, every=True)

    def _run(
        self, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None, every: bool
    ) -> tuple[Tensor, State]:
        """Run as `forward`, or as `unroll` if the states of `every` step are wanted."""
        raise NotImplementedError

    def states(
        self, inputs: Tensor, state: State = None, lengths: Tensor | None = None, reset: Tensor | None = None
    ) -> State:
        """Return the states after all steps, as one state with leaves ``(B, T, ...)``."""
        return self.unroll(inputs, state, lengths, reset)[1]

    def explain(self, inputs: Tensor | None = None, reset: Tensor | None = None) -> str:
        """Return which engine runs each cell, and why; one line per cell."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.output_size}"


def split_state(state: State, names: list[str]) -> list[State]:
    """Split the state of a layer into those of its parts, one per name; all None if `state` is None.

    Raises:
        ValueError: not a tuple with one state per part.
    """
    if state is None:
        return [None] * len(names)
    if not isinstance(state, tuple) or hasattr(state, "_fields") or len(state) != len(names):
        raise ValueError(f"state must be the tuple ({', '.join(names)}), got {describe(state)}")
    return list(state)
