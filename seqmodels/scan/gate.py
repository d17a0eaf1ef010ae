"""The one gate between tensors and compiled code, which reads memory and sees nothing of what a tensor says of itself.

Nothing else in this package takes an address.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from seqmodels.cells.checks import PLAIN, check_memory, sound

_CPU = torch.device("cpu")


def resolve(tensor: Tensor) -> Tensor:
    """The same real values with none of their signs left to be changed; `tensor` itself where none is.

    torch keeps the imaginary part of a conjugate, and what `torch._neg_view` gives, as a memory and a bit.
    """
    return tensor.resolve_neg() if tensor.is_neg() else tensor


def opaque(tensor: Tensor) -> str | None:
    """Why the memory of `tensor` is not its values, in words, or None where it is."""
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
    """Why compiled code cannot be given some of these tensors, in words, or None where it can."""
    if torch._C._len_torch_dispatch_stack() > 0:
        return "a dispatch mode is at work, which must see each of torch's operations"
    for name, tensor in tensors:
        reason = opaque(tensor)
        if reason is not None:
            return f"{name} is {reason}"
    return None


def check(name: str, tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    """Refuse a tensor that is not what compiled code will read, on the CPU.

    Args:
        name: what it is, for the message.
        tensor: the tensor.
        dtype, shape: what is read.

    Raises:
        ValueError: the message names it, what was expected, what came and the cure.
    """
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
    """Where the values of `tensor` are, which was checked, or made by whoever asks."""
    return tensor.data_ptr()
