"""Recording of a model's cells step by step, without changing the model.

B rows, H units.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqmodels.cells.base import Cell
from seqmodels.layers.recurrent import Recurrent
from seqmodels.model import evaluating
from seqmodels.state import State, leaves


class Step(NamedTuple):
    """A recorded step of a cell: its projected input ``(B, U)``, and the states before and after it."""

    projected: Tensor
    before: State
    after: State


def named_cells(model: nn.Module) -> dict[str, Cell]:
    """Return every cell of a model, named `layer0`, `layer0_reverse`, `layer1`, ...; in the head `decoder0`, ...

    >>> from seqmodels.cells import GRUCell, LSTMCell
    >>> layers = nn.ModuleList([Recurrent(LSTMCell(3, 5)), Recurrent(GRUCell(5, 5))])
    >>> list(named_cells(layers))
    ['layer0', 'layer1']
    """
    head = getattr(model, "head", None)
    in_head = {id(m) for m in head.modules()} if isinstance(head, nn.Module) else set()
    reverse = {id(m.cell) for m in model.modules() if isinstance(m, Recurrent) and m.reverse}
    names: dict[str, Cell] = {}
    layer, parent = -1, None
    for path, module in model.named_modules():
        if not isinstance(module, Cell):
            continue
        if id(module) in in_head:
            names[f"decoder{sum(name.startswith('decoder') for name in names)}"] = module
            continue
        holder = path.rpartition(".")[0].rpartition(".")[0]
        # The two directions of one layer share a parent that is not a plain list of layers.
        together = holder == parent and not isinstance(model.get_submodule(holder), nn.ModuleList | nn.Sequential)
        layer, parent = (layer if together else layer + 1), holder
        names[f"layer{layer}" + ("_reverse" if id(module) in reverse else "")] = module
    return names


@contextmanager
def recorded(model: nn.Module) -> Iterator[dict[str, list[Step]]]:
    """Run every cell by the plain loop, in evaluation mode, and record each step.

    The recorded states are part of the graph, so gradients can be taken with respect to them.

    >>> import torch
    >>> from seqmodels.cells import LSTMCell
    >>> layer = Recurrent(LSTMCell(3, 5))
    >>> with recorded(nn.ModuleList([layer])) as steps:
    ...     _ = layer(torch.zeros(2, 7, 3))
    >>> len(steps["layer0"]), steps["layer0"][-1].after.c.shape
    (7, torch.Size([2, 5]))
    """
    cells = named_cells(model)
    steps: dict[str, list[Step]] = {name: [] for name in cells}
    layers = [(m, m.engine) for m in model.modules() if isinstance(m, Recurrent)]
    with evaluating(model):
        try:
            for layer, _ in layers:
                layer.engine = "reference"
            for name, cell in cells.items():
                # Set on the instance, not the class, so that no other cell is affected.
                cell.__dict__["step"] = _recording(cell.step, steps[name])
                cell.__dict__["vendor"] = lambda: None  # keeps a head's own scan on the plain loop
            yield steps
        finally:
            for layer, engine in layers:
                layer.engine = engine
            for cell in cells.values():
                cell.__dict__.pop("step", None)
                cell.__dict__.pop("vendor", None)


def _recording(step: Callable[..., Any], record: list[Step]) -> Callable[..., tuple[Tensor, State]]:
    def recording(projected: Tensor, state: State) -> tuple[Tensor, State]:
        for leaf in leaves(state):
            if torch.is_grad_enabled() and not leaf.requires_grad:
                leaf.requires_grad_()  # gives a graph even if all weights are frozen
        y, after = step(projected, state)
        record.append(Step(projected, state, after))
        return y, after

    return recording
