"""Conversion between the arguments of a scan and one call of generated code, on any device."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqmodels.batch import step_mask
from seqmodels.cells.base import Cell
from seqmodels.cells.gated.base import GatedCell
from seqmodels.cells.linear.base import LinearCell
from seqmodels.scan.gate import resolve
from seqmodels.scan.reference import keep
from seqmodels.scan.step_graph.step import state_blocks
from seqmodels.state import State, map_state


class Call(NamedTuple):
    """Arguments of a call that are not differentiated.

    Fields:
        kernel: the generated code.
        projects: whether the inputs are multiplied by `weight_ih`, or are the projected input.
        lengths, reset: as for a scan.
        noise: random numbers that steps read beside the projected input, ``(B, T, k*H)``.
        paths: paths of the cell's tensors among the arguments.
    """

    kernel: Any
    cell: Cell
    projects: bool
    lengths: Tensor | None
    reset: Tensor | None
    noise: Tensor | None
    paths: tuple[str, ...]


class Arguments(NamedTuple):
    """Tensors of a call: the state and a fresh state by blocks, and the cell's tensors that the step reads."""

    inputs: Tensor
    weight_ih: Tensor | None
    weight_hh: Tensor | None
    states: tuple[Tensor, ...]
    fresh: tuple[Tensor | None, ...]
    sources: tuple[Tensor, ...]

    @classmethod
    def of(cls, call: Call, tensors: Sequence[Any]) -> Arguments:
        """Build from a flat sequence of the tensors."""
        inputs, weight_ih, weight_hh, *rest = tensors
        fields = len(call.kernel.step.fields)
        states, fresh, sources = rest[:fields], rest[fields : 2 * fields], rest[2 * fields :]
        return cls(inputs, weight_ih, weight_hh, tuple(states), tuple(fresh), tuple(sources))


#: ``(call, tensors) -> (*outputs, *last state)``, by blocks.
Run = Callable[[Call, list[Any]], tuple[Tensor, ...]]


def projects(cell: Any, device: str) -> bool:
    """Return whether the input product is the usual one, and so part of the call."""
    usual = isinstance(cell, GatedCell) and cell.usual_project and "project" not in vars(cell)
    return usual and not torch.is_autocast_enabled(device)


def run_scan(
    run: Run,
    kernel: Any,
    dtype: torch.dtype,
    cell: Any,
    inputs: Tensor,
    state: State,
    lengths: Tensor | None,
    reset: Tensor | None,
) -> tuple[Tensor, State]:
    """Run `cell` over all steps by `run` in `dtype`; the results have the dtype of `inputs`."""
    valid = None if lengths is None else step_mask(lengths, inputs.shape[1]).unsqueeze(-1)
    inputs = inputs if valid is None else keep(valid, inputs)
    usual = projects(cell, inputs.device.type)
    u = inputs if usual else cell.project(inputs)
    noise = cell.noise(inputs) if usual and kernel.step.noise else None
    paths = tuple(source.path for source in kernel.step.sources)
    fresh: Any = [None] * len(kernel.step.fields)
    if reset is not None:
        fresh = [block[0] for block in split_state(cell, cell.initial_state(1, inputs))]
    weights = [cell.weight_ih if usual else None, cell.weight_hh if kernel.step.gates else None]
    sources = [operator.attrgetter(path)(cell) for path in paths]
    tensors = [u, *weights, *split_state(cell, state), *fresh, *sources]
    noise, *tensors = [_as_read(tensor, dtype) for tensor in (noise, *tensors)]
    results = run(Call(kernel, cell, usual, lengths, reset, noise, paths), tensors)
    h, after = results[: kernel.outputs], join_state(cell, results[kernel.outputs :])
    outputs = (h[0] if len(h) == 1 else torch.cat(h, dim=-1)).to(inputs.dtype)
    after = map_state(lambda leaf: leaf.to(inputs.dtype), after)
    if isinstance(cell, LinearCell):
        outputs = cell.readout(outputs, u)
        outputs = outputs if valid is None else keep(valid, outputs)
    return outputs, after


def _as_read(tensor: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """Convert to the dtype of the code, with lazy negation resolved."""
    return None if tensor is None else resolve(tensor if tensor.dtype is dtype else tensor.to(dtype))


def split_state(cell: Cell, state: State) -> list[Tensor]:
    """Split a state into its blocks of H, in the order of `state_blocks`."""
    sizes, units = cell.state_sizes(), cell.hidden_size
    return [
        getattr(state, name) if sizes[name] == units else getattr(state, name)[..., block * units : (block + 1) * units]
        for name, block in state_blocks(cell)
    ]


def join_state(cell: Cell, blocks: Sequence[Tensor]) -> State:
    """Join blocks of H into a state."""
    fields: dict[str, list[Tensor]] = {}
    for (name, _), block in zip(state_blocks(cell), blocks, strict=True):
        fields.setdefault(name, []).append(block)
    return cell.state_type(
        **{name: parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1) for name, parts in fields.items()}
    )
