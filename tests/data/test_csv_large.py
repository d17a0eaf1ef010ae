"""Sequences of tables larger than memory: the same as of smaller ones, and within memory."""

import gzip
import json
import pickle
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from seqmodels.data.files import ragged
from seqmodels.data.sources.tables import sequences as sequence_table
from seqmodels.data.sources.tables.table import CSVSource
from tests.data.csv_examples import LONG, WIDE, contents, long_rows, wide_rows, write

TEXTS = [[f"w{i % 9} the {'good' if i % 2 else 'bad'} film {i}", "pq"[i % 2], i / 7] for i in range(400)]
LISTS = {
    "x": [np.round(np.arange(i % 5 + 1) * 1.5 + i, 2).tolist() for i in range(300)],
    "label": ["pq"[i % 2] for i in range(300)],
}
CASES = {
    "wide": (wide_rows(400), WIDE, {"target": "label"}),
    "values": (wide_rows(400), WIDE, {"target": ["y3", "x3"], "features": ["x1", "y1", "x2"], "layout": "wide"}),
    "long": (long_rows(150), LONG, {"target": "label", "sequence": "who", "features": ["speed"]}),
    "steps": (long_rows(150), LONG, {"target": "tag", "sequence": "who", "text": "word"}),
    "text": (TEXTS, "text,kind,score", {"target": "kind", "text": "text", "level": "word"}),
    "cuts": (wide_rows(400), WIDE, {"target": "y3", "target_cuts": [50], "layout": "wide", "features": ["x1", "x2"]}),
    "nested": (None, "", {"target": "label"}),
}


@pytest.fixture
def limited(tmp_path):
    """Options under which files and arrays of more than so many bytes are kept in files."""
    return lambda limit: {"cache_dir": str(tmp_path / f"cache{limit}"), "memory_limit": limit}


def file_of(case: str, tmp_path, end: str = ".csv") -> tuple[str, dict]:
    rows, header, options = CASES[case]
    if rows is None:
        parquet.write_table(pa.table(LISTS), tmp_path / "my.parquet")
        return str(tmp_path / "my.parquet"), options
    write(tmp_path, rows, header)
    if end == ".csv.gz":
        (tmp_path / "my.csv.gz").write_bytes(gzip.compress((tmp_path / "my.csv").read_bytes()))
    elif end != ".csv":
        columns = dict(zip(header.split(","), map(list, zip(*rows, strict=True)), strict=True))
        table = pa.table(columns)
        if end == ".parquet":
            parquet.write_table(table, tmp_path / "my.parquet", row_group_size=37)
        else:
            with pa.OSFile(str(tmp_path / "my.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table, 41)
    return str(tmp_path / f"my{end}"), options


def answer(source: CSVSource) -> dict:
    """All that a source says and gives."""
    splits = source.splits()
    found = {"describe": source.describe(), "notes": list(source.notes), "suggest": source.suggest()}
    found["spec"] = splits["train"].spec.to_plain()
    for name, part in splits.items():
        found[name] = [contents(part), list(part.origins), part.weights, part.groups]
        found[name][2] = None if part.weights is None else part.weights.tolist()
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("limit", [0, 1000])
def test_what_does_not_fit_in_memory_gives_the_same(tmp_path, limited, monkeypatch, case, limit):
    path, options = file_of(case, tmp_path)
    for block in (1 << 18, 7):
        monkeypatch.setattr(ragged, "BLOCK", block)
        whole = answer(CSVSource(path, **options))
    limited_source = CSVSource(path, **options, **limited(limit))
    assert answer(limited_source) == whole
    assert answer(CSVSource(path, **options, **limited(limit))) == whole  # from the cache
    assert type(limited_source.splits()["train"].inputs.values).__name__ == "Mapped"


@pytest.mark.parametrize("end", [".csv", ".csv.gz", ".parquet", ".arrow"])
def test_every_format_gives_the_same(tmp_path, limited, end):
    path, options = file_of("wide", tmp_path, end)
    expected = answer(CSVSource(file_of("wide", tmp_path)[0], **options))
    found = answer(CSVSource(path, **options, **limited(0)))
    for name in ("train", "val", "test"):
        assert found[name][0] == expected[name][0]


@pytest.mark.parametrize("options", [{}, {"group": "g"}, {"weight": "y3"}, {"target": ["x3", "y3"]}])
def test_copies_groups_and_weights_larger_than_memory(tmp_path, limited, options):
    rows = [[f"g{i // 5}", *row] for i, row in enumerate(wide_rows(200) + wide_rows(200))]
    path = write(tmp_path, rows, "g," + WIDE)
    options = {"target": "label", "layout": "wide", "features": ["x1", "y1"], **options}
    if options.get("weight"):
        path = write(tmp_path, [[*row[:6], abs(float(row[6])), row[7]] for row in rows], "g," + WIDE)
    whole = answer(CSVSource(path, **options))
    assert answer(CSVSource(path, **options, **limited(0))) == whole
    assert any("copies" in note for note in whole["notes"])


def test_given_splits_and_more_files_larger_than_memory(tmp_path, limited):
    names = ["train", "train", "dev"]
    rows = [[*row, i % 4, names[i % 3]] for i, row in enumerate(wide_rows(300))]
    path = write(tmp_path, rows, WIDE + ",w,part")
    test = write(tmp_path, wide_rows(90, seed=5), WIDE, "test.csv")
    options = {"weight": "w", "split": "part", "test_path": test, **limited(0)}
    splits = CSVSource(path, "label", **options).splits()
    assert {name: len(part) for name, part in splits.items()} == {"train": 200, "val": 100, "test": 90}


@pytest.mark.parametrize("case", ["wide", "steps", "text"])
def test_new_files_larger_than_memory(tmp_path, limited, case):
    path, options = file_of(case, tmp_path)
    cache = limited(0)
    splits = CSVSource(path, **options, **cache).splits()
    spec = type(splits["train"].spec).from_plain(splits["train"].spec.to_plain())
    opened = CSVSource.open(path, spec, **cache)
    assert sorted(contents(opened)) == sorted(pair for part in splits.values() for pair in contents(part))
    assert not any(np.any(y) for _, y in contents(CSVSource.open(path, spec, False, **cache)))


def test_the_cache_is_used_and_a_changed_file_is_another(tmp_path, limited, monkeypatch):
    path, options = file_of("wide", tmp_path)
    cache = limited(0)
    first = CSVSource(path, **options, **cache).splits()
    made = sorted((tmp_path / "cache0").glob("table-*"))
    monkeypatch.setattr(sequence_table, "read_sequences", None)  # is not called again
    again = CSVSource(path, **options, **cache)
    assert contents(again.splits()["train"]) == contents(first["train"])
    assert again.describe().startswith(path)
    assert sorted((tmp_path / "cache0").glob("table-*")) == made
    monkeypatch.undo()
    write(tmp_path, wide_rows(300, seed=3), WIDE)
    assert sum(map(len, CSVSource(path, **options, **limited(0)).splits().values())) == 300


def test_a_fault_leaves_no_sequences_behind(tmp_path, limited):
    path, options = file_of("wide", tmp_path)
    with open(path, "a") as file:
        file.write("1,2,x,4,5,6,a\n")
    with pytest.raises(ValueError, match="line 402, column 'x2': expected a number, got 'x'"):
        CSVSource(path, **options, **limited(0)).splits()
    left = [list(folder.iterdir()) for folder in (tmp_path / "cache0").glob("table-*")]
    assert len(left) == 1  # the columns, which are read; no sequences


TRAINED = """
import json, resource, sys
import torch
from seqmodels.data.batches.collate import collate
from seqmodels.data.sources.tables.table import CSVSource
from seqmodels.data.batches.plan import make_plan

train = CSVSource(sys.argv[1], sys.argv[2], cache_dir=sys.argv[3], **json.loads(sys.argv[4])).splits()["train"]
plan = make_plan(train.lengths, 64, shuffle=True)
for index in range(0, len(plan), max(1, len(plan) // 500)):
    collate(train, plan[index])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def big_table(kind: str, start: int, rows: int) -> pa.Table:
    """Some rows of a table that is made as it is written."""
    random = np.random.default_rng(start)
    label = np.array(["a", "b"])
    if kind == "wide":
        values = {f"x{i}": random.normal(size=rows).round(5) for i in range(40)}
        return pa.table(values | {"label": label[random.integers(0, 2, rows)]})
    if kind == "long":
        owner = (start + np.arange(rows)) // 20
        values = {name: random.normal(size=rows).round(6) for name in "uv"}
        return pa.table({"who": np.char.add("s", owner.astype(str)), **values, "label": label[owner % 2]})
    words = np.array([f"word{i}" for i in range(5000)])[random.integers(0, 5000, (rows, 40))]
    return pa.table({"text": [" ".join(own) for own in words], "label": label[random.integers(0, 2, rows)]})


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "rows"), [("wide", 350_000), ("long", 3_700_000), ("text", 330_000)])
def test_memory_does_not_grow_with_the_file(tmp_path, kind, rows):
    """A file of 118 MB, which as text in memory is 1.5 GB and more, takes less than 800 MB with all libraries."""
    path, options = tmp_path / "big.csv", {"wide": {}, "text": {"text": "text", "level": "word"}}
    options["long"] = {"sequence": "who", "features": ["u", "v"]}
    with csv.CSVWriter(path, big_table(kind, 0, 1).schema) as writer:
        for start in range(0, rows, 50_000):
            writer.write_table(big_table(kind, start, 50_000))
    assert path.stat().st_size > 115e6
    command = [sys.executable, "-c", TRAINED, str(path), "label", str(tmp_path / "cache"), json.dumps(options[kind])]
    most = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert most < 800, most


def test_a_copy_of_mapped_sequences_reads_alike_and_sends_no_data(tmp_path, limited):
    path, options = file_of("wide", tmp_path)
    train = CSVSource(path, **options, **limited(0)).splits()["train"]
    packed = pickle.dumps(train)
    assert len(packed) < 5000
    again = pickle.loads(packed)
    assert contents(again) == contents(train)
    assert again.origins[3] == train.origins[3]
    assert train.labels.tolist() == [int(train.read(i, 0, 1)[1]) for i in range(len(train))]
