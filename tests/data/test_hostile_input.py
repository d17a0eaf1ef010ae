"""Files made to be refused, or to be read for ever: one short message each, soon, and no memory taken for promises."""

import codecs
import re
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from seqmodels.data.columns.times.column import parse_times
from seqmodels.data.columns.times.frequency import Frequency, time_text
from seqmodels.data.files.text import read_text
from seqmodels.data.read.table import Table
from tests.data.file_kinds import (
    DAYS,
    FORMATS,
    PAIRS,
    SERIES,
    TEXTS,
    WIDE,
    change,
    column,
    config,
)
from tests.data.test_bad_input import TEXTUAL, left, look, put, told

LONG = "A" * 300_000
TABLES = ("csv", "tsv")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def plain(message: str) -> str:
    assert message.isprintable(), "nothing in it acts on a terminal"
    assert LONG[:200] not in message
    return message


WRONG_BYTES = {
    "a byte order mark alone": codecs.BOM_UTF8,
    "a byte order mark and an empty line": codecs.BOM_UTF8 + b"\n",
    "only line ends": b"\n" * 5000,
    "only blanks": b" " * 5000,
    "UTF-16 without a mark": "x1,x2\n1,2\n".encode("utf-16-le") * 50,
    "UTF-32": "x1,x2\n1,2\n".encode("utf-32") * 50,
    "a surrogate": ("x1,x2\n" * 3 + "\ud800,1\n").encode("utf-8", "surrogatepass") * 20,
}


@pytest.mark.parametrize("fault", WRONG_BYTES)
@pytest.mark.parametrize("kind", TEXTUAL)
def test_bytes_that_are_no_text(kind, fault):
    put(kind, WRONG_BYTES[fault])
    assert FORMATS[kind].file in plain(told(lambda: look(config(kind))))
    assert not left()


LONG_CELLS = [
    *((kind, change(WIDE, (9, 1), LONG)) for kind in TABLES),
    *((kind, change(WIDE, (9, 1), "9" * 300_000)) for kind in TABLES),
    *((kind, change(WIDE, (9, 3), LONG)) for kind in TABLES),
    *((kind, [*WIDE, [1, 2, 3, 4, LONG]]) for kind in TABLES),
    *((kind, column(WIDE, 3, LONG)) for kind in TABLES),
    *((kind, change(SERIES, place, LONG)) for kind in ("series", "anomaly") for place in ((0, 0), (9, 0), (9, 1))),
    *((kind, change(SERIES, (0, 0), "9" * 300_000)) for kind in ("series", "anomaly")),
    *((kind, [*SERIES, [*SERIES[3][:1], LONG]]) for kind in ("series", "anomaly")),
    ("pairs", [*PAIRS, [LONG]]),
    *((kind, column(TEXTS, 1, LONG)) for kind in ("passages", "text_from_label")),
    ("stroke_table", change(FORMATS["stroke_table"].rows, (9, 2), LONG)),
    ("stroke_table", change(FORMATS["stroke_table"].rows, (1, 4), LONG)),
]


@pytest.mark.parametrize(("kind", "rows"), LONG_CELLS, ids=[f"{kind}-{i}" for i, (kind, _) in enumerate(LONG_CELLS)])
def test_a_cell_of_megabytes_is_not_printed_whole(kind, rows):
    put(kind, rows)
    plain(told(lambda: look(config(kind))))
    assert not left()


@pytest.mark.parametrize("kind", ["csv", "series", "anomaly", "passages", "text_from_label"])
def test_a_header_of_megabytes_is_not_printed_whole(kind):
    good = FORMATS[kind].encode(FORMATS[kind].rows)
    put(kind, LONG.encode() + b"," + good)
    plain(told(lambda: look(config(kind))))
    put(kind, good)
    option = "target" if "target" in FORMATS[kind].data else "label"
    plain(told(lambda: look({"data": {**config(kind)["data"], option: LONG}})))


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "kind",
    [
        "csv",
        "series",
        *(pytest.param(kind, marks=SLOW) for kind in ("anomaly", "passages", "text_from_label", "stroke_table")),
    ],
)
def test_a_hundred_thousand_columns_are_refused_soon(kind):
    target = "c1" if kind != "csv" else "y"
    names = ",".join([*(f"c{i}" for i in range(99_999)), target])
    put(kind, f"{names}\n{','.join('1' * 100_000)}\n".encode())
    begun = time.process_time()
    plain(told(lambda: look(config(kind))))
    assert time.process_time() - begun < 5


ACTING = ["\x1b[31m", "\x1b]0;title\x07", "\u202e", "\x9b2J", "\r"]


@pytest.mark.parametrize("acting", ACTING)
def test_what_acts_on_a_terminal_is_written_out(acting):
    put("csv", change(WIDE, (9, 1), f"{acting}x"))
    plain(told(lambda: look(config("csv"))))


PAST = ["9999-12-31", "0001-01-01", "20000-01-01", "-0044-03-15", "2262-04-12", "1677-09-21", "9999 Q4", "1e300"]


@pytest.mark.parametrize("late", PAST)
def test_times_past_what_can_be_counted_are_refused_and_not_read_as_others(late):
    table = Table("my.csv", {"day": [*DAYS, late]}, range(2, 93))
    with pytest.raises(ValueError, match=r"my\.csv, line 92, column 'day': expected a time.*of the years 1678 to 2261"):
        parse_times(table, "day")


@pytest.mark.parametrize("unit", ["fixed", "month", "business"])
def test_a_forecast_may_reach_past_what_can_be_counted(unit):
    last = int(np.datetime64("2261-12-31", "ns").astype(np.int64))
    clock = Frequency(unit, 86_400_000_000_000 * 30 if unit == "fixed" else 1, dated=True)
    assert clock.text(clock.after(last, 12_000)) > "2300"
    assert time_text(last) == "2261-12-31"


@pytest.mark.parametrize("codec", ["rot13", "hex", "base64", "zip", "bz2", "uu", "undefined", "nope", "", "a\0b", LONG])
def test_codecs_that_are_no_encodings_of_text(codec):
    Path("my.txt").write_text("to be\n" * 9)
    assert "knows no encoding" in plain(told(lambda: list(read_text(Path("my.txt"), codec))))


@pytest.mark.parametrize("codec", ["utf-16", "utf-32", "punycode", "utf-7", "idna"])
def test_text_in_another_encoding_than_is_said(codec):
    Path("my.txt").write_bytes("größer+ als\n".encode("cp1252") * 99)
    assert re.match(r"my\.txt", told(lambda: list(read_text(Path("my.txt"), codec))))


FAR = "too few for the {} steps of data.horizon"
PAST_ALL = "data.horizon must be a whole number of at least 1 and at most 1000000, got {}"


@pytest.mark.parametrize(
    ("horizon", "words"), [(91, FAR), (1_000_000, FAR), (10**6 + 1, PAST_ALL), (10**9, PAST_ALL), (10**18, PAST_ALL)]
)
def test_a_horizon_beyond_the_rows_takes_no_memory(horizon, words):
    put("series", SERIES)
    settings = {"data": {**config("series")["data"], "horizon": horizon}}
    tracemalloc.start()
    try:
        assert words.format(horizon) in told(lambda: look(settings))
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
