"""Tables read in pieces: the same sequences as read at once, whatever the pieces, and within memory."""

import gzip
import json
import pickle
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from seqmodels.data.read import chunks as table_chunks
from seqmodels.data.sources.table import CSVSource
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
    "nested": (None, "", {"target": "label"}),
}


@pytest.fixture
def pieces(monkeypatch, tmp_path):
    """Makes every file large, and read in pieces of so many bytes."""

    def make(size: int) -> dict:
        monkeypatch.setattr(table_chunks, "LARGE", 1000)
        monkeypatch.setattr(table_chunks, "PIECE", size)
        return {"cache_dir": str(tmp_path / f"cache{size}")}

    return make


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


def raw(splits) -> list:
    """All sequences with their targets in the file's own words and units, rounded."""
    found = []
    for part in splits.values():
        spec = part.spec
        for x, y in contents(part):
            if spec.inputs == "features":
                x = (np.round(np.array(x) * spec.input_scale + spec.input_shift, 3) + 0.0).tolist()
            if spec.targets == "values":
                y = (np.round(np.array(y) * spec.scale + spec.shift, 3) + 0.0).tolist()
            else:
                y = [spec.target_names[i] for i in np.reshape(y, -1)]
            found.append(str((len(x) if spec.inputs == "tokens" else x, y)))
    return sorted(found)


@pytest.mark.parametrize("case", CASES)
def test_pieces_hold_the_same_sequences_whatever_their_size(tmp_path, pieces, case):
    path, options = file_of(case, tmp_path)
    whole = CSVSource(path, **options).splits()
    found, splits = [], []
    for size in (700, 3000, 10**6):
        found.append(CSVSource(path, **options, **pieces(size)))
        splits.append(found[-1].splits())
    for own in splits:
        assert raw(own) == raw(whole)
        assert own["train"].spec.target_names == whole["train"].spec.target_names
        assert own["train"].spec.inputs == whole["train"].spec.inputs
        for name in ("input_shift", "input_scale", "shift", "scale"):
            np.testing.assert_allclose(getattr(own["train"].spec, name), getattr(splits[0]["train"].spec, name), 1e-9)
        assert own["train"].spec.input_names == splits[0]["train"].spec.input_names
        assert [part.lengths.tolist() for part in own.values()] == [p.lengths.tolist() for p in splits[0].values()]
    assert "read in pieces, for its size" in found[0].describe()
    assert found[0].suggest() == CSVSource(path, **options).suggest()


@pytest.mark.parametrize("end", [".csv", ".csv.gz", ".parquet", ".arrow"])
def test_every_format_is_read_alike_in_pieces(tmp_path, pieces, end):
    path, options = file_of("wide", tmp_path, end)
    splits = CSVSource(path, **options, **pieces(2000)).splits()
    assert raw(splits) == raw(CSVSource(file_of("wide", tmp_path)[0], **options, **pieces(10**6)).splits())
    share = {name: len(part) / 400 for name, part in splits.items()}
    assert share["val"] == pytest.approx(0.1, abs=0.05)
    assert share["test"] == pytest.approx(0.1, abs=0.05)


def test_vocabulary_and_scale_come_from_the_training_part_and_a_part_reads_alike(tmp_path, pieces):
    path, options = file_of("wide", tmp_path)
    splits = CSVSource(path, **options, **pieces(900)).splits()
    steps = np.concatenate([np.array(x) for x, _ in contents(splits["train"])])
    np.testing.assert_allclose(steps.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(steps.std(0), 1, atol=1e-6)
    path, options = file_of("text", tmp_path)
    splits = CSVSource(path, **options, **pieces(900)).splits()
    spec = splits["train"].spec
    train = [row[0].split() for i, row in enumerate(TEXTS) if i + 1 in {o["row"] for o in splits["train"].origins}]
    seen = [word for words in train for word in words]
    assert set(spec.input_names) - {"<unk>"} == {word for word in seen if seen.count(word) > 1}
    one = splits["train"]
    whole, part = one.read(3, 0, int(one.lengths[3]))[0], one.read(3, 1, 3)[0]
    assert part.tolist() == whole[1:3].tolist()


def test_copies_and_groups_stay_together_in_pieces(tmp_path, pieces):
    rows = [[f"g{i // 5}", *row] for i, row in enumerate(wide_rows(200) + wide_rows(200))]
    path = write(tmp_path, rows, "g," + WIDE)
    for options in ({}, {"group": "g"}):
        splits = CSVSource(path, "label", layout="wide", features=["x1", "y1"], **options, **pieces(1500)).splits()
        key = {True: lambda row: row[0], False: lambda row: tuple(row[1:3])}[bool(options)]
        kept = [{key(rows[origin["row"] - 1]) for origin in part.origins} for part in splits.values()]
        assert sum(map(len, kept)) == len(set().union(*kept))


def test_weights_given_splits_and_more_files_in_pieces(tmp_path, pieces):
    names = ["train", "train", "dev"]
    rows = [[*row, i % 4, names[i % 3]] for i, row in enumerate(wide_rows(300))]
    path = write(tmp_path, rows, WIDE + ",w,part")
    test = write(tmp_path, wide_rows(90, seed=5), WIDE, "test.csv")
    options = {"weight": "w", "split": "part", "test_path": test, **pieces(1500)}
    splits = CSVSource(path, "label", **options).splits()
    assert {name: len(part) for name, part in splits.items()} == {"train": 200, "val": 100, "test": 90}
    assert splits["train"].weights.tolist() == [(o["row"] - 1) % 4 for o in splits["train"].origins]
    assert splits["val"].weights is None


def test_weights_may_be_0_in_a_whole_piece_but_not_in_all(tmp_path, pieces):
    for weights, fails in (([0] * 200 + [1] * 100, False), ([0] * 300, True)):
        rows = [[*row, w] for row, w in zip(wide_rows(300), weights, strict=True)]
        source = CSVSource(write(tmp_path, rows, WIDE + ",w"), "label", weight="w", **pieces(1500))
        if fails:
            with pytest.raises(ValueError, match="column 'w': all training weights are 0"):
                source.splits()
        else:
            assert set(source.splits()["train"].weights) == {0.0, 1.0}


@pytest.mark.parametrize("case", ["wide", "steps", "text"])
def test_new_files_in_pieces(tmp_path, pieces, case):
    path, options = file_of(case, tmp_path)
    cache = pieces(1500)
    splits = CSVSource(path, **options, **cache).splits()
    spec = type(splits["train"].spec).from_plain(splits["train"].spec.to_plain())
    opened = CSVSource.open(path, spec, **cache)
    assert sorted(contents(opened)) == sorted(pair for part in splits.values() for pair in contents(part))
    assert opened.origins[0] == {"row": 1}
    assert not any(np.any(y) for _, y in contents(CSVSource.open(path, spec, False, **cache)))


def test_the_cache_is_used_and_a_changed_file_is_another(tmp_path, pieces, monkeypatch):
    path, options = file_of("wide", tmp_path)
    cache = pieces(1500)
    first = CSVSource(path, **options, **cache).splits()
    made = sorted((tmp_path / "cache1500").iterdir())
    assert contents(CSVSource(path, **options, **cache).splits()["train"]) == contents(first["train"])
    assert sorted((tmp_path / "cache1500").iterdir()) == made
    write(tmp_path, wide_rows(300, seed=3), WIDE)
    assert sum(map(len, CSVSource(path, **options, **cache).splits().values())) == 300


FAULTS = {
    "a cell too few": ("1,2,3,4,5,6", r"my.csv, after row \d+: cannot be read: .*Expected 7 columns, got 6"),
    "a word": ("1,2,x,4,5,6,a", r"row 401, column 'x2': expected a number, got 'x'"),
    "a blank": ("1,2,,4,5,6,a", r"row 401, column 'x2': expected a number, got ''"),
    "a blank label": ("1,2,3,4,5,6,", r"row 401, column 'label': expected a target, got ''"),
    "another encoding": (b"1,2,3,4,5,6,\xfc", r"after row \d+: cannot be read: .*[Ii]nvalid UTF8"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_far_down_are_told_and_nothing_is_left_behind(tmp_path, pieces, name):
    line, message = FAULTS[name]
    path, options = file_of("wide", tmp_path)
    with open(path, "ab") as file:
        file.write((line if isinstance(line, bytes) else line.encode()) + b"\n")
    with pytest.raises(ValueError, match=message):
        CSVSource(path, **options, **pieces(1500)).splits()
    assert list((tmp_path / "cache1500").iterdir()) == []


def test_a_cut_gzip_file_is_told(tmp_path, pieces):
    path, options = file_of("wide", tmp_path, ".csv.gz")
    whole = (tmp_path / "my.csv.gz").read_bytes()
    (tmp_path / "my.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"my.csv.gz, after row \d+: cannot be read"):
        CSVSource(path, **options, **pieces(500)).splits()


def test_rows_of_a_sequence_that_are_not_together_are_told(tmp_path, pieces):
    rows, header, options = CASES["long"]
    path = write(tmp_path, [*rows, rows[0]], header)
    message = rf"row {len(rows) + 1}, column 'who': the sequence 's0' began further up"
    with pytest.raises(ValueError, match=message):
        CSVSource(path, **options, **pieces(1500)).splits()


def test_one_class_only_is_told(tmp_path, pieces):
    path = write(tmp_path, [[*row[:6], "a"] for row in wide_rows(400)], WIDE)
    with pytest.raises(ValueError, match="expected two classes or more to tell apart, got only 'a'"):
        CSVSource(path, "label", **pieces(1500)).splits()


TRAINED = """
import json, resource, sys
import torch
from seqmodels.data.batches.collate import collate
from seqmodels.data.sources.table import CSVSource
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


def test_a_copy_of_mapped_sequences_reads_alike_and_labels_are_those_read(tmp_path, pieces):
    path, options = file_of("wide", tmp_path)
    train = CSVSource(path, **options, **pieces(900)).splits()["train"]
    packed = pickle.dumps(train)
    assert len(packed) < 5000
    again = pickle.loads(packed)
    assert contents(again) == contents(train)
    assert again.origins[3] == train.origins[3]
    assert train.labels.tolist() == [int(train.read(i, 0, 1)[1]) for i in range(len(train))]
    assert train.starts.tolist() == (np.cumsum(train.lengths) - train.lengths).tolist()
