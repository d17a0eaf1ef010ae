"""Planning and running the comparisons of a benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from seqmodels.benchmark import probes
from seqmodels.benchmark.cases import Case, find
from seqmodels.benchmark.probes import Figure
from seqmodels.benchmark.run import Row, Settings, compare
from seqmodels.benchmark.shapes import SHAPES, TIMED, USUAL, Shape

#: Cells compared by default.
CELLS = (
    *("lstm", "gru", "rnn", "layer_norm_lstm", "peephole_lstm", "zoneout_lstm", "two_memories"),
    *("mingru", "lru"),
)


class Comparison(NamedTuple):
    """A cell in one mode at one or more shapes."""

    cell: str
    mode: str
    shapes: tuple[Shape, ...]


def plan(
    cells: Iterable[str], modes: Sequence[str] | None, shapes: Sequence[Shape] | None, device: str
) -> Iterator[Comparison]:
    """Yield the comparisons of a run in order.

    >>> [one.mode for one in plan(["gru"], None, None, "cpu")]
    ['train', 'infer']
    """
    for name in cells:
        case = find(name)
        for mode in modes or case.modes:
            wanted = tuple(shapes or _usual(case, mode, device))
            yield Comparison(name, mode, wanted if mode in TIMED else wanted[:1])


def _usual(case: Case, mode: str, device: str) -> list[Shape]:
    if mode in ("first", "memory"):
        names: tuple[str, ...] = ("medium",)
    elif mode == "step":
        names = ("single", "medium")
    else:
        names = (*case.shapes, "flash") if device.startswith("cuda") and case.shapes == USUAL else case.shapes
    return [SHAPES[name] for name in names]


def measure(one: Comparison, settings: Settings, peak: float) -> list[Row] | list[Figure]:
    """Run a comparison; return one row per shape, or figures measured in fresh processes."""
    if one.mode in TIMED:
        return [compare(one.cell, one.mode, shape, settings, peak) for shape in one.shapes]
    probe = {"first": probes.first_use, "memory": probes.memory}[one.mode]
    return probe(one.cell, one.shapes[0], settings)
