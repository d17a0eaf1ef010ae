"""What is wrong with a table is told alike in every format, by training, by a description and at prediction."""

import gzip

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from seqmodels.data.sources.tables.table import CSVSource
from tests.data.csv_examples import WIDE, series_rows, wide_rows

FORMATS = ["csv", "tsv", "csv.gz", "parquet", "feather", "pieces"]


def store(rows: list, header: str, folder, kind: str, name: str = "my") -> str:
    """The rows in a file of some format; blanks in columns of numbers are nulls in typed ones."""
    names = header.split(",")
    if kind in ("parquet", "feather"):
        columns = {name: list(cells) for name, cells in zip(names, zip(*rows, strict=True), strict=True)}
        for column, cells in columns.items():
            if not all(isinstance(cell, int | float) for cell in cells):
                numbers = all(cell == "" or isinstance(cell, int | float) for cell in cells)
                columns[column] = [None if cell == "" else cell for cell in cells] if numbers else list(map(str, cells))
        make = parquet.write_table if kind == "parquet" else feather.write_feather
        make(pa.table(columns), folder / f"{name}.{kind}")
        return str(folder / f"{name}.{kind}")
    kind = "csv" if kind == "pieces" else kind
    between = "\t" if kind == "tsv" else ","
    lines = "\n".join(between.join(map(str, row)) for row in [names, *rows]) + "\n"
    content = gzip.compress(lines.encode()) if kind.endswith("gz") else lines.encode()
    (folder / f"{name}.{kind}").write_bytes(content)
    return str(folder / f"{name}.{kind}")


def changed(row: int, column: int, cell) -> list:
    rows = wide_rows()
    rows[row][column] = cell
    return rows


PLACE = r"my\.\S+, (line|row) \d+, column "
FAULTS = {
    "a blank number": (changed(20, 3, ""), {}, PLACE + "'y2': expected a number, got ''"),
    "not a number": (changed(20, 3, float("nan")), {}, PLACE + "'y2': expected a number, got 'nan'"),
    "an infinite number": (changed(20, 3, float("inf")), {}, PLACE + "'y2': expected a number, got 'inf'"),
    "a word among numbers": (changed(20, 3, "x"), {}, PLACE + "'y2': expected a number, got 'x'"),
    "a blank label": (changed(20, 6, ""), {}, PLACE + "'label': expected a target, got ''"),
    "an infinite value": (
        changed(20, 5, float("inf")),
        {"target": "y3", "target_kind": "values", "layout": "wide", "features": ["x1"]},
        PLACE + "'y3': expected a target, got 'inf'",
    ),
    "one class": ([[*row[:6], "a"] for row in wide_rows()], {}, "two classes or more to tell apart, got only 'a'"),
    "one value": (
        [[*row[:5], 7, row[6]] for row in wide_rows()],
        {"target": "y3", "target_kind": "values", "layout": "wide", "features": ["x1"]},
        "column 'y3': expected different values to be learned, got 7 everywhere",
    ),
    "no such column": (wide_rows(), {"target": "lable"}, "has no column 'lable'; did you mean 'label'"),
    "a negative weight": (
        [[*row[:5], -1, row[6]] for row in wide_rows()],
        {"weight": "y3", "layout": "wide", "features": ["x1"]},
        PLACE + "'y3': expected a weight, a number of 0 or more, got '-1'",
    ),
}


def limit_of(kind: str) -> dict:
    return {"memory_limit": 100} if kind == "pieces" else {}


@pytest.fixture(params=FORMATS)
def kind(request):
    return request.param


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_the_training_file(tmp_path, kind, name):
    rows, options, message = FAULTS[name]
    path = store(rows, WIDE, tmp_path, kind)
    with pytest.raises(ValueError, match=message):
        CSVSource(
            path, **{"target": "label", "cache_dir": str(tmp_path / "cache"), **limit_of(kind), **options}
        ).splits()
    if name != "a negative weight":  # which only training reads
        with pytest.raises(ValueError, match=message):
            CSVSource(
                path, **{"target": "label", "cache_dir": str(tmp_path / "cache"), **limit_of(kind), **options}
            ).describe()


NEW = {
    "a new class": (changed(20, 6, "c"), WIDE, PLACE + "'label': the label 'c' was never seen in training"),
    "a blank number": (changed(20, 3, ""), WIDE, PLACE + "'y2': expected a number, got ''"),
    "a word": (changed(20, 3, "x"), WIDE, PLACE + "'y2': expected a number, got 'x'"),
    "no such column": ([row[1:] for row in wide_rows()], WIDE[3:], "has no column 'x1'"),
}


@pytest.mark.parametrize("name", NEW)
def test_faults_of_a_new_file(tmp_path, kind, name):
    cache = str(tmp_path / "cache")
    spec = CSVSource(store(wide_rows(), WIDE, tmp_path, kind, "old"), "label", cache_dir=cache).splits()["train"].spec
    rows, header, message = NEW[name]
    with pytest.raises(ValueError, match=message):
        CSVSource.open(store(rows, header, tmp_path, kind), spec, targets=True, cache_dir=cache)


SERIES = {
    "fewer rows than the horizon": (series_rows()[:30], {"horizon": 40}, "too few"),
    "one row": (series_rows()[:1], {}, "too few to be split"),
    "a time twice": ([*series_rows(), series_rows()[3]], {}, r"the time '2024-01-04' is also on (line|row)"),
    "no time": ([["soon", *series_rows()[0][1:]], *series_rows()[1:]], {"time": "day"}, "expected a time like the oth"),
    "words": ([[*row[:1], "x", row[2]] for row in series_rows()], {"layout": "series"}, "expected a number, got 'x'"),
}


@pytest.mark.parametrize("name", SERIES)
def test_faults_of_a_series(tmp_path, kind, name):
    rows, options, message = SERIES[name]
    with pytest.raises(ValueError, match=message):
        CSVSource(store(rows, "day,sales,rain", tmp_path, kind), "sales", **options).splits()


def test_unsorted_times_are_sorted_in_every_format(tmp_path, kind):
    rows = series_rows()
    mixed = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    source = CSVSource(store(mixed, "day,sales,rain", tmp_path, kind), "sales")
    assert "rows sorted by time" in source.describe()


def test_a_training_part_with_one_class_is_told(tmp_path):
    rows = [[*row[:6], "ab"[i >= 50], "test" if i >= 50 else "train"] for i, row in enumerate(wide_rows())]
    path = store(rows, WIDE + ",part", tmp_path, "csv")
    with pytest.raises(ValueError, match=r"two classes or more .*got only 'a'"):
        CSVSource(path, "label", split="part").splits()
