"""Spoken digits, one by one and spelt: shapes, no recording in two splits, and files of the same form."""

import numpy as np
import pytest

from seqmodels.data.columns.splits.shares import stratified
from seqmodels.data.encode.audio.deltas import with_deltas
from seqmodels.data.read.joined import read_joined
from seqmodels.data.sources.generated.spoken import SHIPPED, SpokenDigitsSource, SpokenSpellingSource


@pytest.fixture(scope="module")
def digits():
    return SpokenDigitsSource().splits()


@pytest.fixture(scope="module")
def spelling():
    return SpokenSpellingSource(train_size=300, val_size=50, test_size=60)


def contents(split) -> list[bytes]:
    return [split.read(i, 0, int(n))[0].tobytes() for i, n in enumerate(split.lengths)]


def test_every_digit_is_alike_often_and_no_recording_twice(digits):
    assert {name: len(split) for name, split in digits.items()} == {"train": 2100, "val": 300, "test": 600}
    for split in digits.values():
        counts = np.bincount([int(split.read(i, 0, 1)[1]) for i in range(len(split))])
        assert counts.tolist() == [len(split) // 10] * 10
    found = [set(contents(split)) for split in digits.values()]
    assert len(set().union(*found)) == sum(map(len, found)) == 3000


def test_the_scale_is_of_the_training_part(digits):
    train = digits["train"]
    frames = np.concatenate([train.read(i, 0, int(n))[0] for i, n in enumerate(train.lengths)])
    assert np.allclose(frames.mean(0), 0, atol=1e-3)
    assert np.allclose(frames.std(0), 1, atol=1e-3)
    raw = read_joined(SHIPPED).inputs[0].astype(np.float64)
    scaled = (with_deltas(raw, 1) - train.spec.input_shift) / train.spec.input_scale
    wanted = scaled.astype(np.float32).tobytes()
    ((split, row),) = [(split, i) for split in digits.values() for i, x in enumerate(contents(split)) if x == wanted]
    assert split.spec.target_names[int(split.read(row, 0, 1)[1])] == "5"


def test_strings_are_joined_from_recordings_of_one_split(spelling):
    all_of_them = read_joined(SHIPPED)
    digits, lengths = np.concatenate(all_of_them.targets), np.array([len(x) for x in all_of_them.inputs])
    own = stratified(digits.tolist(), 0.1, 0.2, 0)
    for name, split in spelling.splits().items():
        shapes = [(int(n), split.read(i, 0, 1)[1].tolist()) for i, n in enumerate(split.lengths)]
        assert {len(tokens) for _, tokens in shapes} == {2, 3, 4, 5, 6}
        strings = spelling.strings(name, own[name])
        assert all(np.isin(string, own[name]).all() for string in strings)
        assert [(int(lengths[s].sum()), digits[s].tolist()) for s in strings] == shapes
        counts = np.bincount(np.concatenate(strings), minlength=3000)[own[name]]
        assert counts.max() - counts.min() <= 1


def test_the_seed_makes_the_strings(spelling):
    again = SpokenSpellingSource(train_size=300, val_size=50, test_size=60).splits()
    other = SpokenSpellingSource(train_size=300, val_size=50, test_size=60, seed=1).splits()
    assert contents(again["test"]) == contents(spelling.splits()["test"])
    assert contents(other["test"]) != contents(again["test"])
    assert set(SpokenSpellingSource(train_size=3, val_size=0, test_size=0).splits()) == {"train"}
    with pytest.raises(ValueError, match=r"data.shortest must be from 1 to data.longest=1, got 2"):
        SpokenSpellingSource(longest=1)


def save(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


def test_new_files(digits, spelling, tmp_path):
    spec, raw = digits["test"].spec, read_joined(SHIPPED)
    two = {"X": np.concatenate(raw.inputs[:2]), "lengths": [len(x) for x in raw.inputs[:2]]}
    path = save(tmp_path / "two.npz", **two, y=np.concatenate(raw.targets[:2]))
    opened = SpokenDigitsSource.open(path, spec, targets=True)
    assert [int(opened.read(i, 0, 1)[1]) for i in range(2)] == [5, 3]
    assert contents(opened)[0] in {x for split in digits.values() for x in contents(split)}
    assert not SpokenDigitsSource.open(path, spec, targets=False).read(0, 0, 1)[1]
    bare = save(tmp_path / "bare.npz", **two)
    assert len(SpokenDigitsSource.open(bare, spec)) == 2
    with pytest.raises(ValueError, match="has no y"):
        SpokenDigitsSource.open(bare, spec, targets=True)
    spelt = {"X": two["X"], "lengths": [len(two["X"])], "y": [5, 3], "target_lengths": [2]}
    opened = SpokenSpellingSource.open(save(tmp_path / "spelt.npz", **spelt), spelling.splits()["train"].spec)
    assert opened.read(0, 0, 1)[1].tolist() == [5, 3]
    with pytest.raises(ValueError, match="expected one digit for each sequence"):
        SpokenDigitsSource.open(str(tmp_path / "spelt.npz"), spec)
    with pytest.raises(ValueError, match=r"sequence 1: the model knows 0, 1, .*, got 12"):
        SpokenDigitsSource.open(save(tmp_path / "odd.npz", **two, y=[5, 12]), spec)
    with pytest.raises(ValueError, match="X has 12 features a frame, and the model reads 13"):
        SpokenDigitsSource.open(save(tmp_path / "thin.npz", X=two["X"][:, 1:], lengths=two["lengths"]), spec)


X = np.zeros((5, 2), np.float32)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"X": X}, "it lacks lengths, and has X"),
        ({"X": X, "lengths": [2, 2]}, "lengths adds up to 4 frames, and X has 5: the file is cut short"),
        ({"X": X, "lengths": [5, 0]}, "needs a frame at least, and lengths has 0 for sequence 1"),
        ({"X": X, "lengths": np.zeros(0, int)}, "lengths has none"),
        ({"X": X[0], "lengths": [2]}, "X must be numbers"),
        ({"X": X, "lengths": [2.5, 2.5]}, "lengths must be whole numbers"),
        ({"X": np.full((5, 2), np.nan), "lengths": [5]}, "not finite in frame 0"),
        ({"X": X, "lengths": [5], "y": [1, 2]}, "1 sequences and 2 targets in y"),
        ({"X": X.astype(object), "lengths": [5]}, "it cannot be read: .*say data=audio"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, arrays, said):
    with pytest.raises(ValueError, match=said):
        read_joined(save(tmp_path / "bad.npz", **arrays))


def test_what_is_no_npz_is_refused(tmp_path):
    for name, content in (("a.npz", b""), ("b.npz", b"no archive"), ("c.npz", b"PK\x03\x04 cut")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=r"expected an .npz file"):
            read_joined(tmp_path / name)
    np.save(tmp_path / "d.npy", X)
    with pytest.raises(ValueError, match=r"expected an .npz file"):
        read_joined(tmp_path / "d.npy")


@pytest.mark.parametrize("orders", [0, 1, 2])
def test_deltas_of_a_slope(orders):
    slope = np.stack([np.arange(9.0), 3 * np.arange(9.0)], axis=1)
    found = with_deltas(slope, orders).reshape(9, 2, orders + 1)
    assert np.array_equal(found[..., 0], slope)
    if orders:
        assert np.allclose(found[1:-1, :, 1], [1, 3])
    if orders == 2:
        assert np.allclose(found[2:-2, :, 2], 0)
