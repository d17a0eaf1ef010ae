"""What columns are taken for: right where it is clear, asked for where it is not."""

import pytest

from seqmodels.data.columns.infer import Layout, infer
from seqmodels.data.columns.roles import Columns, numbered_columns
from seqmodels.data.read.table import Table


def table(**columns: list) -> Table:
    rows = len(next(iter(columns.values())))
    text = {name: [str(cell) for cell in cells] for name, cells in columns.items()}
    return Table("my.csv", text, list(range(2, rows + 2)))


DAYS = [f"2024-01-{d:02d}" for d in range(1, 9)]
SALES = [3.5, 4, 5, 4, 6, 7, 7.5, 8]
LABELS = ["up", "down"] * 4
WIDE = {f"x{i}": list(range(8)) for i in (1, 2, 3)}


def test_a_column_of_numbers_in_order_of_dates_is_a_series():
    found = infer(table(day=DAYS, sales=SALES, rain=SALES, shop=LABELS), Columns("sales"))
    assert (found.kind, found.time, found.features) == ("series", "day", ("sales", "rain"))
    assert found.notes == ("rows in the order of 'day'", "left out, not numbers: shop")


def test_a_column_of_numbers_alone_is_a_series_in_the_order_of_the_file():
    found = infer(table(sales=SALES), Columns("sales"))
    assert (found.kind, found.time, found.features) == ("series", None, ("sales",))
    assert found.notes == ("rows in the order of the file",)


def test_columns_that_number_the_rows_are_no_features():
    found = infer(table(**{"": range(8), "id": range(8), "sales": SALES}), Columns("sales"))
    assert found.features == ("sales",)


def test_a_year_that_repeats_does_not_order_the_rows():
    found = infer(table(year=[1, 1, 1, 1, 2, 2, 2, 2], sales=SALES), Columns("sales"))
    assert (found.time, found.features) == (None, ("sales", "year"))


def test_dates_that_repeat_are_taken_for_times_so_that_the_reader_can_say_so():
    assert infer(table(day=[DAYS[0]] * 8, sales=SALES), Columns("sales")).time == "day"


def test_naming_a_series_column_makes_many_series():
    found = infer(table(shop=LABELS, day=sorted(DAYS[:4] * 2), sales=SALES), Columns("sales", series="shop"))
    assert (found.kind, found.series, found.time, found.features) == ("series", "shop", "day", ("sales",))


@pytest.mark.parametrize("labels", [LABELS, [0, 1] * 4, [7, 8] * 4])
def test_numbered_columns_and_labels_are_wide(labels):
    found = infer(table(label=labels, **WIDE), Columns("label"))
    assert (found.kind, found.features, found.feature_names) == ("wide", ("x1", "x2", "x3"), ("x",))
    assert (found.target_kind, found.target_per) == ("labels", "sequence")


def test_numbered_columns_of_several_features_are_brought_in_the_order_of_steps():
    pairs = {f"{axis}{i}": list(range(8)) for axis in "xy" for i in (9, 10, 11)}
    found = infer(table(**pairs, label=LABELS), Columns("label"))
    assert found.features == ("x9", "y9", "x10", "y10", "x11", "y11")
    assert found.feature_names == ("x", "y")


def test_numbered_columns_must_be_complete():
    assert numbered_columns(["x1", "x2", "x3", "y1", "y2"]) is None
    assert numbered_columns(["x1", "x2"]) is None
    assert numbered_columns(["x1", "x2", "x03", "x3"]) is None
    assert numbered_columns(["0", "1", "2"]) == (["0", "1", "2"], [""])


def test_named_features_are_taken_in_the_order_given():
    asked = Columns("label", layout="wide", features=("x3", "x1", "x2", "x4"), features_per_step=2)
    found = infer(table(**WIDE, x4=range(8), label=LABELS), asked)
    assert (found.features, found.feature_names) == (("x3", "x1", "x2", "x4"), ("value1", "value2"))


def test_one_column_of_text_and_one_target_is_text():
    words = [f"word {i}" for i in range(8)]
    assert infer(table(review=words, stars=SALES), Columns("stars")).text == "review"
    found = infer(table(name=words, id=range(8), kind=LABELS), Columns("kind"))
    assert (found.kind, found.text, found.target_kind) == ("text", "name", "labels")


def test_long_layout_tells_one_target_from_one_per_step():
    long = {"who": [1, 1, 1, 1, 2, 2, 2, 2], "speed": SALES, "tag": LABELS, "label": ["a"] * 4 + ["b"] * 4}
    per_step = infer(table(**long), Columns("tag", sequence="who", features=("speed",)))
    assert (per_step.kind, per_step.target_per, per_step.target_kind) == ("long", "step", "labels")
    whole = infer(table(**long), Columns("label", sequence="who"))
    assert (whole.target_per, whole.features) == ("sequence", ("speed",))
    assert infer(table(**long), Columns("label", sequence="who", target_per="step")).target_per == "step"
    words = infer(table(**long), Columns("label", sequence="who", text="tag"))
    assert (words.text, words.features) == ("tag", ())


def test_the_kind_of_target_is_inferred_and_can_be_overridden():
    ratings = {**WIDE, "rating": [1, 2, 3, 4, 5, 1, 2, 3]}
    assert infer(table(**ratings), Columns("rating")).target_kind == "labels"
    assert infer(table(**ratings), Columns("rating", target_kind="values")).target_kind == "values"
    many = table(**{f"x{i}": range(50) for i in (1, 2, 3)}, y=range(50))
    assert infer(many, Columns("y", layout="wide")).target_kind == "values"
    assert infer(many, Columns("y", layout="wide", target_kind="labels")).target_kind == "labels"


def test_a_layout_survives_as_plain_values():
    found = infer(table(label=LABELS, **WIDE), Columns("label"))
    assert Layout.from_plain(found.to_plain()) == found


NUMBERS = {"height": SALES, "width": SALES}
REFUSED = {
    "unclear": (table(label=LABELS, **NUMBERS), Columns("label"), "data.layout: how my.csv holds its sequences cannot"),
    "numeric label": (table(label=[0, 1] * 4, **NUMBERS), Columns("label"), "cannot be told from its columns"),
    "numbered sensors": (table(load=SALES, **WIDE), Columns("load"), "cannot be told from its columns"),
    "no target": (table(sales=SALES), Columns("sale"), "data.target: .* no column 'sale'; did you mean 'sales'"),
    "no feature": (table(sales=SALES), Columns("sales", features=("rain",)), "data.features: .* no column 'rain'"),
    "no time": (table(sales=SALES), Columns("sales", time="day"), "data.time: my.csv has no column 'day'"),
    "text feature": (
        table(sales=SALES, shop=LABELS),
        Columns("sales", features=("shop",)),
        "line 2, column 'shop': expected a number, got 'up'",
    ),
    "text target": (table(day=DAYS, sales=[*SALES[:7], "shut"]), Columns("sales"), "line 9, column 'sales': .* 'shut'"),
    "twice": (table(day=DAYS, sales=SALES), Columns("sales", time="day", series="day"), "both name the column 'day'"),
    "feature twice": (
        table(day=DAYS, sales=SALES),
        Columns("sales", time="day", features=("day",)),
        "data.features names the column 'day', which has another meaning",
    ),
    "labels of a series": (table(sales=SALES), Columns("sales", target_kind="labels"), "is forecast as numbers"),
    "group of a series": (
        table(day=DAYS, sales=SALES, shop=LABELS),
        Columns("sales", time="day", group="shop"),
        "data.group has no meaning in the series layout, which takes features, series",
    ),
    "time of wide": (
        table(day=DAYS, label=LABELS, **WIDE),
        Columns("label", layout="wide", time="day"),
        "data.time has no meaning in the wide layout",
    ),
    "steps of wide": (table(label=LABELS, **WIDE), Columns("label", target_per="step"), "needs one row per step"),
    "steps do not divide": (
        table(label=LABELS, **WIDE),
        Columns("label", features_per_step=2),
        r"features_per_step must divide the number of feature columns \(3\), got 2",
    ),
    "long without sequence": (table(y=SALES, x=SALES), Columns("y", layout="long"), "needs data.sequence=COLUMN"),
    "long without features": (
        table(y=SALES, who=LABELS, word=DAYS),
        Columns("y", sequence="who"),
        "no column of numbers to learn from",
    ),
    "words and numbers": (
        table(y=SALES, x=SALES, who=LABELS, word=LABELS),
        Columns("y", sequence="who", text="word", features=("x",)),
        "either words or numbers",
    ),
    "no text": (table(y=SALES, x=SALES), Columns("y", layout="text"), "has no column of text"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_unclear_or_contradictory_is_refused(name):
    data, asked, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        infer(data, asked)
