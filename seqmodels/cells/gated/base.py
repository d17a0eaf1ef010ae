"""Base class of gated cells: an input product, a recurrent product and a pointwise update.

B rows, F input features, H units, G gates; `...` any leading axes.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from seqmodels.cells.gated.initialise import Gates, Init, initialise
from seqmodels.cells.product import block_product, linear
from seqmodels.kinds import Count, whole
from seqmodels.state import State


class _Steps(threading.local):
    """Per-thread setting for single steps of gated cells."""

    def __init__(self) -> None:
        self.plain = False  # set here because a compiler would see it appear later


def _no_quick_step(cell: GatedCell, u: Tensor, state: State, projected: bool) -> tuple[Tensor, State] | None:
    return None


_steps = _Steps()
_quick_step: Callable[[GatedCell, Tensor, State, bool], tuple[Tensor, State] | None] = _no_quick_step
#: State prepared by the quick step, kept until an attribute of the cell is set. Not stored on the cell, where it would
#: be copied and saved with it, and seen by a compiler.
prepared: weakref.WeakKeyDictionary[GatedCell, dict[bool, Any]] = weakref.WeakKeyDictionary()


def offer_quick_step(function: Callable[[GatedCell, Tensor, State, bool], tuple[Tensor, State] | None]) -> None:
    """Register ``function(cell, u, state, projected)`` for steps without gradients; it returns None where it cannot."""
    global _quick_step
    _quick_step = function


@contextlib.contextmanager
def plain_steps() -> Iterator[None]:
    """Disable the quick step inside the context; compilers never see it."""
    if torch.compiler.is_compiling():
        yield
        return
    before, _steps.plain = _steps.plain, True
    try:
        yield
    finally:
        _steps.plain = before


class GatedCell(Gates):
    """Cell made of an input product, a recurrent product and `update`, a pure function of tensors.

    A subclass names its `gates` (the blocks of H rows in the weights, in order) and implements `update` in plain
    PyTorch, without Python branches on values:

    >>> from seqmodels.cells import GatedCell, HiddenState
    >>> class LeakyCell(GatedCell):
    ...     gates = ("a", "n")
    ...     def update(self, u, r, state):
    ...         a, n = (u + r).chunk(2, dim=-1)
    ...         a = torch.sigmoid(a)
    ...         return HiddenState((1 - a) * state.h + a * torch.tanh(n))
    >>> y, state = LeakyCell(3, 5)(torch.ones(2, 3))
    >>> y.shape
    torch.Size([2, 5])

    Parameters, named and shaped as in torch: `weight_ih` ``(G*H, F)``, `weight_hh` ``(G*H, H)``, `bias_ih` and
    `bias_hh` ``(G*H,)``. With several heads the recurrent matrix of each gate is block-diagonal, and `weight_hh`
    ``(G*H, H/heads)`` holds only the blocks: a unit reads the units of its own head, with one head per unit only
    itself.

    Args:
        heads: number of groups of units that do not read each other's past; must divide hidden_size.
        bias: whether to add `bias_ih` and `bias_hh`.
        init: "uniform" (torch's own), "orthogonal", "chrono" or "identity"; see `seqmodels.cells.gated.initialise`.
        forget_bias: initial bias of the keep gate, if given.
        chrono_steps: longest expected dependency, in steps; required by ``init="chrono"``.
    """

    weight_ih: nn.Parameter
    weight_hh: nn.Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        init: Init = "uniform",
        forget_bias: float | None = None,
        chrono_steps: Annotated[int, whole(3)] | None = None,
        heads: Count = 1,
    ) -> None:
        super().__init__(input_size, hidden_size)
        if not isinstance(heads, int) or heads < 1 or hidden_size % heads:
            raise ValueError(f"heads must be a whole number that divides hidden_size={hidden_size}, got {heads!r}")
        self.heads = heads
        self.bias = bias
        self.init = init
        self.forget_bias = forget_bias
        self.chrono_steps = chrono_steps
        self.bias_ih: nn.Parameter | None = None
        self.bias_hh: nn.Parameter | None = None
        for name, shape in self.weight_shapes().items():
            setattr(self, name, nn.Parameter(torch.empty(shape)))
        self.reset_parameters()

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all weights; a subclass with other weights overrides this."""
        rows = len(self.gates) * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, self.input_size),
            "weight_hh": (rows, self.state_sizes()["h"] // self.heads),
        }
        return shapes | (dict.fromkeys(("bias_ih", "bias_hh"), (rows,)) if self.bias else {})

    def reset_parameters(self) -> None:
        """Initialise the weights by the scheme named in `init`."""
        initialise(self, self.init, forget_bias=self.forget_bias, chrono_steps=self.chrono_steps)

    def project(self, x: Tensor) -> Tensor:
        return linear(x, self.weight_ih, self.bias_ih)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        # A compiler gets the plain step.
        if not (state is None or torch.is_grad_enabled() or torch.compiler.is_compiling() or _steps.plain):
            done = _quick_step(self, x, state, False)
            if done is not None:
                return done
        return super().forward(x, state)

    def step(self, u: Tensor, state: State) -> tuple[Tensor, State]:
        if not (torch.is_grad_enabled() or torch.compiler.is_compiling() or _steps.plain):
            done = _quick_step(self, u, state, True)
            if done is not None:
                return done
        state = self.update(u, self.recur(state), state)
        return state.h, state

    def __setattr__(self, name: str, value: Any) -> None:
        if not torch.compiler.is_compiling():
            prepared.pop(self, None)
        super().__setattr__(name, value)

    @property
    def usual_step(self) -> bool:
        """Whether a step is ``update(u, recur(state), state)``: no subclass overrides `step` or `recur`."""
        return type(self).step is GatedCell.step and type(self).recur is GatedCell.recur

    @property
    def usual_project(self) -> bool:
        """Whether the projected input is ``weight_ih x + bias_ih``, followed by `noise`."""
        return type(self).project is GatedCell.project

    def noise(self, x: Tensor) -> Tensor | None:
        """Draw the random numbers that steps read beside the input product: ``(..., k*H)``, no gradient, or None."""
        return None

    def vendor_weights(self) -> list[Tensor] | None:
        """Return the weights as torch's own layers take them; None with several heads, or one bias of the two."""
        if self.heads != 1 or (self.bias_ih is None) != (self.bias_hh is None):
            return None
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return [weight for weight in weights if weight is not None]

    def recurrent_input(self, state: State) -> Tensor:
        """Return the input ``(B, H)`` of the recurrent product: `h`, or a pointwise function of the fields."""
        return state.h

    def recur(self, state: State) -> Tensor:
        """Compute the recurrent product ``weight_hh h + bias_hh``, ``(B, G*H)``."""
        h = self.recurrent_input(state)
        if self.heads == 1:
            return linear(h, self.weight_hh, self.bias_hh)
        size = self.hidden_size // self.heads
        blocks = self.weight_hh.view(len(self.gates), self.heads, size, size)
        r = block_product(blocks, h.unflatten(-1, (self.heads, size))).flatten(-3)
        return r if self.bias_hh is None else r + self.bias_hh

    def update(self, u: Tensor, r: Tensor, state: State) -> State:
        """Compute the pointwise part of a step.

        Args:
            u: input product of this step, ``(B, G*H)``.
            r: recurrent product ``weight_hh h + bias_hh``, ``(B, G*H)``.

        Returns:
            State after the step; its field `h` is the output.
        """
        return self.gated_update(u, r, state)[0]

    def gated_update(self, u: Tensor, r: Tensor, state: State) -> tuple[State, dict[str, Tensor]]:
        """Compute `update`, and the gates by name for `activations`; a cell that shows no gates has `update` alone."""
        raise NotImplementedError

    def activations(self, u: Tensor, state: State) -> dict[str, Tensor]:
        if type(self).gated_update is GatedCell.gated_update:
            return {}
        return self.gated_update(u, self.recur(state), state)[1]
