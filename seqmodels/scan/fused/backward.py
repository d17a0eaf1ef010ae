"""Backward pass of a fused call: the compiled code, then matrix products over whole sequences.

B rows, T steps, F features, H units, P padded units, G blocks of the recurrent product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from seqmodels.scan.fused.forward import Kept
from seqmodels.scan.fused.layout import Layout, pad_rows, pad_units, rows_apart, side_by_side
from seqmodels.scan.fused.problem import Problem
from seqmodels.scan.gate import address
from seqmodels.scan.step_graph.call import Arguments, Call

_PLACE: tuple[Callable[[Tensor], int], ...] = (address, lambda t: t.stride(0), lambda t: t.stride(1))


class Backward:
    """Backward pass of one call.

    Args:
        needs: which arguments need a gradient.
        retain: whether the saved values are needed again.
    """

    def __init__(
        self,
        call: Call,
        layout: Layout,
        arguments: Arguments,
        kept: Kept,
        gradients: Sequence[Tensor | None],
        needs: Sequence[bool],
        retain: bool,
    ) -> None:
        self.call, self.layout, self.arguments, self.kept = call, layout, arguments, kept.as_it_lay(call, layout)
        self.step, self.shape, self.needs = call.kernel.step, call.kernel.shape, Arguments.of(call, needs)
        self.problem = problem = Problem(call, layout, arguments)
        B, T, P, fields = layout.rows, layout.steps, layout.padded, len(self.step.fields)
        first: Tensor = self.kept.first  # type: ignore[assignment]  # forward was asked to keep it
        self.du = rows_apart(T, B, self.step.inputs * P, call.kernel) if retain else first
        self.dr = rows_apart(T, B, self.step.gates * P, call.kernel) if self.shape.separate else self.du
        self.sums = problem.zeros(layout.threads, len(self.shape.sums), P)
        self.row_sums = problem.zeros(B, len(self.shape.row_sums), P)
        self.fresh = problem.zeros(layout.threads, fields, P)
        self.carried = problem.zeros(fields, B, P)
        outputs = call.kernel.outputs
        for field, gradient in enumerate(gradients[outputs:]):
            if gradient is not None:
                self.carried[field, :, : layout.units] = gradient
        self.outside = [
            None if gradient is None else side_by_side(gradient.transpose(0, 1), P) for gradient in gradients[:outputs]
        ]

    def run(self) -> list[Tensor | None]:
        """Return the gradients of the arguments, in order; None for those that need none."""
        self._run_code()
        needs, units = self.needs, self.layout.units
        found = self._input_gradients()
        found.append(self._recurrent_gradient() if self.step.gates and needs.weight_hh else None)
        found += [self.carried[field, :, :units] if need else None for field, need in enumerate(needs.states)]
        totals = self.fresh.sum(0)
        found += [totals[field, :units] if need else None for field, need in enumerate(needs.fresh)]
        return found + self._source_gradients()

    def _run_code(self) -> None:
        problem, kept, layout = self.problem, self.kept, self.layout
        fields = len(self.step.fields)
        needs_state = any(self.needs.states) or self.call.reset is not None
        problem.values.update(state_gradient=int(needs_state), product_row=self.dr.stride(1))
        problem.give_order()
        problem.give_weights(4 * problem.kernel.lanes)
        problem.give(
            kept=kept.first,
            extra=kept.extra,
            kept_numbers=kept.numbers,
            carried=self.carried,
            zeros=problem.zeros(layout.padded),
            input_gradient=self.du,
            product_gradient=self.dr,
            sums=self.sums,
            row_sums=self.row_sums,
            fresh_gradient=self.fresh,
        )
        outside = self.outside + [None] * (fields - len(self.outside))
        problem.run(
            "backward",
            [address(sequence) for sequence in kept.sequences],
            [layout.rows * layout.padded] * fields,
            *([0 if one is None else read(one) for one in outside] for read in _PLACE),
        )

    def _input_gradients(self) -> list[Tensor | None]:
        """Compute the gradients of the inputs and of `weight_ih`."""
        layout, inputs, weight = self.layout, self.step.inputs, self.arguments.weight_ih
        T, B, P, H = layout.steps, layout.rows, layout.padded, layout.units
        if weight is None:
            du = self.du if P == H else self.du.unflatten(2, (inputs, P))[..., :H].flatten(2)
            return [du.transpose(0, 1) if self.needs.inputs else None, None]
        flat = self.du.flatten(0, 1)
        found: list[Tensor | None] = [None, None]
        if self.needs.inputs:
            dx = self.problem.empty(T * B, weight.shape[1])
            torch.mm(flat, pad_rows(weight, P, inputs), out=dx)
            found[0] = dx.view(T, B, -1).transpose(0, 1)
        if self.needs.weight_ih:
            product = flat.t() @ self.arguments.inputs.transpose(0, 1).reshape(T * B, -1)
            found[1] = product.view(inputs, P, -1)[:, :H].flatten(0, 1)
        return found

    def _recurrent_gradient(self) -> Tensor:
        """Compute the gradient of `weight_hh`, by one product per head."""
        layout, gates = self.layout, self.step.gates
        P, H, size = layout.padded, layout.units, layout.head
        dr, read = self.dr.flatten(0, 1), self._product_inputs().reshape(-1, P)
        if size == H:
            return (dr.t() @ read).view(gates, P, P)[:, :H, :H].reshape(gates * H, H)
        heads = H // size
        left = dr.unflatten(1, (gates, P))[..., :H].unflatten(2, (heads, size)).permute(2, 1, 3, 0).flatten(1, 2)
        right = read[:, :H].unflatten(1, (heads, size)).transpose(0, 1)
        return torch.bmm(left, right).view(heads, gates, size, size).transpose(0, 1).reshape(gates * H, size)

    def _product_inputs(self) -> Tensor:
        """Return the inputs of the recurrent product at all steps, ``(T, B, P)``."""
        if self.kept.product_inputs is not None:
            return self.kept.product_inputs
        before, fresh = self.kept.sequences[0][:-1], self.arguments.fresh[0]
        if self.call.reset is None or fresh is None:
            return before
        return torch.where(self.call.reset.t().unsqueeze(-1), pad_units(fresh, self.layout.padded), before)

    def _source_gradients(self) -> list[Tensor | None]:
        """Compute the gradients of the cell's tensors that the step reads."""
        units = self.layout.units
        found: list[Tensor | None] = []
        totals = self.sums.sum(0) if len(self.sums) > 1 else self.sums[0]
        for index, (tensor, source) in enumerate(zip(self.arguments.sources, self.step.sources, strict=True)):
            if not self.needs.sources[index]:
                found.append(None)
                continue
            by_row = "b" in source.kind
            slots = self.shape.row_sums if by_row else self.shape.sums
            home = self.row_sums.transpose(0, 1) if by_row else totals
            nothing = tensor.new_zeros((*home.shape[1:-1], units))
            blocks = [
                home[slots[index, block], ..., :units] if (index, block) in slots else nothing
                for block in range(source.blocks)
            ]
            whole = torch.cat(blocks, dim=-1) if "j" in source.kind else blocks[0].sum(-1)
            found.append(whole.view(tensor.shape))
        return found
