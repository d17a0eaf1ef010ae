"""Pairs of texts: read, split, cut into units, encoded, kept on disk, and opened again."""

import gzip
import json
import pickle
import random
import string

import numpy as np
import pytest

from seqmodels.data.batches.collate import collate
from seqmodels.data.encode.tokenizer import STOP, Tokenizer
from seqmodels.data.encode.vocabulary import UNKNOWN
from seqmodels.data.read.pairs import Reader
from seqmodels.data.sources.pairs import PairsSource, sides_of
from seqmodels.spec import Spec


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes, name: str = "pairs.tsv") -> str:
        file = tmp_path / name
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(file)

    return write


@pytest.fixture
def source(tmp_path):
    return lambda path, **options: PairsSource(path, cache_dir=str(tmp_path / "cache"), **options)


def random_pairs(seed: int, rows: int = 200, words: int = 60) -> list[tuple[str, str]]:
    """Words with one or more spellings backwards, in any order."""
    draw = random.Random(seed)
    known = ["".join(draw.choices("abcdefg", k=draw.randint(1, 6))) for _ in range(words)]
    return [(word, word[::-1] + draw.choice(["", "h"])) for word in draw.choices(known, k=rows)]


def as_tsv(pairs) -> str:
    return "".join(f"{a}\t{b}\n" for a, b in pairs)


def texts(split) -> list[tuple[str, str]]:
    sides = sides_of(split.spec)
    found = []
    for i in range(len(split)):
        inputs, targets = split.read(i, 0, int(split.lengths[i]))
        assert targets[-1] == split.spec.stop
        found.append((sides.source.text(inputs.tolist()), sides.target.text(targets[:-1].tolist())))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_every_pair_is_in_one_split_and_every_source_too(write, source, seed):
    pairs = random_pairs(seed)
    splits = source(write(as_tsv(pairs)), seed=seed).splits()
    found = {name: texts(split) for name, split in splits.items()}
    assert sorted(pair for part in found.values() for pair in part) == sorted(pairs)
    words = {name: {a for a, _ in part} for name, part in found.items()}
    assert len(words) == 3
    assert all(words.values())
    assert not words["train"] & words["val"]
    assert not words["train"] & words["test"]
    assert not words["val"] & words["test"]
    groups = {name: set(split.groups) for name, split in splits.items()}
    assert {name: len(own) for name, own in groups.items()} == {name: len(own) for name, own in words.items()}


def test_blanks_do_not_make_another_source_of_words_or_symbols(write, source):
    text = "".join(f"w{i}  x\ta\nw{i} x\tb\n" for i in range(40))
    for level in ("word", "symbols"):
        splits = source(write(text), source_level=level).splits()
        keys = [key for split in splits.values() for key in set(split.groups)]
        assert len(keys) == len(set(keys)) == 40


def test_case_is_of_no_matter_where_that_is_asked_for(write, source):
    text = "".join(f"{word}\tX\n" for i in range(40) for word in (f"w{i}", f"W{i}"))
    splits = source(write(text), lowercase=True).splits()
    keys = [key for split in splits.values() for key in set(split.groups)]
    assert len(keys) == len(set(keys)) == 40
    assert "W" not in splits["train"].spec.input_names
    assert "X" in splits["train"].spec.target_names
    opened = PairsSource.open(write("W1\n", "new.txt"), splits["train"].spec)
    assert opened.origins[0]["source"] == "w1"


def test_vocabularies_come_from_the_training_part_alone(write, source):
    pairs = [(f"a{chr(0x4E00 + i)}", f"b{chr(0x5E00 + i)}") for i in range(50)]
    made = source(write(as_tsv(pairs)))
    splits = made.splits()
    seen = {letter for a, _ in texts(splits["train"]) for letter in a}
    assert set(splits["train"].spec.input_names) == seen | {UNKNOWN}
    assert all(a == "a" + UNKNOWN for a, _ in texts(splits["test"]))
    assert sum("read as <unk>" in note for note in made.notes) == 4
    assert "first on line" in made.notes[0]


def test_rare_units_are_unknown_and_a_size_keeps_the_most_frequent():
    words = ["a a a b b c d"] * 2
    assert Tokenizer.learn("word", words, min_count=3).names == ("a", "b", UNKNOWN)
    assert Tokenizer.learn("word", words, size=1).names == ("a", UNKNOWN)
    assert Tokenizer.learn("symbols", [f"x {UNKNOWN} {STOP}"]).names == ("x", UNKNOWN)


def test_rows_too_long_are_left_out_and_counted(write, source):
    pairs = [("ab"[n % 2] * n, "b") for n in range(1, 31)] + [("c", "b" * 30)]
    made = source(write(as_tsv(pairs)), max_source=28, max_target=10)
    splits = made.splits()
    assert sum(map(len, splits.values())) == 28
    assert made.notes == ("3 pairs left out: a side too long (data.max_source=28, data.max_target=10)",)


FORMS = {
    "gz": (gzip.compress(b"ein\tone\nzwei\ttwo\n"), "a.tsv.gz", {}),
    "more columns": ("ein\tone\tby me\nzwei\ttwo\tby you\n", "a.tsv", {}),
    "windows": ("\ufeffein\tone\r\nzwei\ttwo\r\n", "a.txt", {}),
    "header": ("target\tsource\none\tein\ntwo\tzwei\n", "a.tsv", {}),
    "names": ("id\ten\tde\n1\tone\tein\n2\ttwo\tzwei\n", "a.tsv", {"source": "de", "target": "en"}),
    "numbers": ("1\tone\tein\n2\ttwo\tzwei\n", "a.tsv", {"source": 3, "target": 2}),
    "csv": ('source,target\n"ein",one\nzwei,"two"\n', "a.csv", {}),
    "semicolons": ("ein;one\nzwei;two\n", "a.csv", {}),
    "lexicon": (";;; words\nein one # a comment\nzwei(2)  two\n", "a.dict", {}),
    "blank lines": ("ein\tone\n\nzwei\ttwo\n\n", "a.tsv", {}),
    "latin-1": ("ein\tone\nzwei\ttwo\n".encode("utf-16"), "a.tsv", {"encoding": "utf-16"}),
    "dropped": ("ein\tone\ndrei\t \nvier\nzwei\ttwo", "a.tsv", {"missing": "drop"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_files(write, form):
    content, name, options = FORMS[form]
    reader = Reader(write(content, name), **options)
    assert [(p.source, p.target) for p in reader.read()] == [("ein", "one"), ("zwei", "two")]
    assert reader.dropped == (2 if form == "dropped" else 0)


def test_two_files_that_go_line_by_line(write):
    reader = Reader(write("ein\n\nzwei\n", "de"), target_path=write("one\n\ntwo\n", "en"))
    assert [(p.line, p.source, p.target) for p in reader.read()] == [(1, "ein", "one"), (3, "zwei", "two")]
    reader = Reader(write("ein\nzwei\n", "de"), target_path=write("one\n", "en"))
    with pytest.raises(ValueError, match=r"de has a line 2 and .*en has none"):
        list(reader.read())


FAULTS = {
    "no tab": ("a\tb\nc d\n", "a.tsv", {}, r"a\.tsv, line 2: expected at least 2 cells with a tab.*got 1"),
    "one column": ("a\nb\n", "a.tsv", {}, r"a\.tsv, line 1: expected at least 2 cells with a tab.*got 1"),
    "empty side": ("a\tb\nc\t \n", "a.tsv", {}, r"a\.tsv, line 2: the target is empty.*data\.missing=drop"),
    "empty source": ("a\tb\n\tb\n", "a.tsv", {}, r"a\.tsv, line 2: the source is empty"),
    "empty file": ("", "a.tsv", {}, r"a\.tsv: expected a pair on each line, got none"),
    "header only": ("source\ttarget\n", "a.tsv", {}, r"a\.tsv: expected a pair on each line, got none"),
    "all dropped": ("a\nb\n", "a.tsv", {"missing": "drop"}, r"got none, 2 lines being left out by"),
    "encoding": ("a\tb\né\tü\n".encode("latin-1"), "a.tsv", {}, r"a\.tsv, line 2: expected utf-8, got the byte 0xe9"),
    "binary": (b"a\tb\n\0\0", "a.tsv", {}, r"a\.tsv: expected a text file, got a binary one"),
    "cut short": (gzip.compress(b"a\tb\n" * 99)[:20], "a.gz", {}, r"a\.gz: the gzip file is damaged or cut short"),
    "column": ("a\tb\n", "a.tsv", {"source": "aa", "target": "b"}, r"line 1: expected a column 'aa'.*did you mean 'a'"),
    "no sounds": ("word W ER1 D\nwords\n", "a.dict", {}, r"a\.dict, line 2: the target is empty"),
    "few": ("a\tb\na\tc\n", "a.tsv", {}, r"a\.tsv: of different sources, 1 item is too few"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_with_file_and_line(write, source, fault):
    content, name, options, words = FAULTS[fault]
    with pytest.raises(ValueError, match=words):
        source(write(content, name), **options).splits()


@pytest.mark.parametrize(
    "options",
    [
        *({"source_level": "byte"}, {"format": "xml"}, {"source": 0}, {"target_path": "a", "format": "tsv"}),
        *({"format": "lines"}, {"subword_kind": "wordpiece"}, {"val_fraction": 1.0}, {"missing": ""}),
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=r"data\."):
        PairsSource("a.tsv", **options)


SENTENCES = [" ".join(random.Random(i).choices(["the", "cat's", "dog", "sees", "a", "tree"], k=5)) for i in range(300)]


@pytest.mark.parametrize("level", ["character", "symbols", "subword"])
def test_text_to_tokens_and_back(level):
    units = Tokenizer.learn(level, SENTENCES, size=40 if level == "subword" else None)
    for text in SENTENCES[:20]:
        tokens = units.tokens(text)
        assert units.text(tokens.tolist()) == text
        assert len(tokens) == len(units.split(text))
        assert not units.unknown_in(text)
    assert units.tokens("the 字")[-1] == units.unknown
    assert units.unknown_in("the 字")


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_subwords_lie_in_the_spec_and_need_no_file(write, source, tmp_path, kind):
    path = write(as_tsv(zip(SENTENCES, reversed(SENTENCES), strict=True)))
    levels = {"source_level": "subword", "target_level": "subword"}
    spec = source(path, subword_kind=kind, source_size=40, target_size=40, **levels).splits()["train"].spec
    for file in tmp_path.rglob("*"):
        if file.is_file():
            file.unlink()
    again = Spec.from_plain(json.loads(json.dumps(spec.to_plain())))
    assert again == spec
    sides = sides_of(again)
    assert sides.target.text(sides.target.tokens(SENTENCES[0]).tolist()) == SENTENCES[0]


def test_subwords_too_many_for_the_text(write, source):
    path = write("".join(f"a{i}\tb{i}\n" for i in range(30)))
    with pytest.raises(ValueError, match=r"4000 sub-words cannot be learned.*source_size"):
        source(path, source_level="subword", source_size=4000, subword_kind="bpe").splits()


def test_few_sentences_get_few_subwords_and_every_letter_is_one():
    draw, sizes = random.Random(0), []
    words = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 9))) for _ in range(3000)]
    for count in (60, 20_000, 60_000):
        texts = [" ".join(draw.choices(words, k=6)) for _ in range(count // 6)]
        units = Tokenizer.learn("subword", texts)
        sizes.append(len(units.names))
        assert not units.unknown_in(" ".join(texts[:50]))
    assert sizes == sorted(set(sizes))
    assert sizes[0] <= 300
    assert sizes[2] == sum(map(len, texts)) // 200


@pytest.mark.parametrize("seed", range(3))
def test_what_texts_are_is_seen_in_them(write, source, seed):
    draw = random.Random(seed)
    sounds = ["AA", "B", "K", "OW1", "SH", "T"]
    words = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 9))) for _ in range(2500)]
    kinds = {
        "character": lambda: draw.choice(words),
        "symbols": lambda: " ".join(draw.choices(sounds, k=draw.randint(2, 8))),
        "subword": lambda: " ".join(draw.choices(words, k=draw.randint(2, 8))),
    }
    one, other = draw.sample(sorted(kinds), 2)
    made = source(write(as_tsv((kinds[one](), kinds[other]()) for _ in range(1000))))
    found = made.suggest()
    assert (found.pop("task"), found.pop("head")) == ("sequence_generation", "encoder_decoder")
    wanted = {f"data.{side}_level": kind for side, kind in (("source", one), ("target", other)) if kind != "character"}
    scores = {"task.translation_scores": "true"} if other == "subword" else {}
    assert found == {**wanted, **scores}


def test_another_file_is_encoded_as_in_training_and_may_have_sources_alone(write, source, caplog):
    pairs = random_pairs(1)
    made = source(write(as_tsv(pairs)), max_source=3)
    spec = made.splits()["train"].spec
    opened = PairsSource.open(write(as_tsv(pairs), "new.tsv"), spec)
    assert texts(opened) == pairs  # none is too long
    assert opened.origins[1] == {"line": 2, "source": pairs[1][0]}
    alone = PairsSource.open(write("abc\n\nxyz\n", "alone.txt"), spec)
    assert texts(alone) == [("abc", ""), (UNKNOWN * 3, "")]
    assert [row["line"] for row in alone.origins] == [1, 3]
    assert texts(PairsSource.open(write("abc\tcba\n", "new.tsv"), spec, targets=False)) == [("abc", "")]
    PairsSource.open(write("abc\n\txyz\ncba\n", "new.tsv"), spec, missing="drop")
    assert "1 lines left out" in caplog.text
    with pytest.raises(ValueError, match=r"alone\.txt, line 1: expected at least 2 cells"):
        PairsSource.open(write("abc\nxyz\n", "alone.txt"), spec, targets=True)


def test_unknown_letters_of_a_new_file_are_told(write, source, caplog):
    spec = source(write(as_tsv(random_pairs(0)))).splits()["train"].spec
    PairsSource.open(write("abc\nabé\n", "new.txt"), spec)
    assert "1 unit ('é') that the source vocabulary lacks, read as <unk>; first on line 2" in caplog.text


def test_a_data_set_is_not_copied_to_another_process(write, source):
    pairs = [("".join(random.Random(i).choices(string.ascii_letters, k=150)), "x" * 150) for i in range(400)]
    split = source(write(as_tsv(pairs))).splits()["train"]
    rows = np.array([[0, 0, split.lengths[0], 1], [3, 0, split.lengths[3], 1]])
    split._maps.clear()
    unread = len(pickle.dumps(split))
    before = collate(split, rows)
    packed = pickle.dumps(split)
    assert len(packed) == unread < 20_000  # what was read in between is not taken along
    after = collate(pickle.loads(packed), rows)
    assert (after.inputs == before.inputs).all()
    assert (after.targets == before.targets).all()
