"""What is counted of a data set is what is in it."""

import numpy as np
import pytest

from seqmodels.data import profile as module
from seqmodels.data.dataset import ArrayDataset
from seqmodels.data.encode.kmers import kmers
from seqmodels.data.profile import profile_splits
from seqmodels.data.quality import quality_warnings
from seqmodels.spec import Spec, Text

LABELS = Spec("features", 2, "labels", 3, "sequence", ("u", "v"), ("a", "b", "c"))


def features(seed: int, count: int = 30, **options) -> ArrayDataset:
    generator = np.random.default_rng(seed)
    inputs = [generator.normal(size=(generator.integers(1, 9), 2)).astype(np.float32) for _ in range(count)]
    return ArrayDataset(LABELS, inputs, generator.integers(0, 3, count), **options)


@pytest.mark.parametrize("seed", range(3))
def test_counts_of_features_and_labels(seed):
    data = features(seed)
    data.weights, data.groups = np.arange(30) / 10, [f"g{i % 4}" for i in range(30)]
    data.inputs[0][0, 0] = np.nan
    found = profile_splits({"train": data})["train"]
    rows = np.concatenate(data.inputs)
    assert (found["sequences"], found["steps"], found["groups"]) == (30, len(rows), 4)
    assert found["lengths"]["median"] == np.median(data.lengths)
    assert sum(found["lengths"]["histogram"]) == 30
    assert list(found["classes"].values()) == np.bincount(np.ravel(data.targets), minlength=3).tolist()
    for i, column in enumerate(found["features"].values()):
        assert column["mean"] == pytest.approx(np.nanmean(rows[:, i]), rel=1e-4)
        assert column["sd"] == pytest.approx(np.nanstd(rows[:, i]), rel=1e-4)
        assert (column["min"], column["max"]) == (np.nanmin(rows[:, i]), np.nanmax(rows[:, i]))
        assert column["missing"] == (i == 0)
    assert found["weights"] == pytest.approx({"min": 0.0, "mean": 1.45, "max": 2.9})


def test_planted_copies_and_groups_are_found():
    train, other = features(0), features(1)
    inputs = list(other.inputs)
    inputs[3], inputs[7] = train.inputs[5], train.inputs[6]
    val = ArrayDataset(LABELS, inputs, other.targets)
    train.groups, val.groups = ["a"] * 29 + ["b"], ["b"] * 15 + ["c"] * 15
    found = profile_splits({"train": train, "val": val})
    assert (found["val"]["also in train"], found["val"]["groups also in train"]) == (2, 1)
    said = "\n".join(quality_warnings(found, stream=False))
    assert "2 sequences of val are in train too" in said
    assert "1 group is in val and in train: " in said


@pytest.mark.parametrize("scale", [((2.0,), (3.0,)), ((2.0, 0.0), (3.0, 1.0))])
def test_values_are_told_in_original_units(scale):
    shift, width = scale
    spec = Spec("tokens", 4, "values", 2, "sequence", tuple("abcd"), ("x", "flag"), shift=shift, scale=width)
    data = ArrayDataset(spec, [np.array([0, 1, 1])] * 4, [[-1, 0], [0, 1], [1, 0], [2, 1]])
    found = profile_splits({"train": data})["train"]
    assert (found["values"]["x"]["min"], found["values"]["x"]["max"]) == (-1.0, 8.0)
    assert (found["values"]["flag"]["min"], found["values"]["flag"]["max"]) == (0.0, 1.0)
    assert found["tokens"]["frequent"] == pytest.approx({"b": 2 / 3, "a": 1 / 3})
    assert (found["tokens"]["vocabulary"], found["tokens"]["seen"]) == (4, 2)


def test_a_large_set_is_read_in_part(monkeypatch):
    monkeypatch.setattr(module, "MOST_STEPS", 1000)
    monkeypatch.setattr(module, "PIECE", 100)
    spec = Spec("tokens", 2, "tokens", 2, "step", ("a", "b"))
    stream = np.arange(100_000) % 2
    data = ArrayDataset(spec, [stream], [stream], stream=True)
    found = profile_splits({"train": data})["train"]
    assert (found["steps"], found["steps read"]) == (100_000, 1000)
    assert found["tokens"]["frequent"] == {"a": 0.5, "b": 0.5}
    many = ArrayDataset(LABELS, [np.ones((10, 2))] * 1000, [0] * 1000)
    found = profile_splits({"train": many})["train"]
    assert (found["sequences"], found["sequences read"], found["steps read"]) == (1000, 100, 1000)


def test_what_looks_wrong():
    good = profile_splits({"train": features(0, 90), "val": features(1, 40)})
    assert quality_warnings(good, stream=False) == []
    one = ArrayDataset(LABELS, [np.ones((3, 2))] * 40, [1] * 40)
    said = "\n".join(quality_warnings(profile_splits({"train": one}), stream=False, padding=0.7))
    for words in ("every target in train is 'b'", "constant in train", "'u', 'v'", "no validation split", "70 %"):
        assert words in said


def test_runs_of_letters_are_named_by_their_letters():
    """Of a genome read three letters at a time, those that are counted are those that stand in it."""
    letters = np.random.default_rng(0).integers(0, 5, 500)
    inputs = kmers(letters, 3, 5)
    text = Text(alphabet="dna", kmer=3)
    spec = Spec("tokens", 125, "tokens", 5, "step", tuple("ACGTN"), tuple("ACGTN"), text=text)
    found = profile_splits({"train": ArrayDataset(spec, [inputs], [letters])})["train"]["tokens"]["frequent"]
    text = "NN" + "".join("ACGTN"[i] for i in letters)
    for name, share in found.items():
        assert share * 500 == pytest.approx(sum(text[i : i + 3] == name for i in range(500)))


def mutated(text: np.ndarray, first: int) -> np.ndarray:
    found = text.copy()
    found[first::40] = (found[first::40] + 1) % 4
    return found


def test_near_copies_are_counted_beside_copies():
    letters = [np.random.default_rng(seed).integers(0, 4, 100 + seed) for seed in range(60)]
    others = [np.random.default_rng(100 + seed).integers(0, 4, 150) for seed in range(20)]
    spec = Spec("tokens", 4, "labels", 2, "sequence", tuple("ACGT"), ("a", "b"))
    train = ArrayDataset(spec, [*letters, letters[0], mutated(letters[1], 0)], [0] * 62)
    near = [mutated(text, first + 1) for first, text in enumerate(letters[:7])]
    val = ArrayDataset(spec, [*others, *near, letters[9]], [0] * 28)
    found = profile_splits({"train": train, "val": val, "test": ArrayDataset(spec, others, [0] * 20)})
    assert [found[name]["near copies in train"] for name in found] == [1, 7, 0]
    assert found["val"]["also in train"] == 1
    said = "\n".join(quality_warnings(found, stream=False))
    assert "7 sequences of val are near copies of some in train" in said
    assert "of test are near" not in said
