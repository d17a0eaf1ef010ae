"""Pen strokes: files of every form say the same, movements draw what was drawn, splits share nothing."""

import numpy as np
import pytest

from seqmodels.data.read.strokes import read_drawings
from seqmodels.data.sources.strokes import StrokesSource, movements, resample


def make(count: int = 30, seed: int = 0) -> list[list[np.ndarray]]:
    """Drawings of 1 to 4 strokes of 2 to 9 points."""
    generator = np.random.default_rng(seed)
    return [
        [generator.integers(0, 100, (generator.integers(2, 10), 2)) * 1.0 for _ in range(generator.integers(1, 5))]
        for _ in range(count)
    ]


def labels(count: int) -> list[str]:
    return [f"kind {i % 3}" for i in range(count)]


def write_points(path, drawings) -> str:
    rows = []
    for strokes in drawings:
        for stroke in strokes:
            lifted = np.zeros((len(stroke), 1))
            lifted[-1] = 1
            rows.append(np.concatenate([stroke, lifted], axis=1))
    lengths = [sum(map(len, strokes)) for strokes in drawings]
    np.savez(path, points=np.concatenate(rows), lengths=lengths, labels=labels(len(drawings)))
    return str(path)


def write_table(path, drawings) -> str:
    lines = ["drawing,stroke,x,y,label"]
    for i, (strokes, label) in enumerate(zip(drawings, labels(len(drawings)), strict=True)):
        lines += [f"d{i},{j},{x:g},{y:g},{label}" for j, stroke in enumerate(strokes) for x, y in stroke]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def same(one, other) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_archive_and_table_hold_the_same(tmp_path):
    drawings = make()
    for found in (
        read_drawings(write_points(tmp_path / "a.npz", drawings)),
        read_drawings(write_table(tmp_path / "a.csv", drawings)),
    ):
        assert [drawing.label for drawing in found] == labels(30)
        assert all(same(drawing.strokes, strokes) for drawing, strokes in zip(found, drawings, strict=True))


def test_strokes_with_owners_are_gathered(tmp_path):
    generator = np.random.default_rng(0)
    strokes, owner = generator.integers(0, 99, (20, 16, 2)), np.repeat(np.arange(5), 4)
    order = generator.permutation(20)
    types = np.arange(20) % 3
    np.savez(
        tmp_path / "k.npz", strokes=strokes[order], char_index=owner[order], char_kind=np.array([0, 1, 2, 3, 2]),
        stroke_type=types[order], stroke_type_names=np.array(["", "|", "-"]),
    )  # fmt: skip
    found = read_drawings(str(tmp_path / "k.npz"))
    assert [drawing.label for drawing in found] == ["hiragana", "katakana", "kanji", "other", "kanji"]
    for number, drawing in enumerate(found):
        mine = [i for i in order if owner[i] == number]
        assert same(drawing.strokes, [strokes[i] for i in mine])
        assert drawing.stroke_labels == ["?|-"[types[i]] for i in mine]


@pytest.mark.parametrize("points", [None, 5])
def test_movements_draw_what_was_drawn(points):
    for strokes in make(10):
        found = movements(strokes, points)
        drawn = found[:, :2].cumsum(0)
        ends = np.flatnonzero(found[:, 2] == 0)
        expected = strokes if points is None else [resample(stroke, points) for stroke in strokes]
        every = np.concatenate(expected)
        middle = (every.max(0) + every.min(0)) / 2
        assert np.allclose(drawn + middle, every)
        assert (ends + 1).tolist() == np.cumsum([len(stroke) for stroke in expected]).tolist()
        assert found[:, 4].tolist() == [0] * (len(found) - 1) + [1]
        assert (found[:, 2:].sum(1) == 1).all()


@pytest.mark.parametrize("points", [2, 7, 40])
def test_resampled_points_are_even_and_keep_the_ends(points):
    for strokes in make(10):
        for stroke in strokes:
            found = resample(stroke, points)
            assert np.allclose(found[[0, -1]], stroke[[0, -1]])
            straight = resample(np.array([[0.0, 0.0], [3.0, 4.0]]), points)
            assert np.allclose(np.hypot(*np.diff(straight, axis=0).T), 5 / (points - 1))


def test_splits_share_no_drawing_and_scale_comes_from_training(tmp_path):
    drawings = make(60)
    drawings += drawings[:6]
    source = StrokesSource(write_points(tmp_path / "a.npz", drawings), points=None, val_fraction=0.2)
    splits = source.splits()
    assert any(note.startswith("6 drawings are copies") for note in source.notes)
    seen = {name: {target.tobytes() for target in split.targets} for name, split in splits.items()}
    assert not seen["train"] & seen["val"]
    assert not seen["train"] & seen["test"]
    assert sum(map(len, splits.values())) == 66
    ways = np.concatenate([target[1:, :2] for target in splits["train"].targets])
    assert ways.std() == pytest.approx(1, rel=1e-5)
    other = StrokesSource.open(str(tmp_path / "a.npz"), splits["train"].spec)
    assert {target.tobytes() for target in other.targets} == set.union(*seen.values())
    short = StrokesSource(str(tmp_path / "a.npz"), points=None, max_length=12)
    left = sum(map(len, short.splits().values()))
    assert left == sum(sum(map(len, strokes)) <= 12 for strokes in drawings)
    assert short.notes[0].startswith(f"{66 - left} of 66 drawings left out")


def test_one_stroke_at_a_time(tmp_path):
    drawings = make(20)
    source = StrokesSource(write_points(tmp_path / "a.npz", drawings), unit="stroke", points=4)
    splits = source.splits()
    assert sum(map(len, splits.values())) == sum(map(len, drawings))
    assert {len(target) for target in splits["train"].targets} == {4}


FAULTS = {
    "no numbers": ({"points": np.array([["a"] * 3]), "lengths": [1]}, r"'points' must be numbers \(P, 3\)"),
    "two columns": ({"points": np.zeros((4, 2)), "lengths": [4]}, r"numbers \(P, 3\), got float64 \(4, 2\)"),
    "lengths that do not add up": ({"points": np.zeros((4, 3)), "lengths": [3]}, "add up to 4, got 3"),
    "an empty drawing": ({"points": np.zeros((4, 3)), "lengths": [4, 0]}, "above 0"),
    "a label too few": ({"points": np.zeros((4, 3)), "lengths": [2, 2], "labels": ["a"]}, "the 2 drawings, got 1"),
    "nothing known": ({"images": np.zeros(3)}, "lacks 'points' and 'lengths' and has images"),
    "not finite": ({"points": np.full((4, 3), np.nan), "lengths": [4]}, "drawing 1: a point is not a number"),
    "no owners": ({"strokes": np.zeros((4, 5, 2))}, "'char_index'"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(tmp_path, name):
    arrays, words = FAULTS[name]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=words) as error:
        StrokesSource(str(tmp_path / "bad.npz")).splits()
    assert "bad.npz" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\3\4 cut short"])
def test_no_archive(tmp_path, content):
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.npz: expected a NumPy archive"):
        read_drawings(str(tmp_path / "bad.npz"))


def test_a_single_array(tmp_path):
    with (tmp_path / "bad.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="it is a single array"):
        read_drawings(str(tmp_path / "bad.npz"))


def test_an_unknown_label(tmp_path):
    spec = StrokesSource(write_points(tmp_path / "a.npz", make(30))).splits()["train"].spec
    np.savez(tmp_path / "b.npz", points=np.ones((2, 3)), lengths=[2], labels=["cat"])
    with pytest.raises(ValueError, match="label 'cat' was never seen in training, which had: kind 0, kind 1, kind 2"):
        StrokesSource.open(str(tmp_path / "b.npz"), spec)
