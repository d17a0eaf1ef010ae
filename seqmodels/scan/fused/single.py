"""Single steps of one row by compiled code, for streaming and generation, where call overhead dominates.

A call is prepared once, and again after an attribute of the cell is set or a weight is replaced. Weights are read in
place, so that updates of them are seen.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from seqmodels.cells.checks import own_tensors
from seqmodels.cells.gated.base import GatedCell, offer_quick_step, prepared
from seqmodels.scan.fused.emit import PROBLEM
from seqmodels.scan.fused.kernel import kernel_for
from seqmodels.scan.gate import address, unreadable
from seqmodels.scan.step_graph.signature import OF_ANY_MODULE
from seqmodels.scan.step_graph.trace import attributes
from seqmodels.scan.step_graph.values import CannotFuseError
from seqmodels.state import State

_PLACES = {name: place for place, name in enumerate(PROBLEM)}
_U, _INPUT_WEIGHT, _WEIGHT = _PLACES["u"], _PLACES["input_weight"], _PLACES["weight"]

_modes, _transform = torch._C._len_torch_dispatch_stack, torch._C._functorch.peek_interpreter_stack
_autocast = torch.is_autocast_enabled


def quick_step(cell: GatedCell, u: Tensor, state: State, projected: bool) -> tuple[Tensor, State] | None:
    """Take a step without gradients; return None if this is not possible.

    Args:
        u: projected input ``(1, U)``, or with ``projected=False`` the input ``(1, F)``.
    """
    # A mode, a transform or autocast must see the operations.
    if _modes() or _transform() is not None or forward_ad._current_level >= 0 or _autocast("cpu"):
        return None
    kept = prepared.get(cell)
    single = None if kept is None else kept.get(projected)
    if single is None or not single.still_fits(cell):
        if u.shape[:-1] != (1,):  # does not matter for single rows
            return None
        single = _prepare(cell, u, projected)
        prepared.setdefault(cell, {})[projected] = single
    return single(u, state)


def _prepare(cell: GatedCell, u: Tensor, projected: bool) -> _Single | _Never:
    cell.check_weights(u)
    if unreadable([("inputs", u), *own_tensors(cell)]):
        return _Never()
    plain = cell.usual_step and cell.noise(u) is None and (projected or cell.usual_project) and cell.heads == 1
    # Changes inside a submodule or an attribute go unnoticed.
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
    """Return whether an attribute is a plain value, or one that every module has."""
    plain = value is None or isinstance(value, (bool, int, float, str, Tensor, torch.dtype))
    return name in OF_ANY_MODULE or plain or (isinstance(value, tuple) and all(_cannot_change("", v) for v in value))


class _Never:
    """Placeholder of `_Single` for an unsupported cell."""

    def still_fits(self, cell: GatedCell) -> bool:
        return True

    def __call__(self, u: Tensor, state: State) -> None:
        return None


def _look(tensor: Tensor) -> tuple[Any, ...]:
    """Return the properties of a weight other than its values; see `_Single.still_fits`."""
    return type(tensor), tensor.data_ptr(), tensor.shape, tensor.untyped_storage().nbytes()


class _Single:
    """Prepared arguments for single steps of one cell."""

    def __init__(self, cell: GatedCell, u: Tensor, projected: bool) -> None:
        self.kernel = kernel = kernel_for(cell, u.dtype, projects=not projected)
        step, units = kernel.step, cell.hidden_size
        known = {path: tensor for path, tensor, _ in attributes(cell).values()}
        sources = [known[source.path] for source in step.sources]
        weights = {_WEIGHT: cell.weight_hh} if step.gates else {}
        if not projected:
            weights[_INPUT_WEIGHT] = cell.weight_ih
        own = [*cell._parameters.values()]
        self._others = [t for t in (*sources, *weights.values()) if all(t is not one for one in own)]
        self._own, tensors = len(own), [*own, *self._others]
        self._seen = [None if t is None else _look(t) for t in tensors]
        dense = all(
            t.is_contiguous() and not t.is_neg() and t.dtype == u.dtype and t.device == u.device
            for t in tensors
            if t is not None
        )
        own_memory = kernel.shape.scratch or kernel.shape.prepared
        self.fits = dense and units % kernel.lanes == 0 and kernel.shape.plain and not own_memory
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
        self._width, self._features = u.dtype.itemsize, u.shape[1]

    def still_fits(self, cell: GatedCell) -> bool:
        """Return whether all weights and the step are still the same."""
        own, dtype = cell._parameters, self._dtype
        if len(own) != self._own or type(cell).update is not self._update:
            return False
        tensors = [*own.values(), *self._others] if self._others else own.values()
        try:
            for tensor, seen in zip(tensors, self._seen):  # noqa: B905  of equal length; faster without strict
                if tensor is None or seen is None:
                    if tensor is not seen:
                        return False
                    continue
                kind, place, shape, size = seen
                if (
                    tensor.data_ptr() != place
                    or tensor.shape != shape
                    or not tensor.is_contiguous()
                    or tensor.dtype is not dtype
                    or tensor.is_neg()
                    or type(tensor) is not kind
                    or tensor.untyped_storage().nbytes() != size
                ):
                    return False
        except RuntimeError:  # a tensor without memory
            return False
        return True

    def __call__(self, u: Tensor, state: Any) -> tuple[Tensor, State] | None:
        dtype, size, width = self._dtype, self._size, self._width
        if (
            type(state) is not self._state_type
            or u.shape != self._shape
            or type(u) is not Tensor
            or u.dtype is not dtype
            or not u.is_cpu
            or not u.is_contiguous()
            or u.is_neg()
            or u.untyped_storage().nbytes() < (u.storage_offset() + self._features) * width
            or not self._lock.acquire(blocking=False)  # in use by another thread
        ):
            return None
        try:
            numbers, at, steps = self._numbers, self._states, self._steps
            numbers[_U] = u.data_ptr()
            after = []
            for before in state:
                if (
                    before.shape != size
                    or type(before) is not Tensor
                    or before.dtype is not dtype
                    or not before.is_cpu
                    or not before.is_contiguous()
                    or before.is_neg()
                    or before.untyped_storage().nbytes() < (before.storage_offset() + size[1]) * width
                ):
                    return None
                new = torch.empty_like(before)
                numbers[at] = start = before.data_ptr()
                numbers[steps] = (new.data_ptr() - start) // width
                at, steps = at + 1, steps + 1
                after.append(new)
            self._call(numbers)
        finally:
            self._lock.release()
        return after[0], self._state_type(*after)


offer_quick_step(quick_step)
