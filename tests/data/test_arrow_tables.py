"""Parquet, Arrow and Feather: the same as the same table in a CSV file, and faults with their place."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from seqmodels.data.read.columnar.arrow import from_batches
from seqmodels.data.read.open import read_table
from seqmodels.data.sources.tables.table import CSVSource
from tests.data.csv_examples import LONG, WIDE, contents, long_rows, series_rows, wide_rows, write

ENDS = [".parquet", ".arrow", ".feather", ".ipc"]


def store(table: pa.Table, path) -> str:
    """In the format that the file's ending names."""
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    elif path.suffix == ".feather":
        feather.write_feather(table, path, compression="lz4" if len(table) % 2 else "uncompressed")
    else:
        make = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
        with pa.OSFile(str(path), "wb") as sink, make(sink, table.schema) as writer:
            writer.write_table(table)
    return str(path)


def of_rows(rows: list, header: str) -> pa.Table:
    return pa.table({name: list(cells) for name, cells in zip(header.split(","), zip(*rows, strict=True), strict=True)})


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", ["wide", "long", "series"])
def test_a_table_is_the_same_in_every_format(tmp_path, end, kind):
    rows, header, options = {
        "wide": (wide_rows(61), WIDE, {"target": "label"}),
        "long": (long_rows(), LONG, {"target": "label", "sequence": "who", "features": ["speed"]}),
        "series": (series_rows(), "day,sales,rain", {"target": "sales"}),
    }[kind]
    table = of_rows(rows, header)
    if kind == "wide":
        table = table.set_column(6, "label", table["label"].dictionary_encode())
    if kind == "series":
        days = pa.array([datetime.datetime.fromisoformat(row[0]) for row in rows], pa.timestamp("ms"))
        table = table.set_column(0, "day", days)
    lined = CSVSource(write(tmp_path, rows, header), **options)
    typed = CSVSource(store(table, tmp_path / f"my{end}"), **options)
    assert typed.suggest() == lined.suggest()
    assert typed.describe().split(": ")[1:] == lined.describe().split(": ")[1:]
    ours, theirs = typed.splits(), lined.splits()
    assert ours["train"].spec == theirs["train"].spec
    assert [contents(ours[name]) for name in ours] == [contents(theirs[name]) for name in theirs]


def test_values_of_every_type():
    utc = datetime.timezone.utc
    table = pa.table(
        {
            "whole": pa.array([2**53 + 1, None], pa.int64()),
            "half": pa.array([0.1, float("inf")], pa.float64()),
            "flag": [True, None],
            "day": pa.array([datetime.date(2024, 1, 31), None]),
            "time": pa.array([datetime.datetime(2024, 1, 31, 17, 30, tzinfo=utc), None], pa.timestamp("ns", tz="UTC")),
            "kind": pa.array(["b", None]).dictionary_encode(),
            "nothing": pa.nulls(2),
            "name": pa.array(["007", "NA"], pa.large_string()),
            "tons": pa.array([datetime.timedelta(seconds=90), None], pa.duration("ns")),
            "strange": pa.array([{"a": 1}, None]),
        }
    )
    found = from_batches("t.parquet", table.schema, table.num_rows, table.to_batches, table.nbytes)
    assert {name: cells[0] for name, cells in found.columns.items()} == {
        "whole": "9007199254740993",
        "half": "0.1",
        "flag": "1",
        "day": "2024-01-31",
        "time": "2024-01-31T17:30:00+00:00",
        "kind": "b",
        "nothing": "",
        "name": "007",
        "tons": "90.0",
    }
    assert {name for name, cells in found.columns.items() if cells[1] == ""} == set(found.columns) - {"half", "name"}
    assert found.numbers("flag").tolist()[:1] == [1.0]
    assert np.isnan(found.numbers("half")[1])
    assert found.place(1, "half") == "t.parquet, row 2, column 'half'"
    with pytest.raises(ValueError, match=r"no column 'strange' that can be read \(it is of type STRUCT\(a BIGINT\)\)"):
        found.cells("strange", "target")


def nested(count: int = 60) -> dict:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 6, count)
    words = [[str(w) for w in random.choice(["a", "b", "c"], n)] for n in lengths]
    return {
        "speed": [random.normal(size=n).round(3).tolist() for n in lengths],
        "place": [random.normal(size=(n, 2)).round(3).tolist() for n in lengths],
        "words": words,
        "tags": [[w.upper() for w in own] for own in words],
        "load": [random.normal(size=n).round(3).tolist() for n in lengths],
        "label": ["pq"[i % 2] for i in range(count)],
        "mass": random.normal(size=count).round(3).tolist(),
        "who": [f"w{i // 5}" for i in range(count)],
    }


@pytest.mark.parametrize(
    ("columns", "options", "names", "suggested"),
    [
        (["speed", "label"], {"target": "label"}, ("speed",), ("classification", "many_to_one")),
        (["speed", "label"], {"target": "label", "layout": "nested"}, ("speed",), ("classification", "many_to_one")),
        (["place", "mass"], {"target": "mass"}, ("place_0", "place_1"), ("regression", "many_to_one")),
        (
            ["place", "speed", "mass", "label"],
            {"target": ["mass"], "features": ["place", "speed"]},
            ("place_0", "place_1", "speed"),
            ("regression", "many_to_one"),
        ),
        (["speed", "load"], {"target": "load"}, ("speed",), ("regression", "many_to_many")),
        (["words", "tags"], {"target": "tags"}, ("<unk>", "a", "b", "c"), ("tagging", "many_to_many")),
        (
            ["words", "label", "speed"],
            {"target": "label", "text": "words"},
            ("<unk>", "a", "b", "c"),
            ("classification", "many_to_one"),
        ),
    ],
)
def test_lists_are_the_steps_of_a_sequence(tmp_path, columns, options, names, suggested):
    made = nested()
    path = store(pa.table({name: made[name] for name in columns}), tmp_path / "my.parquet")
    source = CSVSource(path, **options)
    splits = source.splits()
    spec = type(splits["train"].spec).from_plain(splits["train"].spec.to_plain())
    assert source.suggest() == dict(zip(("task", "head"), suggested, strict=True))
    assert spec.input_names == names
    lengths = {
        int(o["row"]): int(n) for part in splits.values() for o, n in zip(part.origins, part.lengths, strict=True)
    }
    assert lengths == {i + 1: len(own) for i, own in enumerate(made["speed"])}
    everything = sorted(pair for part in splits.values() for pair in contents(part))
    assert sorted(contents(CSVSource.open(path, spec))) == everything
    first = next(part for part in splits.values() if part.origins[0]["row"] == "1")
    inputs, targets = first.read(0, 0, int(first.lengths[0]))
    if "speed" in names:
        column = names.index("speed")
        found = inputs[:, column] * spec.input_scale[column] + spec.input_shift[column]
        np.testing.assert_allclose(found, made["speed"][0], atol=1e-4)
    if spec.target_names == ("A", "B", "C"):
        assert [spec.target_names[i] for i in targets] == made["tags"][0]


def test_lists_by_group_with_weights_and_without_targets(tmp_path):
    made = nested()
    table = pa.table({name: made[name] for name in ("speed", "label", "who")} | {"w": np.arange(60) / 7})
    source = CSVSource(store(table, tmp_path / "my.parquet"), "label", features=["speed"], group="who", weight="w")
    splits = source.splits()
    groups = [set(part.groups) for part in splits.values()]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 12
    rows = [int(origin["row"]) for origin in splits["train"].origins]
    np.testing.assert_allclose(splits["train"].weights, [(row - 1) / 7 for row in rows])
    bare = store(table.select(["speed"]), tmp_path / "bare.parquet")
    assert len(CSVSource.open(bare, splits["train"].spec)) == 60


LISTS = {
    "uneven": (
        {"x": [[1, 2], [3]], "y": [[1, 2], [3, 4]]},
        "y",
        r"row 2, column 'x': expected 2 steps as in 'y', got 1",
    ),
    "empty": ({"x": [[1, 2], []], "y": ["a", "b"]}, "y", r"row 2, column 'x': the sequence has no steps \(1 such"),
    "null": ({"x": [None, [1.0]], "y": ["a", "b"]}, "y", "row 1, column 'x': the sequence has no steps"),
    "ragged steps": ({"x": [[[1, 2]], [[3]]], "y": ["a", "b"]}, "y", r"row 2, column 'x': expected 2 numbers in each"),
    "missing numbers": ({"x": [[1.0, None]] * 40, "y": ["a", "b"] * 20}, "y", r"row 1, column 'x': expected a number"),
    "no such column": ({"x": [[1.0]] * 40, "y": ["a", "b"] * 20}, "z", r"no column 'z'"),
}


@pytest.mark.parametrize("name", LISTS)
def test_faults_in_lists_are_told_with_their_row(tmp_path, name):
    columns, target, message = LISTS[name]
    with pytest.raises(ValueError, match=message):
        CSVSource(store(pa.table(columns), tmp_path / "my.parquet"), target).splits()


def test_a_table_without_lists_is_not_nested(tmp_path):
    with pytest.raises(ValueError, match=r"data.layout=nested: .*my.csv has no column of lists"):
        CSVSource(write(tmp_path, wide_rows(), WIDE), "label", layout="nested").splits()


@pytest.mark.parametrize("end", ENDS)
def test_damaged_files_are_told(tmp_path, end):
    path = tmp_path / f"my{end}"
    store(of_rows(wide_rows(61), WIDE), path)
    whole = path.read_bytes()
    bad = {"cut": whole[: len(whole) // 2], "lines": b"x1,x2,label\n1,2,a\n", "zeros": b"\0" * 99}
    for content in bad.values():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"my\{end}: cannot be read as (Parquet|Arrow) \(.*write it anew"):
            read_table(str(path))
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="expected a table, got an empty file"):
        read_table(str(path))
    store(of_rows(wide_rows(61), WIDE).slice(0, 0), path)
    with pytest.raises(ValueError, match="expected rows of data, got none"):
        read_table(str(path))
    with pytest.raises(ValueError, match="there is no file"):
        read_table(str(tmp_path / f"other{end}"))


def test_two_columns_of_one_name_are_told():
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    with pytest.raises(ValueError, match="column names must differ, got 'a' more than once"):
        from_batches("t.arrow", table.schema, 1, table.to_batches, table.nbytes)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, float("nan")] * 30, r"row 2, column 'x2': expected a number, got 'nan' \(30 such cells in all\)"),
        ([1.0, None] * 30, "row 2, column 'x2': expected a number, got ''"),
        ([float("-inf"), 1.0, 2.0] * 20, "row 1, column 'x2': expected a number, got '-inf'"),
        (["1"] * 59 + ["one"], "row 60, column 'x2': expected a number, got 'one'"),
    ],
)
def test_missing_infinite_and_wrong_values_are_told_with_their_row(tmp_path, column, message):
    table = of_rows(wide_rows(), WIDE).set_column(2, "x2", pa.array(column))
    with pytest.raises(ValueError, match=message):
        CSVSource(store(table, tmp_path / "my.parquet"), "label", layout="wide").splits()


def test_pyarrow_is_asked_for_in_words(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"needs pyarrow: pip install 'seqmodels\[tables\]'"):
        read_table("my.arrow")


@pytest.mark.parametrize("more", [{}, {"memory_limit": 0}])
def test_folders_that_are_called_by_a_column_are_one(tmp_path, more):
    for shop, year in (("a", "2023"), ("b%2Fc", "2024"), ("__HIVE_DEFAULT_PARTITION__", "2024")):
        folder = tmp_path / "my" / f"shop={shop}" / f"year={year}"
        folder.mkdir(parents=True)
        parquet.write_table(pa.table({"y": [1.5, 2.5], "year": [1, 2]}), folder / "x.parquet")
    more = more | {"cache_dir": str(tmp_path / "cache")} if more else more
    table = read_table(str(tmp_path / "my"), **more)
    assert list(table.columns["shop"]) == ["", "", "a", "a", "b/c", "b/c"]
    assert table.numbers("year").tolist() == [1.0, 2.0] * 3  # what is in the file counts
    assert table.numbers("y").tolist() == [1.5, 2.5] * 3
