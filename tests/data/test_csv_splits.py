"""Which sequences are for training, validation and test: given, by group, and no leak."""

import numpy as np
import pytest

from seqmodels.data.columns.splits.shares import stratified_groups
from seqmodels.data.files.ragged import Ragged
from seqmodels.data.sources.tables.table import CSVSource
from tests.data.csv_examples import LONG, WIDE, contents, long_rows, wide_rows, write


def lines(dataset) -> list[int]:
    return [origin["line"] for origin in dataset.origins]


@pytest.mark.parametrize("words", [("train", "val", "test"), ("Training", "dev", "TEST"), ("train", "validation", "")])
def test_a_column_says_the_split(tmp_path, words):
    wanted = [words[min(i % 5, 2)] or "train" for i in range(60)]
    rows = [[part, *row] for part, row in zip(wanted, wide_rows(), strict=True)]
    source = CSVSource(write(tmp_path, rows, "part," + WIDE), "label", split="part", test_fraction=0)
    splits = source.splits()
    of = {"train": {"train", "Training"}, "val": {"val", "dev", "validation"}, "test": {"test", "TEST"}}
    for name, part in splits.items():
        assert lines(part) == [i + 2 for i, word in enumerate(wanted) if word in of[name]]
    assert len(splits) == 2 + bool(words[2])
    assert splits["train"].spec.input_names == ("x", "y")


def test_what_the_column_does_not_give_is_taken_from_training(tmp_path):
    rows = [["test" if i >= 40 else "train", *row] for i, row in enumerate(wide_rows())]
    source = CSVSource(write(tmp_path, rows, "part," + WIDE), "label", split="part", val_fraction=0.25)
    splits = source.splits()
    assert lines(splits["test"]) == list(range(42, 62))
    assert [len(part) for part in splits.values()] == [30, 10, 20]
    assert "30 train, 10 val, 20 test" in source.describe()


def test_files_of_their_own_for_validation_and_test(tmp_path):
    path = write(tmp_path, wide_rows(), WIDE)
    val = write(tmp_path, wide_rows(20, seed=1), WIDE, "val.csv")
    test = write(tmp_path, wide_rows(30, seed=2), WIDE, "test.csv")
    splits = CSVSource(path, "label", val_path=val, test_path=test).splits()
    assert [len(part) for part in splits.values()] == [60, 20, 30]
    alone = CSVSource(path, "label", val_fraction=0, test_fraction=0).splits()["train"]
    assert splits["train"].spec == alone.spec
    opened = CSVSource.open(test, alone.spec)
    assert contents(splits["test"]) == contents(opened)
    some = CSVSource(path, "label", test_path=test).splits()
    assert [len(part) for part in some.values()] == [54, 6, 30]
    strange = write(tmp_path, [[*row[:6], "c"] for row in wide_rows(5)], WIDE, "strange.csv")
    with pytest.raises(ValueError, match=r"strange.csv, line 2, column 'label': the label 'c' was never seen"):
        CSVSource(path, "label", test_path=strange).splits()
    with pytest.raises(ValueError, match=r"less.csv has no column"):
        CSVSource(path, "label", test_path=write(tmp_path, [[1, "a"]], "x1,label", "less.csv")).splits()


def test_long_sequences_are_in_one_given_split(tmp_path):
    rows = [[*row, "test" if row[0] in ("s1", "s2", "s4") else "train"] for row in long_rows()]
    options = {"target": "label", "sequence": "who", "features": ["speed"], "split": "part"}
    splits = CSVSource(write(tmp_path, rows, LONG + ",part"), **options).splits()
    assert [origin["who"] for origin in splits["test"].origins] == ["s1", "s2", "s4"]
    rows[0][-1] = "val"
    with pytest.raises(ValueError, match=r"line 3, column 'part': got 'train', but 'val' on line 2 of the same seq"):
        CSVSource(write(tmp_path, rows, LONG + ",part"), **options).splits()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["train", "tset"], r"line 3, column 'part': expected the name of a split, got 'tset'"),
        (["train", ""], "expected the name of a split, got ''"),
        (["val", "test"], "column 'part': expected train in some rows, got val, test only"),
    ],
)
def test_a_column_that_names_no_split_is_told(tmp_path, cells, message):
    rows = [[cells[i % 2], *row] for i, row in enumerate(wide_rows())]
    with pytest.raises(ValueError, match=message):
        CSVSource(write(tmp_path, rows, "part," + WIDE), "label", split="part").splits()


@pytest.mark.parametrize("seed", range(4))
def test_neither_a_group_nor_a_copy_is_in_two_splits(tmp_path, seed):
    random = np.random.default_rng(seed)
    pool = wide_rows(150, seed)
    # Some groups hold copies of what other groups have.
    rows = [[f"g{i // 5}", *pool[i if random.random() < 0.9 else i - 7]] for i in range(150)]
    path = write(tmp_path, rows, "g," + WIDE)
    splits = CSVSource(path, "label", layout="wide", group="g", val_fraction=0.2, test_fraction=0.2, seed=seed).splits()
    assert sum(map(len, splits.values())) == 150
    groups = [{rows[line - 2][0] for line in lines(part)} for part in splits.values()]
    inputs = [{str(x) for x, _ in contents(part)} for part in splits.values()]
    for sets in (groups, inputs):
        assert sum(map(len, sets)) == len(set().union(*sets))
    assert all(len(own) > 0 for own in groups)


def test_copies_that_hold_everything_together_do_not_stop_a_split_by_group(tmp_path):
    rows = [
        [f"g{i // 6}", *(wide_rows(1)[0][:6] if i % 6 == 0 else row[:6]), row[6]] for i, row in enumerate(wide_rows())
    ]
    splits = CSVSource(write(tmp_path, rows, "g," + WIDE), "label", layout="wide", group="g").splits()
    assert len(splits) == 3


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_dealt_so_that_labels_have_their_shares(seed):
    random = np.random.default_rng(seed)
    groups = random.integers(0, 60, 2000)
    labels = [(int(g % 3), "rare") if g % 10 == 0 else (int(g % 3),) for g in groups]
    numbers = Ragged.of([[3 if name == "rare" else name for name in own] for own in labels])
    parts = stratified_groups(groups, numbers, 0.2, 0.2, seed)
    owners = [set(groups[items].tolist()) for items in parts.values()]
    assert sum(map(len, owners)) == len(set().union(*owners)) == 60
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(2000))
    for name, share in (("val", 0.2), ("test", 0.2), ("train", 0.6)):
        assert len(parts[name]) / 2000 == pytest.approx(share, abs=0.03)
        rare = np.mean(["rare" in labels[i] for i in parts[name]])
        assert rare == pytest.approx(0.1, abs=0.035)


def test_each_split_gets_a_group_where_there_are_enough():
    for count in (3, 4, 7):
        parts = stratified_groups(list(range(count)), Ragged.of([[0]] * count))
        assert all(len(items) for items in parts.values())
        assert len(parts) == 3
    with pytest.raises(ValueError, match="too few to be split"):
        stratified_groups([0, 1], Ragged.of([[0], [1]]))
