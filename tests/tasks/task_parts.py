"""Made data for every kind of target."""

import itertools

import numpy as np
import torch

from seqmodels.batch import SequenceBatch
from seqmodels.data.dataset import ArrayDataset
from seqmodels.registry import find, names
from seqmodels.spec import Spec

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
