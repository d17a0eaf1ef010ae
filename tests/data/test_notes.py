"""What a source says that it left out is what it left out."""

import numpy as np
import pytest

from seqmodels.data.sources.genes import GeneStructureSource
from seqmodels.data.sources.tables.table import CSVSource
from seqmodels.data.sources.text import TextSource
from seqmodels.data.sources.text_from_label import TextFromLabelSource


def write(path, rows):
    path.write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
    return str(path)


def sizes(source):
    return sum(len(split) for split in source.splits().values())


@pytest.mark.parametrize("seed", range(3))
def test_rows_left_out_of_a_table_are_counted(tmp_path, seed):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(60, 4)).round(3).astype(object)
    lost = generator.choice(60, size=7, replace=False)
    values[lost, 2] = ""
    labels = np.array(["a", "b"])[np.arange(60) % 2].astype(object)
    blank = generator.choice(np.setdiff1d(np.arange(60), lost), size=4, replace=False)
    labels[blank] = ""
    path = write(tmp_path / "wide.csv", [["x1", "x2", "x3", "x4", "label"], *np.c_[values, labels].tolist()])
    source = CSVSource(path, "label", missing="drop")
    assert sizes(source) == 60 - 11
    assert any(note.startswith("11 of 60 rows left out") for note in source.notes)
    source.splits()
    assert sum("left out" in note for note in source.notes) == 1, "a second look must not say it twice"


def test_copies_and_filled_numbers_are_counted(tmp_path):
    rows = [[i, i + 1, "ab"[i % 2]] for i in range(40)]
    path = write(tmp_path / "copies.csv", [["x1", "x2", "label"], *rows, *rows[:3]])
    source = CSVSource(path, "label", layout="wide")
    source.splits()
    assert any(note.startswith("3 sequences are copies") for note in source.notes)
    rows[5][0] = rows[9][1] = ""
    path = write(tmp_path / "gaps.csv", [["x1", "x2", "label"], *rows])
    source = CSVSource(path, "label", layout="wide", missing="interpolate")
    source.splits()
    assert any(note.startswith("2 missing numbers") for note in source.notes)


def test_groups_are_those_of_the_file_and_in_one_split_each(tmp_path):
    rows = [[i, -i, "ab"[i % 2], f"writer{i % 10}"] for i in range(100)]
    path = write(tmp_path / "groups.csv", [["x1", "x2", "label", "writer"], *rows])
    splits = CSVSource(path, "label", group="writer", features=["x1", "x2"]).splits()
    found = [set(split.groups) for split in splits.values()]
    assert len(set.union(*found)) == 10 == sum(map(len, found))
    assert all(len(split.groups) == len(split) for split in splits.values())


def test_letters_and_genes_left_out_are_counted(tmp_path):
    (tmp_path / "book.txt").write_text("ab" * 500 + "z" + "ab" * 20)
    source = TextSource(str(tmp_path / "book.txt"), val_fraction=0.1, cache_dir=str(tmp_path / "cache"))
    source.splits()
    assert [note[:23] for note in source.notes] == ["val has 1 character ('z"]
    every, short = GeneStructureSource(max_length=None), GeneStructureSource(max_length=2000)
    total, kept = sizes(every), sizes(short)
    assert every.notes == []
    assert sum(int(note.split()[0]) for note in short.notes) == total - kept


def test_texts_without_a_label_are_counted(tmp_path):
    rows = [["label", "text"], *([f"l{i % 2}", f"text {i}"] for i in range(40)), ["", "no label"], ["l1", ""]]
    source = TextFromLabelSource(write(tmp_path / "names.csv", rows), "label", "text", missing="drop")
    assert sizes(source) == 40
    assert source.notes[0].startswith("2 rows left out")
