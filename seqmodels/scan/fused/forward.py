"""Forward pass of a fused call: memory, the input product and the compiled code.

B rows, T steps, H units, P padded units.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seqmodels.scan.fused.layout import Layout, pad_rows, rows_apart, side_by_side
from seqmodels.scan.fused.problem import Problem
from seqmodels.scan.gate import address, check
from seqmodels.scan.step_graph.call import Arguments, Call


class Kept(NamedTuple):
    """Values saved for backward besides the arguments.

    Fields:
        sequences: blocks of the state before the first step and after each step, ``(T + 1, B, P)``.
        first: saved blocks of each step, in place of the projected input; later its gradient. None if nothing is saved.
        extra: saved blocks that do not fit there.
        numbers: saved scalars of each row.
        product_inputs: inputs of the recurrent product, ``(T, B, P)``, if not the outputs.
    """

    sequences: tuple[Tensor, ...]
    first: Tensor | None
    extra: Tensor | None
    numbers: Tensor | None
    product_inputs: Tensor | None

    def as_it_lay(self, call: Call, layout: Layout) -> Kept:
        """Return the same values in the memory layout of forward, which hooks on saved tensors may have changed.

        Raises:
            ValueError: a changed shape or dtype, or an unreadable tensor.
        """
        shape, (B, T, P) = call.kernel.shape, (layout.rows, layout.steps, layout.padded)
        first = self.first
        widths = (call.kernel.step.inputs * P, shape.extra * P, shape.numbers, P)
        for tensor, size in zip(self[1:], widths, strict=True):
            if tensor is not None:
                check("a saved tensor", tensor, call.kernel.dtype, (T, B, size))
        for sequence in self.sequences:
            check("a saved state", sequence, call.kernel.dtype, (T + 1, B, P))
        if first is not None and first.stride() != (B * layout.kept_row, layout.kept_row, 1):
            first = rows_apart(T, B, call.kernel.step.inputs * P, call.kernel).copy_(first)
        rest = (None if tensor is None else tensor.contiguous() for tensor in self[2:])
        return Kept(tuple(sequence.contiguous() for sequence in self.sequences), first, *rest)


def run_forward(call: Call, layout: Layout, arguments: Arguments, saving: bool) -> Kept:
    """Run all steps; return the results and, if `saving`, the values for backward."""
    problem = Problem(call, layout, arguments)
    B, T, P, shape = layout.rows, layout.steps, layout.padded, call.kernel.shape
    problem.values["saving"] = int(saving)
    first = _give_input(problem, saving)
    names = call.kernel.step.fields
    sequences = tuple(
        _sequence(problem, state, saving or name == "h") for state, name in zip(arguments.states, names, strict=True)
    )
    product_inputs = _give_product(problem, saving) if call.kernel.step.gates else None
    extra = problem.empty(T, B, shape.extra * P) if saving and shape.extra else None
    numbers = problem.empty(T, B, shape.numbers) if saving and shape.numbers else None
    problem.give_order()
    problem.give(extra=extra, kept_numbers=numbers)
    problem.run(
        "forward",
        [address(sequence) for sequence in sequences],
        [B * P if len(sequence) > 1 else 0 for sequence in sequences],
    )
    return Kept(sequences, first, extra, numbers, product_inputs)


def _give_input(problem: Problem, saving: bool) -> Tensor | None:
    """Set the projected inputs or the inputs; return the memory for the saved values of each step."""
    layout, step, weight = problem.layout, problem.step, problem.arguments.weight_ih
    B, T, P = layout.rows, layout.steps, layout.padded
    x = problem.arguments.inputs.transpose(0, 1)
    u, first = x, None
    if weight is None:
        u = side_by_side(x, P, step.inputs)
    elif layout.inside:
        u = x if x.stride(2) == 1 else x.contiguous()
        problem.give_input_weights()
    else:
        u = first = rows_apart(T, B, step.inputs * P, problem.kernel)
        torch.mm(x.reshape(T * B, -1), pad_rows(weight, P, step.inputs).t(), out=u.flatten(0, 1))
    if first is None and saving:
        first = rows_apart(T, B, step.inputs * P, problem.kernel)
    problem.give(u=u, kept=first)
    problem.values.update(u_step=u.stride(0), u_row=u.stride(1))
    return first


def _sequence(problem: Problem, state: Tensor, every: bool) -> Tensor:
    """Allocate one block of the state: for all steps if `every`, else for the last only."""
    layout = problem.layout
    sequence = problem.empty(layout.steps + 1 if every else 1, layout.rows, layout.padded)
    sequence[0, :, : layout.units] = state
    if layout.padded != layout.units:
        sequence[0, :, layout.units :] = 0
    return sequence


def _give_product(problem: Problem, saving: bool) -> Tensor | None:
    """Allocate the recurrent product; return the sequence of its inputs, if not the outputs."""
    layout, gates = problem.layout, problem.step.gates
    problem.give_weights(max(1, 4 // gates) * problem.kernel.lanes)
    problem.give(products=problem.empty(layout.rows, gates * layout.padded))
    if problem.shape.plain:
        return None
    inputs = problem.empty(layout.steps if saving else 1, layout.rows, layout.padded)
    if problem.call.lengths is not None:
        inputs.zero_()  # rows are not written past their end, and 0 times NaN is NaN
    problem.give(inputs=inputs)
    problem.values["input_step"] = layout.rows * layout.padded if saving else 0
    return inputs
