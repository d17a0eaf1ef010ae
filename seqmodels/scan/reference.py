"""The plain loop: the law that every other engine obeys.

B rows, T steps, F features, U width of the projected input.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqmodels.batch import step_mask
from seqmodels.cells.base import Cell
from seqmodels.state import State, where


def reference_steps(
    cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None = None, reset: Tensor | None = None
) -> tuple[list[Tensor], list[State]]:
    """Run `cell` step by step and keep every step's output and state, inside the graph.

    Everything that autograd can do to a step it can do to this loop: double backward, forward
    mode, vmap, per-sample gradients.

    Args:
        cell: any cell.
        inputs: ``(B, T, F)``.
        state: the state before the first step.
        lengths: int64 ``(B,)``; from there on a row's state stands still and its output is zero.
        reset: bool ``(B, T)``; where true the row starts from `cell.initial_state` at that step.

    Returns:
        T outputs ``(B, output_size)`` and T states.
    """
    valid = None
    if lengths is not None:
        valid = step_mask(lengths, inputs.shape[1])
        # A select, not a product: garbage in the padding may be NaN, and NaN * 0 is NaN.
        inputs = torch.where(valid.unsqueeze(-1), inputs, torch.zeros_like(inputs[:1, :1]))
    fresh = cell.initial_state(inputs.shape[0], inputs) if reset is not None else None
    outputs, states = [], []
    for t, u in enumerate(cell.project(inputs).unbind(1)):
        if reset is not None:
            state = where(reset[:, t], fresh, state)
        y, new = cell.step(u, state)
        if valid is not None:
            new = where(valid[:, t], new, state)
            y = torch.where(valid[:, t : t + 1], y, torch.zeros_like(y[:1]))
        state = new
        outputs.append(y)
        states.append(state)
    return outputs, states


def reference(
    cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None
) -> tuple[Tensor, State]:
    """Outputs ``(B, T, output_size)`` and the state after each row's last step."""
    outputs, states = reference_steps(cell, inputs, state, lengths, reset)
    return torch.stack(outputs, dim=1), states[-1]


def stateless(
    cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None
) -> tuple[Tensor, State]:
    """All steps at once, for a cell that has no state; `reset` has nothing to reset."""
    del reset
    if lengths is not None:
        valid = step_mask(lengths, inputs.shape[1]).unsqueeze(-1)
        inputs = torch.where(valid, inputs, torch.zeros_like(inputs[:1, :1]))
    y, state = cell.step(cell.project(inputs), state)
    if lengths is not None:
        y = torch.where(valid, y, torch.zeros_like(y[:1, :1]))
    return y, state
