"""Data sets of the datasets library, made here and read from local folders."""

import json
import sys

import pytest

from seqmodels.data.read.open import read_table
from seqmodels.data.sources.tables.table import CSVSource
from tests.data.csv_examples import contents

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def rows(count: int, start: int = 0) -> dict:
    numbers = range(start, start + count)
    return {"text": [f"a{i} b{i % 7}" for i in numbers], "label": [i % 2 for i in numbers]}


def features():
    return datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])})


def made(count: int, start: int = 0):
    return datasets.Dataset.from_dict(rows(count, start), features=features())


def test_splits_of_a_saved_data_set_are_the_splits(tmp_path):
    parts = {"train": made(40), "validation": made(10, 40), "test": made(6, 50), "unsupervised": made(5, 90)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    source = CSVSource(f"datasets:{tmp_path / 'saved'}", "label", text="text", level="word")
    splits = source.splits()
    assert {name: len(part) for name, part in splits.items()} == {"train": 40, "val": 10, "test": 6}
    assert splits["train"].spec.target_names == ("bad", "good")
    assert source.suggest() == {"task": "classification", "head": "many_to_one"}
    assert [y for _, y in contents(splits["test"])] == [i % 2 for i in range(50, 56)]
    again = CSVSource.open(f"datasets:{tmp_path / 'saved'}@test", splits["train"].spec)
    assert contents(again) == contents(splits["test"])
    with pytest.raises(ValueError, match=r"expected one table, got the splits train, val, test: name one, as .*@test"):
        CSVSource.open(f"datasets:{tmp_path / 'saved'}", splits["train"].spec)
    with pytest.raises(ValueError, match="there is no split 'dev'; there are train, validation, test, unsupervised"):
        read_table(f"datasets:{tmp_path / 'saved'}@dev")


def test_one_saved_split_is_split(tmp_path):
    made(40).select(range(39, -1, -1)).save_to_disk(tmp_path / "one")
    splits = CSVSource(f"datasets:{tmp_path / 'one'}", "label", text="text").splits()
    assert [len(part) for part in splits.values()] == [32, 4, 4]
    assert read_table(f"datasets:{tmp_path / 'one'}").columns["text"][0] == "a39 b4"


def test_a_folder_that_the_library_loads(tmp_path):
    folder = tmp_path / "lines"
    folder.mkdir()
    lines = [json.dumps({"steps": [i, i + 1.5], "kind": "pq"[i % 2]}) for i in range(40)]
    (folder / "train.jsonl").write_text("\n".join(lines))
    (folder / "test.jsonl").write_text("\n".join(lines[:5]))
    splits = CSVSource(f"datasets:{folder}", "kind").splits()
    assert {name: len(part) for name, part in splits.items()} == {"train": 36, "val": 4, "test": 5}
    assert splits["train"].spec.input_names == ("steps",)


def test_a_series_in_splits_is_refused(tmp_path):
    series = {"day": [f"2024-01-{d:02d}" for d in range(1, 29)], "sales": [float(d) for d in range(28)]}
    parts = {name: datasets.Dataset.from_dict(series) for name in ("train", "test")}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "series")
    with pytest.raises(ValueError, match=r"a time series is split by time, and this data set comes in train, test"):
        CSVSource(f"datasets:{tmp_path / 'series'}", "sales").splits()
    assert CSVSource(f"datasets:{tmp_path / 'series'}@train", "sales", history=3).splits()


def test_what_cannot_be_loaded_is_told(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"datasets:nobody.nothing: there is no folder .* the datasets library cannot"):
        read_table("datasets:nobody/nothing")
    datasets.DatasetDict({"rest": made(4)}).save_to_disk(tmp_path / "rest")
    with pytest.raises(ValueError, match=r"expected a split called train, got rest; name one, as .*@rest"):
        read_table(f"datasets:{tmp_path / 'rest'}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"needs the datasets library: pip install 'seqmodels\[datasets\]'"):
        read_table("datasets:nobody/nothing")
