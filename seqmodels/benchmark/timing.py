"""Timing contenders in turn, A B A B ..., so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch

Call = Callable[[], object]

# A call shorter than this is repeated until it fills it, so that the clock's own cost does not count.
_SAMPLE_SECONDS = 0.02


class Spread(NamedTuple):
    """A median between its quartiles."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of some numbers.

    >>> spread([1.0, 2.0, 3.0, 4.0, 9.0])
    Spread(median=3.0, low=2.0, high=4.0)
    """
    values = [*values, *values] if len(values) == 1 else values  # `quantiles` wants two
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def in_turn(
    calls: Mapping[str, Call], repeats: int, device: str = "cpu", limits: Mapping[str, int] | None = None
) -> dict[str, list[float]]:
    """The seconds of each call, each contender once a round, after a warm-up.

    >>> times = in_turn({"a": lambda: sum(range(10)), "b": lambda: None}, repeats=3, limits={"b": 2})
    >>> len(times["a"]), len(times["b"])
    (3, 2)

    Args:
        calls: the contenders by name.
        repeats: rounds.
        device: where they run.
        limits: for slow contenders, the number of rounds that they take part in.
    """
    counts = {name: _warm_up(call, device) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeats):
        for name, call in calls.items():
            if number < (limits or {}).get(name, repeats):
                times[name].append(seconds(call, counts[name], device))
    return times


def _warm_up(call: Call, device: str) -> int:
    """Run a call until it is warm; how often it fits into one sample."""
    call()
    count = max(1, round(_SAMPLE_SECONDS / seconds(call, 1, device)))
    seconds(call, count, device)
    return count


def seconds(call: Call, count: int, device: str) -> float:
    """The mean time of `count` calls in a row."""
    if device.startswith("cuda"):
        return _seconds_by_events(call, count)
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def _seconds_by_events(call: Call, count: int) -> float:
    """On CUDA, calls return before their work is done: the device's own clock counts."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    start.record()
    for _ in range(count):
        call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000 / count
