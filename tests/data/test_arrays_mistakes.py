"""What is wrong with arrays or a .ts file is said in words that name the place and the cure."""

import re

import numpy as np
import pytest

from seqmodels.data.sources.arrays import ArraysSource

X, Y = np.random.default_rng(0).normal(size=(40, 5, 2)), np.arange(40) % 2


def source(tmp_path, arrays=None, **options):
    np.savez(tmp_path / "my.npz", **{"X": X, "y": Y, **(arrays or {})})
    return ArraysSource(str(tmp_path / "my.npz"), **options)


def with_value(value: float) -> np.ndarray:
    x = X.copy()
    x[7, 3, 1] = value
    return x


MISTAKES = {
    "objects": ({"X": np.array([[1], [2, 3]], dtype=object)}, {}, "Python objects.*end to end"),
    "objects in y": ({"y": np.array(["a", None] * 20, dtype=object)}, {}, "Python objects"),
    "nan": ({"X": with_value(np.nan)}, {}, "sequence 7, step 3, feature 1: expected a number, got nan.*missing=drop"),
    "infinite": ({"X": with_value(-np.inf)}, {}, "sequence 7, step 3, feature 1: .*-inf"),
    "text": ({"X": X.astype(str)}, {}, "array 'X'.*expected numbers, got dtype <U"),
    "one axis": ({"X": X[:, 0, 0]}, {}, "expected \\(sequences, steps\\).*lengths"),
    "too few targets": ({"y": Y[:39]}, {}, "one entry for each of the 40 sequences, got 39"),
    "no targets": ({}, {"y": "Y"}, "has no array 'Y'.*it has: X, y"),
    "near": ({}, {"x": "XX"}, "did you mean 'X'"),
    "one class": ({"y": np.zeros(40, int)}, {}, "expected two classes or more.*only '0'"),
    "target nan": ({"y": np.full(40, np.nan)}, {"target_kind": "values"}, "target at \\[0\\] is nan"),
    "ambiguous": ({"y": X[:, :, 0]}, {}, "say data.target_per"),
    "two labels": ({"y": X[:, :2, 0] > 0}, {"target_kind": "labels"}, "data.target_kind=sets"),
    "no sets": ({"y": X[:, :2, 0]}, {"target_kind": "sets"}, "one 0 or 1"),
    "lengths": ({"lengths": np.full(40, 6)}, {}, "lengths \\(sum 240, longest 6\\) do not fit"),
    "no steps": ({"lengths": np.arange(40) % 5}, {}, "whole number of at least 1.*smallest 0"),
    "half lengths": ({"lengths": np.full(40, 2.5)}, {}, "dtype float64"),
    "groups": ({"who": np.arange(39)}, {"groups": "who"}, "data.groups.*40 sequences, got 39"),
    "no such group": ({"who": Y}, {"groups": "who", "test_groups": [9]}, "no group 9; its groups: 0, 1"),
    "groups not named": ({}, {"test_groups": [1]}, "data.groups=NAME"),
    "all for test": ({"who": Y}, {"groups": "who", "test_groups": [0, 1]}, "no sequence is left to train on"),
    "split": ({"s": np.full(40, "tain")}, {"split": "s"}, "must say train, val or test, got 'tain'"),
    "classes": ({"names": np.array(["a"])}, {"classes": "names"}, "whole numbers from 0 to 0"),
    "no image": ({"X": X[:, :, 0]}, {"read_by": "pixels"}, "needs images of one size"),
    "image moved": ({"X": X[:, :, 0]}, {"shift": 1.0}, "x must be \\(images, rows, columns\\)"),
    "tilted": ({}, {"tilt": 10.0}, "sensors of three axes, and there are 2 features"),
    "scale": ({}, {"scale": "both"}, "data.scale must be one of features, all, none"),
    "both tests": ({}, {"test_groups": [1], "test_path": "b.npz"}, "leave one out"),
    "rare class": ({"y": np.array([0] * 38 + [1] * 2)}, {}, "'1' has 2 item"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_arrays_is_told(tmp_path, name):
    arrays, options, words = MISTAKES[name]
    with pytest.raises(ValueError, match=words):
        source(tmp_path, arrays, **options).splits()


@pytest.mark.parametrize("end", [20, 300, -40])
def test_a_truncated_archive_is_told(tmp_path, end):
    source(tmp_path)
    whole = (tmp_path / "my.npz").read_bytes()
    (tmp_path / "my.npz").write_bytes(whole[:end])
    with pytest.raises(ValueError, match=r"cut short|damaged"):
        ArraysSource(str(tmp_path / "my.npz")).splits()


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\x93NUMPY\x01\x00", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["my.npz", "my.npy"])
def test_another_kind_of_file_is_told(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "y.npy", Y)
    with pytest.raises(ValueError, match=f"{re.escape(name)}.*(cut short|damaged)"):
        ArraysSource(str(tmp_path / name)).splits()


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ValueError, match="there is no file"):
        ArraysSource(str(tmp_path / "no.npz")).splits()


def test_a_pickle_is_never_opened(tmp_path):
    np.save(tmp_path / "X.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects, which could run code"):
        ArraysSource(str(tmp_path / "X.npy")).splits()


def test_new_files_that_do_not_fit_are_told(tmp_path):
    spec = source(tmp_path).splits()["train"].spec
    path = str(tmp_path / "new.npz")
    np.savez(path, X=X[:, :, :1], y=Y)
    with pytest.raises(ValueError, match="expected 2 features per step as in training, got 1"):
        ArraysSource.open(path, spec)
    np.savez(path, X=X, y=Y + 1)
    with pytest.raises(ValueError, match="sequence 1: the label '2' was never seen in training, which had: 0, 1"):
        ArraysSource.open(path, spec, targets=True)
    assert len(ArraysSource.open(path, spec, targets=False)) == 40
    np.savez(path, X=X)
    assert len(ArraysSource.open(path, spec)) == 40
    with pytest.raises(ValueError, match="no array 'y'"):
        ArraysSource.open(path, spec, targets=True)


HEADER = "@problemName x\n@univariate false\n@classLabel true a b\n@data\n"
LINES = "".join(f"{i},2:3,{i}:{'ab'[i % 2]}\n" for i in range(20))
TS_MISTAKES = {
    "empty": ("", "expected text, got an empty file"),
    "no data line": ("@problemName x\n", "expected a line @data"),
    "no data": (HEADER, "no sequence after the line @data"),
    "no header": ("1,2,3:a\n" + LINES, "line 1: expected a line of the header"),
    "text": (HEADER + LINES + "1,x:3,4:a\n", "line 25: expected a number.*got 'x'"),
    "unknown class": (HEADER + LINES + "1,2:3,4:c\n", "line 25: expected a class last, one of a, b, got 'c'"),
    "no class": (HEADER + LINES + "1,2:3,4\n", "line 25: expected a class last"),
    "dimensions": (HEADER + LINES + "1,2:3,4:5,6:a\n", "line 25: got 3 dimensions of 2 steps, but 2 of 2 on line 5"),
    "uneven": (HEADER + LINES + "1,2:3:a\n", "line 25: expected as many steps in each dimension"),
    "promised": ("@dimensions 3\n" + HEADER + LINES, "line 6: expected 3 dimension.* got 2"),
    "unequal": ("@equalLength true\n" + HEADER + LINES + "1:3:a\n", "line 26: got 2 dimensions of 1 steps.*false"),
    "times": ("@timeStamps true\n" + HEADER + LINES, "@timeStamps true is not read here"),
    "gap": (HEADER + LINES + "1,?:3,4:a\n", "line 25, step 1, feature 0: expected a number, got nan"),
    "one class": (HEADER.replace(" b", "") + LINES.replace("b", "a"), "expected two classes or more"),
    "no targets": ("@data\n1,2\n", "has no targets: its header"),
    "bytes": ("\x00\x01\x00", "binary"),
}


@pytest.mark.parametrize("name", TS_MISTAKES)
def test_a_mistake_in_a_ts_file_is_told(tmp_path, name):
    text, words = TS_MISTAKES[name]
    (tmp_path / "my.ts").write_text(text)
    with pytest.raises(ValueError, match=words):
        ArraysSource(str(tmp_path / "my.ts")).splits()


def test_ts_files_of_other_forms_are_read(tmp_path):
    values = "# words\n@univariate true\n@targetLabel true\n@data\n" + "".join(f"1,2,{i}:{i}.5\n" for i in range(30))
    (tmp_path / "my.ts").write_text(values)
    spec = ArraysSource(str(tmp_path / "my.ts")).splits()["train"].spec
    assert (spec.targets, spec.target_size, spec.input_size) == ("values", 1, 1)
    (tmp_path / "my.ts").write_text(
        HEADER.upper().replace("A B", "a b").replace("TRUE", "true") + LINES + "1,?:3,4:a\n"
    )
    assert sum(map(len, ArraysSource(str(tmp_path / "my.ts"), missing="interpolate").splits().values())) == 21
