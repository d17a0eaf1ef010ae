"""Launches of the generated kernels for one sequence, forward and backward.

Both functions work on named buffers and allocate none, so that their launches can be recorded once as a CUDA graph and
replayed. The stepwise driver uses torch for the recurrent products.

B rows, T steps, H units, G gates, d units of a head.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqmodels.scan.fused_cuda.kernel import CudaKernel
from seqmodels.scan.fused_cuda.plan import Plan

Buffers = dict[str, Tensor]

#: Buffers that a driver writes.
RESULTS = {
    "forward": ("outputs", "memory", "kept", "kept_numbers", "product_inputs"),
    "backward": ("carried", "sums", "du", "dr"),
}
#: Buffers that are not inputs of a driver.
SCRATCH = {"forward": (*RESULTS["forward"], "products"), "backward": ("du", "dr", "returned")}


def run_forward(kernel: CudaKernel, plan: Plan, buffers: Buffers, options: dict[str, Any]) -> None:
    """Run all steps, from the state in ``initial``."""
    u, outputs, initial = buffers["u"], buffers["outputs"], buffers["initial"]
    memory, T = buffers.get("memory"), u.shape[1]
    outputs[0] = initial[:, : outputs.shape[2]]
    if memory is not None:
        memory[0] = initial[:, outputs.shape[2] :]
    sizes = _sizes(plan, u.shape[0], T, outputs.shape[2] // kernel.layout.outputs)
    sizes.update(
        memory_step=0 if memory is None or memory.shape[0] == 1 else memory.stride(0),
        u_row=u.stride(0),
        u_step=u.stride(1),
        SAVING="kept" in buffers,
    )

    def launch(start: int, stop: int) -> None:
        _launch(kernel, "forward", plan, buffers, {"start": start, "stop": stop, **sizes, **options})

    if plan.persistent:
        launch(0, T)
        return
    launch(0, 0)
    weight, products, read = buffers["head_weights"], buffers["products"], buffers["product_inputs"]
    for t in range(T):
        _product(read[t if read.shape[0] > 1 else 0], weight.transpose(1, 2), products)
        launch(t, t + 1)


def run_backward(kernel: CudaKernel, plan: Plan, buffers: Buffers, options: dict[str, Any]) -> None:
    """Run all steps backwards; ``carried`` holds the gradient of the last state, then that of the first."""
    outside, outputs = buffers["outside"], buffers["outputs"]
    T = outside.shape[1]
    sizes = _sizes(plan, outside.shape[0], T, outputs.shape[2] // kernel.layout.outputs)
    sizes.update(outside_row=outside.stride(0), outside_step=outside.stride(1), SEPARATE="dr" in buffers)

    def launch(start: int, stop: int) -> None:
        _launch(kernel, "backward", plan, buffers, {"start": start, "stop": stop, **sizes, **options})

    if plan.persistent:
        launch(0, T)
        return
    weight, returned = buffers["head_weights"], buffers["returned"]
    gradient = product_gradient(buffers, weight.shape[0])
    for t in reversed(range(T)):
        launch(t, t + 1)
        torch.bmm(gradient[t], weight, out=returned)
    launch(0, 0)


def product_gradient(buffers: Buffers, heads: int) -> Tensor:
    """Return the gradient of the recurrent product, ``(T, heads, B, G*d)``."""
    du = buffers["du"]
    return buffers["dr"] if "dr" in buffers else du.view(du.shape[0], heads, du.shape[1], -1)


def head_weights(weight: Tensor, gates: int, heads: int) -> Tensor:
    """Arrange `weight_hh` ``(G*H, d)`` by heads, as ``(heads, G*d, d)``."""
    size = weight.shape[1]
    return weight.view(gates, heads, size, size).transpose(0, 1).reshape(heads, gates * size, size)


def _product(read: Tensor, weight: Tensor, out: Tensor) -> None:
    """Compute the recurrent product ``(heads, B, G*d)`` of one step from ``(B, H)`` and ``(heads, d, G*d)``."""
    torch.bmm(read.unflatten(1, (weight.shape[0], -1)).transpose(0, 1), weight, out=out)


def _sizes(plan: Plan, rows: int, steps: int, units: int) -> dict[str, Any]:
    return {
        "steps": steps,
        "rows": rows,
        "units": units,
        "head": plan.head,
        "span": plan.span,
        "PERSISTENT": plan.persistent,
        "ROWS": plan.rows,
        "UNITS": plan.units,
        "num_warps": plan.warps,
    }


def _launch(kernel: CudaKernel, name: str, plan: Plan, buffers: Buffers, values: dict[str, Any]) -> None:
    function = getattr(kernel.module, name)
    values.update(RESET="reset" in buffers, LENGTHS="lengths" in buffers)
    values.update((argument, buffers.get(argument)) for argument in function.arg_names if argument not in values)
    function[plan.grid](**values)
