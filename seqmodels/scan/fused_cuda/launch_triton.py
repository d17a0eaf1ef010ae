"""Triton's errors and options for launches. Imported only if Triton is installed."""

from __future__ import annotations

import subprocess
from typing import Any

import torch
import triton.language as tl
from triton.errors import TritonError
from triton.runtime.errors import OutOfResources

#: Errors of Triton and of the compilers that it calls.
FAILURES: tuple[type[Exception], ...] = (TritonError, subprocess.SubprocessError, OSError)
#: Error of a program that exceeds the resources of the device.
TOO_LARGE: type[Exception] = OutOfResources
_DOT = {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16, torch.float64: tl.float64}


def options(dtype: torch.dtype) -> dict[str, Any]:
    """Return the options of kernels for numbers in `dtype`.

    States and sums are float32 at least. A product of float32 on chip is three products of tf32, to within a few
    roundings of float32, or one if torch may use tf32 too.
    """
    exact = torch.get_float32_matmul_precision() == "highest"
    return {
        "KIND": tl.float64 if dtype == torch.float64 else tl.float32,
        "DOT": _DOT.get(dtype, tl.float32),
        "PRECISION": "tf32x3" if exact else "tf32",
    }
