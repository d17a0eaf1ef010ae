"""Generated Triton kernels by kind of cell, generated once."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

from seqmodels.cells.base import Cell
from seqmodels.scan.fused_cuda.emit import emit
from seqmodels.scan.fused_cuda.module import load
from seqmodels.scan.fused_cuda.text import Layout
from seqmodels.scan.step_graph.signature import made_once, signature
from seqmodels.scan.step_graph.step import Step, backward_of, trace_step
from seqmodels.scan.step_graph.values import CannotFuseError

#: Code by kind of cell, or why there is none.
known: dict[Any, CudaKernel | CannotFuseError] = {}
_MOST_KERNELS = 512


class CudaKernel(NamedTuple):
    """Generated forward and backward of a kind of cell."""

    step: Step
    layout: Layout
    module: ModuleType

    @property
    def outputs(self) -> int:
        """Number of blocks of H in the output."""
        return self.layout.outputs


def kernel_for(cell: Cell, projects: bool) -> CudaKernel:
    """Return the generated code for `cell`, generated at first use.

    Args:
        projects: whether the call computes the input product itself.

    Raises:
        CannotFuseError: the cell cannot be generated, or Triton is missing.
    """
    kernel: CudaKernel = made_once(known, (signature(cell), projects), lambda: _build(cell, projects), _MOST_KERNELS)
    return kernel


def _build(cell: Cell, projects: bool) -> CudaKernel:
    step = trace_step(cell, projects)
    text, layout = emit(step, backward_of(step))
    return CudaKernel(step, layout, load(text))
