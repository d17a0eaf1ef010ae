"""Autograd function of a whole sequence by generated Triton code.

Arguments and results are those of the CPU's `seqmodels.scan.fused.function.FusedScan`, and double backward goes through
the plain loop too. Inputs, weights and saved values have the dtype of the inputs; states, sums and products are in
float32 at least.

B rows, T steps, F features, H units, G gates, d units of a head.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.scan.fused_cuda import failure
from seqmodels.scan.fused_cuda.drivers import (
    RESULTS,
    SCRATCH,
    Buffers,
    head_weights,
    product_gradient,
    run_backward,
    run_forward,
)
from seqmodels.scan.fused_cuda.graphs import replay
from seqmodels.scan.fused_cuda.plan import Plan, plan
from seqmodels.scan.step_graph.call import Arguments, Call
from seqmodels.scan.step_graph.plain_loop import by_plain_loop

#: Drivers in order of preference: the second if the device lacks the memory for the first.
DRIVERS = ("auto", "stepwise")
#: Buffers that forward saves for backward.
_KEPT = ("outputs", "memory", "kept", "kept_numbers", "product_inputs")


class FusedCudaScan(torch.autograd.Function):
    """Scan as ``apply(call, *arguments) -> (*outputs, *last state)``, with the arguments of `Arguments`."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Any) -> tuple[Tensor, ...]:
        kernel: Any = call.kernel
        arguments = Arguments.of(call, tensors)
        inputs = arguments.inputs
        layout, dtype, wide = kernel.layout, inputs.dtype, _wide(inputs.dtype)
        (B, T), H, heads = inputs.shape[:2], call.cell.hidden_size, _heads(call)
        saving = any(ctx.needs_input_grad)
        u = inputs if arguments.weight_ih is None else functional.linear(inputs, arguments.weight_ih)
        buffers: Buffers = {
            "u": u if u.stride(2) == 1 else u.contiguous(),
            "initial": torch.cat(arguments.states, dim=-1).to(wide),
            "outputs": inputs.new_empty(T + 1, B, layout.outputs * H, dtype=wide),
            **_constants(call, arguments),
        }
        if layout.memory:
            buffers["memory"] = inputs.new_empty(T + 1 if saving else 1, B, layout.memory * H, dtype=wide)
        if saving:
            buffers["kept"] = inputs.new_empty(T, B, layout.kept * H)
            buffers["kept_numbers"] = inputs.new_empty(T, B, layout.numbers, dtype=wide)
        if kernel.step.gates and saving:
            buffers["product_inputs"] = inputs.new_empty(T, B, H)

        def prepare(plan: Plan) -> Buffers:
            if plan.persistent:
                return buffers
            size = kernel.step.gates * plan.head
            own = {"products": inputs.new_empty(heads, B, size), "product_inputs": inputs.new_empty(1, B, H)}
            return {**own, **buffers, "head_weights": head_weights(buffers["weight"], kernel.step.gates, heads)}

        _run("forward", call, inputs, prepare)
        if saving:
            ctx.call, ctx.buffers = call, [name for name in _KEPT if name in buffers]
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(*tensors, *(buffers[name] for name in ctx.buffers))
        outputs = buffers["outputs"][1:].transpose(0, 1).to(dtype)
        last = [_last(buffers[name], call.lengths).to(dtype) for name in ("outputs", "memory") if name in buffers]
        blocks = torch.cat(last, dim=-1).chunk(layout.outputs + layout.memory, dim=-1)
        return *outputs.split(H, dim=-1), *(block.clone() for block in blocks)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        from seqmodels.scan.fused_cuda.launch_triton import FAILURES

        call, needs = ctx.call, ctx.needs_input_grad[1:]
        tensors, kept = ctx.saved_tensors[: len(needs)], ctx.saved_tensors[len(needs) :]
        again = torch.is_grad_enabled()
        if not again:
            buffers = dict(zip(ctx.buffers, kept, strict=True))
            try:
                return None, *_Backward(call, Arguments.of(call, tensors), buffers, needs).run(gradients)
            except FAILURES as error:
                failure.give_up(call.kernel, error)
        with torch.enable_grad(), torch.autocast("cuda", enabled=False):
            found = by_plain_loop(call, tensors, gradients, needs)
        return None, *(one if again or one is None else one.detach() for one in found)


class _Backward:
    """Gradient of one call."""

    def __init__(self, call: Call, arguments: Arguments, buffers: Buffers, needs: tuple[bool, ...]) -> None:
        kernel: Any = call.kernel
        self.call, self.arguments, self.buffers, self.needs = call, arguments, buffers, needs
        self.step, self.layout = kernel.step, kernel.layout
        self.inputs = arguments.inputs
        self.wide = _wide(self.inputs.dtype)
        (self.rows, self.steps), self.units = self.inputs.shape[:2], call.cell.hidden_size

    def run(self, gradients: tuple[Tensor | None, ...]) -> list[Tensor | None]:
        K, heads = len(self.step.fields), _heads(self.call)
        B, T, H, new = self.rows, self.steps, self.units, self.inputs.new_empty
        slots = len(self.layout.sums) + (K if self.call.reset is not None else 0)
        self.buffers.update(
            _constants(self.call, self.arguments),
            outside=self._outside(gradients[: self.layout.outputs]),
            carried=torch.zeros(K, B, H, dtype=self.wide, device=self.inputs.device),
            sums=torch.zeros(slots, B, H, dtype=self.wide, device=self.inputs.device),
            du=new(T, B, self.step.inputs * H),
        )
        for field, gradient in enumerate(gradients[self.layout.outputs :]):
            if gradient is not None:
                self.buffers["carried"][field] = gradient
        if self.step.gates and (self.layout.separate or heads > 1):
            self.buffers["dr"] = new(T, heads, B, self.step.gates * H // heads)
        read = self.buffers.pop("product_inputs", None)

        def prepare(plan: Plan) -> Buffers:
            if plan.persistent:
                return self.buffers
            weights = head_weights(self.buffers["weight"], self.step.gates, heads)
            return {**self.buffers, "returned": new(heads, B, H // heads), "head_weights": weights}

        _run("backward", self.call, self.inputs, prepare)
        found = self._input_gradients(self.arguments.weight_ih)
        found.append(self._recurrent_gradient(read, heads) if read is not None and self.needs[2] else None)
        found += [block if need else None for block, need in zip(self.buffers["carried"], self.needs[3:], strict=False)]
        totals = self.buffers["sums"][len(self.layout.sums) :].sum(1)
        found += [totals[k] if self.needs[3 + K + k] else None for k in range(K)]
        return found + self._source_gradients(self.arguments.sources)

    def _outside(self, gradients: tuple[Tensor | None, ...]) -> Tensor:
        """Return the gradient of the outputs, contiguous along the units."""
        if all(gradient is None for gradient in gradients):
            nothing = self.inputs.new_zeros(self.layout.outputs * self.units)
            return nothing.expand(self.rows, self.steps, -1)
        zeros = next(torch.zeros_like(gradient) for gradient in gradients if gradient is not None)
        blocks = [zeros if gradient is None else gradient for gradient in gradients]
        joined = blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=-1)
        return joined if joined.stride(2) == 1 else joined.contiguous()

    def _input_gradients(self, weight_ih: Tensor | None) -> list[Tensor | None]:
        """Compute the gradients of the inputs and `weight_ih`."""
        du = self.buffers["du"].transpose(0, 1)
        if weight_ih is None:
            return [du if self.needs[0] else None, None]
        return [
            du @ weight_ih if self.needs[0] else None,
            torch.einsum("btg,btf->gf", du, self.inputs) if self.needs[1] else None,
        ]

    def _recurrent_gradient(self, read: Tensor, heads: int) -> Tensor:
        """Compute the gradient of `weight_hh`, ``(G*H, d)``."""
        dr = product_gradient(self.buffers, heads)
        found = torch.einsum("tkbx,tbky->kxy", dr, read.unflatten(2, (heads, -1)))
        return found.unflatten(1, (self.step.gates, -1)).transpose(0, 1).flatten(0, 2)

    def _source_gradients(self, sources: Any) -> list[Tensor | None]:
        found: list[Tensor | None] = []
        for index, (tensor, source) in enumerate(zip(sources, self.step.sources, strict=True)):
            if not self.needs[len(self.needs) - len(sources) + index]:
                found.append(None)
                continue
            blocks = [self._sum(index, block) for block in range(source.blocks)]
            if "b" not in source.kind:
                blocks = [block.sum(0) for block in blocks]
            gradient = torch.cat(blocks, dim=-1) if "j" in source.kind else blocks[0].sum(-1)
            found.append(gradient.to(tensor.dtype).view(tensor.shape))
        return found

    def _sum(self, index: int, block: int) -> Tensor:
        """Return the gradient of a block of a source, per row or summed over rows."""
        slot, place = self.layout.sums.get((index, block)), self.layout.shared.get((index, block))
        if slot is not None:
            return self.buffers["sums"][slot]
        if place is not None:
            return self._shared[place[0]][place[1]].unsqueeze(0)
        return self.inputs.new_zeros(self.rows, self.units, dtype=self.wide)

    @functools.cached_property
    def _shared(self) -> dict[str, Tensor]:
        """Sum the gradients of the projected input and of the product over steps and rows, ``(blocks, H)``."""
        du = self.buffers["du"].sum((0, 1), dtype=self.wide).view(-1, self.units)
        if "dr" not in self.buffers:
            return {"du": du, "dr": du}
        dr = self.buffers["dr"].sum((0, 2), dtype=self.wide).unflatten(1, (self.step.gates, -1))
        return {"du": du, "dr": dr.transpose(0, 1).flatten(1)}


def _run(name: str, call: Call, inputs: Tensor, prepare: Callable[[Plan], Buffers]) -> None:
    """Run a driver, stepwise if the persistent kernel exceeds the memory of the device."""
    from seqmodels.scan.fused_cuda.launch_triton import TOO_LARGE, options

    kernel: Any = call.kernel
    run = run_forward if name == "forward" else run_backward
    told = options(inputs.dtype)
    for driver in DRIVERS:
        where = plan(kernel, inputs.shape[0], call.cell.hidden_size, _heads(call), inputs.dtype, driver)
        buffers = prepare(where)

        def launches(buffers: Buffers, where: Plan = where) -> None:
            run(kernel, where, buffers, told)

        try:
            with torch.cuda.device_of(inputs):
                if where.persistent:
                    launches(buffers)
                else:
                    key = (name, kernel.module.__name__, where, told["PRECISION"])
                    replay(key, launches, buffers, RESULTS[name], SCRATCH[name])
                return
        except TOO_LARGE:
            if driver == DRIVERS[-1]:
                raise


def _constants(call: Call, arguments: Arguments) -> Buffers:
    """Return the inputs of both kernels: weights, cell tensors, fresh states, noise, numbers, lengths, resets."""
    kernel: Any = call.kernel
    inputs, wide = arguments.inputs, _wide(arguments.inputs.dtype)
    buffers = {f"tensor{index}": tensor.contiguous() for index, tensor in enumerate(arguments.sources)}
    buffers["numbers"] = _numbers(tuple(kernel.step.graph.numbers), wide, inputs.device)
    if arguments.weight_hh is not None:
        buffers["weight"] = arguments.weight_hh.contiguous()
    if call.noise is not None:
        buffers["noise"] = call.noise.contiguous()
    if call.lengths is not None:
        buffers["lengths"] = call.lengths
    if call.reset is not None:
        buffers["reset"] = call.reset.t().contiguous().view(torch.uint8)
        buffers["fresh"] = torch.stack([leaf.to(wide) for leaf in arguments.fresh if leaf is not None])
    return buffers


@functools.lru_cache(maxsize=64)
def _numbers(numbers: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(numbers or (0.0,), dtype=dtype, device=device)


def _heads(call: Call) -> int:
    kernel: Any = call.kernel
    return getattr(call.cell, "heads", 1) if kernel.step.gates else 1


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _last(sequence: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the state after the last step of each row."""
    if lengths is None or sequence.shape[0] == 1:
        return sequence[-1]
    return sequence[lengths, torch.arange(len(lengths), device=sequence.device)]
