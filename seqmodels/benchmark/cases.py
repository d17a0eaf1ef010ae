"""Comparisons with torch's layers, as one table. To add one: one line in `TABLE`.

F features, H units.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqmodels import registry
from seqmodels.benchmark.shapes import MODES, USUAL
from seqmodels.cells import Cell, GatedCell, GRUCell, LSTMCell
from seqmodels.cells.gated.elman import ElmanCell
from seqmodels.cells.linear.base import LinearCell
from seqmodels.layers import GRU, LSTM, RNN, Recurrent, Regularisers
from seqmodels.quoting import suggest

MakeCell = Callable[[int, int], Cell]
MakeLayer = Callable[[int, int], nn.Module]


class Case(NamedTuple):
    """A cell of ours, and the layer of torch's that it is held against.

    Fields:
        cell: ``(F, H) -> Cell``.
        peer: "LSTM", "GRU" or "RNN": torch's layer, and the cell of a single step.
        layer: ``(F, H) -> layer`` that runs the cell, batch first.
        loop: ``(F, H) -> layer``, the same as a plain loop in Python.
        modes: those of `seqmodels.benchmark.shapes.MODES` that are tried unless others are asked for.
        shapes: the names of the shapes that are.
    """

    cell: MakeCell
    peer: str
    layer: MakeLayer
    loop: MakeLayer
    modes: tuple[str, ...] = ("train",)
    shapes: tuple[str, ...] = USUAL


class TorchLoop(nn.Module):
    """A Python loop over one of torch's cells, as one writes it where there is no layer."""

    def __init__(self, peer: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.cell = getattr(nn, f"{peer}Cell")(input_size, hidden_size)

    def forward(self, inputs: Tensor) -> tuple[Tensor, object]:
        state, outputs = None, []
        for x in inputs.unbind(1):
            state = self.cell(x, state)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outputs, dim=1), state


class TwoMemories(NamedTuple):
    """Output `h`, a fast memory, and a slow one that follows it."""

    h: Tensor
    fast: Tensor
    slow: Tensor


class TwoMemoryCell(GatedCell):
    """Cell with a fast and a slow memory, as a researcher might write it."""

    state_type = TwoMemories
    gates = ("f", "s", "n", "o")

    def update(self, u: Tensor, r: Tensor, state: TwoMemories) -> TwoMemories:
        f, s, n, o = (u + r).chunk(4, dim=-1)
        f, s = torch.sigmoid(f), torch.sigmoid(s)
        fast = f * state.fast + (1 - f) * torch.tanh(n)
        slow = state.slow + 0.1 * s * (fast - state.slow)
        return TwoMemories(torch.sigmoid(o) * torch.tanh(fast + slow), fast, slow)


def _dropin(layer: type[nn.Module], cell: MakeCell, modes: tuple[str, ...]) -> Case:
    peer = layer.__name__
    return Case(cell, peer, partial(layer, batch_first=True), partial(TorchLoop, peer), modes)


def _own(
    cell: MakeCell, peer: str = "LSTM", regularisers: Regularisers | None = None, **options: tuple[str, ...]
) -> Case:
    def layer(features: int, units: int, engine: str = "auto") -> Recurrent:
        return Recurrent(cell(features, units), engine=engine, regularisers=regularisers)

    return Case(cell, peer, layer, partial(layer, engine="reference"), **options)


ZONEOUT_AND_LOCKED_DROPOUT = Regularisers(
    input_dropout=0.25, recurrent_dropout=0.25, output_dropout=0.25, zoneout_h=0.05, zoneout_c=0.15
)

#: What is not a registered cell with its default options, by the name that ``--cells`` takes.
TABLE: dict[str, Case] = {
    "lstm": _dropin(LSTM, LSTMCell, MODES),
    "gru": _dropin(GRU, GRUCell, ("train", "infer")),
    "rnn": _dropin(RNN, ElmanCell, ("train", "infer")),
    "peephole_lstm": _own(partial(LSTMCell, peephole=True)),
    "zoneout_lstm": _own(LSTMCell, regularisers=ZONEOUT_AND_LOCKED_DROPOUT),
    "two_memories": _own(TwoMemoryCell, modes=("train", "first", "memory")),
}
_HIDDEN = ("elman", "feedforward")  # the table's rnn; nothing recurrent


def known() -> list[str]:
    """List the names that `find` takes: those of the table, then all other registered cells."""
    return [*TABLE, *(name for name in registry.names("cell") if name not in (*TABLE, *_HIDDEN))]


def find(name: str) -> Case:
    """Find the comparison called `name`: one of the table's, a registered cell, or ``package.module:Class``.

    Raises:
        ValueError: no such cell.
    """
    if name in TABLE:
        return TABLE[name]
    if ":" not in name and name not in known():
        hint = suggest(name, known())
        raise ValueError(f"there is no cell {name!r} to compare{hint} Known: {', '.join(known())}")
    cls: Any = _imported(name) if ":" in name else registry.find("cell", name)
    # torch has no linear cell: the GRU is what these are used in the place of.
    return _own(cls, "GRU", shapes=("long",)) if issubclass(cls, LinearCell) else _own(cls)


def _imported(path: str) -> type[Cell]:
    module, _, name = path.partition(":")
    try:
        cls = getattr(registry.import_named(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: cannot be imported: {error}") from error
    if not (isinstance(cls, type) and issubclass(cls, Cell)):
        raise ValueError(f"{path}: must be a class derived from seqmodels.cells.Cell")
    return cls
