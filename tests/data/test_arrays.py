"""Arrays of a user's own: what the model sees of them, splits without leaks, and memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from seqmodels.data.batches.augmentation import tilt
from seqmodels.data.columns import arrays_check
from seqmodels.data.sources.arrays import ArraysSource
from seqmodels.registry import find, make

TS = Path(__file__).parent


def draw(seed: int, count: int = 40) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    lengths = random.integers(2, 9, count)
    return random, random.normal(size=(int(lengths.sum()), 3)) * [1, 5, 0.1] + 7, lengths


def save(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path / "my.npz", **arrays)
    return str(path / "my.npz")


def read(dataset) -> list:
    return [dataset.read(i, 0, int(n)) for i, n in enumerate(dataset.lengths)]


def together(splits) -> list:
    return [part for name in ("train", "val", "test") if name in splits for part in read(splits[name])]


@pytest.mark.parametrize("seed", range(3))
def test_every_form_of_the_same_sequences_reads_alike(tmp_path, seed):
    _, x, lengths = draw(seed)
    labels = np.arange(len(lengths)) % 3
    padded = np.full((len(lengths), lengths.max(), 3), np.pi)
    for row, part in zip(padded, np.split(x, np.cumsum(lengths)[:-1]), strict=True):
        row[: len(part)] = part
    flat = save(tmp_path, X=x, y=labels, lengths=lengths)
    found = [together(ArraysSource(flat).splits())]
    (tmp_path / "folder").mkdir()
    for name, array in {"X": padded, "y": labels.astype(str), "lengths": lengths}.items():
        np.save(tmp_path / "folder" / f"{name}.npy", array)
    found.append(together(ArraysSource(str(tmp_path / "folder")).splits()))
    found.append(together(ArraysSource(str(tmp_path / "folder" / "X.npy"), x="whatever").splits()))
    lines = [":".join(",".join(map(repr, d)) for d in part.T.tolist()) for part in np.split(x, np.cumsum(lengths)[:-1])]
    ts = "@ClassLabel True 0 1 2\n@data\n" + "\n".join(f"{a}:{b}" for a, b in zip(lines, labels, strict=True))
    (tmp_path / "my.ts").write_text(ts)
    found.append(together(ArraysSource(str(tmp_path / "my.ts")).splits()))
    for other in found[1:]:
        for (x0, y0), (x1, y1) in zip(found[0], other, strict=True):
            np.testing.assert_allclose(x0, x1, atol=1e-6)
            assert y0 == y1


@pytest.mark.parametrize("kind", [(8, "u1"), (11, ">i2"), (13, ">f4"), (14, ">f8")])
def test_idx_files_are_read_as_the_arrays_in_them(tmp_path, kind):
    code, dtype = kind
    x = np.random.default_rng(0).integers(0, 100, (60, 5, 4)).astype(dtype)
    y = (np.arange(60) % 3).astype("u1")
    for name, array, own in (("train-images-idx3-ubyte", x, code), ("train-labels-idx1-ubyte", y, 8)):
        head = bytes([0, 0, own, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        (tmp_path / name).write_bytes(head + array.tobytes())
    np.savez(tmp_path / "my.npz", X=x.astype(float), y=y)
    path = tmp_path / "train-images-idx3-ubyte"
    for (x0, y0), (x1, y1) in zip(
        together(ArraysSource(str(path)).splits()),
        together(ArraysSource(str(tmp_path / "my.npz")).splits()),
        strict=True,
    ):
        np.testing.assert_allclose(x0, x1, atol=1e-6)
        assert y0 == y1
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"its header says shape \(60, 5, 4\)"):
        ArraysSource(str(path)).splits()


def test_a_large_array_of_an_archive_is_mapped_and_reads_alike(tmp_path, monkeypatch):
    _, x, lengths = draw(5)
    for compress in (np.savez, np.savez_compressed):
        compress(tmp_path / "my.npz", X=x, y=np.arange(len(lengths)) % 2, lengths=lengths)
        wanted = together(ArraysSource(str(tmp_path / "my.npz")).splits())
        with monkeypatch.context() as patch:
            patch.setattr("seqmodels.data.read.arrays.LARGE", 1000)
            patch.setenv("XDG_CACHE_HOME", str(tmp_path / compress.__name__))
            splits = ArraysSource(str(tmp_path / "my.npz")).splits()
        assert isinstance(splits["train"].arrays.x, np.memmap)
        for (x0, y0), (x1, y1) in zip(together(splits), wanted, strict=True):
            np.testing.assert_array_equal(x0, x1)
            assert y0 == y1


@pytest.mark.parametrize("scale", ["features", "all"])
def test_the_scale_is_that_of_the_training_part(tmp_path, scale):
    _, x, lengths = draw(0)
    source = ArraysSource(save(tmp_path, X=x, y=np.arange(40) % 2, lengths=lengths), scale=scale)
    steps = np.concatenate([inputs for inputs, _ in read(source.splits()["train"])])
    axis = 0 if scale == "features" else None
    np.testing.assert_allclose(steps.mean(axis), 0, atol=1e-5)
    np.testing.assert_allclose(steps.std(axis), 1, atol=1e-5)


@pytest.mark.parametrize(("start", "stop"), [(0, 3), (2, 5), (4, 9)])
@pytest.mark.parametrize("read_by", ["rows", "columns", "pixels"])
def test_a_part_is_a_part_of_the_whole(tmp_path, read_by, start, stop):
    images = np.random.default_rng(0).normal(size=(20, 9, 9, 2))
    source = ArraysSource(save(tmp_path, X=images, y=np.arange(20) % 2), read_by=read_by, scale="none", val_fraction=0)
    train = source.splits()["train"]
    whole, _ = train.read(3, 0, int(train.lengths[3]))
    np.testing.assert_array_equal(train.read(3, start, stop)[0], whole[start:stop])
    image = images[train.items[3]]
    form = {
        "rows": image.reshape(9, 18),
        "columns": image.swapaxes(0, 1).reshape(9, 18),
        "pixels": image.reshape(81, 2),
    }
    np.testing.assert_allclose(whole, form[read_by], rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_no_sequence_no_copy_and_no_group_is_in_two_splits(tmp_path, seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(30, 4, 2))[random.integers(30, size=90)]  # with copies
    y = np.array([int(one[0, 0] > 0) for one in x])
    people = random.integers(8, size=90)
    path = save(tmp_path, X=x, y=y, who=people)
    contents = [{inputs.tobytes() for inputs, _ in read(split)} for split in ArraysSource(path).splits().values()]
    assert len(set.union(*contents)) == sum(map(len, contents))
    for options in ({}, {"test_groups": [3, 5]}):
        splits = ArraysSource(path, groups="who", **options).splits()
        groups = [set(split.groups) for split in splits.values()]
        assert len(set.union(*groups)) == sum(map(len, groups))
        assert sum(map(len, splits.values())) == 90
    assert set(splits["test"].groups) == {"3", "5"}


def test_each_class_has_the_same_share_in_every_split(tmp_path):
    y = np.repeat(["rare", "common"], [20, 180])
    splits = ArraysSource(save(tmp_path, X=np.random.default_rng(0).normal(size=(200, 4)), y=y)).splits()
    for split in splits.values():
        rare = [split.spec.target_names[int(label)] for _, label in read(split)].count("rare")
        assert rare == len(split) // 10


@pytest.mark.parametrize("padded", [False, True])
def test_a_part_of_a_sequence_end_to_end_is_its_own(tmp_path, padded):
    _, x, lengths = draw(2)
    steps = np.arange(len(x))[:, None] + np.zeros((1, 2))
    if padded:
        steps = np.stack(
            [np.pad(part, ((0, 9 - len(part)), (0, 0))) for part in np.split(steps, np.cumsum(lengths)[:-1])]
        )
    train = ArraysSource(save(tmp_path, X=steps, y=np.arange(40) % 2, lengths=lengths), scale="none").splits()["train"]
    for index, item in enumerate(train.items.tolist()):
        first = int(lengths[:item].sum())
        for start in range(int(lengths[item])):
            assert train.read(index, start, start + 1)[0].tolist() == [[first + start] * 2]


def test_given_splits_are_kept_and_validation_comes_from_training(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 4))
    split = np.where(np.arange(60) < 40, "train", "test")
    splits = ArraysSource(save(tmp_path, X=x, y=np.arange(60) % 2, s=split), split="s", val_fraction=0.25).splits()
    assert splits["test"].items.tolist() == list(range(40, 60))
    assert len(splits["val"]) == 10
    assert max(*splits["train"].items, *splits["val"].items) < 40
    test = save(tmp_path, X=x[40:], y=np.arange(20) % 2)
    splits = ArraysSource(test, test_path=test, val_fraction=0.2).splits()
    assert [len(splits[name]) for name in ("train", "val", "test")] == [16, 4, 20]


def test_targets_of_every_kind(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 5, 2))
    kinds = {
        ("labels", "sequence", 3): np.arange(40) % 3,
        ("labels", "step", 2): np.arange(200).reshape(40, 5) % 2,
        ("values", "sequence", 1): np.random.default_rng(1).normal(size=40),
        ("values", "sequence", 4): np.random.default_rng(1).normal(size=(40, 4)),
        ("values", "step", 2): np.random.default_rng(1).normal(size=(40, 5, 2)),
        ("sets", "sequence", 6): np.random.default_rng(1).integers(2, size=(40, 6)),
    }
    for (kind, per, size), y in kinds.items():
        source = ArraysSource(save(tmp_path, X=x, y=y), target_kind="sets" if kind == "sets" else None)
        train = source.splits()["train"]
        assert (train.spec.targets, train.spec.target_shape, train.spec.target_size) == (kind, per, size)
        targets = train.read(2, 1, 4)[1]
        raw = y[train.items[2]]
        raw = raw[1:4] if per == "step" else raw
        shift, scale = (np.array(train.spec.shift or 0), np.array(train.spec.scale or 1))
        np.testing.assert_allclose(np.squeeze(targets * scale + shift), np.squeeze(raw), rtol=1e-5, atol=1e-6)
    assert source.open(source.path, train.spec, targets=False).read(0, 0, 5)[1].tolist() == [0] * 6


def test_a_new_file_is_encoded_as_in_training(tmp_path):
    _, x, lengths = draw(1)
    words = np.array(["b", "a", "c"])
    path = save(tmp_path, X=x, y=np.arange(40) % 3, names=words, lengths=lengths)
    train = ArraysSource(path, classes="names").splits()["train"]
    assert train.spec.target_names == ("a", "b", "c")
    opened = ArraysSource.open(path, type(train.spec).from_plain(train.spec.to_plain()))
    assert opened.origins[7] == {"sequence": 7}
    for index, item in enumerate(train.items.tolist()):
        for ours, theirs in zip(train.read(index, 0, 2), opened.read(item, 0, 2), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_missing_numbers_are_dropped_or_interpolated_on_request(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 6, 2))
    x[3, 2, 1] = np.nan
    path = save(tmp_path, X=x, y=np.arange(40) % 2)
    dropped = ArraysSource(path, missing="drop")
    assert sum(map(len, dropped.splits().values())) == 39
    assert dropped.notes[0].startswith("1 of 40 sequences left out")
    filled = ArraysSource(path, missing="interpolate", scale="none").splits()
    value = next(one for split in filled.values() for i, one in enumerate(read(split)) if split.items[i] == 3)[0]
    np.testing.assert_allclose(value[2, 1], (x[3, 1, 1] + x[3, 3, 1]) / 2, rtol=1e-6)


def test_a_mapped_file_is_never_in_memory_as_a_whole(tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "X.npy", mode="w+", dtype=np.float32, shape=(400, 500, 40))
    mapped[:] = np.random.default_rng(0).normal(size=(400, 1, 1))
    np.save(tmp_path / "y.npy", np.arange(400) % 2)
    size = mapped.nbytes
    del mapped
    tracemalloc.start()
    train = ArraysSource(str(tmp_path)).splits()["train"]
    for index in range(len(train)):
        train.read(index, 0, 500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 20


@pytest.mark.parametrize(
    "options",
    [{"crop": 5}, {"noise": 0.1, "gain": 0.2}, {"tilt": 30}, {"shift": 1, "rotate": 20, "shear": 0.2, "zoom": 0.1}],
)
def test_copies_are_drawn_once_and_only_for_training(tmp_path, options):
    path = save(tmp_path, X=np.random.default_rng(0).normal(size=(40, 9, 9)), y=np.arange(40) % 2)
    plain, varied = (ArraysSource(path, copies=copies, **more).splits() for copies, more in ((1, {}), (3, options)))
    for name in ("val", "test"):
        for ours, theirs in zip(read(plain[name]), read(varied[name]), strict=True):
            np.testing.assert_array_equal(ours[0], theirs[0])
    train = varied["train"]
    assert len(train) == 3 * len(plain["train"]) == 3 * len(train.original)
    first, again = train.read(4, 0, int(train.lengths[4])), train.read(4, 0, int(train.lengths[4]))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == plain["train"].read(1, 0, 9)[1]
    np.testing.assert_array_equal(train.read(4, 2, 4)[0], first[0][2:4])
    others = [train.read(i, 0, int(train.lengths[i]))[0] for i in (3, 5)]
    assert not all(np.array_equal(first[0], other) for other in others)


def test_a_tilted_sensor_measures_as_much_and_all_sensors_tilt_alike():
    steps = np.random.default_rng(0).normal(size=(7, 3))
    turned = tilt(np.concatenate([steps, 2 * steps], 1), 1.0, np.random.default_rng(1))
    np.testing.assert_allclose(turned[:, 3:], 2 * turned[:, :3], rtol=1e-12)
    np.testing.assert_allclose(turned[:, :3] @ turned[:, :3].T, steps @ steps.T, rtol=1e-9, atol=1e-12)
    assert np.abs(turned[:, :3] - steps).max() > 0.01
    largest = np.arccos(((turned[:, :3] * steps).sum(1) / (steps**2).sum(1)).min())
    assert largest <= 1.0


@pytest.mark.parametrize("name", ["optdigits", "mnist_5k"])
def test_the_shipped_digits_read_the_same_by_row_and_by_pixel(name):
    rows, pixels = (
        make("data", "arrays", path=f"shipped:{name}.npz", read_by=by, val_fraction=0.1, test_fraction=0.2).splits()
        for by in ("rows", "pixels")
    )
    side = rows["train"].spec.input_size
    assert pixels["train"].lengths[0] == side * side
    assert find("data", "arrays") is ArraysSource


@pytest.mark.parametrize("scale", ["features", "all"])
def test_a_large_file_is_looked_through_once(tmp_path, monkeypatch, scale):
    """What is known of it is kept, and found anew where the file changes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    x = np.random.default_rng(0).normal(size=(40, 6, 3))
    x[3, 2, 1], x[7] = np.nan, x[8]
    folder = tmp_path / "data"
    folder.mkdir()
    np.save(folder / "X.npy", x)
    np.save(folder / "y.npy", np.arange(40) % 2)

    def seen() -> object:
        source = ArraysSource(str(folder), missing="interpolate", scale=scale)
        splits = source.splits()
        return [
            (name, split.spec, [split.read(i, 0, 6)[0].tolist() for i in range(len(split))])
            for name, split in splits.items()
        ], source.notes

    small = seen()
    monkeypatch.setattr(arrays_check, "MEMORY_LIMIT", 0)
    assert seen() == small
    with monkeypatch.context() as patch:
        patch.setattr(arrays_check, "steps_of", None)
        kept = list((tmp_path / "cache").rglob("table-*"))
        assert len(kept) == 3  # missing numbers, digests, scales
        assert seen() == small
        assert list((tmp_path / "cache").rglob("table-*")) == kept
    np.save(folder / "X.npy", x + 1)
    assert seen() != small
