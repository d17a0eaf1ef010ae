"""The fused engine on CUDA: a cell's step, traced and derived once, written as Triton kernels.

Its numbers are tested by Triton's interpreter and it compiles for GPUs; it has not been run on a
device yet. See ``docs/cuda.md``.
"""

from seqmodels.scan.fused_cuda.engine import cuda_obstacle, run_on_cuda

__all__ = ["cuda_obstacle", "run_on_cuda"]
