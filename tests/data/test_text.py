"""Text: what was read is what was written, the vocabulary knows the training part alone, errors are clear."""

import gzip
import logging
import os
import pickle
import tracemalloc

import pytest

from seqmodels.data.batches.loader import PlanLoader
from seqmodels.data.encode import token_file
from seqmodels.data.encode.vocabulary import UNKNOWN, decode, encode
from seqmodels.data.sources.text import TextSource

LINES = "Ein Käfer kroch, so gut's ging, übers Blatt — und fiel.\nWhat's past is prologue!\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "seqmodels" / "tokens"


def write(tmp_path, text: str | bytes, name: str = "a.txt") -> str:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(tmp_path / name)


def tokens_of(dataset) -> list[int]:
    inputs, targets = dataset.read(0, 0, int(dataset.lengths[0]))
    assert (inputs[1:] == targets[:-1]).all()
    return [*inputs.tolist(), int(targets[-1])]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize("level", ["character", "byte"])
def test_the_parts_glued_are_the_text(tmp_path, monkeypatch, level, chunk):
    monkeypatch.setattr("seqmodels.data.files.unpack.CHUNK", chunk)
    monkeypatch.setattr("seqmodels.data.encode.token_file.CHUNK", chunk)
    text = LINES * 4
    splits = TextSource(write(tmp_path, text), level=level, val_fraction=0.2, test_fraction=0.1).splits()
    assert list(splits) == ["train", "val", "test"]
    glued = [token for part in splits.values() for token in tokens_of(part)]
    assert decode(glued, splits["train"].spec) == text
    total = len(text) if level == "character" else len(text.encode())
    assert [int(part.lengths[0]) + 1 for part in splits.values()] == [
        total - round(0.2 * total) - round(0.1 * total),
        round(0.2 * total),
        round(0.1 * total),
    ]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_words_are_whole_wherever_the_text_is_cut(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("seqmodels.data.files.unpack.CHUNK", chunk)
    train = TextSource(write(tmp_path, LINES * 9), level="word", val_fraction=0).splits()["train"]
    names = train.spec.input_names
    expected = LINES.replace(",", " ,").replace(".", " .").replace("!", " !").split()
    assert set(names) == {UNKNOWN, "\n", *expected}
    assert names[1:3] == (",", "\n"), "the most frequent come first"
    assert decode(tokens_of(train), train.spec) == LINES * 9


def test_the_vocabulary_is_of_the_training_part_alone_and_says_what_it_lacks(tmp_path):
    path = write(tmp_path, "abcd" * 30 + "xyx" + "abc")
    source = TextSource(path, val_fraction=6 / 126)
    splits = source.splits()
    assert splits["train"].spec.input_names == (UNKNOWN, "a", "b", "c", "d")
    assert tokens_of(splits["val"]) == [0, 0, 0, 1, 2, 3]
    assert source.notes == ("val has 3 characters ('x', 'y') outside the vocabulary, read as <unk>",)
    again = TextSource(path, val_fraction=6 / 126)
    again.splits()
    assert again.notes == source.notes, "from the cache it is said as well"


def test_without_unseen_characters_there_is_no_unknown_token(tmp_path):
    source = TextSource(write(tmp_path, "abcd" * 30))
    assert source.splits()["train"].spec.input_names == ("a", "b", "c", "d")
    assert not source.notes


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"level": "word", "min_count": 2}, (UNKNOWN, "a", "b")),
        ({"level": "word", "max_size": 1}, (UNKNOWN, "a")),
        ({"level": "word"}, (UNKNOWN, "a", "b", "c")),
        ({"min_count": 3}, (UNKNOWN, " ", "a")),
        ({"max_size": 2}, (UNKNOWN, " ", "a")),
    ],
)
def test_rare_tokens_are_unknown(tmp_path, options, names):
    train = TextSource(write(tmp_path, "c a b a b a"), val_fraction=0, **options).splits()["train"]
    assert train.spec.input_names == names
    assert train.spec.input_size == train.spec.target_size == len(names)


def test_bytes_are_read_as_they_are(tmp_path):
    raw = bytes(range(256)) + b"\r\n"
    train = TextSource(write(tmp_path, raw), level="byte", val_fraction=0).splits()["train"]
    assert tokens_of(train) == list(raw)
    assert train.spec.input_size == 256


def test_line_ends_byte_order_marks_and_encodings(tmp_path, monkeypatch):
    monkeypatch.setattr("seqmodels.data.files.unpack.CHUNK", 3)
    for text, encoding in [
        (b"\xef\xbb\xbfab\r\ncd\re\xc3\xa9", "utf-8"),
        (b"ab\r\ncd\re\xe9", "latin-1"),
        ("ab\r\ncd\reé".encode("utf-16"), "utf-16"),
    ]:
        train = TextSource(write(tmp_path, text), val_fraction=0, encoding=encoding).splits()["train"]
        assert decode(tokens_of(train), train.spec) == "ab\ncd\neé"


def test_files_gzip_folders_and_patterns(tmp_path):
    (tmp_path / "texts" / "deep").mkdir(parents=True)
    (tmp_path / "texts" / "a.txt").write_text("abc")
    (tmp_path / "texts" / "b.md").write_text("xyz")
    (tmp_path / "texts" / "deep" / "c.txt.gz").write_bytes(gzip.compress(b"def"))
    for path, text in [
        ("texts", "abcdef"),
        ("texts/*.md", "xyz"),
        ("texts/**/*.txt*", "abcdef"),
        ("texts/deep/c.txt.gz", "def"),
    ]:
        train = TextSource(str(tmp_path / path), val_fraction=0).splits()["train"]
        assert decode(tokens_of(train), train.spec) == text


def test_the_shipped_book_is_there():
    splits = TextSource().splits()
    assert decode(splits["train"].read(0, 0, 26)[0], splits["train"].spec) == "ALL'S WELL THAT ENDS WELL\n"
    assert int(splits["train"].lengths[0] + splits["val"].lengths[0]) == 5_052_269


def test_a_text_says_what_it_is(tmp_path):
    source = TextSource(write(tmp_path, "a b " * 30), level="word", test_fraction=0.1)
    assert source.describe().endswith("a.txt: 60 words, vocabulary of 3; train 51, val 3, test 6")
    assert source.suggest() == {"task": "language_modelling", "head": "many_to_many"}
    assert TextSource(source.path, level="byte").describe().endswith("120 bytes, 256 values; train 114, val 6")


def test_another_text_is_encoded_by_the_same_vocabulary(tmp_path):
    for level, text in [("character", "abc abc\n"), ("word", "a bc a bc\n"), ("byte", "abc")]:
        spec = TextSource(write(tmp_path, text * 10), level=level).splits()["train"].spec
        other = TextSource.open(write(tmp_path, "a bc", "b.txt"), spec, targets=True)
        assert tokens_of(other) == encode("a bc", spec).tolist()
        assert other.spec is spec


def test_without_targets_the_last_token_is_an_input_too(tmp_path):
    spec = TextSource(write(tmp_path, "abcd" * 30)).splits()["train"].spec
    data = TextSource.open(write(tmp_path, "abcd", "b.txt"), spec)
    assert data.lengths.tolist() == [4]
    for start in range(4):
        inputs, targets = data.read(0, start, 4)
        assert inputs.tolist() == [0, 1, 2, 3][start:]
        assert targets.tolist() == [1, 2, 3, 0][start:]
    assert [part.tolist() for part in data.read(0, 1, 3)] == [[1, 2], [2, 3]]


def test_text_and_tokens_are_inverse(tmp_path):
    text = 'To be, or not to be: that\'s the question! (Or, "is" it…)\n'
    for level in ("character", "byte"):
        spec = TextSource(write(tmp_path, text * 3), level=level).splits()["train"].spec
        assert decode(encode(text, spec), spec) == text
    spec = TextSource(write(tmp_path, "a, b: c-d e's (f)\nG." * 3), level="word", val_fraction=0).splits()["train"].spec
    for words in ("a, b: c-d e's (f)\nG.", "(e's) G, b\na"):
        assert decode(encode(words, spec), spec) == words


# The cache


def folders(cache) -> list[str]:
    return sorted(p.name for p in cache.iterdir())


def test_the_cache_follows_contents_and_options(tmp_path, cache, monkeypatch):
    path = write(tmp_path, "abcd" * 30)
    TextSource(path).splits()
    assert len(folders(cache)) == 1
    monkeypatch.setattr(token_file, "write_tokens", None)
    before = (cache / folders(cache)[0] / "tokens.bin").stat().st_mtime_ns
    TextSource(path).splits()
    TextSource(write(tmp_path, "abcd" * 30, "same.txt")).splits()
    assert len(folders(cache)) == 1
    assert (cache / folders(cache)[0] / "tokens.bin").stat().st_mtime_ns == before
    TextSource(path, val_fraction=0.1).splits()
    write(tmp_path, "abce" * 30)
    assert TextSource(path).splits()["train"].spec.input_names == ("a", "b", "c", "e")
    assert len(folders(cache)) == 3


def test_a_damaged_token_file_is_made_anew(tmp_path, cache):
    path = write(tmp_path, "abcd" * 30)
    TextSource(path).splits()
    tokens = cache / folders(cache)[0] / "tokens.bin"
    whole = tokens.read_bytes()
    tokens.write_bytes(whole[:-1])
    assert tokens_of(TextSource(path, val_fraction=0.05).splits()["train"])[:4] == [0, 1, 2, 3]
    assert tokens.read_bytes() == whole


def test_where_one_cannot_write_a_temporary_folder_is_used_and_said(tmp_path, caplog):
    blocked = write(tmp_path, "a file, not a folder", "blocked")
    splits = TextSource(write(tmp_path, "abcd" * 30), cache_dir=blocked + "/cache").splits()
    assert tokens_of(splits["train"])[:4] == [0, 1, 2, 3]
    assert "cannot be written (Not a directory)" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ValueError, match=r"cannot be written to .*No space left on device.*data\.cache_dir"):
        TextSource(write(tmp_path, "abcd" * 30)).splits()
    assert folders(cache) == []


def test_of_two_that_make_the_same_file_the_second_takes_the_first_ones(tmp_path, cache, monkeypatch):
    path, rename = write(tmp_path, "abcd" * 30), os.replace

    def late(source, target):
        rename(source, target)
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr(os, "replace", late)
    assert tokens_of(TextSource(path).splits()["train"])[:4] == [0, 1, 2, 3]


def test_a_pickled_dataset_holds_no_tokens_and_reads_the_same(tmp_path):
    train = TextSource(write(tmp_path, LINES * 500)).splits()["train"]
    whole = tokens_of(train)
    copy = pickle.dumps(train)
    assert len(copy) < 5000
    assert tokens_of(pickle.loads(copy)) == whole


@pytest.mark.slow
@pytest.mark.parametrize("level", ["character", "word"])
def test_a_text_larger_than_the_memory_used(tmp_path, level):
    line = ("The quick brown fox jumps over the lazy dog, again.\n" * 20_000).encode()
    with (tmp_path / "large.txt").open("wb") as file:
        for _ in range(50):
            file.write(line)
    size = (tmp_path / "large.txt").stat().st_size
    assert size > 50_000_000
    tracemalloc.start()
    splits = TextSource(str(tmp_path / "large.txt"), level=level).splits()
    loader = PlanLoader(splits["train"], batch_size=32, window=64)
    batches = sum(1 for batch, _ in zip(loader, range(50), strict=False) if batch.inputs.shape == (32, 64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert batches == 50
    assert peak < (60_000_000 if level == "character" else 40_000_000)


# What is refused


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", {}, "a.txt: expected text, got no character at all"),
        (
            b" \n ",
            {"level": "word", "val_fraction": 0},
            "the text is too short: of its 1 words the part 'train' gets 1",
        ),
        (b"abc" * 9, {}, "the part 'val' gets 1, and needs at least 2; give more text, or set data.val_fraction=0"),
        (b"abcd", {"val_fraction": 0, "test_fraction": 0.75}, "the part 'train' gets 1"),
        (b"PNG\0\1", {}, "expected a text file, got a binary one \\(a zero byte at 3\\).*data.level=byte"),
        (b"one\ntwo\nd\xe9j\xe0 vu", {}, "a.txt, line 3: expected utf-8, got the byte 0xe9; set data.encoding"),
        (b"one\ntwo \xc3", {}, "line 2: expected utf-8, got the byte 0xc3"),
        (b"abc", {"encoding": "utf-9"}, "data.encoding: Python knows no encoding 'utf-9'"),
        (gzip.compress(b"abc" * 999, mtime=0)[:-9], {}, "the gzip file is damaged or cut short"),
    ],
)
@pytest.mark.parametrize("chunk", [4, 1 << 20])
def test_bad_files_are_refused(tmp_path, monkeypatch, content, options, message, chunk):
    monkeypatch.setattr("seqmodels.data.files.unpack.CHUNK", chunk)
    with pytest.raises(ValueError, match=message):
        TextSource(write(tmp_path, content), **options).splits()


def test_missing_files_are_refused(tmp_path):
    write(tmp_path, "x", "book.txt")
    with pytest.raises(ValueError, match=r"there is no file .*bok.txt.*did you mean .*book.txt"):
        TextSource(str(tmp_path / "bok.txt")).splits()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds no .txt \(or .gz\) file; for other names give a pattern"):
        TextSource(str(tmp_path / "empty")).splits()
    with pytest.raises(ValueError, match="no file fits the pattern"):
        TextSource(str(tmp_path / "*.tex")).splits()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "letter"}, "data.level must be one of character, byte, word, got 'letter'"),
        ({"val_fraction": 1.0}, "data.val_fraction must be a number of at least 0 and below 1, got 1.0"),
        ({"min_count": 0}, "data.min_count must be a whole number of at least 1, got 0"),
        ({"max_size": 0}, "data.max_size must be a whole number of at least 1, or null, got 0"),
        ({"level": "byte", "min_count": 2}, "do not apply to bytes"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TextSource(**options)


def test_what_the_vocabulary_lacks_is_refused(tmp_path):
    spec = TextSource(write(tmp_path, "abcd" * 30)).splits()["train"].spec
    with pytest.raises(ValueError, match=r"the text has 3 characters \('x', 'é'\) that the vocabulary of 4 lacks"):
        encode("axéxb", spec)
    with pytest.raises(ValueError, match=r"1 character \('z'\) that the vocabulary of 4 lacks"):
        TextSource.open(write(tmp_path, "abz", "b.txt"), spec)
    with pytest.raises(ValueError, match="expected a text of at least 2 characters, got 1"):
        TextSource.open(write(tmp_path, "a", "b.txt"), spec, targets=True)
    with pytest.raises(ValueError, match="at least 1 character, got 0"):
        TextSource.open(write(tmp_path, "", "b.txt"), spec)
    words = TextSource(write(tmp_path, "a b c " * 30), level="word").splits()["train"].spec
    with pytest.raises(ValueError, match=r"2 words \('x', 'yes'\) that the vocabulary of 4 lacks"):
        encode("a x yes b", words)
    assert tokens_of(TextSource.open(write(tmp_path, "a x", "b.txt"), words, targets=True))[1] == 0


def test_a_cache_that_others_can_write_is_not_used(tmp_path, monkeypatch, caplog):
    """What is made in the user's own is the user's alone, whatever the umask."""
    (tmp_path / "text.txt").write_text("to be or not to be " * 50)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    before = os.umask(0)
    try:
        TextSource(path=str(tmp_path / "text.txt")).splits()
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in sorted((tmp_path / "home").glob("*"))] == [0o700]
    assert not caplog.records
    (tmp_path / "home" / "seqmodels").chmod(0o777)
    TextSource(path=str(tmp_path / "text.txt")).splits()
    assert "others can write to" in caplog.text


def test_a_text_may_have_any_number_of_different_characters(tmp_path):
    """Their provisional numbers have as few bytes as hold them: one, two, or four."""
    for count in (200, 256, 257, 70_000):
        codes = [code for code in range(32, 120_000) if not 0xD800 <= code < 0xE000 and chr(code) != "\x85"][:count]
        path = tmp_path / f"{count}.txt"
        path.write_text("".join(map(chr, [*reversed(codes), *codes])), encoding="utf-8", newline="")
        train = TextSource(str(path), val_fraction=0, cache_dir=str(tmp_path / "cache")).splits()["train"]
        assert list(train.spec.input_names) == list(map(chr, codes))
        inputs = train.read(0, 0, 2 * count - 1)[0]
        assert [*inputs.tolist(), count - 1] == [*reversed(range(count)), *range(count)]
