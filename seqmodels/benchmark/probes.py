"""What only a fresh process can tell: the first use of a cell, and the most memory that it takes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from seqmodels.benchmark.cases import find
from seqmodels.benchmark.run import Settings, train_call
from seqmodels.benchmark.shapes import Shape
from seqmodels.state import map_state
from seqmodels.stopping import starting

# A text of so many windows, once short and once long: the peak must be the same.
_WINDOWS = (10, 40)


class Figure(NamedTuple):
    """One number, and the one that it is held against, if any: seconds or MiB."""

    cell: str
    name: str
    shape: Shape
    value: float
    other: float | None = None

    @property
    def ratio(self) -> float | None:
        """The number in units of the other."""
        return None if not self.other else self.value / self.other


def first_use(cell: str, shape: Shape, settings: Settings) -> list[Figure]:
    """Seconds that the first training step takes beyond the second: with an empty cache, and again."""
    with tempfile.TemporaryDirectory() as cache:
        new, cached = (_in_fresh_process(_first_call, cache, cell, shape, settings) for _ in range(2))
    return [Figure(cell, "first", shape, new), Figure(cell, "cached", shape, cached)]


def memory(cell: str, shape: Shape, settings: Settings) -> list[Figure]:
    """MiB at the most above the level before: of a training step against torch's layer, and of short and long texts."""

    def peak(probe: Callable[..., float], what: str | int) -> float:
        return _in_fresh_process(probe, None, cell, shape, settings, what)

    step = [peak(_step_peak, layer) for layer in ("seqmodels", "torch")]
    short, long = (peak(_windows_peak, count) for count in _WINDOWS)
    return [Figure(cell, "memory", shape, *step), Figure(cell, "tbptt", shape, long, short)]


def _in_fresh_process(function: Callable[..., float], cache: str | None, *arguments: Any) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        with starting():
            found = process.submit(_prepared, function, cache, *arguments)
        return found.result()


def _prepared(
    function: Callable[..., float], cache: str | None, cell: str, shape: Shape, settings: Settings, *rest: Any
) -> float:
    if cache is not None:
        os.environ["SEQMODELS_CACHE"] = cache
    settings.apply()
    return function(cell, shape, settings, *rest)


def _first_call(cell: str, shape: Shape, settings: Settings) -> float:
    shape = shape._replace(steps=min(shape.steps, 8))  # large tensors are slow to touch first, whoever does
    train_call(_layer(cell, "torch", shape, settings), shape, settings)()  # nor does torch's own first use count
    layer = _layer(cell, "seqmodels", shape, settings)
    start = time.perf_counter()
    call = train_call(layer, shape, settings)
    call()
    between = time.perf_counter()
    call()
    return max(0.0, 2 * between - start - time.perf_counter())


def _step_peak(cell: str, shape: Shape, settings: Settings, which: str) -> float:
    layer = _layer(cell, which, shape, settings)
    train_call(layer, shape._replace(steps=2), settings)()  # compiled, and gradients allocated
    call = train_call(layer, shape, settings)
    with _Peak(settings.device) as peak:
        call()
    return peak.mib


def _windows_peak(cell: str, shape: Shape, settings: Settings, windows: int) -> float:
    """Truncated backpropagation through a text of so many windows."""
    layer = _layer(cell, "seqmodels", shape, settings)
    train_call(layer, shape._replace(steps=2), settings)()
    with _Peak(settings.device) as peak:
        state = None
        for _ in range(windows):
            inputs = torch.randn(shape.rows, shape.steps, shape.features, **settings.like())
            outputs, state = layer(inputs, state)
            outputs.sum().backward()
            state = map_state(torch.Tensor.detach, state)
    return peak.mib


def _layer(cell: str, which: str, shape: Shape, settings: Settings) -> nn.Module:
    case, sizes = find(cell), (shape.features, shape.units)
    layer = case.layer(*sizes) if which == "seqmodels" else getattr(nn, case.peer)(*sizes, batch_first=True)
    return layer.to(**settings.like())


class _Peak:
    """The most memory that is held inside a ``with`` block, above the level before, in MiB."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.mib = 0.0

    def __enter__(self) -> _Peak:
        if self.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
        with contextlib.suppress(OSError):  # Linux: what importing took at the most is over
            Path("/proc/self/clear_refs").write_text("5")
        self._before = self._most()
        return self

    def __exit__(self, *_: object) -> None:
        self.mib = self._most() - self._before

    def _most(self) -> float:
        if self.device.startswith("cuda"):
            return torch.cuda.max_memory_allocated() / 2**20
        status = Path("/proc/self/status")
        if status.exists():  # `ru_maxrss` would start from the parent's peak
            (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
            return int(line.split()[1]) / 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
