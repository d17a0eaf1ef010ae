"""Engine "reference": the plain loop over steps, which defines the results of all engines.

B rows, T steps, F features, U width of the projected input.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqmodels.batch import step_mask
from seqmodels.cells.base import Cell
from seqmodels.cells.gated.base import plain_steps
from seqmodels.scan.engine import Engine
from seqmodels.state import State, where


def reference_steps(
    cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None = None, reset: Tensor | None = None
) -> tuple[list[Tensor], list[State]]:
    """Run `cell` step by step; return the output and state of all steps, in the graph.

    Supports all that autograd supports for a step: double backward, forward mode, vmap, per-sample gradients.

    Args:
        inputs: ``(B, T, F)``.
        state: state before the first step.
        lengths: int64 ``(B,)``; beyond it the state of a row is held and its output is zero.
        reset: bool ``(B, T)``; true restarts the row from `cell.initial_state` at that step.

    Returns:
        T outputs ``(B, output_size)`` and T states.
    """
    valid = None
    if lengths is not None:
        valid = step_mask(lengths, inputs.shape[1])
        inputs = keep(valid.unsqueeze(-1), inputs)
        reset = None if reset is None else reset & valid
    fresh = cell.initial_state(inputs.shape[0], inputs) if reset is not None else None
    outputs, states = [], []
    for t, u in enumerate(cell.project(inputs).unbind(1)):
        if reset is not None:
            state = where(reset[:, t], fresh, state)
        with plain_steps():
            y, new = cell.step(u, state)
        if valid is not None:
            new = where(valid[:, t], new, state)
            y = keep(valid[:, t : t + 1], y)
        state = new
        outputs.append(y)
        states.append(state)
    return outputs, states


def keep(mask: Tensor, values: Tensor) -> Tensor:
    """Return `values` where `mask` is true, else 0, by a select, because NaN * 0 is NaN."""
    return torch.where(mask, values, torch.zeros((), dtype=values.dtype, device=values.device))


def _reference(
    cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None
) -> tuple[Tensor, State]:
    outputs, states = reference_steps(cell, inputs, state, lengths, reset)
    return torch.stack(outputs, dim=1), states[-1]


def _stateless(
    cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None
) -> tuple[Tensor, State]:
    del reset  # no state to reset
    if lengths is None:
        return cell.step(cell.project(inputs), state)
    valid = step_mask(lengths, inputs.shape[1]).unsqueeze(-1)
    y, state = cell.step(cell.project(keep(valid, inputs)), state)
    return keep(valid, y), state


def _has_state(cell: Cell, inputs: Tensor | None, reset: Tensor | None) -> str | None:
    return f"{type(cell).__name__} has a state" if cell.state_type._fields else None


REFERENCE = Engine(_reference, lambda cell, inputs, reset: None, "the plain loop runs every cell")
STATELESS = Engine(_stateless, _has_state, "the cell has no state: all steps are done at once")
