"""One step of one row by compiled code: for streaming and generation, where calls cost more than arithmetic.

What a call needs is prepared once and hangs on the cell until something on the cell is set.
Weights are read where they lie, so that an update of them is seen.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from seqmodels.cells.gated import GatedCell, offer_quick_step
from seqmodels.scan.fused.emit import PROBLEM
from seqmodels.scan.fused.kernel import OF_ANY_MODULE, kernel_for
from seqmodels.scan.fused.trace import CannotFuseError, attributes
from seqmodels.state import State

_PLACES = {name: place for place, name in enumerate(PROBLEM)}
_U, _INPUT_WEIGHT, _WEIGHT = _PLACES["u"], _PLACES["input_weight"], _PLACES["weight"]


def quick_step(cell: GatedCell, u: Tensor, state: State, projected: bool) -> tuple[Tensor, State] | None:
    """A step without gradients, or None where this cannot take it.

    Args:
        cell: a gated cell.
        u: the projected input ``(1, U)``, or with ``projected=False`` the input ``(1, F)``.
        state: the state before the step.
        projected: which of the two `u` is.
    """
    if _watched():
        return None
    prepared = cell.prepared
    single = prepared.get(projected)
    if single is None or not single.still_fits(cell):
        if u.shape[:-1] != (1,):  # says nothing about the rows that come one by one
            return None
        single = prepared[projected] = _prepare(cell, u, projected)
    return single(u, state)


def _watched() -> bool:
    """Whether someone other than this thread's plain Python must see what is computed."""
    return (
        torch._C._len_torch_dispatch_stack() > 0
        or torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
        or torch.is_autocast_enabled("cpu")
        or torch.compiler.is_compiling()
    )


def _prepare(cell: GatedCell, u: Tensor, projected: bool) -> _Single | _Never:
    plain = cell.usual_step and cell.noise(u) is None and (projected or cell.usual_project) and cell.heads == 1
    # What is changed inside a part or an attribute goes unseen.
    plain = plain and not cell._modules and all(_cannot_change(*item) for item in vars(cell).items())
    if plain and u.device.type == "cpu" and u.dtype in (torch.float32, torch.float64):
        try:
            single = _Single(cell, u, projected)
        except CannotFuseError:
            return _Never()
        if single.fits:
            return single
    return _Never()


def _cannot_change(name: str, value: Any) -> bool:
    """Whether an attribute is a plain value, or one that every module has."""
    plain = value is None or isinstance(value, (bool, int, float, str, Tensor, torch.dtype))
    return name in OF_ANY_MODULE or plain or (isinstance(value, tuple) and all(_cannot_change("", v) for v in value))


class _Never:
    """In the place of a `_Single` for a cell that is not for it."""

    def still_fits(self, cell: GatedCell) -> bool:
        return True

    def __call__(self, u: Tensor, state: State) -> None:
        return None


class _Single:
    """The prepared arguments of one cell's steps."""

    def __init__(self, cell: GatedCell, u: Tensor, projected: bool) -> None:
        self.kernel = kernel = kernel_for(cell, u.dtype, projects=not projected)
        step, units = kernel.step, cell.hidden_size
        known = {path: tensor for path, tensor, _ in attributes(cell).values()}
        sources = [known[source.path] for source in step.sources]
        weights = {_WEIGHT: cell.weight_hh} if step.gates else {}
        if not projected:
            weights[_INPUT_WEIGHT] = cell.weight_ih
        tensors = [*sources, *weights.values()]
        dense = all(t.is_contiguous() and t.dtype == u.dtype and t.device == u.device for t in tensors)
        own_memory = kernel.shape.scratch or kernel.shape.prepared
        self.fits = dense and units % kernel.lanes == 0 and kernel.shape.plain and not own_memory
        own = {id(parameter) for parameter in cell._parameters.values()}
        self._others = [tensor for tensor in tensors if id(tensor) not in own]
        self._places = [t.data_ptr() for t in (*cell._parameters.values(), *self._others) if t is not None]
        self._state_type, self._shape, self._dtype = cell.state_type, u.shape, u.dtype
        self._size = torch.Size((1, units))
        self._pointers = (ctypes.c_int64 * max(1, len(sources)))(*(tensor.data_ptr() for tensor in sources))
        first = {"steps": 1, "rows": 1, "units": units, "padded": units, "head": units}
        first.update(numbers=kernel.numbers.data_ptr(), features=u.shape[1])
        numbers = [first.get(name, 0) for name in PROBLEM] + [
            ctypes.addressof(self._pointers),
            *[0] * 5 * len(step.fields),
        ]
        for place, weight in weights.items():
            numbers[place] = weight.data_ptr()
        self._numbers = (ctypes.c_int64 * len(numbers))(*numbers)
        self._states = len(PROBLEM) + 1
        self._steps = self._states + len(step.fields)
        self._lock = threading.Lock()
        self._update = type(cell).update
        self._call = kernel.library.single
        self._bytes = u.dtype.itemsize

    def still_fits(self, cell: GatedCell) -> bool:
        """Whether no weight was exchanged or moved, and the step is still the same."""
        tensors = (*cell._parameters.values(), *self._others)
        places = [tensor.data_ptr() for tensor in tensors if tensor is not None]
        return places == self._places and type(cell).update is self._update

    def __call__(self, u: Tensor, state: Any) -> tuple[Tensor, State] | None:
        dtype, size = self._dtype, self._size
        if (
            u.shape != self._shape
            or u.dtype is not dtype
            or not u.is_contiguous()
            or type(state) is not self._state_type
        ):
            return None
        if not self._lock.acquire(blocking=False):  # another thread is at it
            return None
        try:
            numbers, at, steps = self._numbers, self._states, self._steps
            numbers[_U] = u.data_ptr()
            after = []
            for field, before in enumerate(state):
                if before.shape != size or before.dtype is not dtype or not before.is_contiguous():
                    return None
                new = torch.empty_like(before)
                numbers[at + field] = address = before.data_ptr()
                numbers[steps + field] = (new.data_ptr() - address) // self._bytes
                after.append(new)
            self._call(numbers)
        finally:
            self._lock.release()
        return after[0], self._state_type(*after)

    def __reduce__(self) -> Any:
        return _Never, ()  # a copy of the cell prepares its own


offer_quick_step(quick_step)
