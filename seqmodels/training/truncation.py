"""Truncated backpropagation through time.

A batch is one window of every row. k1 is the window's length, k2 the number of steps that a
gradient may reach back:

    k2 = k1    each window starts from the detached state of the previous window
    k2 > k1    previous windows are rerun without loss, so that the gradient of the new window
               reaches k2 - k1 steps back into them
    k2 < k1    the state is detached every k2 steps inside the window

Windows of different lengths are treated one by one: one shorter than k2 reaches back.

A batch of whole sequences (``window: null``) uses full backpropagation; with k2 only the last k2
steps of each row are inside the graph.

Source: Williams & Peng 1990, "An efficient gradient-based algorithm for on-line training of
recurrent network trajectories" (k1 and k2 there: h' and h).

B rows, T steps, F features.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch, step_mask
from seqmodels.model import SequenceModel
from seqmodels.state import State, detach, map_state, where


class PastWindow(NamedTuple):
    """A window to rerun: its inputs and the detached state before it."""

    state: State
    inputs: Tensor
    lengths: Tensor
    reset: Tensor


@dataclass
class Carried:
    """State that one stage (training, validation or test) carries from window to window.

    Attributes:
        state: the detached state after the last window; None before the first.
        past: with k2, the windows that a gradient may still reach, oldest first.
    """

    state: State = None
    past: list[PastWindow] = field(default_factory=list)

    def to(self, device: torch.device) -> Carried:
        """Return a copy on another device."""

        def move(state: State) -> State:
            return None if state is None else map_state(lambda leaf: leaf.to(device), state)

        past = [PastWindow(move(window.state), *(tensor.to(device) for tensor in window[1:])) for window in self.past]
        return Carried(move(self.state), past)


def fresh_state(model: SequenceModel, rows: int) -> State:
    """Return the model's initial state for B rows, on the model's device and dtype."""
    return model.initial_state(rows, next(model.parameters()))


def run_window(model: SequenceModel, batch: SequenceBatch, carried: Carried, k2: int | None) -> Tensor:
    """Run one window of every row from the carried state, and update it.

    Args:
        batch: one window of every row; rows with `reset` start from the initial state.
        carried: changed in place.
        k2: steps the gradient reaches back from the window's end; None for the window only.

    Returns:
        The prediction for the new window.
    """
    fresh = fresh_state(model, len(batch.inputs))
    before = fresh if carried.state is None else carried.state
    steps = batch.inputs.shape[1]
    reach = steps if k2 is None else k2
    start = _rerun(model, carried.past, fresh, reach - steps) if reach > steps and carried.past else before
    state = where(batch.reset, fresh, start)
    if reach >= steps:
        features, state = model.features(batch.inputs, state, batch.lengths)
    else:
        features, state = _chunks(model, batch, state, reach)
    if k2 is not None and k2 > 1:
        # Also for windows longer than k2: a shorter one may follow and reach back into it.
        carried.past.append(PastWindow(before, batch.inputs, batch.lengths, batch.reset))
        _forget(carried.past, k2)
    carried.state = detach(state)
    return model.head(features, batch.lengths)


def _rerun(model: SequenceModel, past: list[PastWindow], fresh: State, reach: int) -> State:
    """Return the state before the new window, with a graph that reaches `reach` steps back."""
    skip = max(0, sum(window.inputs.shape[1] for window in past) - reach)
    state = past[0].state
    for window in past:
        state = where(window.reset, fresh, state)
        steps = window.inputs.shape[1]
        if skip >= steps:  # entirely out of reach
            with torch.no_grad():
                state = model.features(window.inputs, state, window.lengths)[1]
            skip -= steps
            continue
        inputs, lengths = window.inputs, window.lengths
        if skip:
            with torch.no_grad():
                state = model.features(inputs[:, :skip], state, lengths.clamp(max=skip))[1]
            inputs, lengths, skip = inputs[:, skip:], (lengths - skip).clamp(min=0), 0
        state = model.features(inputs, state, lengths)[1]
    return state


def _forget(past: list[PastWindow], k2: int) -> None:
    """Drop the windows that no later gradient can reach.

    A later window has at least one step, so k2 - 1 steps of the past are enough.
    """
    while sum(window.inputs.shape[1] for window in past[1:]) >= k2 - 1:
        del past[0]


def _chunks(model: SequenceModel, batch: SequenceBatch, state: State, k2: int) -> tuple[Tensor, State]:
    """Run the window in chunks of k2 steps, detaching the state between them."""
    features = []
    for start in range(0, batch.inputs.shape[1], k2):
        lengths = (batch.lengths - start).clamp(min=0, max=k2)
        chunk = batch.inputs[:, start : start + k2]
        out, state = model.features(chunk, state if start == 0 else detach(state), lengths.clamp(max=chunk.shape[1]))
        features.append(out)
    return torch.cat(features, dim=1), state


def run_sequences(model: SequenceModel, batch: SequenceBatch, k2: int | None) -> Tensor:
    """Run whole sequences, each from the initial state.

    Args:
        k2: only the last k2 real steps of each row are inside the graph; None for all.
    """
    teacher = batch.targets if model.head.target_shape == "own" and not model.head.unaligned else None
    if k2 is None or k2 >= batch.inputs.shape[1]:
        return model(batch.inputs, None, batch.lengths, teacher=teacher)[0]
    features = _last_steps(model, batch, k2)
    return model.predict(features, batch.inputs, batch.lengths, teacher)


def _last_steps(model: SequenceModel, batch: SequenceBatch, k2: int) -> Tensor:
    rows, steps = batch.inputs.shape[:2]
    fresh = fresh_state(model, rows)
    early = (batch.lengths - k2).clamp(min=0)  # steps of each row before the graph begins
    with torch.no_grad():
        reach = max(1, int(early.max()))
        outside, state = model.features(batch.inputs[:, :reach], fresh, early)
    # Rows that fit into k2 steps start inside the graph, so a learned initial state is trained.
    state = where(early == 0, fresh, state)
    index = early.unsqueeze(1) + torch.arange(k2, device=early.device)
    row = torch.arange(rows, device=early.device).unsqueeze(1)
    inside, _ = model.features(batch.inputs[row, index.clamp(max=steps - 1)], state, batch.lengths - early)
    features = outside.new_zeros(rows, steps, outside.shape[2])
    features[:, :reach] = outside
    real = step_mask(batch.lengths - early, k2)
    return features.index_put((row.expand_as(index)[real], index[real]), inside[real].to(features.dtype))
