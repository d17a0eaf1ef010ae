"""One step of one row by compiled code: for streaming and generation, where calls cost more than arithmetic.

What a call needs is prepared once, and anew when something on the cell is set or a weight is not what it was.
Weights are read where they lie, so that an update of them is seen.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from seqmodels.cells.checks import check_weights, own_tensors
from seqmodels.cells.gated import GatedCell, offer_quick_step, prepared
from seqmodels.scan.fused.emit import PROBLEM
from seqmodels.scan.fused.kernel import OF_ANY_MODULE, kernel_for
from seqmodels.scan.fused.trace import CannotFuseError, attributes
from seqmodels.scan.gate import address, unreadable
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
    kept = prepared.get(cell)
    single = None if kept is None else kept.get(projected)
    if single is None or not single.still_fits(cell):
        if u.shape[:-1] != (1,):  # says nothing about the rows that come one by one
            return None
        single = _prepare(cell, u, projected)
        prepared.setdefault(cell, {})[projected] = single
    return single(u, state)


def _watched() -> bool:
    """Whether someone other than this thread's plain Python must see what is computed."""
    return (
        torch._C._len_torch_dispatch_stack() > 0
        or torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
        or torch.is_autocast_enabled("cpu")
    )


def _prepare(cell: GatedCell, u: Tensor, projected: bool) -> _Single | _Never:
    check_weights(cell, u)
    if unreadable([("inputs", u), *own_tensors(cell)]):
        return _Never()
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
        dense = all(
            t.is_contiguous() and not t.is_neg() and t.dtype == u.dtype and t.device == u.device for t in tensors
        )
        own_memory = kernel.shape.scratch or kernel.shape.prepared
        self.fits = dense and units % kernel.lanes == 0 and kernel.shape.plain and not own_memory
        own = {id(parameter) for parameter in cell._parameters.values()}
        self._others = [tensor for tensor in tensors if id(tensor) not in own]
        self._seen = self._look(cell)
        self._state_type, self._shape, self._dtype = cell.state_type, u.shape, u.dtype
        self._size = torch.Size((1, units))
        self._pointers = (ctypes.c_int64 * max(1, len(sources)))(*map(address, sources))
        first = {"steps": 1, "rows": 1, "units": units, "padded": units, "head": units}
        first.update(numbers=address(kernel.numbers), features=u.shape[1])
        numbers = [first.get(name, 0) for name in PROBLEM] + [
            ctypes.addressof(self._pointers),
            *[0] * 5 * len(step.fields),
        ]
        for place, weight in weights.items():
            numbers[place] = address(weight)
        self._numbers = (ctypes.c_int64 * len(numbers))(*numbers)
        self._states = len(PROBLEM) + 1
        self._steps = self._states + len(step.fields)
        self._lock = threading.Lock()
        self._update = type(cell).update
        self._call = kernel.library.single
        self._bytes = u.dtype.itemsize
        self._u_bytes, self._state_bytes = u.shape[1] * self._bytes, units * self._bytes

    def still_fits(self, cell: GatedCell) -> bool:
        """Whether every weight is where and what it was, and the step still the same."""
        return self._look(cell) == self._seen and type(cell).update is self._update

    def _look(self, cell: GatedCell) -> list[Any]:
        """All that tells one weight from another, but its numbers, which are read where they lie."""
        tensors = (*cell._parameters.values(), *self._others)
        try:
            return [
                (t.data_ptr(), t.shape, t.stride(), t.dtype, t.is_neg(), type(t), t.untyped_storage().nbytes())
                for t in tensors
                if t is not None
            ]
        except RuntimeError:  # one has no memory
            return []

    def _reads(self, tensor: Tensor, shape: torch.Size, size: int) -> bool:
        """Whether a tensor of the call is what the code will read: `size` bytes of its memory."""
        return (
            type(tensor) is Tensor
            and tensor.shape == shape
            and tensor.dtype is self._dtype
            and tensor.is_cpu
            and tensor.is_contiguous()
            and not tensor.is_neg()
            and tensor.untyped_storage().nbytes() >= tensor.storage_offset() * self._bytes + size
        )

    def __call__(self, u: Tensor, state: Any) -> tuple[Tensor, State] | None:
        if not self._reads(u, self._shape, self._u_bytes) or type(state) is not self._state_type:
            return None
        if not self._lock.acquire(blocking=False):  # another thread is at it
            return None
        try:
            numbers, at, steps = self._numbers, self._states, self._steps
            numbers[_U] = address(u)
            after = []
            for field, before in enumerate(state):
                if not self._reads(before, self._size, self._state_bytes):
                    return None
                new = torch.empty_like(before)
                numbers[at + field] = start = address(before)
                numbers[steps + field] = (address(new) - start) // self._bytes
                after.append(new)
            self._call(numbers)
        finally:
            self._lock.release()
        return after[0], self._state_type(*after)


offer_quick_step(quick_step)
