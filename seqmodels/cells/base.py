"""Base class of recurrent cells.

B rows, F input features, H units; `...` any leading axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from seqmodels.cells.checks import (
    check_device,
    check_memory,
    one_precision,
    own_tensors,
    sound,
    traced,
    watch_backward,
)
from seqmodels.kinds import at_least_one
from seqmodels.state import State, leaves

if TYPE_CHECKING:
    from typing_extensions import Self


class HiddenState(NamedTuple):
    """State of a cell whose only memory is its output."""

    h: Tensor


class VendorForm(NamedTuple):
    """Equivalent fused torch layer of a cell: function name and weights."""

    kind: str
    weights: list[Tensor]


class Cell(nn.Module):
    """One time step of a recurrence; `seqmodels.layers.Recurrent` runs it over time.

    A subclass sets `state_type` and implements `project` and `step`, without loops over time.

    Attributes:
        state_type: NamedTuple class of the state.
        output_size: width of the output.
    """

    state_type: ClassVar[type[Any]] = HiddenState

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = at_least_one.check("input_size", input_size)
        self.hidden_size = at_least_one.check("hidden_size", hidden_size)
        self.output_size = hidden_size

    def state_sizes(self) -> dict[str, int]:
        """Return the width of each field of the state, H by default."""
        return dict.fromkeys(self.state_type._fields, self.hidden_size)

    def initial_state(self, batch_size: int, like: Tensor) -> State:
        """Return the state before the first step: zeros, or learned (see `learn_initial_state`).

        Args:
            like: tensor with the wanted device and floating dtype.
        """
        dtype = like.dtype if like.is_floating_point() else torch.get_default_dtype()
        fields = []
        for name, size in self.state_sizes().items():
            learned = getattr(self, f"initial_{name}", None)
            if learned is None:
                fields.append(torch.zeros(batch_size, size, device=like.device, dtype=dtype))
            else:
                fields.append(learned.to(like.device, dtype).expand(batch_size, size))
        return self.state_type(*fields)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the weight shapes that each call checks, by path; by default those of `nn.Linear` submodules."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name, part in self._modules.items():
            if isinstance(part, nn.Linear):
                shapes |= {
                    f"{name}.weight": (part.out_features, part.in_features),
                    f"{name}.bias": (part.out_features,),
                }
        return shapes

    def check_weights(self, like: Tensor) -> None:
        """Reject weights on another device than `like`, with freed memory, or of a wrong shape or dtype."""
        if traced():
            return
        shapes, dtype, name_of_cell = self.weight_shapes(), like.dtype, type(self).__name__
        for name, tensor in own_tensors(self, shapes):
            if not sound(tensor, like.device):
                check_device(name, tensor, like)
                check_memory(name, tensor)
            shape = shapes.get(name)
            if shape is not None and tensor.shape != shape:
                raise ValueError(
                    f"{name} of this {name_of_cell} must be {shape}, got {tuple(tensor.shape)}: "
                    "load weights of its sizes, or build the cell with the sizes of these"
                )
            if shape is not None and tensor.dtype is not dtype and not one_precision(tensor.dtype, like):
                raise ValueError(
                    f"{name} of this {name_of_cell} must have the dtype of inputs, {dtype}, got {tensor.dtype}: "
                    f"convert all weights at once, by layer.to({dtype})"
                )

    def learn_initial_state(self) -> None:
        """Make the initial state a parameter, `initial_<field>` for each field, zero at first.

        Raises:
            ValueError: the cell has no state.
        """
        if not self.state_type._fields:
            raise ValueError(f"initial_state='learned' needs a cell with a state; {type(self).__name__} has none")
        like = next(self.parameters(), torch.empty(0))
        for name, size in self.state_sizes().items():
            setattr(self, f"initial_{name}", nn.Parameter(torch.zeros(size, device=like.device, dtype=like.dtype)))

    def project(self, x: Tensor) -> Tensor:
        """Compute the part of the steps that does not read the state: ``(..., F) -> (..., U)``."""
        raise NotImplementedError

    def step(self, u: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step from projected input ``(B, U)``; return the output ``(B, output_size)`` and the new state.

        A cell without a state must accept any leading axes in place of B: its steps are run at once.
        """
        raise NotImplementedError

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Take one step from the input ``(B, F)``; return the output and the new state.

        >>> from seqmodels.cells import GatedCell
        >>> cell = GatedCell(3, 5)
        >>> cell.update = lambda u, r, state: HiddenState(torch.tanh(u + r))
        >>> y, state = cell(torch.ones(2, 3))
        >>> y.shape
        torch.Size([2, 5])
        """
        self._check_memory(x, state)
        self.check_weights(x)
        state = self.initial_state(len(x), x) if state is None else state
        y, state = self.step(self.project(x), state)
        watch_backward(self, (y, *leaves(state)))
        return y, state

    def _check_memory(self, x: Tensor, state: State) -> None:
        """Reject inputs and states that a step would misread."""
        if traced():
            return
        for name, tensor in (("inputs", x), *(("state", leaf) for leaf in leaves(() if state is None else state))):
            if not sound(tensor, x.device):
                check_device(name, tensor, x)
                check_memory(name, tensor)

    def activations(self, u: Tensor, state: State) -> dict[str, Tensor]:
        """Return the gates of one step by name, each ``(B, H)``, for diagnostics; empty by default."""
        return {}

    def vendor(self) -> VendorForm | None:
        """Return the equivalent fused torch layer, or None if there is none."""
        return None

    def bind(self, parameters: Mapping[str, Tensor | None]) -> Self:
        """Return the same cell with other tensors as parameters; everything else is shared.

        >>> from seqmodels.cells import GatedCell
        >>> cell = GatedCell(3, 5)
        >>> bound = cell.bind({"weight_ih": cell.weight_ih * 2})
        >>> torch.equal(bound.weight_ih, cell.weight_ih * 2), bound.weight_hh is cell.weight_hh
        (True, True)

        The tensors keep their graph: gradients flow on to what they were computed from.
        """
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__, _parameters={**self._parameters, **parameters})
        return bound

    def computes_as(self, cls: type[Cell], *methods: str) -> bool:
        """Return whether this cell inherits the step of `cls` unchanged: the usual methods and `methods`."""
        names = ("project", "step", "recurrent_input", "recur", "update", *methods)
        return all(getattr(type(self), name) is getattr(cls, name) for name in names)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"
