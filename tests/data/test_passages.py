"""Passages of labelled texts: cut from their own text, whole groups in one split."""

import csv

import numpy as np
import pytest

from seqmodels.data.encode.vocabulary import UNKNOWN
from seqmodels.data.sources.passages import PassagesSource


def write(folder, rows, header=("text", "label", "group")) -> str:
    with (folder / "my.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return str(folder / "my.csv")


def draw(seed: int = 0) -> list[tuple[str, str, str]]:
    random = np.random.default_rng(seed)
    texts = ["".join(random.choice(list("abcdé "), random.integers(5, 40))).strip() or "a" for _ in range(60)]
    return [(text, "xyz"[i % 3], f"g{i % 7}") for i, text in enumerate(texts)]


def source(folder, rows=None, **options) -> PassagesSource:
    options = {"text": "text", "label": "label", "group": "group", "lengths": [4, 9], **options}
    return PassagesSource(write(folder, draw() if rows is None else rows), **options)


def text_of(dataset, index: int) -> str:
    tokens = dataset.read(index, 0, int(dataset.lengths[index]))[0]
    return "".join(dataset.spec.input_names[token] for token in tokens)


@pytest.mark.parametrize("seed", range(3))
def test_a_group_is_in_one_split_and_a_passage_in_its_text(tmp_path, seed):
    rows = draw(seed)
    splits = source(tmp_path, rows, val_fraction=0.2, test_fraction=0.3, seed=seed).splits()
    groups = [set(split.groups) for split in splits.values()]
    assert len(set.union(*groups)) == sum(map(len, groups)) == 7
    for name, split in splits.items():
        assert set(split.lengths.tolist()) == ({4, 9} if name == "train" else {9})
        for index in range(len(split)):
            label = split.spec.target_names[int(split.read(index, 0, 1)[1])]
            whole = " ".join(t for t, other, g in rows if (other, g) == (label, split.groups[index]))
            assert text_of(split, index) in whole


def test_all_but_the_end_of_a_text_is_measured_once(tmp_path):
    rows = [("abcdefghijklmnopqrstuvwxyz"[:n] * 2, "xy"[n % 2], str(n)) for n in range(6, 26)]
    test = source(tmp_path, rows, lengths=[5], test_fraction=0.3).splits()["test"]
    for group in set(test.groups):
        whole = next(t for t, _, g in rows if g == group)
        passages = [text_of(test, i) for i in range(len(test)) if test.groups[i] == group]
        assert "".join(passages).replace(UNKNOWN, "?") == whole[: len(whole) // 5 * 5] or UNKNOWN in "".join(passages)


def test_the_vocabulary_is_that_of_training(tmp_path):
    rows = [("abab" * 5 + ("é" if i == 3 else ""), "xy"[i % 2], str(i)) for i in range(20)]
    for seed in range(4):
        splits = source(tmp_path, rows, seed=seed).splits()
        seen = any("3" in split.groups and name == "train" for name, split in splits.items())
        assert ("é" in splits["train"].spec.input_names) <= seen


def test_short_texts_are_told(tmp_path):
    one = source(tmp_path, [*draw(), ("ab", "w", "g1")])
    assert sum(len(split) for split in one.splits().values()) > 0
    assert one.notes == ["1 of 22 texts left out: shorter than a passage (data.lengths)"]


def test_a_new_file_is_read_row_by_row(tmp_path):
    spec = source(tmp_path).splits()["train"].spec
    (tmp_path / "new.csv").write_text("label,text\nx,abcabc abc abc abc\ny,~~a\n")
    opened = PassagesSource.open(str(tmp_path / "new.csv"), spec)
    assert opened.lengths.tolist() == [18, 3]
    assert text_of(opened, 1) == UNKNOWN * 2 + "a"
    assert [origin["line"] for origin in opened.origins] == [2, 3]
    assert int(opened.read(1, 0, 1)[1]) == spec.target_names.index("y")
    (tmp_path / "new.csv").write_text("text\nabc\n")
    assert len(PassagesSource.open(str(tmp_path / "new.csv"), spec)) == 1
    with pytest.raises(ValueError, match="no column 'label'"):
        PassagesSource.open(str(tmp_path / "new.csv"), spec, targets=True)
    (tmp_path / "new.csv").write_text("label,text\nw,abc\n")
    with pytest.raises(ValueError, match="line 2: the label 'w' was never seen in training"):
        PassagesSource.open(str(tmp_path / "new.csv"), spec)


MISTAKES = {
    "one class": ([("a" * 30, "x", str(i)) for i in range(9)], {}, "only 'x'"),
    "empty text": ([*draw(), ("", "x", "g1")], {}, "line 62, column 'text': the text is empty"),
    "no label": ([*draw(), ("abc", " ", "g1")], {}, "line 62, column 'label': expected a name, got a blank"),
    "no group": ([*draw(), ("abc", "x", "")], {}, "column 'group'.*blank"),
    "no such column": (None, {"text": "txt"}, "no column 'txt'; did you mean 'text'"),
    "too long": (None, {"lengths": [10_000]}, "choose shorter data.lengths"),
    "no length": (None, {"lengths": []}, "data.lengths must be"),
    "zero": (None, {"lengths": [0, 5]}, "data.lengths must be"),
    "too few groups": ([("a" * 30, "xy"[i], str(i)) for i in range(2)], {}, "too few"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told(tmp_path, name):
    rows, options, words = MISTAKES[name]
    with pytest.raises(ValueError, match=words):
        source(tmp_path, rows, **options).splits()
