"""One comparison: a cell in one mode at one shape.

T steps, B rows, F features, H units.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqmodels.benchmark.cases import Case, find
from seqmodels.benchmark.shapes import Shape
from seqmodels.benchmark.timing import Call, Spread, in_turn, seconds, spread
from seqmodels.cells.gated.base import plain_steps
from seqmodels.layers import Recurrent
from seqmodels.scan import choose
from seqmodels.state import State

# A plain loop is up to twenty times slower, and its time need not be precise.
_LOOP_ROUNDS = 3


class Settings(NamedTuple):
    """Settings shared by all comparisons of a run; plain values that can be pickled to fresh processes."""

    device: str = "cpu"
    dtype: str = "float32"
    repeats: int = 11
    threads: int | None = None
    loop: bool = True

    def like(self) -> dict[str, Any]:
        """Return keyword arguments for a tensor factory."""
        return {"device": self.device, "dtype": getattr(torch, self.dtype)}

    def apply(self) -> None:
        """Set torch's process-wide state: the number of threads and the current CUDA device."""
        if self.threads:
            torch.set_num_threads(self.threads)
        if self.device != "cpu":
            torch.cuda.set_device(self.device)


class Row(NamedTuple):
    """Result of one comparison; times in seconds.

    Attributes:
        ratio: torch's time over ours, per round; above 1 ours is faster.
        share: our FLOP/s relative to one large matrix product.
    """

    cell: str
    mode: str
    shape: Shape
    peer: str
    engine: str
    times: dict[str, Spread]
    ratio: Spread
    share: float | None


def compare(name: str, mode: str, shape: Shape, settings: Settings, peak: float) -> Row:
    """Time our layer, torch's layer, and the plain loop.

    Args:
        mode: "train", "infer" or "step"; the last runs one step of one row for any shape.
    """
    case = find(name)
    if mode == "step":
        shape = shape._replace(steps=1, rows=1)
    calls = contenders(case, mode, shape, settings)
    times = in_turn(calls, settings.repeats, settings.device, {"loop": _LOOP_ROUNDS})
    spreads = {contender: spread(values) for contender, values in times.items()}
    ours = spreads["seqmodels"].median
    work = arithmetic(case, shape) * (3 if mode == "train" else 1)
    return Row(
        cell=name,
        mode=mode,
        shape=shape,
        peer=case.peer + ("Cell" if mode == "step" else ""),
        engine=_engine(case, mode, shape, settings),
        times=spreads,
        ratio=spread([theirs / own for theirs, own in zip(times["torch"], times["seqmodels"], strict=True)]),
        share=None if mode == "step" else work / ours / peak,
    )


def contenders(case: Case, mode: str, shape: Shape, settings: Settings) -> dict[str, Call]:
    """Return the calls to time by name: "seqmodels", "torch", and "loop" if enabled."""
    if mode == "step":
        return _step_calls(case, shape, settings)
    sizes = shape.features, shape.units
    layers = {"seqmodels": case.layer(*sizes), "torch": getattr(nn, case.peer)(*sizes, batch_first=True)}
    if settings.loop:
        layers["loop"] = case.loop(*sizes)
    make = train_call if mode == "train" else _infer_call
    return {name: make(layer.to(**settings.like()), shape, settings) for name, layer in layers.items()}


def train_call(layer: nn.Module, shape: Shape, settings: Settings) -> Call:
    """Return a call that runs forward and backward, with gradients of all weights and the inputs."""
    inputs = _inputs(shape, settings).requires_grad_()
    tensors = [inputs, *layer.parameters()]
    width = layer(inputs[:, :2])[0].shape[-1]
    gradient = torch.randn(shape.rows, shape.steps, width, **settings.like())

    def call() -> None:
        for tensor in tensors:
            tensor.grad = None
        layer(inputs)[0].backward(gradient)

    return call


def _infer_call(layer: nn.Module, shape: Shape, settings: Settings) -> Call:
    inputs = _inputs(shape, settings)
    layer.eval()

    @torch.no_grad()
    def call() -> None:
        layer(inputs)

    return call


def _step_calls(case: Case, shape: Shape, settings: Settings) -> dict[str, Call]:
    """Return calls of one step from a given state: our cell, torch's cell, and our cell without compilation."""
    sizes, like = (shape.features, shape.units), settings.like()
    theirs = getattr(nn, f"{case.peer}Cell")(*sizes).to(**like)
    cell = case.cell(*sizes).to(**like).eval()
    x = _inputs(shape, settings)[:, 0]
    with torch.no_grad():
        their_state = theirs(x)
        own: State = cell.initial_state(1, x)

    def call_cell() -> None:
        with torch.no_grad():
            cell(x, own)

    def call_theirs() -> None:
        with torch.no_grad():
            theirs(x, their_state)

    def call_as_written() -> None:
        with torch.no_grad(), plain_steps():
            cell.step(cell.project(x), own)

    calls: dict[str, Call] = {"seqmodels": call_cell, "torch": call_theirs}
    if settings.loop:
        calls["loop"] = call_as_written
    return calls


def _inputs(shape: Shape, settings: Settings) -> Tensor:
    return torch.randn(shape.rows, shape.steps, shape.features, **settings.like())


def _engine(case: Case, mode: str, shape: Shape, settings: Settings) -> str:
    layer = case.layer(shape.features, shape.units).to(**settings.like()).train(mode == "train")
    inputs = _inputs(shape, settings).requires_grad_(mode == "train")
    if isinstance(layer, Recurrent):  # its regularisers are part of the cell that runs
        cell = layer.regularisers.on_cell(layer.cell, inputs, layer.training, draw=False)
    else:
        cell = case.cell(shape.features, shape.units).to(**settings.like())
    with torch.set_grad_enabled(mode == "train"):
        return choose(cell, inputs)[0]


def arithmetic(case: Case, shape: Shape) -> int:
    """Count the FLOPs of the matrix products of one forward pass, ``2 T B G H (F + H)`` for G gates.

    >>> arithmetic(find("lstm"), Shape(2, 3, 5, 7)) == 2 * 2 * 3 * 4 * 7 * (5 + 7)
    True

    The backward pass needs twice as many.
    """
    weights = case.cell(shape.features, shape.units).parameters()
    return 2 * shape.steps * shape.rows * sum(weight.numel() for weight in weights if weight.dim() == 2)


def peak_of_products(settings: Settings, size: int = 2048) -> float:
    """Return the FLOP/s of one large matrix product, the fastest of nine."""
    a, b = (torch.randn(size, size, **settings.like()) for _ in range(2))
    torch.mm(a, b)
    return 2 * size**3 / min(seconds(lambda: torch.mm(a, b), 1, settings.device) for _ in range(9))
