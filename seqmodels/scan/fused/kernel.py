"""Compiled code for a kind of cell: found by what the cell is, built once, called with addresses.

B rows, T steps, H units.
"""

from __future__ import annotations

import ctypes
import os
import types
from importlib import resources
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqmodels.cells.base import Cell
from seqmodels.scan.fused import compiler
from seqmodels.scan.fused.emit import PROBLEM, Shape, emit
from seqmodels.scan.fused.step import Step, backward_of, trace_step
from seqmodels.scan.fused.trace import CannotFuseError

_kernels: dict[Any, Kernel | CannotFuseError] = {}
#: A cell whose options change at every step would else fill the memory with kernels that are not needed any more.
_MOST_KERNELS = 512
_forked = False


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Kernel(NamedTuple):
    """The compiled forward and backward of a kind of cell.

    Fields:
        step: what one step is.
        shape: what its memory is.
        library: the code.
        lanes: numbers in a vector; blocks of units are padded to a multiple of it.
        numbers: the constants that the code reads.
        dtype: float32 or float64.
    """

    step: Step
    shape: Shape
    library: ctypes.CDLL
    lanes: int
    numbers: Tensor
    dtype: torch.dtype

    @property
    def outputs(self) -> int:
        """Blocks of H in the output."""
        return self.step.fields.count("h")

    def run(self, name: str, values: dict[str, int], tensors: list[int], *by_field: list[int]) -> None:
        """Call "forward" or "backward"; addresses and sizes by the names in `PROBLEM`, 0 where not given.

        Args:
            name: of the function.
            values: the fields of a problem.
            tensors: addresses of what the step reads from the cell.
            by_field: for each block of the state: address, step, and in backward those of the
                output's gradient and its two steps.
        """
        pointers = (ctypes.c_int64 * max(1, len(tensors)))(*tensors)
        fields = [values.get(field, 0) for field in PROBLEM]
        fields += [ctypes.addressof(pointers), *(number for numbers in by_field for number in numbers)]
        getattr(self.library, name)((ctypes.c_int64 * len(fields))(*fields))


def kernel_for(cell: Cell, dtype: torch.dtype, projects: bool) -> Kernel:
    """The compiled code for `cell`; built at first use.

    Args:
        cell: a gated or linear cell.
        dtype: float32 or float64.
        projects: whether the call makes the input product itself.

    Raises:
        CannotFuseError: the cell cannot be generated, or there is no compiler.
    """
    key = (_signature(cell), dtype, projects)
    found = _kernels.get(key)
    if found is None:
        try:
            found = _build(cell, dtype, projects)
        except (CannotFuseError, compiler.CannotCompileError) as error:
            found = CannotFuseError(str(error))
        if len(_kernels) >= _MOST_KERNELS:
            del _kernels[next(iter(_kernels))]
        _kernels[key] = found
    if isinstance(found, CannotFuseError):
        raise found
    return found


def check(cell: Cell) -> None:
    """Whether `cell` can be generated, without building it.

    Raises:
        CannotFuseError: why not.
    """
    if compiler.find() is None:
        raise CannotFuseError(compiler.describe())
    trace_step(cell, projects=False)


def threads() -> int:
    """How many threads to use: torch's number, but one in a forked process, where the pool is gone."""
    return 1 if _forked else torch.get_num_threads()


def _build(cell: Cell, dtype: torch.dtype, projects: bool) -> Kernel:
    step = trace_step(cell, projects)
    own = resources.files("seqmodels.scan.fused")
    parts = [(own / name).read_text() for name in ("vectors.c", "sequence.c")]
    source, shape = emit(step, backward_of(step), dtype == torch.float64, *parts)
    library = compiler.load(source)
    numbers = torch.tensor(step.graph.numbers or [0.0], dtype=dtype, device="cpu")
    return Kernel(step, shape, library, library.lanes(), numbers, dtype)


def _signature(cell: nn.Module) -> tuple[Any, ...]:
    """What the graph of a cell depends on: its class, methods and options, and the shapes of its tensors."""
    described: tuple[Any, ...] = _described(cell, {})
    return described


def _described(value: Any, seen: dict[int, int]) -> Any:
    """A value that is equal for cells with equal graphs; tensors by shape, and which of them are one."""
    kind = type(value)
    if kind in _SIMPLE:
        return value
    if isinstance(value, Tensor):
        return value.shape, value.dtype, value.requires_grad, seen.setdefault(id(value), len(seen))
    if isinstance(value, _AS_IT_IS):
        return value
    if id(value) in seen:  # it leads back to itself
        return seen[id(value)]
    seen[id(value)] = len(seen)
    if isinstance(value, nn.Module):
        own = [(name, _described(part, seen)) for name, part in value.__dict__.items() if name not in OF_ANY_MODULE]
        homes = [home for home in (value._parameters, value._buffers, value._modules) if home]
        methods = [getattr(kind, name, None) for name in _METHODS]
        return kind, *methods, *own, *(_described(home, seen) for home in homes)
    if isinstance(value, dict):
        return *value, *(_described(part, seen) for part in value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return kind, *(_described(part, seen) for part in value)
    return kind, _described(vars(value), seen) if hasattr(value, "__dict__") else repr(value)


#: What a step is made of; what every module has; what is known by its name and not by what is in it.
_METHODS = ("project", "recurrent_input", "update", "coefficients", "advance")
OF_ANY_MODULE = {*vars(nn.Module())} - {"training"}
_NAMED = (type, types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType)
_SIMPLE = {bool, int, float, str, type(None)}
_AS_IT_IS = (bool, int, float, str, bytes, torch.dtype, torch.device, *_NAMED)
