"""Measurements that need a fresh process: time of a cell's first use, and peak memory."""

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

# Windows of a short and a long text, whose peaks must be the same.
_WINDOWS = (10, 40)


class Figure(NamedTuple):
    """A measured number (seconds or MiB), and the one it is compared with, if any."""

    cell: str
    name: str
    shape: Shape
    value: float
    other: float | None = None

    @property
    def ratio(self) -> float | None:
        """The number divided by the other."""
        return None if not self.other else self.value / self.other


def first_use(cell: str, shape: Shape, settings: Settings) -> list[Figure]:
    """Measure the extra seconds of the first training step over the second, with an empty and a warm cache."""
    with tempfile.TemporaryDirectory() as cache:
        new, cached = (_in_fresh_process(_first_call, cache, cell, shape, settings) for _ in range(2))
    return [Figure(cell, "first", shape, new), Figure(cell, "cached", shape, cached)]


def memory(cell: str, shape: Shape, settings: Settings) -> list[Figure]:
    """Measure peak memory of a training step, against torch's layer, and of a long text, against a short one."""

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
    shape = shape._replace(steps=min(shape.steps, 8))  # the first touch of large tensors is slow for any layer
    train_call(_layer(cell, "torch", shape, settings), shape, settings)()  # excludes torch's own first use
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
    """Return the peak of truncated backpropagation through `windows` windows of a text, in MiB."""
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
    """Context manager that measures peak memory inside the block, above the level before, in MiB."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.mib = 0.0

    def __enter__(self) -> _Peak:
        if self.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
        with contextlib.suppress(OSError):  # Linux: resets the peak that imports left
            Path("/proc/self/clear_refs").write_text("5")
        self._before = self._most()
        return self

    def __exit__(self, *_: object) -> None:
        self.mib = self._most() - self._before

    def _most(self) -> float:
        if self.device.startswith("cuda"):
            return torch.cuda.max_memory_allocated() / 2**20
        status = Path("/proc/self/status")
        if status.exists():  # `ru_maxrss` starts from the parent's peak
            (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
            return int(line.split()[1]) / 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
