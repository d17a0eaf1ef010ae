"""Your own CSV, from file to batches: the right data, and no leak."""

import gzip

import numpy as np
import pytest

from seqmodels.data.batches.collate import collate
from seqmodels.data.batches.plan import make_plan
from seqmodels.data.sources.tables.table import CSVSource
from tests.data.csv_examples import DAYS, LONG, RANDOM, SALES, WIDE, contents, long_rows, series_rows, wide_rows, write

# Time series


def test_a_plain_series_needs_nothing_but_its_name(tmp_path):
    source = CSVSource(write(tmp_path, [row[:2] for row in series_rows()], "day,sales"), "sales")
    splits = source.splits()
    spec = splits["train"].spec
    assert {"task": "forecasting", "head": "many_to_one"}.items() <= source.suggest().items()
    assert (spec.inputs, spec.input_names, spec.targets, spec.horizon) == ("features", ("sales",), "values", 1)
    assert [len(part) for part in splits.values()] == [96 - 24, 12, 12]
    assert "sales' forecast from sales, 24 steps back, 1 ahead; layout series; rows in the order of 'day'" in (
        source.describe()
    )
    inputs, targets = splits["test"].read(11, 0, 24)
    assert targets[0] * spec.scale[0] + spec.shift[0] == pytest.approx(SALES[-1], rel=1e-5)
    np.testing.assert_allclose(inputs[:, 0] * spec.scale[0] + spec.shift[0], SALES[-25:-1], rtol=1e-5)


def test_series_make_batches(tmp_path):
    train = CSVSource(write(tmp_path, series_rows(), "day,sales,rain"), "sales", history=5, horizon=3).splits()["train"]
    batch = collate(train, make_plan(train.lengths, batch_size=4)[0])
    assert (tuple(batch.inputs.shape), tuple(batch.targets.shape)) == ((4, 5, 2), (4, 3))


def test_the_future_of_a_series_changes_nothing_in_training(tmp_path):
    rows = series_rows()
    before = CSVSource(write(tmp_path, rows, "day,sales,rain"), "sales", history=7, horizon=2).splits()
    for row in rows[96:]:
        row[1], row[2] = 1e6, -1e6
    after = CSVSource(write(tmp_path, rows, "day,sales,rain"), "sales", history=7, horizon=2).splits()
    assert contents(before["train"]) == contents(after["train"])
    assert before["train"].spec == after["train"].spec
    assert contents(before["val"]) != contents(after["val"])


@pytest.mark.parametrize("transform", [None, "log_return"])
def test_the_future_of_one_series_changes_nothing_in_the_training_of_another(tmp_path, transform):
    both = [[shop, day, sale] for shop in "pq" for day, sale in zip(DAYS, SALES, strict=True)]
    rows = [row for row in both if row[0] == "p" or row[1] > DAYS[50]]

    def train():
        path = write(tmp_path, rows, "shop,day,sales")
        return CSVSource(path, "sales", series="shop", history=4, transform=transform).splits()["train"]

    before = train()
    assert len(before) == (96 - 4) + (96 - 51 - 4) - 2 * (transform is not None)
    for row in rows:
        row[2] = 9e5 if row[1] > DAYS[95 + (transform is not None)] else row[2]
    assert contents(before) == contents(train())


def test_rows_out_of_order_are_sorted_and_that_is_said(tmp_path):
    rows = series_rows()
    tidy = CSVSource(write(tmp_path, rows, "day,sales,rain"), "sales")
    shuffled = [rows[i] for i in RANDOM.permutation(120)]
    mixed = CSVSource(write(tmp_path, shuffled, "day,sales,rain", "mixed.csv"), "sales")
    assert contents(tidy.splits()["train"]) == contents(mixed.splits()["train"])
    assert "rows sorted by time" in mixed.describe()
    assert "rows sorted by time" not in tidy.describe()


@pytest.mark.parametrize(
    "days",
    [
        [f"{d:02d}/{m:02d}/2024" for m in range(1, 6) for d in range(1, 25)],
        [f"{m:02d}/{d:02d}/2024" for m in range(1, 6) for d in range(1, 25)],
        [f"2024-{m:02d}-{d:02d}T12:00:00Z" for m in range(1, 6) for d in range(1, 25)],
        list(range(-60, 60)),
    ],
)
def test_dates_as_people_write_them(tmp_path, days):
    rows = list(zip(days, SALES, strict=True))
    source = CSVSource(write(tmp_path, [rows[i] for i in RANDOM.permutation(120)], "day,sales"), "sales")
    tidy = CSVSource(write(tmp_path, rows, "day,sales", "tidy.csv"), "sales")
    assert contents(source.splits()["train"]) == contents(tidy.splits()["train"])


def test_missing_values_of_a_series(tmp_path):
    rows = series_rows()
    rows[10][1], rows[20][2], rows[30][1] = "", "NaN", "inf"
    path = write(tmp_path, rows, "day,sales,rain")
    with pytest.raises(ValueError, match=r"line 12, column 'sales': expected a number, got '' \(3 such cells in all\)"):
        CSVSource(path, "sales").splits()
    dropped = CSVSource(path, "sales", missing="drop", history=5)
    assert len(dropped.splits()["train"]) == 117 - 12 - 12 - 5
    filled = CSVSource(path, "sales", missing="interpolate", history=5)
    # Each missing target is the target of one window and the last input of one; so is the missing rain the last input.
    assert len(filled.splits()["train"]) == 96 - 5 - 5
    assert "3 rows with missing numbers: interpolate" in filled.describe()


def test_returns_are_forecast_instead_of_prices(tmp_path):
    path = write(tmp_path, [row[:2] for row in series_rows()], "day,sales")
    for transform, change in (("log_return", np.diff(np.log(SALES))), ("difference", np.diff(SALES))):
        splits = CSVSource(path, "sales", transform=transform, history=5).splits()
        spec = splits["train"].spec
        values = splits["train"].values[:, 0] * spec.scale[0] + spec.shift[0]
        np.testing.assert_allclose(values, change, rtol=1e-3, atol=1e-5)
        assert spec.input_names == (f"{transform} of sales",)


# Sequences


def test_wide_rows_with_labels(tmp_path):
    rows = wide_rows()
    source = CSVSource(write(tmp_path, rows, WIDE), "label")
    splits = source.splits()
    spec = splits["train"].spec
    assert source.suggest() == {"task": "classification", "head": "many_to_one"}
    assert (spec.input_names, spec.target_names, spec.target_shape) == (("x", "y"), ("a", "b"), "sequence")
    found = source.describe().split(": ")[1]
    assert found.startswith("60 sequences of 3 steps (x, y), 2 classes in 'label'; layout wide; shares from 4")
    assert found.endswith("48 train, 6 val, 6 test")
    found = {}
    for split in splits.values():
        for inputs, target in contents(split):
            values = np.round(np.array(inputs) * spec.input_scale + spec.input_shift).astype(int)
            found[tuple(values.reshape(-1).tolist())] = spec.target_names[target]
    assert found == {tuple(row[:6]): row[6] for row in rows}


def test_splits_have_the_shares_of_each_class(tmp_path):
    rows = [[i, i, i, "abc"[(i % 10 > 5) + (i % 10 > 8)]] for i in range(200)]
    splits = CSVSource(write(tmp_path, rows, "x1,x2,x3,label"), "label", test_fraction=0.2).splits()
    counts = {name: np.bincount([t for _, t in contents(part)]).tolist() for name, part in splits.items()}
    assert counts == {"train": [84, 42, 14], "val": [12, 6, 2], "test": [24, 12, 4]}


def test_copies_stay_on_one_side(tmp_path):
    rows = wide_rows(40) + wide_rows(40) + wide_rows(20, seed=1)
    source = CSVSource(write(tmp_path, rows, WIDE), "label", val_fraction=0.2, test_fraction=0.2)
    owners = [{str(inputs) for inputs, _ in contents(part)} for part in source.splits().values()]
    assert sum(map(len, owners)) == len(set().union(*owners)) == 60
    assert any(note.startswith("40 sequences are copies of another one") for note in source.notes)


def test_groups_stay_on_one_side(tmp_path):
    rows = [[f"w{i // 6}", *row] for i, row in enumerate(wide_rows())]
    path = write(tmp_path, rows, "writer," + WIDE)
    splits = CSVSource(path, "label", layout="wide", group="writer", val_fraction=0.2, test_fraction=0.2).splits()
    writer = {tuple(row[1:7]): row[0] for row in rows}
    spec = splits["train"].spec

    def owners(part) -> set[str]:
        values = [np.round(np.array(x) * spec.input_scale + spec.input_shift).reshape(-1) for x, _ in contents(part)]
        return {writer[tuple(v.astype(int).tolist())] for v in values}

    found = [owners(part) for part in splits.values()]
    assert [len(f) for f in found] == [6, 2, 2]
    assert len(set().union(*found)) == 10


@pytest.mark.parametrize("kind", ["wide", "text", "long"])
def test_scale_vocabulary_and_training_batches_come_from_training_alone(tmp_path, kind):
    """The groups of validation and test get other contents; training must not notice."""
    groups = [f"g{i // 6}" for i in range(60)]
    outside: set[int] = set()

    def rows() -> list[list]:
        numbers = [[1e6 + i] * 6 if i in outside else row[:6] for i, row in enumerate(wide_rows())]
        if kind == "wide":
            return [[g, *x, "ab"[i % 2]] for i, (g, x) in enumerate(zip(groups, numbers, strict=True))]
        if kind == "text":
            return [[g, f"{x[0]}ÿÿ{x[1]}", "ab"[i % 2]] for i, (g, x) in enumerate(zip(groups, numbers, strict=True))]
        return [[g, i, v, v / 7] for i, (g, x) in enumerate(zip(groups, numbers, strict=True)) for v in x]

    header = {"wide": f"g,{WIDE}", "text": "g,name,label", "long": "g,who,speed,power"}[kind]
    options = {
        "wide": {"target": "label", "layout": "wide"},
        "text": {"target": "label", "text": "name"},
        "long": {"target": "power", "sequence": "who", "target_kind": "values"},
    }[kind]
    before = CSVSource(write(tmp_path, rows(), header), group="g", **options).splits()
    trained = {int(origin["who"]) if kind == "long" else origin["line"] - 2 for origin in before["train"].origins}
    outside |= set(range(60)) - trained
    assert outside
    after = CSVSource(write(tmp_path, rows(), header), group="g", **options).splits()
    assert before["train"].spec == after["train"].spec
    assert contents(before["train"]) == contents(after["train"])
    assert contents(before["test"]) != contents(after["test"])


def test_training_inputs_have_mean_zero_and_deviation_one(tmp_path):
    path = write(tmp_path, long_rows(), LONG)
    for source in (
        CSVSource(write(tmp_path, wide_rows(), WIDE, "wide.csv"), "label"),
        CSVSource(path, "label", sequence="who", features=["speed", "weight"]),
    ):
        steps = np.concatenate([np.array(x) for x, _ in contents(source.splits()["train"])])
        np.testing.assert_allclose(steps.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(steps.std(axis=0), 1, atol=1e-6)


def test_what_training_saw_once_is_unknown(tmp_path):
    rows = [*[["ab", "pq"[i % 2]] for i in range(40)], ["aéüü", "p"]]
    train = CSVSource(write(tmp_path, rows, "name,kind"), "kind", val_fraction=0, test_fraction=0).splits()["train"]
    assert train.spec.input_names == ("<unk>", "a", "b", "ü")
    assert train.read(40, 0, 4)[0].tolist() == [1, 0, 3, 3]


def test_unlabelled_sequences_are_dropped_when_asked(tmp_path):
    rows = [[*row[:6], "" if i in (3, 8) else row[6]] for i, row in enumerate(wide_rows())]
    splits = CSVSource(write(tmp_path, rows, WIDE), "label", missing="drop").splits()
    assert sum(map(len, splits.values())) == 58
    texts = [["", "p"], ["xy", ""], *[[f"n{i}", "pq"[i % 2]] for i in range(40)]]
    splits = CSVSource(write(tmp_path, texts, "name,kind"), "kind", text="name", missing="drop").splits()
    assert sum(map(len, splits.values())) == 40


def test_differences_are_features(tmp_path):
    path = write(tmp_path, wide_rows(), WIDE)
    splits = CSVSource(path, "label", differences=True).splits()
    train = splits["train"]
    everything = sorted(pair for part in splits.values() for pair in contents(part))
    assert sorted(contents(CSVSource.open(path, train.spec))) == everything
    assert train.spec.input_names == ("x", "y", "x change", "y change")
    values = train.read(3, 0, 3)[0] * train.spec.input_scale + train.spec.input_shift
    np.testing.assert_allclose(values[0, 2:], 0, atol=1e-3)
    np.testing.assert_allclose(values[1:, 2:], np.diff(values[:, :2], axis=0), atol=1e-3)


def test_long_rows_with_a_label_per_sequence(tmp_path):
    rows = long_rows()
    path = write(tmp_path, [rows[i] for i in RANDOM.permutation(len(rows))], LONG)
    source = CSVSource(path, "label", sequence="who", features=["speed"])
    splits = source.splits()
    spec = splits["train"].spec
    assert source.suggest() == {"task": "classification", "head": "many_to_one"}
    assert "30 sequences of 2 to 6 steps (speed), 2 classes in 'label'; layout long; steps in the order of 't'" in (
        source.describe()
    )
    speeds = {}
    for row in rows:
        speeds.setdefault((row[0], row[5]), []).append(row[2])
    found = [
        ([round(v[0] * spec.input_scale[0] + spec.input_shift[0], 3) for v in x], spec.target_names[y])
        for part in splits.values()
        for x, y in contents(part)
    ]
    assert sorted(found) == sorted((values, label) for (_, label), values in speeds.items())


def test_long_rows_with_a_tag_per_step_and_words(tmp_path):
    source = CSVSource(write(tmp_path, long_rows(), LONG), "tag", sequence="who", text="word")
    train = source.splits()["train"]
    assert source.suggest() == {"task": "tagging", "head": "many_to_many"}
    assert (train.spec.input_names, train.spec.target_names) == (("<unk>", "a", "b", "c"), ("A", "B", "C"))
    for inputs, targets in contents(train):
        assert [i - 1 for i in inputs] == targets
        assert len(inputs) > 1


def test_values_per_sequence_and_per_step(tmp_path):
    path = write(tmp_path, long_rows(), LONG)
    whole = CSVSource(path, "weight", sequence="who", features=["speed"])
    steps = CSVSource(path, "speed", sequence="who", features=["weight", "t"], target_per="step")
    assert whole.suggest() == {"task": "regression", "head": "many_to_one"}
    assert steps.suggest() == {"task": "regression", "head": "many_to_many"}
    train = whole.splits()["train"]
    assert (train.spec.targets, train.spec.target_size, train.read(0, 0, 1)[1].shape) == ("values", 1, (1,))
    values = np.array([y[0] for _, y in contents(train)])
    assert abs(values.mean()) < 1e-5
    assert abs(values.std() - 1) < 1e-5
    stepwise = steps.splits()["train"]
    assert stepwise.read(0, 0, 2)[1].shape == (2, 1)
    assert len(collate(stepwise, make_plan(stepwise.lengths, 3)[0]).targets) == 3


def test_one_step_wide_rows_are_one_to_one(tmp_path):
    rows = [[i % 7, i % 5, "ab"[i % 2]] for i in range(40)]
    source = CSVSource(write(tmp_path, rows, "height,width,label"), "label", layout="wide", features_per_step=2)
    assert source.suggest() == {"task": "classification", "head": "one_to_one"}


def test_text_and_labels(tmp_path):
    rows = [["ab" * (i % 4 + 1) + str(i), "pq"[i % 2]] for i in range(40)]
    source = CSVSource(write(tmp_path, rows, "name,kind"), "kind")
    spec = source.splits()["train"].spec
    assert (spec.inputs, spec.target_names) == ("tokens", ("p", "q"))
    assert source.suggest() == {"task": "classification", "head": "many_to_one"}
    assert spec.input_size == len(spec.input_names)
    assert {"a", "b", "<unk>"} <= set(spec.input_names)


def test_missing_values_of_wide_rows(tmp_path):
    rows = wide_rows()
    rows[4][2], rows[9][4], rows[9][5] = "", "", ""
    path = write(tmp_path, rows, WIDE)
    count = {}
    for missing in ("drop", "interpolate"):
        splits = CSVSource(path, "label", missing=missing).splits()
        count[missing] = sum(map(len, splits.values()))
    assert count == {"drop": 58, "interpolate": 60}
    with pytest.raises(ValueError, match=r"line 6, column 'x2': expected a number, got '' \(3 such cells in all\)"):
        CSVSource(path, "label").splits()
    with pytest.raises(ValueError, match=r"line 6, column 'x2': expected a number, got '' \(1 such cells in all\)"):
        CSVSource(path, "label", missing="end").splits()
    rows[4][2] = 5
    splits = CSVSource(write(tmp_path, rows, WIDE), "label", missing="end").splits()
    assert sorted(n for part in splits.values() for n in part.lengths.tolist())[:2] == [2, 3]
    rows[4][:6] = [""] * 6
    with pytest.raises(ValueError, match="line 6: the sequence has no steps; remove the line"):
        CSVSource(write(tmp_path, rows, WIDE), "label", missing="end").splits()


def test_missing_values_of_long_rows(tmp_path):
    rows = long_rows()
    rows[3][2] = "nan"
    path = write(tmp_path, rows, LONG)
    options = {"target": "label", "sequence": "who", "features": ["speed"]}
    with pytest.raises(ValueError, match="line 5, column 'speed': expected a number, got 'nan'"):
        CSVSource(path, **options).splits()
    steps = {
        missing: sum(int(part.lengths.sum()) for part in CSVSource(path, missing=missing, **options).splits().values())
        for missing in ("drop", "interpolate")
    }
    assert steps == {"drop": len(rows) - 1, "interpolate": len(rows)}


# New files


def test_a_new_series_is_forecast_from_its_end_in_the_scale_of_training(tmp_path):
    source = CSVSource(write(tmp_path, series_rows(), "day,sales,rain"), "sales", history=5, horizon=2)
    spec = source.splits()["train"].spec
    rows = [[row[0], row[1] + 3, row[2], 0] for row in series_rows()[:12]]
    new = write(tmp_path, rows, "day,sales,rain,more", "new.csv")
    ahead = CSVSource.open(new, spec)
    assert len(ahead) == 1
    np.testing.assert_allclose(
        ahead.read(0, 0, 5)[0][:, 0], (np.array(SALES[7:12]) + 3 - spec.shift[0]) / spec.scale[0], rtol=1e-4
    )
    assert ahead.read(0, 0, 5)[1].tolist() == [0, 0]
    assert len(CSVSource.open(new, spec, targets=True)) == 12 - 7 + 1
    with pytest.raises(ValueError, match="has no column 'rain'"):
        CSVSource.open(write(tmp_path, [row[:2] for row in series_rows()], "day,sales", "less.csv"), spec)


def test_new_sequences_are_encoded_as_in_training(tmp_path):
    source = CSVSource(write(tmp_path, wide_rows(), WIDE), "label")
    splits = source.splits()
    spec = type(splits["train"].spec).from_plain(splits["train"].spec.to_plain())
    again = CSVSource.open(write(tmp_path, wide_rows(), WIDE, "new.csv"), spec)
    everything = sorted(pair for part in splits.values() for pair in contents(part))
    assert sorted(contents(again)) == everything
    bare = write(tmp_path, [row[:6] for row in wide_rows()], WIDE.removesuffix(",label"), "bare.csv")
    assert [x for x, _ in contents(CSVSource.open(bare, spec))] == [x for x, _ in contents(again)]
    assert {y for _, y in contents(CSVSource.open(bare, spec))} == {0}
    assert {y for _, y in contents(CSVSource.open(str(tmp_path / "new.csv"), spec, targets=False))} == {0}
    with pytest.raises(ValueError, match="has no column 'label'"):
        CSVSource.open(bare, spec, targets=True)
    strange = write(tmp_path, [[*row[:6], "c"] for row in wide_rows()], WIDE, "strange.csv")
    with pytest.raises(ValueError, match=r"line 2, column 'label': the label 'c' was never seen in training, .*: a, b"):
        CSVSource.open(strange, spec, targets=True)


@pytest.mark.parametrize("kind", ["text", "words", "steps"])
def test_new_files_of_the_other_layouts(tmp_path, kind):
    if kind == "text":
        path, options = write(tmp_path, [[f"n{i}n", "pq"[i % 2]] for i in range(40)], "name,kind"), {"target": "kind"}
    else:
        path = write(tmp_path, long_rows(), LONG)
        words = {"target": "tag", "sequence": "who", "text": "word"}
        options = words if kind == "words" else {"target": "speed", "sequence": "who", "features": ["t", "weight"]}
    splits = CSVSource(path, **options).splits()
    everything = sorted(pair for part in splits.values() for pair in contents(part))
    assert sorted(contents(CSVSource.open(path, splits["train"].spec))) == everything


def test_what_training_never_saw_is_unknown(tmp_path):
    path = write(tmp_path, [["aabb"[: i % 4 + 1] * 3 + str(i), "pq"[i % 2]] for i in range(40)], "name,kind")
    spec = CSVSource(path, "kind").splits()["train"].spec
    new = CSVSource.open(write(tmp_path, [["aéa", "p"]], "name,kind", "new.csv"), spec)
    assert [spec.input_names[i] for i in new.read(0, 0, 3)[0]] == ["a", "<unk>", "a"]


def test_columns_called_by_numbers_come_from_the_command_line_as_numbers(tmp_path):
    rows = [[row[1], row[2]] for row in series_rows()]
    source = CSVSource(write(tmp_path, rows, "sales,2024"), "sales", features=2024, history=4)
    assert source.splits()["train"].spec.input_names == ("sales", "2024")
    assert CSVSource(str(tmp_path / "my.csv"), 2024, history=4).splits()["train"].spec.input_names == ("2024", "sales")


def test_constant_columns_are_not_blown_up(tmp_path):
    rows = [[7, row[1], row[2], row[3], row[4], row[5], row[6]] for row in wide_rows()]
    spec = CSVSource(write(tmp_path, rows, "a1,b1,a2,b2,a3,b3,label"), "label", differences=True).splits()["train"].spec
    assert all(scale > 0.5 for scale in spec.input_scale)
    rows = [[day, i % 7, 4.0] for i, day in enumerate(DAYS)]
    flat = CSVSource(write(tmp_path, rows, "day,sales,rain"), "sales").splits()["train"]
    assert flat.spec.input_scale[1] == 1.0
    assert not flat.values[:, 1].any()


def test_a_gzipped_table_is_read_as_any_other(tmp_path):
    path = tmp_path / "my.csv.gz"
    plain = CSVSource(write(tmp_path, wide_rows(), WIDE), "label").splits()["train"]
    path.write_bytes(gzip.compress((tmp_path / "my.csv").read_bytes()))
    assert contents(CSVSource(str(path), "label").splits()["train"]) == contents(plain)
