"""Arguments of one run of the compiled code: sizes, and addresses of tensors that are kept alive."""

from __future__ import annotations

import torch
from torch import Tensor

from seqmodels.scan.fused.layout import Layout, pad_source, pad_units, side_by_side
from seqmodels.scan.fused.memory import empty
from seqmodels.scan.gate import address, check
from seqmodels.scan.step_graph.call import Arguments, Call


class Problem:
    """Run of "forward" or "backward"; its fields are those of `PROBLEM` in ``emit.py``."""

    def __init__(self, call: Call, layout: Layout, arguments: Arguments) -> None:
        self.call, self.layout, self.arguments = call, layout, arguments
        self.kernel, self.step, self.shape = call.kernel, call.kernel.step, call.kernel.shape
        self._check_arguments()
        self.values: dict[str, int] = {
            "steps": layout.steps,
            "rows": layout.rows,
            "units": layout.units,
            "padded": layout.padded,
            "head": layout.head,
            "threads": layout.threads,
            "by_units": int(layout.by_units),
            "kept_row": layout.kept_row,
        }
        self._alive: list[Tensor] = []
        self.give(numbers=call.kernel.numbers)
        if self.shape.prepared:
            self.give(prepared=self.empty(self.shape.prepared, layout.padded))
        if self.shape.scratch:
            self.give(scratch=self.empty(layout.threads, self.shape.scratch * layout.padded))
        self._give_noise()
        self._give_reset()

    def empty(self, *size: int) -> Tensor:
        return empty(size, self.kernel.dtype)

    def zeros(self, *size: int) -> Tensor:
        return torch.zeros(size, dtype=self.kernel.dtype, device="cpu")

    def give(self, **tensors: Tensor | None) -> None:
        """Set fields to the addresses of tensors."""
        for name, tensor in tensors.items():
            if tensor is not None:
                self._alive.append(tensor)
                self.values[name] = address(tensor)

    def give_order(self) -> None:
        """Set the order of the rows, longest first."""
        if self.call.lengths is not None:
            self.give(order=torch.argsort(self.call.lengths, descending=True), lengths=self.call.lengths)

    def give_weights(self, width: int) -> None:
        """Set the recurrent weights, and memory to pack them in panels of `width` units."""
        layout, weight = self.layout, self.arguments.weight_hh
        if weight is not None:
            rows, panels = layout.panel_rows(width), -(-layout.padded // width)
            self.values["panel_rows"] = rows
            self.give(weight=weight.contiguous(), packed=self.empty(panels * rows * self.step.gates * width))

    def give_input_weights(self) -> None:
        """Set `weight_ih`, for an input product computed step by step."""
        layout, weight, gates = self.layout, self.arguments.weight_ih, self.step.gates
        if weight is not None:
            width = max(1, 4 // gates) * self.kernel.lanes
            panels = -(-layout.padded // width)
            self.values["features"] = weight.shape[1]
            packed = self.empty(panels * weight.shape[1] * gates * width)
            products = self.empty(layout.rows, gates * layout.padded)
            self.give(input_weight=weight.contiguous(), packed_input=packed, input_products=products)

    def run(self, name: str, *by_field: list[int]) -> None:
        """Call the code; see `Kernel.run`."""
        sources = [
            pad_source(*pair, self.layout.padded)
            for pair in zip(self.arguments.sources, self.step.sources, strict=True)
        ]
        self.kernel.run(name, self.values, [address(source) for source in sources], *by_field)

    def _check_arguments(self) -> None:
        """Reject tensors that the code would misread; in backward too, as they may have changed since."""
        call, layout, step, given = self.call, self.layout, self.step, self.arguments
        B, T, H, F, dtype = layout.rows, layout.steps, layout.units, given.inputs.shape[-1], self.kernel.dtype
        if given.weight_ih is not None:
            check("weight_ih", given.weight_ih, dtype, (step.inputs * H, F))
        check("inputs", given.inputs, dtype, (B, T, step.inputs * H if given.weight_ih is None else F))
        if given.weight_hh is not None:
            check("weight_hh", given.weight_hh, dtype, (step.gates * H, layout.head))
        for name, state, fresh in zip(step.fields, given.states, given.fresh, strict=True):
            check(f"state.{name}", state, dtype, (B, H))
            if fresh is not None:
                check(f"initial_{name}", fresh, dtype, (H,))
        for path, tensor, source in zip(call.paths, given.sources, step.sources, strict=True):
            by_row = "b" in source.kind  # the other sizes are those of the trace
            check(path, tensor, dtype, (B, *tensor.shape[1:]) if by_row else tuple(tensor.shape))
        if call.noise is not None:
            check("noise", call.noise, dtype, (B, T, step.noise * H))
        if call.lengths is not None:
            check("lengths", call.lengths, torch.int64, (B,))
        if call.reset is not None:
            check("reset", call.reset, torch.bool, (B, T))

    def _give_noise(self) -> None:
        if self.call.noise is not None:
            noise = side_by_side(self.call.noise.transpose(0, 1), self.layout.padded, self.step.noise)
            self.give(noise=noise)
            self.values.update(noise_step=noise.stride(0), noise_row=noise.stride(1))

    def _give_reset(self) -> None:
        if self.call.reset is not None:
            fresh = [pad_units(leaf, self.layout.padded) for leaf in self.arguments.fresh if leaf is not None]
            self.give(fresh=torch.stack(fresh), reset=self.call.reset.t().contiguous())
