"""Your own CSV: an answer to every mistake, with its place and its cure."""

import pytest

from seqmodels.data.sources.tables.table import CSVSource
from tests.data.csv_examples import LONG, WIDE, long_rows, series_rows, wide_rows, write

SERIES, SALES = "day,sales,rain", {"target": "sales"}
SHOPS = {**SALES, "series": "shop"}
WORDS = {"target": "tag", "sequence": "who", "text": "word"}


def pairs(count: int) -> list[list]:
    return [[f"x{i}y", "pq"[i % 2]] for i in range(count)]


MISTAKES = {
    "one row": (lambda: (series_rows()[:1], SERIES, SALES), "too few to be split"),
    "few rows": (
        lambda: (series_rows()[:20], SERIES, {**SALES, "history": 24}),
        r"the train part of the series has 16 rows \(of 20 in all\), too few for 24 steps of history and 1 of horizon",
    ),
    "a time twice": (
        lambda: ([*series_rows(), series_rows()[3]], SERIES, SALES),
        r"line 122, column 'day': the time '2024-01-04' is also on line 5 \(1 repeated in all\); .*data.series=COLUMN",
    ),
    "a time twice in a series": (
        lambda: ([["p", *row] for row in [*series_rows(), series_rows()[3]]], f"shop,{SERIES}", SHOPS),
        "the time '2024-01-04' of series 'p' is also on line 5",
    ),
    "no time": (
        lambda: ([["soon", 1.5], *[row[:2] for row in series_rows()]], "day,sales", {**SALES, "time": "day"}),
        "line 2, column 'day': expected a time like the others, got 'soon'",
    ),
    "a blank time": (
        lambda: ([["", 1.5], *[[i, row[1]] for i, row in enumerate(series_rows())]], "t,sales", {**SALES, "time": "t"}),
        "line 2, column 't': expected a time like the others, got ''",
    ),
    "a blank name of a series": (
        lambda: ([["", *r] for r in series_rows()], f"shop,{SERIES}", SHOPS),
        r"line 2, column 'shop': expected a name \(data.series\), got a blank",
    ),
    "text among numbers": (
        lambda: ([*series_rows(), ["2025-01-01", "shut", 1]], SERIES, SALES),
        "line 122, column 'sales': expected a number, got 'shut'",
    ),
    "a price of nothing": (
        lambda: ([*series_rows(), ["2025-01-01", 0, 1]], SERIES, {**SALES, "transform": "log_return"}),
        "line 122, column 'sales': data.transform=log_return needs values above 0, got 0; use .*difference",
    ),
    "one class": (
        lambda: ([[*row[:6], "a"] for row in wide_rows()], WIDE, {"target": "label"}),
        "column 'label': expected two classes or more to tell apart, got only 'a'",
    ),
    "a rare class": (
        lambda: ([*wide_rows(), [1, 2, 3, 4, 5, 6, "c"]], WIDE, {"target": "label"}),
        r"the class 'c' has 1 item, too few to be in train, val, test",
    ),
    "a blank label": (
        lambda: ([[1, 2, 3, 4, 5, 6, " "], *wide_rows()], WIDE, {"target": "label"}),
        r"line 2, column 'label': expected a target, got ' ' \(1 sequences lack one\)",
    ),
    "a blank value": (
        lambda: (
            [[1, 2, 3, ""], *[row[:4] for row in wide_rows()]],
            "x1,x2,x3,y",
            {"target": "y", "layout": "wide", "target_kind": "values"},
        ),
        "line 2, column 'y': expected a target, got ''",
    ),
    "an empty text": (
        lambda: ([["", "p"], *pairs(40)], "name,kind", {"target": "kind"}),
        r"line 2, column 'name': the text is empty \(1 such lines in all\), so the sequence has no steps",
    ),
    "nothing left": (
        lambda: ([["", "p"], ["", "q"]], "name,kind", {"target": "kind", "text": "name", "missing": "drop"}),
        "no sequence is left after dropping rows",
    ),
    "a blank word": (
        lambda: ([["s0", 9, 0, "", "A", "x", 0], *long_rows()], LONG, WORDS),
        "line 2, column 'word': expected a word, got a blank",
    ),
    "two labels in a sequence": (
        lambda: (
            [["s0", 9, 0, "a", "A", "y", 0], *long_rows()],
            LONG,
            {"target": "label", "sequence": "who", "features": ["speed"], "target_per": "sequence"},
        ),
        r"column 'label': got '.', but '.' on line \d+ of the same sequence; mend it, or say data.target_per=step",
    ),
    "horizon of labels": (
        lambda: (wide_rows(), WIDE, {"target": "label", "horizon": 3}),
        "data.horizon has no meaning in the wide layout; leave it out",
    ),
    "differences of text": (
        lambda: (pairs(40), "name,kind", {"target": "kind", "differences": True}),
        "data.differences has no meaning in the text layout",
    ),
    "the end of a series": (
        lambda: (series_rows(), SERIES, {**SALES, "missing": "end"}),
        "data.missing=end has no meaning in the series layout",
    ),
    "lines between words": (
        lambda: (long_rows(), LONG, {**WORDS, "missing": "interpolate"}),
        "data.missing=interpolate has no meaning in the long layout of text",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_with_their_place_and_cure(tmp_path, name):
    make, message = MISTAKES[name]
    rows, header, options = make()
    with pytest.raises(ValueError, match=message):
        CSVSource(write(tmp_path, rows, header), **options).splits()


def test_a_label_that_only_validation_or_test_has_is_told(tmp_path):
    splits = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    rows = [[g, *row[:6], "c" if g == "test" else row[6]] for g, row in zip(splits, wide_rows(), strict=True)]
    with pytest.raises(ValueError, match=r"line 52, column 'label': the label 'c' was never seen in training"):
        CSVSource(write(tmp_path, rows, "part," + WIDE), "label", layout="wide", split="part").splits()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"history": 0}, "data.history must be a whole number of at least 1, or null, got 0"),
        ({"horizon": 0}, "data.horizon must be a whole number of at least 1 and at most 1000000, got 0"),
        ({"period": -1}, "data.period must be a whole number of at least 1, or null, got -1"),
        ({"missing": "skip"}, "data.missing must be one of error, drop, interpolate, end, got 'skip'"),
        ({"transform": "log"}, "data.transform must be one of difference, log_return, or null, got 'log'"),
        ({"layout": "broad"}, "data.layout must be one of series, wide, long, text, nested, or null, got 'broad'"),
        ({"target_kind": "x"}, "data.target_kind must be one of labels, values, sets, or null, got 'x'"),
        ({"target_per": "row"}, "data.target_per must be one of sequence, step, or null, got 'row'"),
        ({"fold": "6/5"}, "data.fold must be such as 2/5, the second of five folds, or null, got '6/5'"),
        ({"fold": "0/5"}, "data.fold must be such as 2/5, the second of five folds, or null, got '0/5'"),
        ({"val_fraction": 0.6, "test_fraction": 0.5}, "add up to less than 1, got 0.6 and 0.5"),
    ],
)
def test_options_out_of_range_are_refused_before_the_file_is_read(options, message):
    with pytest.raises(ValueError, match=message):
        CSVSource("nowhere.csv", "sales", **options)
