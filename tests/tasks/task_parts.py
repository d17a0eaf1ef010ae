"""Synthetic data for every kind of target, and the cases of the laws of tasks."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.data.dataset import ArrayDataset
from seqmodels.heads.mixture import mixture_size
from seqmodels.registry import find, make, names
from seqmodels.spec import Spec, Strokes
from seqmodels.tasks import Forecasting, Tagging, Task
from seqmodels.tasks.forecasts.predictive import OUTPUTS
from seqmodels.tasks.stroke_generation import StrokeGeneration
from seqmodels.tasks.transcription import Transcription

SIZE = 3  # tokens, features, classes or values


def all_specs() -> list[Spec]:
    """Every combination of what a batch may hold."""
    found = []
    kinds = itertools.product(
        ("tokens", "features"), ("tokens", "labels", "sets", "values"), ("step", "sequence", "own")
    )
    for inputs, targets, shape in kinds:
        stop = SIZE - 1 if targets == "tokens" and shape == "own" else None
        found.append(Spec(inputs, SIZE, targets, SIZE, shape, stop=stop))
        if targets == "values":
            scales = {"shift": (5.0,) * SIZE, "scale": (2.0,) * SIZE}
            found.append(Spec(inputs, SIZE, targets, SIZE, shape, **scales))
            if inputs == "features":
                scales |= {"input_shift": (5.0,) * SIZE, "input_scale": (2.0,) * SIZE}
                found.append(
                    Spec(inputs, SIZE, targets, SIZE, shape, horizon=SIZE, period=2, target_feature=1, **scales)
                )
    return found


def suited() -> list[tuple[str, Spec]]:
    """Each registered task with each spec it takes."""
    return [(name, spec) for name in names("task") for spec in all_specs() if find("task", name).suits(spec)]


def make_batch(spec: Spec, seed: int = 0, rows: int = 6, steps: int = 5) -> SequenceBatch:
    """A random batch with full, short and empty rows."""
    generator = torch.Generator().manual_seed(seed)

    def draw(kind: str, *shape: int) -> torch.Tensor:
        if kind in ("features", "values"):
            return torch.randn(*shape, SIZE, generator=generator, dtype=torch.float64)
        if kind == "sets":
            return torch.randint(2, (*shape, SIZE), generator=generator).double()
        return torch.randint(SIZE, shape, generator=generator)

    lengths = torch.tensor([0, steps, 2, 1, steps - 1, 3])[:rows]
    own = torch.tensor([4, 1, 3, 0, 4, 2])[:rows] if spec.target_shape == "own" else None
    shape = {"step": (rows, steps), "sequence": (rows,), "own": (rows, 4)}[spec.target_shape]
    reset = torch.ones(rows, dtype=torch.bool)
    return SequenceBatch(draw(spec.inputs, rows, steps), draw(spec.targets, *shape), lengths, reset, own)


def make_prediction(spec: Spec, batch: SequenceBatch, seed: int = 1) -> torch.Tensor:
    shape = batch.targets.shape[:-1] if spec.targets in ("values", "sets") else batch.targets.shape
    return torch.randn(*shape, SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_dataset(spec: Spec, seed: int = 0, sequences: int = 12, steps: int | None = None) -> ArrayDataset:
    """Random sequences, of 1 to 6 steps unless all are of `steps`."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 7, sequences) if steps is None else np.full(sequences, steps)

    def draw(kind: str, *shape: int) -> np.ndarray:
        if kind == "sets":
            return rng.integers(0, 2, (*shape, SIZE))
        return rng.normal(size=(*shape, SIZE)) if kind in ("features", "values") else rng.integers(0, SIZE, shape)

    shapes = {"step": lambda n: (n,), "sequence": lambda n: (), "own": lambda n: (rng.integers(1, 5),)}
    targets = [draw(spec.targets, *shapes[spec.target_shape](n)) for n in lengths]
    return ArrayDataset(spec, [draw(spec.inputs, n) for n in lengths], targets)


class Case(NamedTuple):
    """A task, and a batch with an empty row: what its head predicts, and what is decoded of it.

    Of a dense prediction every number counts, wherever there is a target.
    """

    task: Callable[[], Task]
    batch: SequenceBatch
    prediction: Tensor
    decoded: Tensor
    dense: bool = False


def case_of(name: str, spec: Spec, **options: Any) -> Case:
    batch = make_batch(spec)
    prediction = make_prediction(spec, batch)
    return Case(partial(make, "task", name, spec, **options), batch, prediction, prediction, dense=True)


def more_cases() -> dict[str, Case]:
    """Cases whose predictions are not one number for each class or value."""
    found = {}
    prediction, batch = transcribed()
    found["transcription"] = Case(lambda: Transcription(TRANSCRIPTS), batch, prediction, prediction)
    prediction, batch = stroke_prediction(), stroke_batch()
    found["stroke_generation"] = Case(lambda: StrokeGeneration(STROKES), batch, prediction, batch.targets)
    prediction, batch = chained()
    found["tagging by a chain"] = Case(partial(Tagging, TAGS, segments=["in"]), batch, prediction, prediction)
    for output, shape in itertools.product(OUTPUTS, ("sequence", "step")):
        task = partial(Forecasting, series_spec(shape), output=output, quantiles=LEVELS)
        prediction, batch = forecast(task())
        found[f"forecasting of {output} per {shape}"] = Case(task, batch, prediction, prediction)
    return found


# Transcription: unaligned targets, and the blank.

TRANSCRIPTS = Spec("features", 3, "tokens", 2, "own", target_names=("yes", "no"))


def transcribed(weights: Tensor | None = None) -> tuple[Tensor, SequenceBatch]:
    torch.manual_seed(0)
    lengths, counts = torch.tensor([4, 3, 0, 1, 4]), torch.tensor([2, 1, 2, 1, 0])
    targets = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1], [0, 0]])
    inputs = torch.randn(5, 4, 3, dtype=torch.float64)
    batch = SequenceBatch(inputs, targets, lengths, lengths >= 0, counts, weights)
    return torch.randn(5, 4, 3, dtype=torch.float64), batch


# Stroke generation: a mixture's parameters for each movement of a pen.

STROKES = Spec(
    "tokens", 2, "values", 5, "own", ("a", "b"), shift=(0.0,) * 5, scale=(3.0, 3.0, 1.0, 1.0, 1.0),
    strokes=Strokes(),
)  # fmt: skip
COMPONENTS = 3


def movements(steps: int, generator: np.random.Generator) -> np.ndarray:
    states = np.eye(3)[np.append(generator.integers(0, 2, steps - 1), 2)]
    return np.concatenate([generator.normal(size=(steps, 2)), states], axis=1)


def stroke_batch(seed: int = 0) -> SequenceBatch:
    generator = np.random.default_rng(seed)
    lengths = [4, 1, 6, 2]
    targets = np.zeros((4, 6, 5))
    for row, steps in enumerate(lengths):
        targets[row, :steps] = movements(steps, generator)
    real = torch.tensor([1, 1, 1, 0])
    inputs = torch.tensor([[0], [1], [0], [1]])
    return SequenceBatch(inputs, torch.from_numpy(targets), real, real > 0, torch.tensor(lengths))


def stroke_prediction(seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, 6, mixture_size(COMPONENTS, 3), generator=generator, dtype=torch.float64)


# Tagging by a chain: scores of each tag after each other.

TAGS = Spec("tokens", 5, "labels", 3, "step", target_names=("out", "in", "also in"))


def chained(seed: int = 0, weights: Tensor | None = None) -> tuple[Tensor, SequenceBatch]:
    draw = torch.Generator().manual_seed(seed)
    targets, lengths = torch.randint(3, (4, 6), generator=draw), torch.tensor([6, 3, 1, 0])
    batch = SequenceBatch(targets, targets, lengths, torch.ones(4, dtype=torch.bool), None, weights)
    return torch.randn(4, 6, 3, 3, generator=draw, dtype=torch.float64), batch


# Forecasts: the parameters of a distribution for each step ahead.

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)


def series_spec(shape: str = "sequence", **options: Any) -> Spec:
    scales = {name: (number,) * SIZE for name, number in (("shift", 40.0), ("scale", 25.0))}
    scales |= {f"input_{name}": value for name, value in scales.items()}
    return Spec("features", SIZE, "values", SIZE, shape, horizon=SIZE, target_feature=1, **scales, **options)


def forecast(task: Forecasting, seed: int = 0, rows: int = 6) -> tuple[Tensor, SequenceBatch]:
    """A prediction, and a batch whose targets are whole numbers from 0 on, once unscaled."""
    batch = make_batch(task.spec, seed, rows)
    batch = batch._replace(targets=((batch.targets * 25 + 40).round().clamp(min=0) - 40) / 25)
    generator = torch.Generator().manual_seed(seed + 1)
    shape = (*batch.targets.shape[:-1], task.output_size)
    return torch.randn(shape, generator=generator, dtype=torch.float64), batch


def sales_spec(period: int | None = None, shape: str = "sequence", **options: Any) -> Spec:
    scales = {"shift": (30.0,) * 4, "scale": (8.0,) * 4, "input_shift": (30.0,), "input_scale": (8.0,)}
    named = {"horizon": 4, "period": period, "target_feature": 0, "input_names": ("sales",)}
    return Spec("features", 1, "values", 4, shape, **{**named, **scales, **options})


def windows(values: np.ndarray, spec: Spec, history: int = 24, waves: np.ndarray | None = None) -> ArrayDataset:
    """Every window over a series that is in original units, or the series itself with targets per step."""
    scaled = ((values - spec.input_shift[0]) / spec.input_scale[0]).astype(np.float32)
    if spec.target_shape == "step":
        targets = np.lib.stride_tricks.sliding_window_view(scaled[1:], spec.horizon)
        return ArrayDataset(spec, [scaled[: len(targets), None]], [targets], stream=True)
    more = np.empty((len(values), 0)) if waves is None else waves
    series = np.repeat(scaled[:, None], spec.input_size - more.shape[1], axis=1)
    inputs = np.concatenate([series, more], axis=1).astype(np.float32)
    ends = range(history, len(values) - spec.horizon + 1)
    relative = spec.series is not None and spec.series.relative
    targets = [scaled[i : i + spec.horizon] - (scaled[i - 1] if relative else 0) for i in ends]
    return ArrayDataset(spec, [inputs[i - history : i] for i in ends], targets)
