"""A whole sequence by compiled code, as one function that autograd knows.

Inside, sequences are time first, ``(T, B, ...)``, and every block of H units is padded to whole
vectors. The projected input's memory takes in turn what backward needs of each step, and then
the gradient, unless the graph is retained. A gradient that is itself to be differentiated is
computed by the plain loop.

B rows, T steps, F features, H units, P padded units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.batch import step_mask
from seqmodels.cells.base import Cell
from seqmodels.scan.fused.kernel import Kernel, threads
from seqmodels.scan.fused.step import state_blocks
from seqmodels.scan.fused.trace import rebind
from seqmodels.scan.reference import keep, reference_steps
from seqmodels.state import State

#: Recurrent weights of more bytes than this are shared out among the threads, unit by unit.
_LARGE_WEIGHTS = 3 << 20
_PLACE = (Tensor.data_ptr, lambda tensor: tensor.stride(0), lambda tensor: tensor.stride(1))
#: Multiplications below which a second thread costs more than it gives.
_SMALL_WORK = 1 << 17


class Call(NamedTuple):
    """One call: what is not a tensor to differentiate.

    Fields:
        kernel: the compiled code.
        cell: the cell.
        projects: whether the first tensor is the input, to be projected by `weight_ih`, or projected already.
        lengths, reset: as for a scan, lengths on the CPU.
        paths: of the cell's tensors among the arguments.
    """

    kernel: Kernel
    cell: Cell
    projects: bool
    lengths: Tensor | None
    reset: Tensor | None
    paths: tuple[str, ...]


def _pad(tensor: Tensor, padded: int, blocks: int = 1) -> Tensor:
    """Blocks of H along the last axis, each padded with zeros."""
    units = tensor.shape[-1] // blocks
    if units == padded:
        return tensor.contiguous()
    split = functional.pad(tensor.unflatten(-1, (blocks, units)), (0, padded - units))
    return split.flatten(-2).contiguous()


class Sizes:
    """The sizes of a call, and the thread plan that follows from them."""

    def __init__(self, call: Call, batch: int, steps: int) -> None:
        step, lanes = call.kernel.step, call.kernel.lanes
        self.rows, self.steps = batch, steps
        self.units = call.cell.hidden_size
        self.padded = -(-self.units // lanes) * lanes
        self.head = self.units // getattr(call.cell, "heads", 1)
        weights = step.gates * self.units * self.head
        size = call.kernel.dtype.itemsize
        work = batch * steps * (weights + 16 * step.inputs * self.units)
        self.threads = threads() if work > _SMALL_WORK else 1
        wide = self.padded >= 8 * lanes * self.threads
        self.by_units = step.gates > 0 and self.threads > 1 and wide and (
            weights * size > _LARGE_WEIGHTS or batch < 2 * self.threads
        )
        if not self.by_units:
            self.threads = min(self.threads, batch)

    def values(self) -> dict[str, int]:
        return {
            "steps": self.steps,
            "rows": self.rows,
            "units": self.units,
            "padded": self.padded,
            "head": self.head,
            "threads": self.threads,
            "by_units": int(self.by_units),
        }

    def panel_rows(self, width: int) -> int:
        """The most units that the units of one panel see."""
        if self.head == self.units:
            return self.units
        return min(self.units, -(-width // self.head) * self.head + self.head)


class FusedScan(torch.autograd.Function):
    """``apply(call, inputs, weight_ih, weight_hh, *states, *fresh, *sources) -> (outputs, *last state)``.

    `inputs` is ``(B, T, F)``, or with ``projects=False`` the projected input ``(B, T, k*H)``;
    `weight_ih` and `weight_hh` are None where they take no part; `fresh` are vectors of H, or
    None without resets.
    """

    @staticmethod
    def forward(ctx: Any, call: Call, inputs: Tensor, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        kernel = call.kernel
        step, shape, dtype = kernel.step, kernel.shape, kernel.dtype
        sizes = Sizes(call, inputs.shape[0], inputs.shape[1])
        P, B, T = sizes.padded, sizes.rows, sizes.steps
        weight_ih, weight_hh, states, fresh, sources = _unpack(step, tensors)
        saving = any(ctx.needs_input_grad)
        values, alive = sizes.values(), []

        def empty(*size: int) -> Tensor:
            alive.append(torch.empty(size, dtype=dtype))
            return alive[-1]

        time_first = inputs.transpose(0, 1)
        kept = None
        if call.projects:
            u = kept = empty(T, B, step.inputs * P)
            flat = time_first.reshape(T * B, -1)
            torch.mm(flat, _padded_rows(weight_ih, P, step.inputs).t(), out=u.view(T * B, -1))
        else:
            u = time_first
            if sizes.units != P or u.stride(2) != 1:
                u = _pad(u, P, step.inputs)
            if saving:
                kept = empty(T, B, step.inputs * P)
        sequences = []
        for state, name in zip(states, step.fields, strict=True):
            long = saving or name == "h"
            sequences.append(empty(T + 1 if long else 1, B, P))
            sequences[-1][0, :, : sizes.units] = state
            if P != sizes.units:
                sequences[-1][0, :, sizes.units :] = 0
        values.update(saving=int(saving), u=u.data_ptr(), u_step=u.stride(0), u_row=u.stride(1), u_block=P)
        product_inputs = None
        if step.gates:
            weight = weight_hh.contiguous()
            alive.append(weight)
            width = max(1, 4 // step.gates) * kernel.lanes
            rows = sizes.panel_rows(width)
            packed = empty(-(-P // width) * rows * step.gates * width)
            values.update(weight=weight.data_ptr(), packed=packed.data_ptr(), panel_rows=rows)
            values["products"] = empty(B, step.gates * P).data_ptr()
            if not shape.plain:
                product_inputs = empty(T if saving else 1, B, P)
                if call.lengths is not None:
                    product_inputs.zero_()  # a row is not written past its end, and 0 times NaN is NaN
                values.update(inputs=product_inputs.data_ptr(), input_step=B * P if saving else 0)
        extra = empty(T, B, shape.extra * P) if saving and shape.extra else None
        numbers = empty(T, B, shape.numbers) if saving and shape.numbers else None
        order = None
        if call.lengths is not None:
            order = torch.argsort(call.lengths, descending=True)
            values.update(order=order.data_ptr(), lengths=call.lengths.data_ptr())
        if call.reset is not None:
            starts = torch.stack([_pad(leaf, P) for leaf in fresh])
            reset = call.reset.t().contiguous()
            alive += [starts, reset]
            values.update(fresh=starts.data_ptr(), reset=reset.data_ptr())
        padded_sources = [_padded_source(tensor, source, P) for tensor, source in zip(sources, step.sources, strict=True)]
        values.update(
            numbers=kernel.numbers.data_ptr(),
            scratch=empty(sizes.threads, shape.scratch * P).data_ptr() if shape.scratch else 0,
            **{
                name: 0 if tensor is None else tensor.data_ptr()
                for name, tensor in (("kept", kept), ("extra", extra), ("kept_numbers", numbers))
            },
        )
        kernel.run(
            "forward",
            values,
            [tensor.data_ptr() for tensor in padded_sources],
            [sequence.data_ptr() for sequence in sequences],
            [B * P if sequence.shape[0] > 1 else 0 for sequence in sequences],
        )
        last = [_last(sequence, call.lengths, sizes.units) for sequence in sequences]
        if saving:
            ctx.call, ctx.sizes = call, sizes
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(inputs, *tensors, *sequences, kept, extra, numbers, product_inputs, order)
        outputs = [sequence[1:, :, : sizes.units].transpose(0, 1) for sequence in sequences[: kernel.outputs]]
        return *outputs, *last

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            return None, *_again(ctx, gradients)
        return None, *_Backward(ctx, gradients).run()


def _padded_rows(weight: Tensor, padded: int, blocks: int) -> Tensor:
    """Weights ``(blocks * H, F)`` with each block's rows padded to P."""
    units = weight.shape[0] // blocks
    if units == padded:
        return weight
    return functional.pad(weight.unflatten(0, (blocks, units)), (0, 0, 0, padded - units)).flatten(0, 1)


def _padded_source(tensor: Tensor, source: Any, padded: int) -> Tensor:
    if "j" not in source.kind:
        return tensor.contiguous()
    rows = tensor.reshape(tensor.shape[0], -1) if source.kind == "bj" else tensor.reshape(-1)
    return _pad(rows, padded, source.blocks)


def _last(sequence: Tensor, lengths: Tensor | None, units: int) -> Tensor:
    if lengths is None or sequence.shape[0] == 1:
        return sequence[-1, :, :units].clone()
    return sequence[lengths, torch.arange(len(lengths)), :units]


def _unpack(step: Any, tensors: tuple[Any, ...]) -> tuple[Any, Any, Any, Any, Any]:
    count = len(step.fields)
    return tensors[0], tensors[1], tensors[2 : 2 + count], tensors[2 + count : 2 + 2 * count], tensors[2 + 2 * count :]


class _Backward:
    """The fused backward of one call."""

    def __init__(self, ctx: Any, gradients: tuple[Tensor | None, ...]) -> None:
        self.call: Call = ctx.call
        self.sizes: Sizes = ctx.sizes
        self.kernel = self.call.kernel
        self.step = self.kernel.step
        self.needs = ctx.needs_input_grad[1:]
        saved = ctx.saved_tensors
        count = 3 + 2 * len(self.step.fields) + len(self.step.sources)
        self.inputs, self.tensors = saved[0], saved[1:count]
        fields = len(self.step.fields)
        self.sequences = saved[count : count + fields]
        self.kept, self.extra, self.numbers, self.product_inputs, self.order = saved[count + fields :]
        self.gradients = gradients

    def run(self) -> list[Tensor | None]:
        step, sizes, shape = self.step, self.sizes, self.kernel.shape
        P, B, T, H, K = sizes.padded, sizes.rows, sizes.steps, sizes.units, len(step.fields)
        dtype = self.kernel.dtype
        weight_ih, weight_hh, states, fresh, sources = _unpack(step, self.tensors)
        values, alive = sizes.values(), []
        carried = torch.zeros(K, B, P, dtype=dtype)
        for field, gradient in enumerate(self.gradients[self.kernel.outputs :]):
            if gradient is not None:
                carried[field, :, :H] = gradient
        outside = [self._outside(gradient) for gradient in self.gradients[: self.kernel.outputs]]
        outside += [None] * (K - len(outside))
        zeros = torch.zeros(P, dtype=dtype)
        self.du = torch.empty_like(self.kept) if _graph_is_retained() else self.kept
        dr = self.du if not shape.separate else torch.empty(T, B, step.gates * P, dtype=dtype)
        sums = torch.zeros(sizes.threads, len(shape.sums), P, dtype=dtype)
        row_sums = torch.zeros(B, len(shape.row_sums), P, dtype=dtype)
        fresh_gradient = torch.zeros(sizes.threads, K, P, dtype=dtype)
        needs_state = any(self.needs[3 : 3 + K]) or self.call.reset is not None
        values.update(
            state_gradient=int(needs_state),
            carried=carried.data_ptr(),
            zeros=zeros.data_ptr(),
            input_gradient=self.du.data_ptr(),
            kept=self.kept.data_ptr(),
            extra=0 if self.extra is None else self.extra.data_ptr(),
            kept_numbers=0 if self.numbers is None else self.numbers.data_ptr(),
            numbers=self.kernel.numbers.data_ptr(),
            sums=sums.data_ptr(),
            row_sums=row_sums.data_ptr(),
            fresh_gradient=fresh_gradient.data_ptr(),
        )
        if shape.scratch:
            alive.append(torch.empty(sizes.threads, shape.scratch * P, dtype=dtype))
            values["scratch"] = alive[-1].data_ptr()
        if step.gates:
            weight = weight_hh.contiguous()
            width = 4 * self.kernel.lanes
            rows = sizes.panel_rows(width)
            packed = torch.empty(-(-P // width) * rows * step.gates * width, dtype=dtype)
            alive += [weight, packed]
            values.update(weight=weight.data_ptr(), packed=packed.data_ptr(), panel_rows=rows)
            values.update(product_gradient=dr.data_ptr(), product_step=B * step.gates * P)
        if self.order is not None and self.call.lengths is not None:
            values.update(order=self.order.data_ptr(), lengths=self.call.lengths.data_ptr())
        if self.call.reset is not None:
            starts = torch.stack([_pad(leaf, P) for leaf in fresh])
            reset = self.call.reset.t().contiguous()
            alive += [starts, reset]
            values.update(fresh=starts.data_ptr(), reset=reset.data_ptr())
        padded_sources = [_padded_source(tensor, source, P) for tensor, source in zip(sources, step.sources, strict=True)]
        self.kernel.run(
            "backward",
            values,
            [tensor.data_ptr() for tensor in padded_sources],
            [sequence.data_ptr() for sequence in self.sequences],
            [B * P] * K,
            *([0 if one is None else read(one) for one in outside] for read in _PLACE),
        )
        found: list[Tensor | None] = [*self._input_gradients(weight_ih), None]
        if step.gates and self.needs[2]:
            found[2] = self._recurrent_gradient(dr)
        found += [carried[field, :, :H] if self.needs[3 + field] else None for field in range(K)]
        totals = fresh_gradient.sum(0)
        found += [totals[field, :H] if self.needs[3 + K + field] else None for field in range(K)]
        return found + self._source_gradients(sources, sums, row_sums)

    def _outside(self, gradient: Tensor | None) -> Tensor | None:
        """The gradient of the outputs, time first, with units side by side and padded."""
        if gradient is None:
            return None
        gradient = gradient.transpose(0, 1)
        if gradient.stride(2) != 1 or self.sizes.units != self.sizes.padded:
            gradient = _pad(gradient, self.sizes.padded)
        return gradient

    def _input_gradients(self, weight_ih: Tensor | None) -> list[Tensor | None]:
        """Of the inputs and `weight_ih`."""
        step, sizes = self.step, self.sizes
        T, B = sizes.steps, sizes.rows
        if not self.call.projects:
            du = self.du.view(T, B, step.inputs, sizes.padded)[..., : sizes.units].flatten(2)
            return [du.transpose(0, 1) if self.needs[0] else None, None]
        flat = self.du.view(T * B, -1)
        found: list[Tensor | None] = [None, None]
        if self.needs[0]:
            dx = flat @ _padded_rows(weight_ih, sizes.padded, step.inputs)
            found[0] = dx.view(T, B, -1).transpose(0, 1)
        if self.needs[1]:
            x = self.inputs.transpose(0, 1).reshape(T * B, -1)
            found[1] = (flat.t() @ x).view(step.inputs, sizes.padded, -1)[:, : sizes.units].flatten(0, 1)
        return found

    def _recurrent_gradient(self, dr: Tensor) -> Tensor:
        step, sizes = self.step, self.sizes
        T, B, P, H, G = sizes.steps, sizes.rows, sizes.padded, sizes.units, step.gates
        read = self.product_inputs
        if read is None:
            read = self.sequences[0][:-1]
            if self.call.reset is not None:
                fresh = _pad(_unpack(step, self.tensors)[3][0], P)
                read = torch.where(self.call.reset.t().unsqueeze(-1), fresh, read)
        dr, read = dr.view(T * B, G * P), read.reshape(T * B, P)
        if sizes.head == H:
            return (dr.t() @ read).view(G, P, P)[:, :H, :H].reshape(G * H, H)
        heads, size = H // sizes.head, sizes.head
        left = dr.view(T * B, G, P)[..., :H].unflatten(-1, (heads, size)).permute(2, 1, 3, 0).flatten(1, 2)
        right = read[:, :H].unflatten(-1, (heads, size)).transpose(0, 1)
        return torch.bmm(left, right).view(heads, G, size, size).transpose(0, 1).reshape(G * H, size)

    def _source_gradients(self, sources: Any, sums: Tensor, row_sums: Tensor) -> list[Tensor | None]:
        units, found = self.sizes.units, []
        totals = sums.sum(0)[:, :units]
        first = len(self.needs) - len(sources)
        for index, (tensor, source) in enumerate(zip(sources, self.step.sources, strict=True)):
            if not self.needs[first + index]:
                found.append(None)
                continue
            by_row = "b" in source.kind
            slots = self.kernel.shape.row_sums if by_row else self.kernel.shape.sums
            blocks = []
            for block in range(source.blocks):
                slot = slots.get((index, block))
                part = row_sums[:, slot, :units] if by_row else totals[slot] if slot is not None else None
                blocks.append(torch.zeros(units, dtype=tensor.dtype) if part is None else part)
            if "j" in source.kind:
                found.append(torch.cat(blocks, dim=-1).view(tensor.shape))
            else:
                found.append(blocks[0].sum().view(tensor.shape))
        return found


def _graph_is_retained() -> bool:
    """Whether the backward under way may be asked for again; taken to be so where torch does not say."""
    ask = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
    return True if ask is None else bool(ask())


def _again(ctx: Any, gradients: tuple[Tensor | None, ...]) -> list[Tensor | None]:
    """The gradient by the plain loop over the same tensors, itself differentiable."""
    call: Call = ctx.call
    step = call.kernel.step
    count = 3 + 2 * len(step.fields) + len(step.sources)
    # Aliases: one argument may depend on another (the state on the weights, in the window before),
    # and the gradient of this call must not run back through that.
    originals = ctx.saved_tensors[:count]
    needs = ctx.needs_input_grad[1:]
    with torch.enable_grad(), torch.autocast("cpu", enabled=False):
        leaves = [tensor if tensor is None else tensor.view_as(tensor) for tensor in originals]
        outputs = _by_plain_loop(call, leaves)
    used = [index for index, gradient in enumerate(gradients) if gradient is not None]
    found = iter(
        torch.autograd.grad(
            [outputs[index] for index in used],
            [leaf for leaf, need in zip(leaves, needs, strict=True) if need],
            [gradients[index] for index in used],
            create_graph=True,
            allow_unused=True,
        )
    )
    return [next(found) if need else None for need in needs]


def _by_plain_loop(call: Call, tensors: list[Any]) -> tuple[Tensor, ...]:
    """What `FusedScan` gives, step by step, as a function of the same tensors."""
    inputs, (weight_ih, weight_hh, states, fresh, sources) = tensors[0], _unpack(call.kernel.step, tuple(tensors[1:]))
    bound = dict(zip(call.paths, sources, strict=True))
    if weight_ih is not None:
        bound["weight_ih"] = weight_ih
    if weight_hh is not None:
        bound["weight_hh"] = weight_hh
    cell = rebind(call.cell, bound)
    if not call.projects:
        cell.__dict__["project"] = lambda u: u
    if call.reset is not None:
        start = join_state(call.cell, [leaf.expand(inputs.shape[0], -1) for leaf in fresh])
        cell.__dict__["initial_state"] = lambda *_: start
    _, after = reference_steps(cell, inputs, join_state(call.cell, states), call.lengths, call.reset)
    outputs = torch.stack([one.h for one in after], dim=1)
    if call.lengths is not None:
        outputs = keep(step_mask(call.lengths, outputs.shape[1]).unsqueeze(-1), outputs)
    return *outputs.chunk(call.kernel.outputs, dim=-1), *split_state(call.cell, after[-1])


def split_state(cell: Cell, state: State) -> list[Tensor]:
    """The blocks of H of a state, in the order of `state_blocks`."""
    return [
        getattr(state, name).chunk(cell.state_sizes()[name] // cell.hidden_size, dim=-1)[block]
        for name, block in state_blocks(cell)
    ]


def join_state(cell: Cell, blocks: Sequence[Tensor]) -> State:
    """The state that has these blocks."""
    fields: dict[str, list[Tensor]] = {}
    for (name, _), block in zip(state_blocks(cell), blocks, strict=True):
        fields.setdefault(name, []).append(block)
    return cell.state_type(
        **{name: parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1) for name, parts in fields.items()}
    )
