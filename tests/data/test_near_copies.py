"""Near copies: found whatever the tokens are, and kept in one split where that is asked for."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from seqmodels.data.columns.splits.near import near_copies
from seqmodels.data.files.ragged import Ragged
from seqmodels.data.shipped import shipped
from seqmodels.data.sources.fasta_labelled import LabelledFastaSource
from seqmodels.data.sources.tables.table import CSVSource


def edited(text: str, changes: int, letters: str, generator: np.random.Generator) -> str:
    """Letters exchanged, and one left out and one put in."""
    found = list(text)
    for place in generator.integers(0, len(text), changes):
        found[place] = generator.choice(list(letters))
    del found[int(generator.integers(len(found)))]
    found.insert(int(generator.integers(len(found))), letters[0])
    return "".join(found)


@pytest.mark.parametrize(
    ("letters", "length", "changes"), [("ACGT", 60, 1), ("ACGT", 2000, 60), ("ACDEFGHIKLMNPQRSTVWY", 250, 8)]
)
def test_near_copies_of_letters_are_found_and_others_are_not(letters, length, changes):
    generator = np.random.default_rng(0)
    texts = ["".join(generator.choice(list(letters), length)) for _ in range(200)]
    texts += [edited(text, changes, letters, generator) for text in texts[:50]]
    owner = near_copies(Ragged.of([[letters.index(letter) for letter in text] for text in texts]))
    assert owner[:200].tolist() == list(range(200))
    assert (owner[200:] == np.arange(50)).mean() > 0.9


@pytest.mark.parametrize("size", [8, 40])
def test_near_copies_of_a_text_in_words_are_found_and_others_are_not(size):
    with gzip.open(shipped("shakespeare.txt.gz"), "rt") as file:
        words = file.read(300_000).split()
    code = {word: number for number, word in enumerate(dict.fromkeys(words))}
    parts = [[code[word] for word in words[start : start + size]] for start in range(0, 800 * size, size)]
    copies = [[*part[: size // 2], 0, *part[size // 2 + 1 :]] for part in parts[:50]]
    owner = near_copies(Ragged.of(parts + copies))
    assert (owner[:800] == np.arange(800)).mean() > 0.98
    assert (owner[800:] == owner[:50]).mean() > 0.9


def test_what_is_too_short_or_missing_is_no_near_copy():
    assert near_copies(Ragged.of([[1, 2], [1, 2], [], [3]])).tolist() == [0, 1, 2, 3]
    assert near_copies(Ragged.of([])).tolist() == []
    assert near_copies(Ragged.of([[5] * 400, [5] * 300])).tolist() == [0, 0]


def families(generator: np.random.Generator) -> list[tuple[int, str, str]]:
    found = []
    for family in range(40):
        text = "".join(generator.choice(list("ACGT"), 120))
        found += [(family, edited(text, 1, "ACGT", generator), "ab"[family % 2]) for _ in range(4)]
    return [found[i] for i in generator.permutation(len(found))]


def split_of_families(rows: list[tuple[int, str, str]], splits) -> list[set[int]]:
    family = {text: number for number, text, _ in rows}
    names = splits["train"].spec.input_names
    texts = [
        {"".join(names[i] for i in split.read(n, 0, int(split.lengths[n]))[0]) for n in range(len(split))}
        for split in splits.values()
    ]
    assert sum(map(len, texts)) == len(rows)
    return [{family[text] for text in own} for own in texts]


@pytest.mark.parametrize("kind", ["csv", "fasta", "csv on disk"])
def test_near_copies_are_in_one_split_on_request(tmp_path, kind):
    rows = families(np.random.default_rng(1))
    if kind == "fasta":
        path = tmp_path / "genes.fasta"
        path.write_text("".join(f">r{n} kind={label}\n{text}\n" for n, (_, text, label) in enumerate(rows)))
        make = lambda **options: LabelledFastaSource(str(path), r"kind=(\w+)", cache_dir=str(tmp_path), **options)  # noqa: E731
    else:
        path, limit = tmp_path / "genes.csv", {"memory_limit": 100} if kind == "csv on disk" else {}
        path.write_text("text,label\n" + "".join(f"{text},{label}\n" for _, text, label in rows))
        make = lambda **options: CSVSource(str(path), "label", cache_dir=str(tmp_path), **limit, **options)  # noqa: E731
    apart = split_of_families(rows, make().splits())
    assert apart[0] & apart[1]
    source = make(together="near_copies")
    train, val, test = split_of_families(rows, source.splits())
    assert len(train | val | test) == len(train) + len(val) + len(test)
    assert any("near copies of another" in note for note in source.notes)


def test_too_many_near_copies_are_refused(tmp_path):
    generator = np.random.default_rng(0)
    text = "".join(generator.choice(list("ACGT"), 200))
    lines = [f"{edited(text, 2, 'ACGT', generator)},{'ab'[n % 2]}" for n in range(40)]
    (tmp_path / "genes.csv").write_text("\n".join(["text,label", *lines]))
    with pytest.raises(ValueError, match=r"data\.together=near_copies: 40 of 40 sequences are near copies"):
        CSVSource(str(tmp_path / "genes.csv"), "label", together="near_copies").splits()


def test_near_copies_of_numbers_are_not_asked_for(tmp_path):
    (tmp_path / "a.csv").write_text("x1,x2,x3,label\n" + "".join(f"{n},{n},1.5,{'ab'[n % 2]}\n" for n in range(40)))
    with pytest.raises(ValueError, match="together"):
        CSVSource(str(tmp_path / "a.csv"), "label", together="near_copies").splits()
