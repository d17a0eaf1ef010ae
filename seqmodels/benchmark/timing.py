"""Interleaved timing, A B A B ..., so that other load on the machine affects all contenders alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch

Call = Callable[[], object]

# Shorter calls are repeated to fill this time, so that the cost of reading the clock is negligible.
_SAMPLE_SECONDS = 0.02


class Spread(NamedTuple):
    """Median and quartiles."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return the median and quartiles of some numbers.

    >>> spread([1.0, 2.0, 3.0, 4.0, 9.0])
    Spread(median=3.0, low=2.0, high=4.0)
    """
    values = [*values, *values] if len(values) == 1 else values  # `quantiles` needs two
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def in_turn(
    calls: Mapping[str, Call], repeats: int, device: str = "cpu", limits: Mapping[str, int] | None = None
) -> dict[str, list[float]]:
    """Time each call once per round, after a warm-up; return its seconds.

    >>> times = in_turn({"a": lambda: sum(range(10)), "b": lambda: None}, repeats=3, limits={"b": 2})
    >>> len(times["a"]), len(times["b"])
    (3, 2)

    Args:
        limits: number of rounds for slow contenders.
    """
    counts = {name: _warm_up(call, device) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeats):
        for name, call in calls.items():
            if number < (limits or {}).get(name, repeats):
                times[name].append(seconds(call, counts[name], device))
    return times


def _warm_up(call: Call, device: str) -> int:
    """Warm up a call; return the number of repeats that fill one sample."""
    call()
    count = max(1, round(_SAMPLE_SECONDS / seconds(call, 1, device)))
    seconds(call, count, device)
    return count


def seconds(call: Call, count: int, device: str) -> float:
    """Return the mean time of `count` calls in a row."""
    if device.startswith("cuda"):
        return _seconds_by_events(call, count)
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def _seconds_by_events(call: Call, count: int) -> float:
    """Time by CUDA events, because calls return before their work is done."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    for _ in range(count):
        call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000 / count
