"""What is learned from a table: several values, several labels at once; with weights."""

import numpy as np
import pytest

from seqmodels.data.batches.collate import collate
from seqmodels.data.batches.plan import make_plan
from seqmodels.data.sources.tables.table import CSVSource
from seqmodels.parts import shipped
from tests.data.csv_examples import LONG, WIDE, contents, long_rows, wide_rows, write

SETS = ["", "rain", "rain|wind", " wind | sun ", "sun"]


def set_rows(count: int = 60) -> list[list]:
    return [[f"t{i}t", SETS[i % 5], *[int(w in SETS[i % 5]) for w in ("rain", "sun")]] for i in range(count)]


def everything(splits) -> list:
    return sorted(pair for part in splits.values() for pair in contents(part))


@pytest.mark.parametrize("per", ["sequence", "step"])
def test_several_values_each_have_their_own_scale(tmp_path, per):
    rows = [[*row[:3], 1000 + 50 * row[2], row[6]] for row in long_rows()]
    if per == "sequence":
        rows = [[*row[:3], 1000 + 50 * row[4], row[4]] for row in rows]
    path = write(tmp_path, rows, "who,t,speed,power,heat")
    source = CSVSource(path, ["power", "heat"], sequence="who", features=["speed"], target_per=per)
    splits = source.splits()
    spec = splits["train"].spec
    head = "many_to_one" if per == "sequence" else "many_to_many"
    assert source.suggest() == {"task": "regression", "head": head}
    assert (spec.targets, spec.target_size, spec.target_names) == ("values", 2, ("power", "heat"))
    values = np.concatenate([np.reshape(y, (-1, 2)) for _, y in contents(splits["train"])])
    np.testing.assert_allclose(values.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(values.std(0), 1, atol=1e-5)
    batch = collate(splits["train"], make_plan(splits["train"].lengths, 3)[0])
    assert batch.targets.shape == ((3, 2) if per == "sequence" else (3, batch.inputs.shape[1], 2))
    known = {(round(row[3], 2), row[4]) for row in rows}
    unscaled = values * spec.scale + spec.shift
    assert {(round(float(a), 2), round(float(b), 3)) for a, b in unscaled} <= known


def test_names_in_one_column_are_several_labels(tmp_path):
    source = CSVSource(write(tmp_path, set_rows(), "text,kinds,rain,sun"), "kinds", text="text", target_kind="sets")
    splits = source.splits()
    spec = splits["train"].spec
    assert source.suggest() == {"task": "multilabel", "head": "many_to_one"}
    assert (spec.targets, spec.target_names) == ("sets", ("rain", "sun", "wind"))
    found = {tuple(name for name, y in zip(spec.target_names, row, strict=True) if y) for _, row in everything(splits)}
    assert found == {(), ("rain",), ("rain", "wind"), ("sun", "wind"), ("sun",)}
    assert "3 labels at once in 'kinds'; layout text; shares from 40.0%" in source.describe()


@pytest.mark.parametrize("target", ["a", 2024, ["a", "b"]])
def test_the_command_line_takes_one_target_or_several(target):
    assert shipped("data")["csv"].options["target"].rule.holds(target)
    assert not shipped("data")["csv"].options["target"].rule.holds([1.5])


@pytest.mark.parametrize("kind", ["sets", None])
def test_columns_of_0_and_1_are_several_labels(tmp_path, kind):
    path = write(tmp_path, set_rows(), "text,kinds,rain,sun")
    source = CSVSource(path, ["rain", "sun"], text="text", target_kind=kind)
    splits = source.splits()
    assert source.suggest()["task"] == "multilabel"
    assert splits["train"].spec.target_names == ("rain", "sun")
    of_names = CSVSource(path, "kinds", text="text", target_kind="sets").splits()
    assert sorted(y for _, y in everything(splits)) == sorted(y[:2] for _, y in everything(of_names))
    numbers = CSVSource(path, ["rain", "sun"], text="text", target_kind="values")
    assert (numbers.suggest()["task"], numbers.splits()["train"].spec.targets) == ("regression", "values")


def test_sets_per_step_and_new_files(tmp_path):
    rows = [[*row, "a|b" if row[2] > 0 else ""] for row in long_rows()]
    path = write(tmp_path, rows, LONG + ",marks")
    source = CSVSource(path, "marks", sequence="who", features=["speed"], target_kind="sets")
    splits = source.splits()
    spec = type(splits["train"].spec).from_plain(splits["train"].spec.to_plain())
    assert source.suggest() == {"task": "multilabel", "head": "many_to_many"}
    assert splits["train"].read(0, 0, 2)[1].shape == (2, 2)
    assert everything({"new": CSVSource.open(path, spec)}) == everything(splits)
    strange = write(tmp_path, [[*row[:-1], "a|c"] for row in rows], LONG + ",marks", "strange.csv")
    with pytest.raises(ValueError, match=r"line 2, column 'marks': the label 'c' was never seen in training.*: a, b"):
        CSVSource.open(strange, spec, targets=True)
    bare = write(tmp_path, [row[:-1] for row in rows], LONG, "bare.csv")
    assert not any(np.any(y) for _, y in contents(CSVSource.open(bare, spec)))


def test_sets_have_the_same_shares_everywhere(tmp_path):
    rows = [[i, i, i, int(i % 10 == 0), int(i % 2)] for i in range(200)]
    splits = CSVSource(write(tmp_path, rows, "x1,x2,x3,rare,half"), ["rare", "half"], test_fraction=0.2).splits()
    shares = {name: np.mean([y for _, y in contents(part)], axis=0) for name, part in splits.items()}
    for share in shares.values():
        np.testing.assert_allclose(share, [0.1, 0.5], atol=0.03)


def test_weights_are_of_training_alone_and_reach_the_batch(tmp_path):
    rows = [[*row, (i % 3) / 2] for i, row in enumerate(wide_rows())]
    source = CSVSource(write(tmp_path, rows, WIDE + ",w"), "label", weight="w")
    splits = source.splits()
    train = splits["train"]
    weights = [(origin["line"] - 2) % 3 / 2 for origin in train.origins]
    assert train.weights.tolist() == weights
    assert splits["val"].weights is None
    assert splits["test"].weights is None
    assert train.spec.input_names == ("x", "y")  # a weight is no feature
    plan = make_plan(train.lengths, 4)[0]
    assert collate(train, plan).weights.tolist() == [weights[i] for i in plan[:, 0]]
    assert "weighted by 'w' in training" in source.describe()


MISTAKES = {
    "a weight below 0": ([[*row, -1] for row in wide_rows()], {"weight": "w"}, r"line \d+, column 'w': expected a wei"),
    "a blank weight": ([[*row, ""] for row in wide_rows()[:-1]], {"weight": "w"}, "expected a weight, .* got ''"),
    "an infinite weight": ([[*row, "inf"] for row in wide_rows()], {"weight": "w"}, "expected a weight, .* got 'inf'"),
    "no weight": ([[*row, 0] for row in wide_rows()], {"weight": "w"}, "'w': all training weights are 0"),
    "words among targets": (
        [[*row, 0] for row in wide_rows()],
        {"target": ["label", "w"]},
        "several columns are learned as numbers.*'label' holds words",
    ),
    "labels in columns": (
        [[*row, 0] for row in wide_rows()],
        {"target": ["x1", "w"], "target_kind": "labels", "layout": "wide"},
        "several columns are learned as numbers.*got data.target_kind=labels",
    ),
    "a 2 among 0 and 1": (
        [[*row, 2 * (i == 7)] for i, row in enumerate(wide_rows())],
        {"target": ["x1", "w"], "target_kind": "sets", "layout": "wide"},
        r"column 'x1': expected 1 \(the label holds\) or 0 \(it does not\), got",
    ),
    "no label at all": (
        [[*row, ""] for row in wide_rows()],
        {"target": "w", "target_kind": "sets", "layout": "wide", "features": ["x1"]},
        r"column 'w': no sequence has any of the labels; write names with '\|' between them",
    ),
    "several targets of a series": (
        [[*row, i] for i, row in enumerate(wide_rows())],
        {"target": ["x1", "x2"], "layout": "series"},
        r"a time series is forecast one column at a time, got \['x1', 'x2'\]",
    ),
    "one target twice": ([[*row, 0] for row in wide_rows()], {"target": ["x1", "x1"]}, "both name the column 'x1'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told(tmp_path, name):
    rows, options, message = MISTAKES[name]
    with pytest.raises(ValueError, match=message):
        CSVSource(write(tmp_path, rows, WIDE + ",w"), **{"target": "label", **options}).splits()
