"""The nearest neighbour of sequences that differ in pace."""

import numpy as np

from seqmodels.data.dataset import ArrayDataset
from seqmodels.spec import Spec
from seqmodels.tasks.baselines.labels import stretch, stretched_neighbour
from seqmodels.tasks.baselines.reading import labels
from seqmodels.tasks.classification import Classification

SPEC = Spec("features", 1, "labels", 2, "sequence")


def humps(seed: int, count: int = 60) -> ArrayDataset:
    """One hump or two in each sequence, at any pace, under noise: means and deviations do not tell them apart."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, count)
    paces = [np.linspace(0, 2 * np.pi, n) for n in rng.integers(20, 60, count)]
    inputs = [
        np.cos((y + 1) * t)[:, None] + rng.normal(0, 0.1, (len(t), 1)) for t, y in zip(paces, targets, strict=True)
    ]
    return ArrayDataset(SPEC, inputs, targets)


def test_the_pace_does_not_matter():
    train, test = humps(0), humps(1)
    assert (stretched_neighbour(train, labels(train), test) == labels(test)).all()
    found = Classification(SPEC).baselines(train, test)
    assert found["nearest neighbour, stretched"]["accuracy"] == 1
    assert found["nearest neighbour"]["accuracy"] < 1


def test_sequences_of_one_length_are_left_to_the_plain_neighbour():
    data = ArrayDataset(SPEC, [np.ones((4, 1)), np.zeros((4, 1))], [0, 1])
    assert stretched_neighbour(data, labels(data), data) is None
    assert "nearest neighbour, stretched" not in Classification(SPEC).baselines(data, data)


def test_stretching_is_between_steps_in_proportion():
    line = np.stack([np.arange(7.0), -np.arange(7.0)], axis=1)
    for steps in (2, 5, 20):
        wanted = np.linspace(0, 6, steps)
        assert np.allclose(stretch(line, steps).reshape(steps, 2), np.stack([wanted, -wanted], axis=1))
    assert stretch(np.ones((1, 2)), 3).tolist() == [1.0] * 6
