"""Performance targets, checked by ``seqmodels benchmark --targets``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from seqmodels.benchmark.probes import Figure
from seqmodels.benchmark.run import Row
from seqmodels.benchmark.shapes import SHAPES, Shape


class Target(NamedTuple):
    """A number to reach.

    Attributes:
        cell, mode: the comparison.
        figure: "mean" or "least" of the ratio over shapes, "share" of the peak; or the name of a `Figure` with an upper
            bound: "first" and "cached" in seconds, "memory" and "tbptt" as a ratio.
        must, aim: required and desired bound; None for none.
        shape: the only shape that counts; None for all.
    """

    cell: str
    mode: str
    figure: str
    must: float | None
    aim: float | None = None
    shape: Shape | None = None

    @property
    def at_most(self) -> bool:
        return self.mode in ("first", "memory")

    def met(self, value: float, bound: float | None) -> bool:
        """Return whether a value satisfies a bound; None is no bound."""
        return bound is None or (value <= bound if self.at_most else value >= bound)


class TargetResult(NamedTuple):
    """A target, the measured value, and "aim", "pass" or "short"."""

    target: Target
    value: float
    status: str


VARIANTS = ("layer_norm_lstm", "peephole_lstm", "zoneout_lstm", "two_memories")
LINEAR = ("mingru", "lru")

#: On two cores of a CPU, in float32.
ON_CPU = (
    Target("lstm", "train", "mean", 1.25, 1.6),
    Target("lstm", "train", "least", 0.97),
    Target("lstm", "infer", "mean", 1.15, 1.4),
    Target("lstm", "infer", "least", 0.97),
    Target("gru", "train", "mean", 2.5, 4),
    Target("gru", "train", "least", 1.2),
    Target("gru", "infer", "mean", 1.6, 2.2),
    Target("gru", "infer", "least", 1.0),
    Target("rnn", "train", "mean", 1.8, 2.8),
    Target("rnn", "train", "least", 1.0),
    Target("rnn", "infer", "mean", 1.3, 2),
    Target("rnn", "infer", "least", 0.95),
    *(Target(cell, "train", "least", 1 / 1.3, 1.0) for cell in VARIANTS),
    *(Target(cell, "train", "mean", 5, 15, SHAPES["long"]) for cell in LINEAR),
    Target("lstm", "step", "mean", 3, 10, SHAPES["single"]._replace(steps=1, rows=1)),
    Target("lstm", "train", "share", 0.65, 0.85, SHAPES["medium"]),
    *(Target(cell, "first", "first", 5, 1) for cell in ("lstm", "two_memories")),
    *(Target(cell, "first", "cached", 0.05) for cell in ("lstm", "two_memories")),
    *(Target(cell, "memory", "memory", 1.2, 1.0) for cell in ("lstm", "two_memories")),
    *(Target(cell, "memory", "tbptt", 1.1) for cell in ("lstm", "two_memories")),
)
#: On CUDA, in bfloat16: only aims.
ON_CUDA = (
    Target("lstm", "train", "mean", None, 1.0),
    *(Target(cell, "train", "least", None, 1 / 1.5) for cell in VARIANTS),
    *(Target(cell, "train", "mean", None, 10, SHAPES["long"]) for cell in LINEAR),
)


def mean_ratio(rows: Sequence[Row]) -> float:
    """Return the geometric mean of the ratios over shapes."""
    return math.exp(sum(math.log(row.ratio.median) for row in rows) / len(rows))


def judge(targets: Iterable[Target], rows: Sequence[Row], figures: Sequence[Figure]) -> list[TargetResult]:
    """Compare the results with each target that they cover."""
    results = []
    for target in targets:
        value = _value(target, rows, figures)
        if value is not None:
            reached = "aim" if target.met(value, target.aim) else "pass"
            results.append(TargetResult(target, value, reached if target.met(value, target.must) else "short"))
    return results


def _value(target: Target, rows: Sequence[Row], figures: Sequence[Figure]) -> float | None:
    fitting = [row for row in rows if row.cell == target.cell and row.mode == target.mode]
    if target.shape is not None:
        fitting = [row for row in fitting if row.shape == target.shape]
    if target.at_most:
        found = [one for one in figures if one.cell == target.cell and one.name == target.figure]
        values = [one.value if one.other is None else one.ratio for one in found]
        return max((value for value in values if value is not None), default=None)
    if not fitting:
        return None
    if target.figure == "share":
        return fitting[0].share
    return mean_ratio(fitting) if target.figure == "mean" else min(row.ratio.median for row in fitting)
