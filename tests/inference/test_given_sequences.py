"""Sequences that are in no file are predicted as those of a file."""

import numpy as np
import pytest

from seqmodels.inference import load
from tests.inference.small_runs import trained_run, write_table

PARTS = ("task=classification", "model/head=many_to_one")


def without_place(rows) -> list[dict]:
    return [{key: value for key, value in row.items() if key not in ("line", "sequence")} for row in rows]


def test_arrays_as_the_rows_of_a_table(classifier, tmp_path):
    values = np.random.default_rng(0).normal(size=(7, 4)).round(3)
    file = write_table(tmp_path / "new.csv", ["x1", "x2", "x3", "x4"], values.tolist())
    trained = load(classifier)
    expected = without_place(trained.predict(file))
    for given in (values, values[..., None], list(values), values.tolist()):
        assert without_place(trained.predict(given)) == expected


@pytest.mark.parametrize("per", ["sequence", "step"])
def test_arrays_of_several_lengths(tmp_path, per):
    generator = np.random.default_rng(1)
    lengths = generator.integers(2, 9, 30)
    whole = generator.normal(3, 50, size=(30, 8, 2)).astype(np.float32)
    y = generator.integers(0, 3, (30, 8) if per == "step" else 30)
    np.savez(tmp_path / "my.npz", X=whole, y=y, lengths=lengths)
    parts = PARTS if per == "sequence" else ("task=tagging", "model/head=many_to_many")
    trained = load(trained_run(tmp_path, "data=arrays", f"data.path={tmp_path}/my.npz", *parts))
    given = [x[:length] for x, length in zip(whole, lengths, strict=True)]
    found, expected = (without_place(trained.predict(d)) for d in (given, tmp_path / "my.npz"))
    for one, other in zip(found, expected, strict=True):
        key = "label" if per == "sequence" else "tags"
        assert one[key] == other[key]


def test_texts_as_the_rows_of_a_table(tmp_path):
    texts = ["".join(np.random.default_rng(i).choice(list("abcd"), 6)) for i in range(40)]
    file = write_table(tmp_path / "my.csv", ["name", "kind"], [[text, "pq"[i % 2]] for i, text in enumerate(texts)])
    options = ("data=csv", f"data.path={file}", "data.target=kind", "data.text=name")
    trained = load(trained_run(tmp_path, *options, *PARTS))
    assert without_place(trained.predict(texts)) == without_place(trained.predict(file))
    with pytest.raises(ValueError, match="does not read plain numbers"):
        list(trained.predict([[1.0, 2.0]]))


def test_what_does_not_fit_is_told(classifier):
    trained = load(classifier)
    for given, words in (
        ([], "expected at least one"),
        (["text"], "does not read a text a row"),
        ([[1.0, 2.0], [[1.0, 2.0]]], r"number 1: expected \(steps, 1\) numbers as in training, got the shape \(1, 2\)"),
        ([[1.0, float("nan")]], "number 0: has missing or infinite numbers"),
    ):
        with pytest.raises(ValueError, match=words):
            list(trained.predict(given))
