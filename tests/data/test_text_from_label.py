"""From label to text: the texts come back letter by letter, each ended by the stop token."""

import numpy as np
import pytest

from seqmodels.data.batches.collate import collate
from seqmodels.data.batches.plan import make_plan
from seqmodels.data.encode.vocabulary import UNKNOWN, decode
from seqmodels.data.sources.text_from_label import STOP, TextFromLabelSource

ROWS = [(f"{'ab'[i % 2]}{'xyz'[i % 3]}{i % 7}", "pq"[i % 2]) for i in range(42)]


def write(tmp_path, rows, header="name,kind", name="my.csv") -> str:
    (tmp_path / name).write_text("\n".join([header, *map(",".join, rows)]) + "\n", encoding="utf-8")
    return str(tmp_path / name)


@pytest.fixture
def source(tmp_path):
    return TextFromLabelSource(write(tmp_path, ROWS), label="kind", text="name")


def pairs(split) -> list[tuple[str, str]]:
    reads = [split.read(i, 0, 1) for i in range(len(split))]
    return [(decode(targets, split.spec), split.spec.input_names[inputs[0]]) for inputs, targets in reads]


def test_labels_and_texts_come_back(source):
    splits = source.splits()
    spec = splits["train"].spec
    assert (spec.inputs, spec.targets, spec.target_shape) == ("tokens", "tokens", "own")
    assert (spec.input_names, spec.target_names[-2:], spec.stop) == (("p", "q"), (UNKNOWN, STOP), spec.target_size - 1)
    assert sorted(pair for split in splits.values() for pair in pairs(split)) == sorted(ROWS)
    assert all((split.lengths == 1).all() for split in splits.values())
    assert source.suggest() == {"task": "sequence_generation", "head": "one_to_many"}
    assert source.describe().endswith("42 texts in 'name', from 2 labels in 'kind'")


def test_batches_hold_the_lengths_of_the_texts(source):
    train = source.splits()["train"]
    batch = collate(train, make_plan(train.lengths, 5)[0])
    assert tuple(batch.inputs.shape) == (5, 1)
    assert batch.target_lengths.tolist() == [4] * 5
    assert (batch.targets[:, 3] == train.spec.stop).all()


def test_letters_seen_less_than_twice_in_training_are_unknown(tmp_path):
    path = write(tmp_path, [*ROWS, ("aéb", "p")])
    splits = TextFromLabelSource(path, "kind", "name", val_fraction=0, test_fraction=0).splits()
    spec = splits["train"].spec
    assert "é" not in spec.target_names
    assert spec.target_names[splits["train"].read(42, 0, 1)[1][1]] == UNKNOWN


def test_copies_stay_on_one_side(tmp_path):
    path = write(tmp_path, ROWS + ROWS)
    found = [set(pairs(split)) for split in TextFromLabelSource(path, "kind", "name").splits().values()]
    assert sum(map(len, found)) == len(set().union(*found)) == 42


def test_new_files_need_labels_only(source, tmp_path):
    spec = source.splits()["train"].spec
    labels = TextFromLabelSource.open(write(tmp_path, [("q",), ("p",)], "kind", "new.csv"), spec)
    assert [int(labels.read(i, 0, 1)[0][0]) for i in range(2)] == [1, 0]
    assert [labels.read(i, 0, 1)[1].tolist() for i in range(2)] == [[spec.stop]] * 2
    assert pairs(TextFromLabelSource.open(write(tmp_path, ROWS), spec)) == ROWS
    assert pairs(TextFromLabelSource.open(write(tmp_path, ROWS), spec, targets=False))[0] == ("", "p")
    with pytest.raises(ValueError, match="line 2, column 'kind': the label 'r' was never seen in training"):
        TextFromLabelSource.open(write(tmp_path, [("r",)], "kind", "new.csv"), spec)
    with pytest.raises(ValueError, match="has no column 'name'"):
        TextFromLabelSource.open(write(tmp_path, [("q",)], "kind", "new.csv"), spec, targets=True)


def test_mistakes_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"has no column 'nam'; did you mean 'name'\?"):
        TextFromLabelSource(write(tmp_path, ROWS), "kind", "nam").splits()
    with pytest.raises(ValueError, match="line 2, column 'name': the text is empty"):
        TextFromLabelSource(write(tmp_path, [("", "p"), *ROWS]), "kind", "name").splits()
    with pytest.raises(ValueError, match=r"data.missing must be one of error, drop, got 'end'"):
        TextFromLabelSource("my.csv", "kind", "name", missing="end")
    with pytest.raises(ValueError, match="got only 'p'"):
        TextFromLabelSource(write(tmp_path, [(text, "p") for text, _ in ROWS]), "kind", "name").splits()


@pytest.mark.parametrize("row", [("", "p"), ("ax1", "")])
def test_the_cure_of_a_missing_cell_works(tmp_path, row):
    file = write(tmp_path, [row, *ROWS])
    with pytest.raises(ValueError, match=r"data\.missing=drop"):
        TextFromLabelSource(file, "kind", "name").splits()
    source = TextFromLabelSource(file, "kind", "name", missing="drop")
    splits = source.splits()
    assert sum(len(split) for split in splits.values()) == len(ROWS)
    assert pairs(TextFromLabelSource.open(file, splits["train"].spec, missing="drop")) == ROWS


def test_surnames():
    splits = TextFromLabelSource("shipped:surnames_by_language.csv.gz", "language", "name").splits()
    assert splits["train"].spec.input_size == 18
    counts = [np.bincount([split.read(i, 0, 1)[0][0] for i in range(len(split))]) for split in splits.values()]
    total = sum(counts)
    assert total.sum() == 22_571
    for share, count in zip((0.8, 0.1, 0.1), counts, strict=True):
        assert np.abs(count - share * total).max() <= 1.1
