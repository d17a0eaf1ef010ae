"""Handwriting and other drawings with a pen, as movements from point to point.

P points of a stroke, S movements of a drawing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np

from seqmodels.data.columns.splits.shares import by_group, shares_of
from seqmodels.data.dataset import ArrayDataset
from seqmodels.data.files.find import naming
from seqmodels.data.read.strokes import Drawing, read_drawings
from seqmodels.data.sources.base import DataSource
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Count, Seed, Share, whole
from seqmodels.quoting import listed, shown
from seqmodels.registry import register
from seqmodels.spec import Spec, Strokes

ANY = "any"
# What a movement holds, and the states of the pen after it.
VALUES = ("dx", "dy", "pen stays down", "pen is lifted", "drawing ends")


@register("data", "strokes")
class StrokesSource(DataSource):
    """Draw with a pen: the input is what is to be drawn, the target the movements that draw it.

    A movement is the way (dx, dy) from the point before and a 1 for what the pen does after it: it
    stays down, is lifted, or the drawing ends. The first is the way from the middle of the drawing's
    box. Both ways have one scale, their spread in training, so that shapes keep their proportions.
    Split by drawing; copies of one stay together.

    Args:
        path: a NumPy archive or a table, see `seqmodels.data.read.strokes.read_drawings`.
        unit: "drawing" for all strokes of it, told by its label; "stroke" for one, told by its type.
        points: points that each stroke is resampled to, evenly along its length; None as they are.
        max_length: drawings of more movements are left out; None keeps all.
        val_fraction, test_fraction: shares of validation and test.
        seed: what the random split depends on.

    """

    suits: ClassVar = {"task": "stroke_generation", "head": "mixture_density"}

    def __init__(
        self,
        path: str,
        unit: Literal["drawing", "stroke"] = "drawing",
        points: Annotated[int, whole(2, 10_000)] | None = 6,
        max_length: Count | None = None,
        val_fraction: Share = 0.1,
        test_fraction: Share = 0.1,
        seed: Seed = 0,
    ) -> None:
        self.path, self.unit, self.points, self.max_length = str(path), unit, points, max_length
        self.shares = shares_of(val_fraction, test_fraction, seed)

    def describe(self) -> str:
        drawings = self._drawings
        strokes, labels = sum(len(d.strokes) for d in drawings), {d.label for d in drawings}
        return f"{self.path}: {len(drawings):,} drawings of {strokes:,} strokes, {len(labels)} labels; each {self.unit}"

    @cached_property
    def _drawings(self) -> list[Drawing]:
        return read_drawings(self.path)

    def splits(self) -> dict[str, SequenceDataset]:
        drawings = self._drawings
        kept = [d for d in drawings if self.max_length is None or _steps(d, self.points, self.unit) <= self.max_length]
        if not kept:
            raise ValueError(f"data.max_length={self.max_length} leaves none of the drawings in {self.path}; raise it")
        copies = [b"|".join(stroke.tobytes() for stroke in drawing.strokes) for drawing in kept]
        twins = len(copies) - len(set(copies))
        lost = len(drawings) - len(kept)
        words = f"{lost:,} of {len(drawings):,} drawings left out: more than {self.max_length} movements"
        self.notes = [f"{words} (data.max_length)"] if lost else []
        self.notes += [f"{twins:,} drawings are copies of another one, and kept in its split"] if twins else []
        with naming(self.path):
            parts = by_group(copies, *self.shares)
        # Files often hold one kind after the other; mixed, the first batch shows some of each.
        mixed = {name: np.random.default_rng(self.shares[2]).permutation(items) for name, items in parts.items()}
        units = {name: [u for i in items for u in _units(kept[i], self.unit)] for name, items in mixed.items()}
        spec = self._spec(units["train"])
        return {name: _encode(items, spec, self.points, self.path) for name, items in units.items()}

    def _spec(self, train: list[Drawing]) -> Spec:
        """Return labels and scale of the training part."""
        labels = (*sorted(Counter(unit.label or ANY for unit in train)),)
        ways = np.concatenate([movements(unit.strokes, self.points)[1:, :2] for unit in train])
        scale = float(ways.std()) if len(ways) else 1.0
        return Spec(
            inputs="tokens",
            input_size=len(labels),
            targets="values",
            target_size=len(VALUES),
            target_shape="own",
            input_names=labels,
            target_names=VALUES,
            shift=(0.0,) * len(VALUES),
            scale=(scale or 1.0, scale or 1.0, 1.0, 1.0, 1.0),
            strokes=Strokes(self.unit, self.points),
        )

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None) -> SequenceDataset:
        """Open other drawings as `DataSource.open` does; what is drawn is there in any case."""
        how = spec.strokes or Strokes()
        units = [unit for drawing in read_drawings(path) for unit in _units(drawing, how.unit)]
        return _encode(units, spec, how.points, path)


def movements(strokes: Sequence[np.ndarray], points: int | None) -> np.ndarray:
    """Return the movements ``(S, 5)`` that draw some strokes, in the units of the points.

    >>> movements([np.array([[0.0, 0.0], [4.0, 0.0]]), np.array([[4.0, 2.0]])], points=None).tolist()
    [[-2.0, -1.0, 1.0, 0.0, 0.0], [4.0, 0.0, 0.0, 1.0, 0.0], [0.0, 2.0, 0.0, 0.0, 1.0]]
    """
    parts = list(strokes) if points is None else [resample(stroke, points) for stroke in strokes]
    every = np.concatenate(parts)
    middle = (every.max(axis=0) + every.min(axis=0)) / 2
    found = np.zeros((len(every), len(VALUES)))
    found[:, :2] = np.diff(every, axis=0, prepend=middle[None])
    ends = np.cumsum([len(part) for part in parts]) - 1
    found[:, 2] = 1
    found[ends, 2:] = (0, 1, 0)
    found[ends[-1], 2:] = (0, 0, 1)
    return found


def resample(stroke: np.ndarray, points: int) -> np.ndarray:
    """Resample a stroke ``(P, 2)`` evenly along its length, to ``(points, 2)``.

    >>> resample(np.array([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0]]), 3)[:, 0].tolist()
    [0.0, 2.0, 4.0]
    """
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
    at = np.linspace(0.0, way[-1], points)
    return np.stack([np.interp(at, way, stroke[:, axis]) for axis in (0, 1)], axis=1)


def _steps(drawing: Drawing, points: int | None, unit: str) -> int:
    steps = [points or len(stroke) for stroke in drawing.strokes]
    return max(steps) if unit == "stroke" else sum(steps)


def _units(drawing: Drawing, unit: str) -> list[Drawing]:
    """Return the drawing, or each of its strokes as a drawing of its own."""
    if unit == "drawing":
        return [drawing]
    return [
        Drawing([stroke], label, [label], drawing.place)
        for stroke, label in zip(drawing.strokes, drawing.stroke_labels, strict=True)
    ]


def _encode(units: list[Drawing], spec: Spec, points: int | None, path: str) -> ArrayDataset:
    code = {label: i for i, label in enumerate(spec.input_names)}
    unknown = next((unit for unit in units if (unit.label or ANY) not in code), None)
    if unknown is not None:
        raise ValueError(
            f"{path}, {unknown.place}: the label {shown(unknown.label or ANY)} was never seen in training, "
            f"which had: {listed(spec.input_names)}; mend it, leave the drawing out, or train with examples of it"
        )
    targets = [(movements(unit.strokes, points) / np.asarray(spec.scale)).astype(np.float32) for unit in units]
    dataset = ArrayDataset(spec, [np.array([code[unit.label or ANY]]) for unit in units], targets)
    dataset.origins = [{"label": unit.label or ANY} for unit in units]
    return dataset
