"""Argument checks of the drop-in layers, with torch's error types and texts.

As in torch, `hx` is the state before the first step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqmodels.layers.dropin.parameters import Parameters


def check_input(layer: Parameters, input: Tensor, packed: bool = False) -> None:
    """Reject input of a wrong shape or dtype.

    Raises:
        ValueError: a wrong dtype or number of axes.
        RuntimeError: a wrong size.
    """
    axes = (2,) if packed else (2, 3)
    if not isinstance(input, Tensor):
        raise TypeError(f"input must be a Tensor or a PackedSequence, got {type(input).__name__}")
    if input.dim() not in axes:
        kind, wanted = type(layer).__name__, "2D" if packed else "2D or 3D"
        raise ValueError(f"{kind}: Expected input to be {wanted}, got {input.dim()}D tensor instead")
    weight = layer.all_weights[0][0]
    if input.dtype != weight.dtype and not torch.is_autocast_enabled(input.device.type):
        raise ValueError(
            f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
            f"Convert input: input.to({weight.dtype}), or convert model: model.to({input.dtype})"
        )
    if input.shape[-1] != layer.input_size:
        raise RuntimeError(
            f"input.size(-1) must be equal to input_size. Expected {layer.input_size}, got {input.shape[-1]}"
        )
    if input.shape[1 if input.dim() == 3 and layer.batch_first else 0] == 0:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")


def check_hx(layer: Parameters, hx: Any, batch: int, dtype: torch.dtype, batched: bool = True) -> list[Tensor] | None:
    """Return the fields of `hx` as a list, each ``(L*D, B, ...)``, or None if it is None.

    Raises:
        RuntimeError: a wrong structure, shape or dtype.
    """
    if hx is None:
        return None
    sizes = layer._cells[0].state_sizes()
    fields = [hx] if len(sizes) == 1 else hx
    if isinstance(fields, Tensor) or len(fields) != len(sizes) or not all(isinstance(f, Tensor) for f in fields):
        raise RuntimeError("hx must be a Tensor" if len(sizes) == 1 else "hx must be the pair (h_0, c_0) of Tensors")
    axes = 3 if batched else 2
    if any(field.dim() != axes for field in fields):
        names = "hx" if len(sizes) == 1 else "hx and cx"
        got = ", ".join(f"{field.dim()}-D" for field in fields)
        kind = "batched 3-D" if batched else "unbatched 2-D"
        raise RuntimeError(f"For {kind} input, {names} should also be {axes}-D but got ({got}) tensors")
    fields = [field if batched else field.unsqueeze(1) for field in fields]
    for index, (field, size) in enumerate(zip(fields, sizes.values(), strict=True)):
        expected = (len(layer._cells), batch, size)
        what = "hidden" if len(sizes) == 1 else f"hidden[{index}]"
        if field.shape != expected:
            raise RuntimeError(f"Expected {what} size {expected}, got {list(field.shape)}")
        if field.dtype != dtype and not torch.is_autocast_enabled(field.device.type):
            raise RuntimeError(f"Expected {what} dtype {dtype}, that of the input, got {field.dtype}")
    return fields


def refuse_projection(proj_size: int | None) -> None:
    """Reject `proj_size`, which only an LSTM has."""
    if proj_size is not None:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
