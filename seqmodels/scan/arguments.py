"""Validation and normalisation of the arguments of a scan.

B rows, T steps, F features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqmodels.cells.base import Cell
from seqmodels.cells.checks import check_device, check_memory
from seqmodels.scan.engine import traced
from seqmodels.scan.gate import resolve
from seqmodels.state import State, describe, leaves, map_state, same_form, where


def prepare(
    cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None, reverse: bool
) -> tuple[Tensor, State, Tensor | None, Tensor | None]:
    """Return the inputs, the initial state, the lengths (None if all are T), and resets ``(B, T)`` or None.

    Raises:
        ValueError: a wrong shape, dtype or value; the message names the argument.
    """
    check_inputs(cell, inputs)
    lengths = prepare_lengths(lengths, inputs)
    reset = _prepare_reset(reset, inputs, lengths, reverse)
    state = _prepare_state(cell, inputs, state, reset)
    if not traced():
        inputs = resolve(inputs)
    # Resets of the first step are applied to the state, so that any engine can run.
    return inputs, state, lengths, None if reset is None or reset.dim() == 1 else reset


def check_inputs(cell: Cell, inputs: Tensor) -> None:
    """Reject `inputs` that `cell` cannot run over."""
    if not isinstance(inputs, Tensor):
        raise ValueError(f"inputs must be a tensor (batch, steps, {cell.input_size}), got {type(inputs).__name__}")
    if inputs.layout is not torch.strided or inputs.is_nested:
        kind = "a nested tensor" if inputs.is_nested else str(inputs.layout)
        raise ValueError(
            f"inputs must be dense, (batch, steps, {cell.input_size}), got {kind}: convert them by .to_dense(), "
            "or a nested tensor by .to_padded_tensor(0.0), with its rows' lengths as `lengths`"
        )
    if not inputs.is_floating_point():
        raise ValueError(f"inputs must be floating point, got {inputs.dtype}: embed tokens first, with nn.Embedding")
    if inputs.dim() != 3 or inputs.shape[2] != cell.input_size:
        raise ValueError(
            f"inputs must be (batch, steps, {cell.input_size}), got {tuple(inputs.shape)}: "
            f"this {type(cell).__name__} was built with input_size={cell.input_size}"
        )
    if inputs.shape[1] == 0:
        raise ValueError(f"inputs must hold at least one step, got {tuple(inputs.shape)}")
    if not traced():
        check_memory("inputs", inputs)
    weight = next(cell.parameters(), inputs)
    if inputs.dtype != weight.dtype and not torch.is_autocast_enabled(inputs.device.type):
        if any(parameter.dtype == inputs.dtype for parameter in cell.parameters()):
            cell.check_weights(inputs)  # one of several is at fault
        raise ValueError(
            f"inputs must have the dtype of the weights, {weight.dtype}, got {inputs.dtype}: "
            f"convert them by inputs.to({weight.dtype}), or the layer by layer.to({inputs.dtype})"
        )


def _prepare_state(cell: Cell, inputs: Tensor, state: State, reset: Tensor | None) -> State:
    """Return the state to start from: `state`, or the initial state if there is none or a row resets."""
    fresh = cell.initial_state(inputs.shape[0], inputs)
    if state is None:
        return fresh
    if not same_form(state, fresh):
        raise ValueError(f"state must be {describe(fresh)}, got {describe(state)}: see initial_state(batch_size, like)")
    for leaf in leaves(state):
        if leaf.dtype != inputs.dtype and not torch.is_autocast_enabled(inputs.device.type):
            raise ValueError(f"state must have the dtype of inputs, {inputs.dtype}, got {leaf.dtype}")
    if not traced():
        for leaf in leaves(state):
            check_device("state", leaf, inputs)
            _check_readable("state", leaf, inputs)
        state = map_state(resolve, state)
    return state if reset is None or reset.dim() == 2 else where(reset, fresh, state)


def _check_readable(name: str, tensor: Tensor, inputs: Tensor) -> None:
    """Reject a tensor that is not dense or has no memory."""
    if tensor.layout is not torch.strided:
        raise ValueError(f"{name} must be dense, got {tensor.layout}: convert it by .to_dense()")
    if tensor.device.type == "meta":
        check_device(name, tensor, inputs)
    check_memory(name, tensor)


def prepare_lengths(lengths: Tensor | None, inputs: Tensor) -> Tensor | None:
    """Check `lengths` and move them to the device of `inputs` ``(B, T, F)``; return None if all are T.

    Raises:
        ValueError: a wrong shape, dtype or value.
    """
    if lengths is None:
        return None
    batch, steps = inputs.shape[:2]
    whole = isinstance(lengths, Tensor) and lengths.dtype in (torch.int64, torch.int32)
    if not whole or lengths.shape != (batch,):
        got = f"{lengths.dtype} {tuple(lengths.shape)}" if isinstance(lengths, Tensor) else type(lengths).__name__
        raise ValueError(f"lengths must be a tensor of whole numbers (int64) of shape ({batch},), got {got}")
    if traced() or batch == 0:
        return lengths
    _check_readable("lengths", lengths, inputs)
    if lengths.device.type == "meta":
        return lengths
    low, high = torch.stack(lengths.aminmax()).tolist()
    if low < 0 or high > steps:
        raise ValueError(f"lengths must be from 0 to {steps} (the steps in inputs), got {lengths.tolist()}")
    # A copy, because the caller may overwrite them before backward reads them.
    return None if low == steps else lengths.to(inputs.device, torch.int64, copy=True)


def _prepare_reset(reset: Tensor | None, inputs: Tensor, lengths: Tensor | None, reverse: bool) -> Tensor | None:
    """Check `reset`; return it as ``(B,)`` if only the first step resets, else as ``(B, T)``."""
    if reset is None:
        return None
    batch, steps = inputs.shape[:2]
    if not isinstance(reset, Tensor) or reset.dtype != torch.bool or reset.shape not in ((batch,), (batch, steps)):
        got = f"{reset.dtype} {tuple(reset.shape)}" if isinstance(reset, Tensor) else type(reset).__name__
        raise ValueError(f"reset must be a bool tensor of shape ({batch},) or ({batch}, {steps}), got {got}")
    if reverse and reset.dim() == 2:
        raise ValueError(
            f"reset must be ({batch},) for a layer that runs backwards, got {tuple(reset.shape)}: "
            "inside a window only layers that carry their state can reset"
        )
    if traced():
        return reset.to(inputs.device)
    _check_readable("reset", reset, inputs)
    reset = reset.to(inputs.device, copy=True)
    if reset.dim() == 2 and reset.device.type != "meta" and not reset[:, 1:].any():
        return reset[:, 0] if lengths is None else reset[:, 0] & (lengths > 0)
    return reset
