"""Targets of arrays in other shapes: columns, one-hot rows, rows of 0 and 1, inputs a step later."""

import numpy as np
import pytest

from seqmodels.data.sources.arrays import ArraysSource
from tests.data.csv_examples import contents

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(90, 5, 2)).astype(np.float32)
Y = np.arange(90) % 3


def source(tmp_path, y: np.ndarray, **options) -> ArraysSource:
    np.savez(tmp_path / "my.npz", X=X, y=y)
    return ArraysSource(str(tmp_path / "my.npz"), **options)


def targets(source: ArraysSource) -> dict[str, list]:
    return {name: [y for _, y in contents(part)] for name, part in source.splits().items()}


@pytest.mark.parametrize("kind", [np.int64, np.float32, np.uint8])
@pytest.mark.parametrize("shape", ["column", "one-hot", "one-hot said"])
def test_columns_and_one_hot_rows_are_classes(tmp_path, kind, shape):
    plain = targets(source(tmp_path, Y))
    y = Y[:, None] if shape == "column" else np.eye(3)[Y]
    found = source(tmp_path, y.astype(kind), target_kind="labels" if shape == "one-hot said" else None)
    assert targets(found) == plain
    assert "3 classes" in found.describe()
    assert found.suggest()["task"] == "classification"
    said = "one of 3 numbers of y is 1 in each sequence: taken for classes (else data.target_kind=sets)"
    assert (said in found.notes) == (shape != "column")
    spec = found.splits()["train"].spec
    opened = ArraysSource.open(str(tmp_path / "my.npz"), spec)
    assert [y for _, y in contents(opened)] == Y.tolist()


def test_a_column_of_values_is_one_value(tmp_path):
    values = GENERATOR.normal(size=(90, 1))
    assert targets(source(tmp_path, values)) == targets(source(tmp_path, values[:, 0]))


def test_rows_of_0_and_1_are_sets(tmp_path):
    y = np.stack([Y == 0, Y != 1, Y < 5], axis=1).astype(int)
    assert source(tmp_path, y).splits()["train"].spec.targets == "sets"
    assert source(tmp_path, np.eye(3)[Y], target_kind="sets").splits()["train"].spec.targets == "sets"
    assert source(tmp_path, y, target_kind="values").splits()["train"].spec.targets == "values"


def test_classes_too_small_that_may_be_amounts_name_the_cure(tmp_path):
    with pytest.raises(ValueError, match=r"the class '0' has 2 items, .*data\.target_kind=values"):
        source(tmp_path, np.arange(90) // 2).splits()


def test_labels_of_a_new_file_that_training_never_saw_are_left_aside(tmp_path, caplog):
    spec = source(tmp_path, Y).splits()["train"].spec
    np.savez(tmp_path / "new.npz", X=X, y=Y + 1)
    opened = ArraysSource.open(str(tmp_path / "new.npz"), spec)
    assert {y for _, y in contents(opened)} == {0}
    assert "labels that training never saw ('3'): no target is used" in caplog.text
    with pytest.raises(ValueError, match="the label '3' was never seen in training"):
        ArraysSource.open(str(tmp_path / "new.npz"), spec, targets=True)


@pytest.mark.parametrize("later", [True, False])
def test_targets_that_are_the_inputs_a_step_later_are_told(tmp_path, later):
    y = np.roll(X[..., 1], -1 if later else 1, axis=1)
    found = source(tmp_path, y, target_per="step", target_kind="values")
    found.splits()
    assert any("the targets are the inputs 'feature 1' a step later" in note for note in found.notes) == later
