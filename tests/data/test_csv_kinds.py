"""What columns mean: splits in words, the longest text, columns of 0 and 1, series told apart, amounts."""

import numpy as np
import pytest

from seqmodels.data.columns.infer import infer
from seqmodels.data.columns.roles import Columns
from seqmodels.data.sources.tables.table import CSVSource
from tests.data.csv_examples import WIDE, contents, wide_rows, write
from tests.data.test_csv_guess import DAYS, LABELS, ROWS, numbered, table

PART = ["Train", "train", "train", "test", "Valid"]


@pytest.mark.parametrize("layout", [None, "wide"])
def test_the_words_train_and_test_are_the_split(tmp_path, layout):
    rows = [[*row, PART[i % 5]] for i, row in enumerate(wide_rows(100))]
    source = CSVSource(write(tmp_path, rows, WIDE + ",fold"), "label", layout=layout)
    assert {name: len(part) for name, part in source.splits().items()} == {"train": 60, "val": 20, "test": 20}
    assert "split by the words in 'fold'" in source.describe()
    other = CSVSource(write(tmp_path, [[*row[:-1], "test"] for row in rows], WIDE + ",fold"), "label")
    assert len(other.splits()["train"]) == 80  # one word in all rows says nothing


def test_the_words_train_and_test_of_a_series_are_a_column_like_others():
    days = [f"2024-{i // 28 + 1:02d}-{i % 28 + 1:02d}" for i in range(ROWS)]
    found = infer(table({"day": days, "sold": range(ROWS), "part": ["train", "test"] * (ROWS // 2)}), Columns("sold"))
    assert (found.kind, found.split) == ("series", None)
    assert "part" in " ".join(found.notes)


def test_the_longest_column_of_words_is_the_text():
    says = [f"the film number {i} was a good one" for i in range(ROWS)]
    columns = {
        "id": range(ROWS),
        "city": LABELS,
        "age": range(ROWS),
        "says": says,
        "stars": [i % 5 for i in range(ROWS)],
    }
    for target in ("stars", "city"):
        found = infer(table(columns), Columns(target))
        assert (found.kind, found.text) == ("text", "says")
    assert "the text is 'says', the longest of city, says" in infer(table(columns), Columns("stars")).notes
    named = infer(table(columns), Columns("stars", text="city"))
    assert (named.text, named.notes[:1]) == (
        "city",
        ("0 to 4 in 'stars' taken for classes; if they are amounts, say data.target_kind=values",),
    )


def test_short_words_are_no_text():
    columns = {"city": LABELS, "age": range(ROWS), "job": LABELS, "kind": LABELS}
    with pytest.raises(ValueError, match="cannot be told from its columns"):
        infer(table(columns), Columns("kind"))


@pytest.mark.parametrize("kind", [None, "labels", "sets", "values"])
def test_columns_of_which_one_holds_are_classes(tmp_path, kind):
    rows = [[*row[:6], *(int(i % 3 == k) for k in range(3))] for i, row in enumerate(wide_rows(90))]
    path = write(tmp_path, rows, WIDE.removesuffix("label") + "a,b,c")
    source = CSVSource(path, ["a", "b", "c"], layout="wide", target_kind=kind)
    spec = source.splits()["train"].spec
    assert (spec.targets, spec.target_names) == (kind or "labels", ("a", "b", "c"))
    if kind is None:
        assert "one of a, b, c holds in each row: taken for classes (else data.target_kind=sets)" in source.describe()
    if spec.targets == "labels":
        assert source.suggest()["task"] == "classification"
        assert {y for part in source.splits().values() for _, y in contents(part)} == {0, 1, 2}
        assert all(len({y for _, y in contents(part)}) == 3 for part in source.splits().values())
        opened = CSVSource.open(path, spec)
        assert [y for _, y in contents(opened)] == [i % 3 for i in range(90)]


def test_columns_of_which_several_hold_are_sets(tmp_path):
    rows = [[*row[:6], i % 2, int(i % 3 == 0), 1] for i, row in enumerate(wide_rows(90))]
    path = write(tmp_path, rows, WIDE.removesuffix("label") + "a,b,c")
    assert CSVSource(path, ["a", "b", "c"], layout="wide").splits()["train"].spec.targets == "sets"
    with pytest.raises(ValueError, match=r"got data\.target_kind=labels"):
        CSVSource(path, ["a", "b", "c"], layout="wide", target_kind="labels").splits()


def test_a_column_that_makes_times_unique_is_named_first_in_the_advice():
    shops = ["north", "south"] * (ROWS // 2)
    days = [f"2024-01-{i // 2 + 1:02d}" for i in range(ROWS)]
    columns = {"day": days, "shop": shops, **numbered(np.random.default_rng(0), 2), "kind": LABELS[::-1]}
    with pytest.raises(ValueError, match=r"; say data\.series=shop \(a row is a point in time of what 'shop' names\)"):
        infer(table(columns), Columns("kind"))
    with pytest.raises(ValueError, match="cannot be told") as error:
        infer(table({**columns, "day": DAYS}), Columns("kind"))
    assert "data.series" not in str(error.value)


def test_classes_too_small_that_may_be_amounts_name_the_cure(tmp_path):
    rows = [[*row[:6], i // 2] for i, row in enumerate(wide_rows(100))]
    path = write(tmp_path, rows, WIDE)
    with pytest.raises(ValueError, match=r"the class '0' has 2 items, .*data\.target_kind=values"):
        CSVSource(path, "label", layout="wide", target_kind="labels").splits()
    words = write(tmp_path, [[*row[:6], f"c{row[6]}"] for row in rows], WIDE)
    with pytest.raises(ValueError, match="the class 'c0' has 2 items") as error:
        CSVSource(words, "label", layout="wide").splits()
    assert "target_kind" not in str(error.value)


def test_blank_new_or_absent_targets_of_a_new_file_are_left_aside(tmp_path, caplog):
    spec = CSVSource(write(tmp_path, wide_rows(), WIDE), "label").splits()["train"].spec
    plain = [x for x, _ in contents(CSVSource.open(write(tmp_path, wide_rows(), WIDE), spec))]
    for label, said in {"": "have no target", " ": "have no target", "new": "training never saw ('new')"}.items():
        rows = [[*row[:6], label if i % 2 else row[6]] for i, row in enumerate(wide_rows())]
        opened = CSVSource.open(write(tmp_path, rows, WIDE), spec)
        assert [x for x, _ in contents(opened)] == plain
        assert {y for _, y in contents(opened)} == {0}
        assert said in caplog.text


@pytest.mark.parametrize("kind", ["numbers", "words"])
@pytest.mark.parametrize("later", [True, False])
def test_targets_that_are_the_inputs_a_step_later_are_told(tmp_path, kind, later):
    rows, generator = [], np.random.default_rng(3)
    for who in range(40):
        steps = generator.integers(0, 6, 8).tolist()
        steps = [f"w{step}" for step in steps] if kind == "words" else [step / 2 for step in steps]
        targets = [*steps[1:], steps[0]] if later else steps[::-1]
        rows += [[f"s{who}", *pair] for pair in zip(steps, targets, strict=True)]
    options = {"text": "x"} if kind == "words" else {"target_kind": "values"}
    source = CSVSource(write(tmp_path, rows, "who,x,y"), "y", sequence="who", target_per="step", **options)
    source.splits()
    assert any("the targets are the inputs 'x' a step later" in note for note in source.notes) == later
