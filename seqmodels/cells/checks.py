"""Checks of a cell's tensors before they are read.

torch misses some faults: it reads past the end of a weight whose storage was freed, and returns arbitrary numbers for a
weight on the meta device.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

#: Tensor classes whose memory holds their values; a subclass may be anything.
PLAIN = (Tensor, nn.Parameter)


def transformed() -> bool:
    """Return whether a `torch.func` transform or forward-mode differentiation is active."""
    return torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0


def traced() -> bool:
    """Return whether values cannot be inspected: a compiler, exporter or transform is active."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or transformed()


def sound(tensor: Tensor, device: torch.device) -> bool:
    """Return whether a tensor is plain, contiguous, in memory and on `device`: the fast path of the checks."""
    return (
        tensor.device == device
        and type(tensor) in PLAIN
        and tensor.layout is torch.strided
        and tensor.is_contiguous()
        and tensor.untyped_storage().nbytes() >= (tensor.storage_offset() + tensor.numel()) * tensor.itemsize
    )


def own_tensors(cell: nn.Module, names: Iterable[str] = ()) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers of a cell and its submodules by path, and its attributes in `names`."""
    parts = cell.named_modules() if cell._modules else (("", cell),)
    for prefix, module in parts:
        for home in (module._parameters, module._buffers):
            for name, tensor in home.items():
                if tensor is not None:
                    yield f"{prefix}.{name}" if prefix else name, tensor
    for name in names:
        tensor = cell.__dict__.get(name)
        if isinstance(tensor, Tensor):
            yield name, tensor


def check_device(name: str, tensor: Tensor, like: Tensor) -> None:
    """Reject a tensor on another device than `like`; a scalar on the CPU can be read from anywhere."""
    if tensor.device == like.device or (tensor.dim() == 0 and tensor.device.type == "cpu"):
        return
    cure = f"move it by .to({str(like.device)!r})"
    if tensor.device.type == "meta":
        cure = (
            "tensors there have no numbers: load them, as load_state_dict(..., assign=True) does; "
            "where an offloading hook is to bring them, it must be on the layer that is called, not on its cell"
        )
    raise ValueError(f"{name} must be on the device of inputs, {like.device}, got {tensor.device}: {cure}")


def check_memory(name: str, tensor: Tensor) -> None:
    """Reject a tensor that reaches past the end of its storage."""
    if type(tensor) not in PLAIN or tensor.layout is not torch.strided or tensor.device.type == "meta":
        return
    needed = (tensor.storage_offset() + _extent(tensor)) * tensor.itemsize
    if tensor.untyped_storage().nbytes() < needed:
        raise ValueError(
            f"{name} must lie in a storage of at least {needed} bytes, got {tensor.untyped_storage().nbytes()}: "
            "its memory was freed, as offloading and sharding do; bring it back before the call, and keep it until "
            "backward is done"
        )


def _extent(tensor: Tensor) -> int:
    """Return the number of storage elements from a tensor's first to its last, inclusive."""
    if tensor.is_contiguous():
        return tensor.numel()
    return 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))


def one_precision(dtype: torch.dtype, like: Tensor) -> bool:
    """Return whether `dtype` can be mixed with the dtype of `like`; autocast allows all but float64."""
    if torch.is_autocast_enabled(like.device.type):
        return (dtype == torch.float64) == (like.dtype == torch.float64)
    return dtype == like.dtype


def watch_backward(cell: nn.Module, results: Iterable[Tensor]) -> None:
    """Reject a backward through `results` after the memory of a weight was freed; torch would read past its end."""
    if not torch.is_grad_enabled() or traced():
        return
    nodes = {result.grad_fn for result in results if result.grad_fn is not None}
    if nodes:
        check = functools.partial(_check_still, tuple(own_tensors(cell)))
        for node in nodes:
            node.register_prehook(check)


def _check_still(tensors: tuple[tuple[str, Tensor], ...], gradients: tuple[Tensor | None, ...]) -> None:
    for name, tensor in tensors:
        check_memory(name, tensor)
