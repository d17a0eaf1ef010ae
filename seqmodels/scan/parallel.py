"""Engine "parallel": linear cells over all steps at once, by one product, one scan and one readout.

B rows, T steps, F features, W width of h.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from seqmodels.batch import step_mask
from seqmodels.cells.base import Cell
from seqmodels.cells.linear.base import LinearCell
from seqmodels.scan.engine import Engine
from seqmodels.scan.linear_scan import linear_scan
from seqmodels.scan.reference import keep
from seqmodels.state import State


def _obstacle(cell: Cell, inputs: Tensor | None, reset: Tensor | None) -> str | None:
    name = type(cell).__name__
    if not isinstance(cell, LinearCell):
        return f"{name} is not linear in its state"
    if type(cell).step is not LinearCell.step or type(cell).advance is not LinearCell.advance:
        return f"{name} has a step of its own, which need not be linear in its state"
    return None


def _parallel(
    cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None
) -> tuple[Tensor, State]:
    cell = cast(LinearCell, cell)  # others have an obstacle
    valid = None if lengths is None else step_mask(lengths, inputs.shape[1]).unsqueeze(-1)
    u = cell.project(inputs if valid is None else keep(valid, inputs))
    a, b = (_per_step(part) for part in cell.coefficients(u))
    cut = None
    if reset is not None:
        cut = reset.unsqueeze(-1) if valid is None else reset.unsqueeze(-1) & valid
        fresh = cell.initial_state(inputs.shape[0], inputs).h.unsqueeze(1)
        b = torch.where(cut, cell.advance(a, b, fresh), b)  # state after one step from the initial state
    if valid is not None:
        a, b = torch.where(valid, a, _one(cell, a)), keep(valid, b)
    size = (*u.shape[:2], state.h.shape[-1])
    h = linear_scan(a, b.expand(size), state.h, cell.complex, cut=cut)
    y = cell.readout(h, u)
    # A copy of the last state: a view would keep all states alive while it is carried.
    return y if valid is None else keep(valid, y), type(state)(h[:, -1].clone())


def _per_step(part: Tensor) -> Tensor:
    """Return ``(W,)`` or ``(B, T, W)`` as three axes."""
    return part[(None,) * (3 - part.dim())]


def _one(cell: LinearCell, like: Tensor) -> Tensor:
    """Return the number 1, which keeps the state."""
    if not cell.complex:
        return torch.ones((), dtype=like.dtype, device=like.device)
    half = torch.ones(like.shape[-1] // 2, dtype=like.dtype, device=like.device)
    return torch.cat((half, torch.zeros_like(half)))


PARALLEL = Engine(_parallel, _obstacle, "the cell is linear in its state: all steps are done at once", LinearCell)
