"""Texts in a column, read as characters or as words."""

import numpy as np
import pytest

from seqmodels.data.columns.words import split_words
from seqmodels.data.encode.vocabulary import UNKNOWN
from seqmodels.data.sources.tables.table import CSVSource
from tests.data.csv_examples import LONG, WIDE, contents, long_rows, wide_rows, write

WORDS = ["good", "bad", "film", "plot", "it's", "Dull", "!", ",", "so-so"]


def sentences(count: int = 60, seed: int = 0) -> list[list]:
    """Rows of text (with separators that are no commas), label and score."""
    random = np.random.default_rng(seed)
    drawn = [random.choice([w for w in WORDS if w != ","], size=random.integers(1, 9)) for _ in range(count)]
    return [[" ".join(words) + f" n{i}", "pq"[i % 2], round(i / 7, 2)] for i, words in enumerate(drawn)]


def texts(dataset) -> list[list[str]]:
    return [[dataset.spec.input_names[i] for i in x] for x, _ in contents(dataset)]


def test_words_are_steps_and_rare_ones_unknown(tmp_path):
    rows = sentences()
    source = CSVSource(write(tmp_path, rows, "text,label,score"), "label", text="text", level="word")
    splits = source.splits()
    spec = splits["train"].spec
    assert source.suggest() == {"task": "classification", "head": "many_to_one"}
    assert spec.level == "word"
    assert set(spec.input_names) == {UNKNOWN, *WORDS} - {","}
    # The last word of each text occurs once.
    wanted = sorted([*split_words(row[0])[:-1], UNKNOWN] for row in rows)
    assert sorted(words for part in splits.values() for words in texts(part)) == wanted


def test_a_score_for_each_text(tmp_path):
    path = write(tmp_path, sentences(), "text,label,score")
    source = CSVSource(path, "score", text="text", level="word", target_kind="values")
    assert source.suggest() == {"task": "regression", "head": "many_to_one", "recipe": "classify"}
    train = source.splits()["train"]
    assert (train.spec.targets, train.spec.target_names) == ("values", ("score",))


def test_the_vocabulary_is_the_training_part_s(tmp_path):
    train = CSVSource(write(tmp_path, sentences(), "text,label,score"), "label", text="text", level="word").splits()
    rows = [[f"{row[0]} zebra", *row[1:]] for row in sentences()]
    kept = {tuple(words) for words in texts(train["train"])}
    assert all(len(words) > 0 for words in kept)
    once = CSVSource(write(tmp_path, rows, "text,label,score"), "label", text="text", level="word", min_count=60)
    assert "zebra" not in once.splits()["train"].spec.input_names  # 48 of 60 are for training
    often = CSVSource(write(tmp_path, rows, "text,label,score"), "label", text="text", level="word", min_count=48)
    assert "zebra" in often.splits()["train"].spec.input_names


def test_lower_case(tmp_path):
    path = write(tmp_path, sentences(), "text,label,score")
    spec = CSVSource(path, "label", text="text", level="word", lowercase=True).splits()["train"].spec
    assert "dull" in spec.input_names
    assert all(name == name.lower() for name in spec.input_names)


@pytest.mark.parametrize("level", ["character", "word"])
def test_long_texts_are_cut_and_new_files_alike(tmp_path, level):
    path = write(tmp_path, sentences(), "text,label,score")
    source = CSVSource(path, "label", text="text", level=level, max_length=4)
    splits = source.splits()
    long = sum(len(split_words(row[0]) if level == "word" else row[0]) > 4 for row in sentences())
    assert max(int(part.lengths.max()) for part in splits.values()) == 4
    assert f"{long} sequences cut at 4 steps" in source.notes
    everything = sorted(pair for part in splits.values() for pair in contents(part))
    spec = type(splits["train"].spec).from_plain(splits["train"].spec.to_plain())
    assert sorted(contents(CSVSource.open(path, spec))) == everything


def test_other_layouts_are_cut_too(tmp_path):
    wide = CSVSource(write(tmp_path, wide_rows(), WIDE), "label", max_length=2)
    assert set(wide.splits()["train"].lengths.tolist()) == {2}
    path = write(tmp_path, long_rows(), LONG, "long.csv")
    whole, cut = (
        [
            pair
            for part in CSVSource(path, "tag", sequence="who", text="word", max_length=n).splits().values()
            for pair in contents(part)
        ]
        for n in (None, 3)
    )
    assert sorted(cut) == sorted((x[:3], y[:3]) for x, y in whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "byte"}, "data.level must be one of character, word, got 'byte'"),
        ({"max_length": 0}, "data.max_length must be a whole number of at least 1, or null, got 0"),
        ({"min_count": 0}, "data.min_count must be a whole number of at least 1, got 0"),
        ({"layout": "wide", "features": ["score"], "level": "word"}, "data.level has no meaning in the wide layout"),
        ({"layout": "wide", "features": ["score"], "min_count": 3}, "data.min_count has no meaning in the wide"),
        ({"layout": "wide", "features": ["score"], "lowercase": True}, "data.lowercase has no meaning in the wide"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        CSVSource(write(tmp_path, sentences(), "text,label,score"), "label", **options).splits()


def test_a_text_without_words_is_told(tmp_path):
    rows = [*sentences(), ["  ", "p", 1]]
    with pytest.raises(ValueError, match=r"line 62, column 'text': the text is empty \(1 such lines in all\)"):
        CSVSource(write(tmp_path, rows, "text,label,score"), "label", text="text", level="word").splits()
