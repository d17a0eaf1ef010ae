"""Operations on recurrent states.

A *state* is a NamedTuple of tensors whose first axis is the batch, such as ``LSTMState(h, c)``, or a
tuple of states, such as that of a stack of layers. The operations work for the state of any cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor

# A NamedTuple of tensors or a (nested) tuple of those; ``Any`` because Python has no type for
# "any NamedTuple class".
State: TypeAlias = Any


def map_state(function: Callable[..., Tensor], *states: State) -> State:
    """Apply `function` to the corresponding tensors of one or more states.

    The states must have the same structure, which is that of the result.

    >>> from seqmodels.cells import LSTMState
    >>> import torch
    >>> s = LSTMState(torch.ones(2, 3), torch.zeros(2, 3))
    >>> map_state(lambda a, b: a + b, s, s).h.sum().item()
    12.0
    """
    first = states[0]
    if isinstance(first, Tensor):
        return function(*states)
    if not isinstance(first, tuple):
        raise TypeError(f"a state must be a tensor or a tuple of states, got {type(first).__name__}")
    if any(len(first) != len(other) for other in states[1:]):
        raise ValueError(f"states differ in structure: {[describe(s) for s in states]}")
    parts = [map_state(function, *parts) for parts in zip(*states, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)


def leaves(state: State) -> Iterator[Tensor]:
    """Yield all tensors of a state, in order."""
    if isinstance(state, Tensor):
        yield state
    else:
        for part in state:
            yield from leaves(part)


def detach(state: State) -> State:
    """Detach all tensors of a state from the graph."""
    return map_state(Tensor.detach, state)


def where(reset: Tensor, fresh: State, carried: State) -> State:
    """Select `fresh` for the rows where `reset` is true, else `carried`.

    Args:
        reset: bool ``(B,)``.
        fresh, carried: states of B rows and the same structure.
    """

    def choose(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(reset.view(-1, *[1] * (new.dim() - 1)), new, old)

    return map_state(choose, fresh, carried)


def select(state: State, rows: Tensor) -> State:
    """Select rows of a state, for beam search and for reordering a batch."""
    return map_state(lambda leaf: leaf.index_select(0, rows), state)


def stack_steps(states: list[State]) -> State:
    """Stack T states of ``(B, ...)`` to one state of ``(B, T, ...)``."""
    return map_state(lambda *steps: torch.stack(steps, dim=1), *states)


def same_form(one: State, other: State) -> bool:
    """Return whether two states have the same classes and shapes throughout."""
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return isinstance(one, Tensor) and isinstance(other, Tensor) and one.shape == other.shape
    if type(one) is not type(other) or not isinstance(one, tuple) or len(one) != len(other):
        return False
    return all(same_form(*parts) for parts in zip(one, other, strict=True))


def describe(state: State) -> str:
    """Describe the structure of a state for error messages, as ``LSTMState(h: (2, 3), c: (2, 3))``."""
    if isinstance(state, Tensor):
        return str(tuple(state.shape))
    if not isinstance(state, tuple):
        return type(state).__name__
    names: tuple[str, ...] | None = getattr(state, "_fields", None)
    if names is None:
        return "(" + ", ".join(describe(part) for part in state) + ")"
    fields = ", ".join(f"{n}: {describe(part)}" for n, part in zip(names, state, strict=True))
    return f"{type(state).__name__}({fields})"
