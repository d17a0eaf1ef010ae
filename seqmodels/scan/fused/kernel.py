"""Compiled kernels by kind of cell, built once and called with addresses.

B rows, T steps, H units.
"""

from __future__ import annotations

import ctypes
import os
from importlib import resources
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqmodels.cells.base import Cell
from seqmodels.scan.fused import compiler
from seqmodels.scan.fused.emit import PROBLEM, Shape, emit
from seqmodels.scan.step_graph.signature import made_once, signature
from seqmodels.scan.step_graph.step import Step, backward_of, trace_step
from seqmodels.scan.step_graph.values import CannotFuseError

_kernels: dict[Any, Kernel | CannotFuseError] = {}
#: Limit for cells whose options change at every step, which would fill the memory with stale kernels.
_MOST_KERNELS = 512
_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Kernel(NamedTuple):
    """Compiled forward and backward of a kind of cell.

    Fields:
        lanes: numbers per vector; blocks of units are padded to a multiple of it.
    """

    step: Step
    shape: Shape
    library: ctypes.CDLL
    lanes: int
    numbers: Tensor
    dtype: torch.dtype

    @property
    def outputs(self) -> int:
        """Number of blocks of H in the output."""
        return self.step.fields.count("h")

    def run(self, name: str, values: dict[str, int], tensors: list[int], *by_field: list[int]) -> None:
        """Call "forward" or "backward" with addresses and sizes by the names in `PROBLEM`, 0 by default.

        Args:
            tensors: addresses of the cell's tensors that the step reads.
            by_field: for each block of the state: address, stride, and in backward those of the gradient of the output
                with its two strides.
        """
        pointers = (ctypes.c_int64 * max(1, len(tensors)))(*tensors)
        fields = [values.get(field, 0) for field in PROBLEM]
        fields += [ctypes.addressof(pointers), *(number for numbers in by_field for number in numbers)]
        getattr(self.library, name)((ctypes.c_int64 * len(fields))(*fields))


def kernel_for(cell: Cell, dtype: torch.dtype, projects: bool) -> Kernel:
    """Return the compiled code for `cell`, built at first use.

    Args:
        projects: whether the call computes the input product itself.

    Raises:
        CannotFuseError: the cell cannot be generated, or there is no compiler.
    """
    key = (signature(cell), dtype, projects)
    kernel: Kernel = made_once(_kernels, key, lambda: _build(cell, dtype, projects), _MOST_KERNELS)
    return kernel


def check(cell: Cell) -> None:
    """Check that `cell` can be generated, without building it.

    Raises:
        CannotFuseError: it cannot; the message says why.
    """
    if compiler.find() is None:
        raise CannotFuseError(compiler.describe())
    trace_step(cell, projects=False)


def threads() -> int:
    """Return the number of threads: torch's, but one in a forked process, which has no thread pool."""
    return 1 if _forked else torch.get_num_threads()


def _build(cell: Cell, dtype: torch.dtype, projects: bool) -> Kernel:
    step = trace_step(cell, projects)
    own = resources.files("seqmodels.scan.fused")
    parts = [(own / name).read_text() for name in ("vectors.c", "sequence.c")]
    source, shape = emit(step, backward_of(step), dtype == torch.float64, *parts)
    library = compiler.load(source)
    numbers = torch.tensor(step.graph.numbers or [0.0], dtype=dtype, device="cpu")
    return Kernel(step, shape, library, library.lanes(), numbers, dtype)
