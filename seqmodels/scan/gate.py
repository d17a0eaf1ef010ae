"""Checks and addresses of tensors for compiled code, which reads only their memory.

No other module takes an address.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from seqmodels.cells.checks import PLAIN, check_memory, sound

_CPU = torch.device("cpu")


def resolve(tensor: Tensor) -> Tensor:
    """Materialise a lazy negation; return `tensor` itself if it has none.

    torch stores the imaginary part of a conjugate, and the result of `torch._neg_view`, as memory and a sign bit.
    """
    return tensor.resolve_neg() if tensor.is_neg() else tensor


def opaque(tensor: Tensor) -> str | None:
    """Return why the memory of `tensor` does not hold its values, or None if it does."""
    if type(tensor) not in PLAIN:
        return f"a {type(tensor).__name__}, whose memory cannot be read"
    if tensor.layout is not torch.strided:
        return f"{tensor.layout}, which is not dense"
    try:
        nowhere = tensor.data_ptr() == 0 and tensor.numel() > 0
    except RuntimeError:  # wrapped by a transform of functions
        nowhere = True
    return "a tensor without memory" if nowhere else None


def unreadable(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """Return why compiled code cannot read one of these tensors, or None if it can read all."""
    if torch._C._len_torch_dispatch_stack() > 0:
        return "a dispatch mode is at work, which must see each of torch's operations"
    for name, tensor in tensors:
        reason = opaque(tensor)
        if reason is not None:
            return f"{name} is {reason}"
    return None


def check(name: str, tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    """Reject a tensor that compiled code would misread on the CPU."""
    usual = sound(tensor, _CPU) and tensor.dtype is dtype and tensor.shape == shape and not tensor.is_neg()
    if usual and (tensor.data_ptr() or not tensor.numel()):
        return
    check_memory(name, tensor)
    reason = opaque(tensor)
    if reason is not None:
        raise ValueError(f"{name} must be a plain tensor for compiled code, got {reason}: use engine='reference'")
    if tensor.dtype != dtype or not tensor.is_cpu or tensor.is_neg():
        got = f"{tensor.dtype} on {tensor.device}{', its sign yet to be changed' * tensor.is_neg()}"
        raise ValueError(
            f"{name} must be {dtype} on cpu for compiled code, got {got}: convert it by .to('cpu', {dtype})"
        )
    if tensor.shape != shape:
        raise ValueError(f"{name} must be {shape}, got {tuple(tensor.shape)}: give it the sizes of the cell")


def address(tensor: Tensor) -> int:
    """Return the address of `tensor`, which the caller has checked or created."""
    return tensor.data_ptr()
