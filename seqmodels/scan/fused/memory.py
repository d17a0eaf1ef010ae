"""Memory for whole sequences, in huge pages where the system has them.

A buffer of 100 MB is 25 thousand small pages, each allocated and cleared by the system at its first touch: up to a
tenth of a training step.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from collections.abc import Callable

import torch
from torch import Tensor

_LARGE_PAGE = 2 << 20
_ADVICE = 14  # MADV_HUGEPAGE


def empty(size: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Allocate as `torch.empty`, on the CPU."""
    tensor = torch.empty(size, dtype=dtype, device="cpu")  # whatever the default device
    if tensor.nbytes >= 2 * _LARGE_PAGE and (advise := _madvise()) is not None:
        start = -(-tensor.data_ptr() // _LARGE_PAGE) * _LARGE_PAGE
        end = (tensor.data_ptr() + tensor.nbytes) // _LARGE_PAGE * _LARGE_PAGE
        advise(start, end - start, _ADVICE)  # may fail: pages are then small, without other effect
    return tensor


@functools.cache
def _madvise() -> Callable[[int, int, int], int] | None:
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, AttributeError):
        function = ctypes.CDLL(None).madvise
        function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        return function
    return None
