"""Engine "fused" on CUDA: writes the traced and derived step of a cell as Triton kernels.

Results are tested by Triton's interpreter, and the kernels compile for GPUs; they have not run on a device yet. See
``docs/cuda.md``.
"""

from seqmodels.scan.fused_cuda.engine import cuda_obstacle, run_on_cuda

__all__ = ["cuda_obstacle", "run_on_cuda"]
