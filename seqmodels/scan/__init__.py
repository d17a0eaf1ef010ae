"""The one seam between cells and engines: how a cell is run over time.

An engine is a function ``(cell, inputs, state, lengths, reset) -> (outputs, state)``. Cells
know nothing of engines, and engines nothing of particular cells. To add an engine: a file here,
a line in `ENGINES`, and a rule in `choose`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqmodels.cells.base import Cell
from seqmodels.scan.reference import reference, reference_steps, stateless
from seqmodels.scan.vendor import vendor
from seqmodels.state import State, describe, leaves

ENGINES = {"reference": reference, "vendor": vendor, "stateless": stateless}

__all__ = ["ENGINES", "choose", "reference_steps", "scan"]


def scan(
    cell: Cell,
    inputs: Tensor,
    state: State = None,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    engine: str = "auto",
) -> tuple[Tensor, State]:
    """Run `cell` over all steps of `inputs`.

    >>> import torch
    >>> from seqmodels.cells import LSTMCell
    >>> outputs, state = scan(LSTMCell(3, 5), torch.zeros(2, 7, 3), lengths=torch.tensor([7, 4]))
    >>> outputs.shape, state.c.shape
    (torch.Size([2, 7, 5]), torch.Size([2, 5]))

    Args:
        cell: any `seqmodels.cells.Cell`.
        inputs: ``(B, T, F)``, T at least 1.
        state: the state before the first step; None for the cell's initial state.
        lengths: int64 ``(B,)``, each 0 to T. After a row's length its state stands still, and
            its outputs are zero.
        reset: bool ``(B,)`` or ``(B, T)``. Where true, the row starts from the cell's initial
            state at that step (at the first step, where it is ``(B,)``).
        engine: "auto", or a name in `ENGINES`.

    Returns:
        outputs ``(B, T, output_size)``, and the state after each row's last real step.

    Raises:
        ValueError: a wrong shape, dtype or engine; the message names the argument.
    """
    _check(cell, inputs, state, lengths, reset)
    if reset is not None and reset.dim() == 1:
        # Only the first step can reset: settle it here, so that every engine may run.
        fresh = cell.initial_state(inputs.shape[0], inputs)
        state = fresh if state is None else _reset_rows(reset, fresh, state)
        reset = None
    if state is None:
        state = cell.initial_state(inputs.shape[0], inputs)
    name = choose(cell, inputs, reset)[0] if engine == "auto" else engine
    if name not in ENGINES:
        raise ValueError(f"engine must be one of auto, {', '.join(ENGINES)}; got {engine!r}")
    if name == "stateless" and cell.state_type._fields:
        raise ValueError(f"engine 'stateless' runs cells without a state only; {type(cell).__name__} has one")
    return ENGINES[name](cell, inputs, state, lengths, reset)


def choose(cell: Cell, inputs: Tensor | None = None, reset: Tensor | None = None) -> tuple[str, str]:
    """The engine that ``engine="auto"`` picks, and why, in words."""
    if not cell.state_type._fields:
        return "stateless", "the cell has no state: all steps are done at once"
    if cell.vendor() is None:
        return "reference", "torch has no fused form of this cell"
    if reset is not None and reset.dim() == 2:
        return "reference", "torch's fused layers cannot reset rows inside a window"
    if _transformed():
        return "reference", "vmap, forward mode and functional gradients need the plain loop"
    if inputs is not None and not inputs.is_floating_point():
        return "reference", "torch's fused layers take floating input only"
    return "vendor", "the cell is exactly torch's own"


def _transformed() -> bool:
    """Whether a functorch transform or forward-mode level is active."""
    from torch.autograd import forward_ad

    return torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0


def _reset_rows(reset: Tensor, fresh: State, state: State) -> State:
    from seqmodels.state import where

    return where(reset, fresh, state)


def _check(cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None) -> None:
    if inputs.dim() != 3 or inputs.shape[2] != cell.input_size:
        raise ValueError(
            f"inputs must be (batch, steps, {cell.input_size}), got {tuple(inputs.shape)}: "
            f"this {type(cell).__name__} was built with input_size={cell.input_size}"
        )
    batch, steps = inputs.shape[:2]
    if batch == 0 or steps == 0:
        raise ValueError(f"inputs must hold at least one row and one step, got {tuple(inputs.shape)}")
    if state is not None:
        expected = cell.state_type(*((batch, size) for size in cell.state_sizes().values()))
        if not isinstance(state, tuple) or [tuple(leaf.shape) for leaf in leaves(state)] != list(expected):
            raise ValueError(f"state must be {expected}, got {describe(state)}")
    if lengths is not None:
        if lengths.shape != (batch,) or lengths.is_floating_point():
            raise ValueError(f"lengths must be whole numbers of shape ({batch},), got {tuple(lengths.shape)}")
        if not _transformed() and bool(((lengths < 0) | (lengths > steps)).any()):
            raise ValueError(f"lengths must be from 0 to {steps} (the steps in inputs), got {lengths.tolist()}")
    if reset is not None and (reset.dtype != torch.bool or reset.shape not in ((batch,), (batch, steps))):
        raise ValueError(
            f"reset must be bool of shape ({batch},) or ({batch}, {steps}), got {reset.dtype} {tuple(reset.shape)}"
        )
