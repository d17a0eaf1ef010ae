"""Every format against every fault: one message with file, place and cure, in training, description and use alike.

What only one format knows is in that format's own tests; here is what all must have in common.
"""

import gzip
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from seqmodels.build import build_source, open_data, suggestions
from seqmodels.data.profile import profile_splits
from tests.data.file_kinds import (
    BASES,
    DAYS,
    DRAWN,
    FORMATS,
    GENES,
    NAMED,
    PAIRS,
    POINTS,
    SERIES,
    TEXTS,
    WIDE,
    Rows,
    change,
    column,
    config,
)


def look(settings: dict[str, Any]) -> dict[str, Any]:
    """What training and `data inspect` do with a file before a model is built."""
    suggestions(build_source(settings))
    source = build_source(settings)
    source.describe()
    return source.splits()


def told(action: Callable[[], Any]) -> str:
    """The message of what goes wrong: ours, and one line."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        action()
    assert type(caught.value) is ValueError, "a library's own error, in its own words"
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 420, "more than one needs"
    return message


def left() -> list[str]:
    """What is beside the file; whole token files in the cache are left out."""
    whole = {path.parent for path in Path("cache").glob("*/about.json") if "." not in path.parent.name}
    return [str(path) for path in Path("cache").rglob("*") if path.is_file() and path.parent not in whole]


def put(kind: str, content: bytes | Rows) -> None:
    form = FORMATS[kind]
    Path(form.file).write_bytes(content if isinstance(content, bytes) else form.encode(content))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_good_file_is_read_and_counted_in_json(kind):
    put(kind, FORMATS[kind].rows)
    splits = look(config(kind))
    json.dumps(profile_splits(splits), allow_nan=False)
    assert len(open_data(config(kind), splits["train"].spec, FORMATS[kind].file)) > 0


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "zeros": lambda good: b"\0\1\2\3" * 999,
    "another format": lambda good: b"%PDF-1.7 \xff\xfe\0" + bytes(range(256)) * 9,
    "UTF-16": lambda good: good.decode("utf-8", "replace").encode("utf-16"),
    "cut gzip": lambda good: gzip.compress(good, mtime=0)[:-20],
}


@pytest.mark.parametrize("fault", BYTES)
@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_cannot_be_read_at_all(kind, fault):
    good = FORMATS[kind].encode(FORMATS[kind].rows)
    put(kind, good)
    spec = look(config(kind))["train"].spec
    put(kind, BYTES[fault](good))
    message = told(lambda: look(config(kind)))
    assert FORMATS[kind].file in message
    assert told(lambda: open_data(config(kind), spec, FORMATS[kind].file))
    assert not left()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_not_there(kind):
    message = told(lambda: look(config(kind)))
    assert message.startswith(f"data.path: there is no file '{FORMATS[kind].file}'")


TEXTUAL = [kind for kind, form in FORMATS.items() if form.encode([*form.rows[:3]]).isascii() and kind not in
           ("fasta", "fastq", "fasta_labelled", "genbank", "npz", "strokes", "parquet", "feather")]  # fmt: skip


@pytest.mark.parametrize("kind", TEXTUAL)
def test_a_byte_of_another_encoding_is_told_with_its_line(kind):
    good = FORMATS[kind].encode(FORMATS[kind].rows).split(b"\n")
    good[20] = good[20][:3] + b"\xfc" + good[20][3:]
    put(kind, b"\n".join(good))
    message = told(lambda: look(config(kind)))
    assert f"{FORMATS[kind].file}, line 21: expected" in message
    assert "0xfc" in message
    assert not left()


TABLES = ("csv", "tsv", "parquet", "feather")
NUMBER = r"my\.\S+, (line|row|drawing|sequence) \d+.*(expected (a )?numbers?|is not a number)"
ONE = r"my\.\S+.*expected .*(two classes|different|that are not)"
FAULTS = [
    *((kind, name, change(WIDE, (9, 1), cell), NUMBER)
      for kind in (*TABLES, "ts") for name, cell in (("nan", "nan"), ("infinite", "inf"), ("huge", "1e300"))),
    *((kind, "a word", change(WIDE, (9, 1), "x"), NUMBER) for kind in (*TABLES, "ts")),
    *((kind, name, change(SERIES, (9, 1), cell), NUMBER)
      for kind in ("series", "anomaly") for name, cell in (("nan", "nan"), ("infinite", "-inf"), ("a word", "shut"))),
    *(("npz", name, [[[[cell], [1], [2]], "a"], *FORMATS["npz"].rows], NUMBER)
      for name, cell in (("nan", np.nan), ("infinite", -np.inf), ("huge", 1e300))),
    *(("strokes", name, [[[[cell, 1]] * 10, "k"], *DRAWN], NUMBER)
      for name, cell in (("nan", np.nan), ("infinite", np.inf), ("huge", 1e300))),
    *(("stroke_table", name, change(POINTS, (9, 2), cell), NUMBER) for name, cell in (("nan", "nan"), ("word", "x"))),
    *((kind, "one class", column(WIDE, 3, "a"), ONE) for kind in (*TABLES, "ts")),
    ("npz", "one class", column(FORMATS["npz"].rows, 1, "a"), ONE),
    ("npz", "one value", column(FORMATS["npz"].rows, 1, 3.5), ONE),
    ("passages", "one class", column(TEXTS, 1, "e"), ONE),
    ("text_from_label", "one class", column(TEXTS, 1, "e"), ONE),
    ("fasta_labelled", "one class", [[f"{name}1", letters] for name, letters in NAMED], ONE),
    ("series", "one value", column(SERIES, 1, 5), ONE),
    ("anomaly", "one value", column(SERIES, 1, 5), ONE),
    ("text", "one letter", [["aaaa" * 99]], r"my\.txt: the text|" + ONE),
    ("fasta", "one letter", [["r", "A" * 900]], ONE),
    ("genes", "one tag", column(GENES, 2, ""), ONE),
    *((kind, "few", rows[:2], r"my\.\S+: .*(too few|1 item|plant|needs)")
      for kind, rows in (("csv", WIDE), ("parquet", WIDE), ("npz", FORMATS["npz"].rows), ("ts", WIDE),
                         ("series", SERIES), ("genes", GENES), ("strokes", DRAWN), ("pairs", PAIRS))),
    ("series", "fewer than the horizon", SERIES[:7], r"my\.csv: .*part of the series has \d+ rows .*horizon"),
    *((kind, "a letter outside the alphabet", change(NAMED, (9, 1), "ACGJ7T"), r"my\.\w+, line \d+: .*DNA, got 'J'")
      for kind in ("fasta", "fastq", "genbank", "fasta_labelled")),
    ("genes", "a letter outside the alphabet", change(GENES, (9, 1), "ACGJ" * 15), r"my\.tsv, line 11: .*got 'J'"),
    *((kind, "twice", [*SERIES, SERIES[3]], r"my\.csv, line 92, column 'day': .* is also on line 5 .*duplicates")
      for kind in ("series", "anomaly")),
    *((kind, "a blank label", change(WIDE, (9, 3), ""), r"my\.\S+, (line|row) \d+, column 'label': .*got ''")
      for kind in TABLES),
    *((kind, "a blank label", change(TEXTS, (9, 1), ""), r"my\.csv, line 11, column 'label': expected")
      for kind in ("passages", "text_from_label")),
    *((kind, "a rare class", change(WIDE, (9, 3), "c"), r"my\.\S+: the class 'c' has 1 item, too few")
      for kind in TABLES),
    ("csv", "an open quotation mark", change(WIDE, (9, 3), '"a'), r"my\.csv, line 11: a cell begins with a quotation"),
    *((kind, "a cell too many", change(WIDE, (9, 1), f"1{sep}2"), r"my\.\w+, line 11: expected 4 cells .* got 5")
      for kind, sep in (("csv", ","), ("tsv", "\t"))),
    ("ts", "unequal dimensions", [*WIDE, [1, "2:3", "4", "a"]], r"my\.ts, line \d+: "),
    ("pairs", "no tab", [*PAIRS, ["alone"]], r"my\.tsv, line 41: expected at least 2 cells with a tab"),
    ("stroke_table", "two labels", change(POINTS, (1, 4), "z"), r"my\.csv, line 3, .*'z', but 'k' on line 2"),
    ("stroke_table", "no name", change(POINTS, (1, 0), ""), r"my\.csv, line 3, .*a drawing's name, got a blank"),
    ("npz", "no steps", [[[], row[1]] for row in FORMATS["npz"].rows], r"my\.npz, array 'X' .*got shape \(40, 0\)"),
    ("strokes", "no drawing", [], r"my\.npz: "),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "fault", "rows", "words"), FAULTS, ids=[f"{kind}, {name}" for kind, name, *_ in FAULTS]
)
def test_a_fault_in_the_rows_is_told_with_its_place(kind, fault, rows, words):
    put(kind, rows)
    assert re.search(words, told(lambda: look(config(kind))))
    assert not left()


NEW = [
    *((kind, change(WIDE, (9, 3), "new"), r"my\.\S+, (line|row|sequence) \d+.*('new'|a class last)")
      for kind in (*TABLES, "ts")),
    ("npz", [*FORMATS["npz"].rows, [[[1], [2], [3]], "new"]], r"my\.npz, sequence 40: the label 'new'"),
    ("passages", change(TEXTS, (9, 1), "new"), r"my\.csv, line 11: the label 'new'"),
    ("text_from_label", change(TEXTS, (9, 1), "new"), r"my\.csv, line 11, column 'label': the label 'new'"),
    ("stroke_table", [[*row[:4], "new"] for row in POINTS], r"my\.csv, line 2: the label 'new' was never seen"),
    ("strokes", [[pen, "new"] for pen, _ in DRAWN], r"my\.npz, drawing 1: the label 'new' was never seen"),
    ("fasta_labelled", [["r9x", BASES[0]], ["q1", BASES[1]]], r"my\.fa, line 3: "),
    ("text", [["to be"], ["or ß"]], r"my\.txt: .*'ß'.* first on line 2"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "rows", "words"), NEW, ids=[kind for kind, *_ in NEW])
def test_what_training_never_saw_is_told_where_a_model_is_measured(kind, rows, words):
    put(kind, FORMATS[kind].rows)
    spec = look(config(kind))["train"].spec
    put(kind, rows)
    assert re.search(words, told(lambda: open_data(config(kind), spec, FORMATS[kind].file, targets=True)))
    assert not left()


def test_a_record_without_its_first_line_is_not_lost_in_silence():
    put("genbank", FORMATS["genbank"].encode(NAMED).replace(b"LOCUS       r9 ", b"LOC\xfcS       r9 "))
    assert "whose first line, LOCUS, is missing or damaged" in told(lambda: look(config("genbank")))


EXTRAS = {
    "pyarrow": ("feather", {}, "tables"),
    "Bio": ("genbank", {}, "bio"),
    "sentencepiece": ("pairs", {"source_level": "subword"}, "text"),
}


@pytest.mark.parametrize("library", EXTRAS)
def test_a_missing_library_is_named_with_its_extra(monkeypatch, library):
    kind, options, extra = EXTRAS[library]
    put(kind, FORMATS[kind].rows)
    settings = {"data": {**config(kind)["data"], **options}}
    monkeypatch.setitem(sys.modules, library, None)
    assert told(lambda: look(settings)).endswith(f": pip install 'seqmodels[{extra}]'")
    assert not left()


def recordings(rate: int = 8000, classes: str = "ab") -> None:
    for label in classes:
        for i in range(6):
            Path("wav", label).mkdir(parents=True, exist_ok=True)
            time = np.arange(round(0.1 * rate)) / rate
            noise = 0.01 * np.random.default_rng(i).normal(size=len(time))
            soundfile.write(f"wav/{label}/{i}.wav", np.sin(2000 * time * (1 + (label == "b"))) / 2 + noise, rate)


SOUNDS = {
    "one class": (lambda: recordings(classes="a"), "wav: expected recordings of two classes or more .*got only 'a'"),
    "a rare class": (lambda: (recordings(), recordings(classes="ab"), Path("wav/c").mkdir(),
                              Path("wav/b/5.wav").rename("wav/c/5.wav")), "class 'c' has 1 item"),
    "text": (lambda: (recordings(), Path("wav/a/0.wav").write_text("words " * 99)), "0.wav: expected audio .*anew, or"),
    "cut": (lambda: (recordings(), Path("wav/a/0.wav").write_bytes(Path("wav/a/0.wav").read_bytes()[:-99])),
            "0.wav: the file is cut short.*copy it anew, or remove it"),
}  # fmt: skip


@pytest.mark.parametrize("fault", SOUNDS)
def test_faults_of_recordings(fault):
    make, words = SOUNDS[fault]
    make()
    message = told(lambda: look({"data": {"name": "audio", "path": "wav", "cache_dir": "cache"}}))
    assert re.search(words, message)
    assert not left()


def test_what_is_no_fault_is_done_as_documented_and_said():
    recordings()
    tone = np.sin(np.arange(1600) / 4)
    soundfile.write("wav/a/0.wav", tone, 16000)
    soundfile.write("wav/a/1.wav", np.stack([tone[:800], tone[:800] / 3], axis=1), 8000)
    soundfile.write("wav/b/1.wav", np.zeros(800), 8000)
    source = build_source({"data": {"name": "audio", "path": "wav", "cache_dir": "cache"}})
    assert sum(map(len, source.splits().values())) == 11
    said = " ".join(source.notes)
    for words in ("1 of 12 recordings brought to 8000", "mean of their channels", "1 of 12 recordings are silent"):
        assert words in said
    rows = [SERIES[i] for i in np.random.default_rng(0).permutation(90)]
    put("series", [row for row in rows if row[0] != DAYS[40]])
    source = build_source(config("series"))
    source.splits()
    assert "rows sorted by time" in source.notes
    assert any(note.startswith("1 gap in 'day' of 1 steps") for note in source.notes)
