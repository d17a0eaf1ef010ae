"""What tables are taken for: numbered columns among others, sequences in runs, every reading where unclear."""

import numpy as np
import pytest

from seqmodels.data.columns.guess import infer_kind
from seqmodels.data.columns.infer import infer
from seqmodels.data.columns.roles import Columns
from seqmodels.data.read.open import read_table
from seqmodels.data.read.table import Table
from seqmodels.data.sources.arrays import ArraysSource
from seqmodels.data.sources.tables.table import CSVSource
from tests.data.csv_examples import contents

ROWS = 40


def table(columns: dict[str, list]) -> Table:
    text = {name: [str(cell) for cell in cells] for name, cells in columns.items()}
    return Table("my.csv", text, list(range(2, ROWS + 2)))


def numbered(generator: np.random.Generator, steps: int, stems: str = "x") -> dict[str, list]:
    return {f"{stem}{i}": generator.normal(size=ROWS).round(3).tolist() for i in range(steps) for stem in stems}


DAYS = [f"2024-01-{i % 28 + 1:02d}" for i in range(ROWS)]  # of which some repeat
LABELS = ["up", "down"] * (ROWS // 2)


@pytest.mark.parametrize("stems", ["x", "xy"])
@pytest.mark.parametrize("steps", [6, 13])
def test_a_few_other_columns_are_left_aside_and_named(steps, stems):
    columns = numbered(np.random.default_rng(steps), steps, stems)
    plain = infer(table({**columns, "label": LABELS}), Columns("label"))
    others = {"age": [20 + i % 31 for i in range(ROWS)], "when": DAYS, "ok": ["true", "false"] * (ROWS // 2)}
    found = infer(table({**others, **columns, "label": LABELS}), Columns("label"))
    assert (found.kind, found.features, found.feature_names) == ("wide", plain.features, plain.feature_names)
    assert found.notes == ("left out, not numbers: ok", "left out, not numbered as the others: age")


def test_a_row_with_half_its_numbers_unnumbered_is_asked_about():
    columns = {
        "age": [20 + i % 31 for i in range(ROWS)],
        "pay": range(ROWS),
        **numbered(np.random.default_rng(0), 3),
        "label": LABELS,
    }
    with pytest.raises(ValueError, match="cannot be told from its columns"):
        infer(table(columns), Columns("label"))


def test_dates_that_order_the_rows_make_a_series_of_whole_numbers():
    generator = np.random.default_rng(1)
    sold = generator.integers(0, 9, ROWS).tolist()
    days = [f"2024-{i // 28 + 1:02d}-{i % 28 + 1:02d}" for i in range(ROWS)]
    columns = {**numbered(generator, 5), "sold": sold}
    assert infer_kind(table({"day": days, **columns}), Columns("sold")) == "series"
    assert infer_kind(table({"day": DAYS, **columns}), Columns("sold")) == "wide"


def test_what_is_unclear_is_asked_with_the_columns_it_may_be_about():
    long = {"who": [i // 8 for i in range(ROWS)], "word": ["a", "b", "c", "d"] * 10, "tag": LABELS}
    with pytest.raises(ValueError, match=r"data\.sequence=who \(a row is a step of .* data\.text=word"):
        infer(table(long), Columns("tag"))
    values = numbered(np.random.default_rng(2), 9)
    with pytest.raises(ValueError, match=r"x7 and 2 more\); .* its steps are x0 to x8\) or data\.layout=series"):
        infer(table({**values, "price": np.arange(ROWS) / 3}), Columns("price"))


def test_the_only_column_of_words_is_what_the_steps_are():
    long = {"who": [i // 8 for i in range(ROWS)], "word": ["a", "b", "c", "d"] * 10, "tag": LABELS}
    found = infer(table(long), Columns("tag", sequence="who"))
    assert (found.text, found.target_per, found.notes[-1]) == ("word", "step", "the steps are the words in 'word'")
    with pytest.raises(ValueError, match=r"data\.text=word\|lemma"):
        infer(table({**long, "lemma": LABELS}), Columns("tag", sequence="who"))


@pytest.mark.parametrize("large", [False, True])
def test_decimal_commas_between_semicolons_are_points_between_commas(tmp_path, large):
    generator = np.random.default_rng(3)
    values = generator.normal(scale=[1e-3, 1, 1e4], size=(ROWS, 3))
    lines = [[f"{a:.4g}", f"{b:.3f}", f"{c:.0f}", f"rot, {d}"] for (a, b, c), d in zip(values, LABELS, strict=True)]
    german, english = tmp_path / "german.csv", tmp_path / "english.csv"
    german.write_text(
        "\n".join(["x1;x2;x3;label", *(";".join([*(n.replace(".", ",") for n in r[:3]), r[3]]) for r in lines)])
    )
    english.write_text("\n".join(["x1,x2,x3,label", *(f'{a},{b},{c},"{d}"' for a, b, c, d in lines)]))
    limit = 100 if large else 50_000_000
    found = [
        CSVSource(str(path), "label", cache_dir=str(tmp_path / "cache"), memory_limit=limit).splits()
        for path in (german, english)
    ]
    assert found[0]["train"].spec.input_shift == pytest.approx(found[1]["train"].spec.input_shift)
    assert {name: contents(part) for name, part in found[0].items()} == {
        name: contents(part) for name, part in found[1].items()
    }
    assert read_table(str(german)).numbers("x2").tolist() == read_table(str(english)).numbers("x2").tolist()


@pytest.mark.parametrize("large", [False, True])
def test_a_file_without_a_line_of_names_has_columns_called_by_their_place(tmp_path, large):
    generator = np.random.default_rng(4)
    lines = [f"{i % 2},{','.join(f'{v:.3f}' for v in generator.normal(size=7))}" for i in range(ROWS)]
    bare, named = tmp_path / "bare.csv", tmp_path / "named.csv"
    bare.write_text("\n".join(lines) + "\n")
    named.write_text("\n".join([",".join("klabcdefg"[i] for i in (1, *range(2, 9))), *lines]) + "\n")
    limit = 100 if large else 50_000_000
    found = CSVSource(str(bare), "1", cache_dir=str(tmp_path / "cache"), memory_limit=limit)
    other = CSVSource(str(named), "l", layout="wide", cache_dir=str(tmp_path / "cache"), memory_limit=limit)
    assert "7 steps" in found.describe()
    assert "layout wide" in found.describe()
    assert {name: contents(part) for name, part in found.splits().items()} == {
        name: contents(part) for name, part in other.splits().items()
    }
    assert read_table(str(bare)).place(0) == f"{bare}, line 1"
    with pytest.raises(ValueError, match="no column 'label'; a file whose first line does not name its columns has"):
        CSVSource(str(bare), "label", cache_dir=str(tmp_path / "cache")).describe()


@pytest.mark.parametrize(("grades", "said"), [(5, True), (9, True), (3, False)])
def test_whole_numbers_that_count_up_are_said_to_be_taken_for_classes(grades, said):
    columns = {**numbered(np.random.default_rng(5), 6), "stars": [i % grades + 1 for i in range(ROWS)]}
    notes = infer(table(columns), Columns("stars")).notes
    assert ("data.target_kind=values" in " ".join(notes)) == said
    assert infer(table(columns), Columns("stars", target_kind="labels")).notes == ()


def test_numbers_with_blanks_between_them_are_read_as_with_commas(tmp_path):
    generator = np.random.default_rng(6)
    rows = [[f"{i % 2}", *(f"{v:.6e}" for v in generator.normal(size=6))] for i in range(ROWS)]
    blanks, commas = tmp_path / "blanks.txt", tmp_path / "commas.csv"
    blanks.write_text("\n".join("  " + "   ".join(row) + " " for row in rows) + "\n")
    commas.write_text("\n".join(",".join(row) for row in rows) + "\n")
    found, other = (read_table(str(path)) for path in (blanks, commas))
    assert found.columns == other.columns
    assert found.place(3) == f"{blanks}, line 4"


@pytest.mark.parametrize("name", ["a.npz", "a.ts", "a.csv", "a.parquet"])
def test_a_file_of_another_source_is_told_with_that_source(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    table = name in ("a.csv", "a.parquet")
    source = ArraysSource(str(tmp_path / name)) if table else CSVSource(str(tmp_path / name), "label")
    with pytest.raises(ValueError, match=f"read it with data={'csv' if table else 'arrays'} data.path="):
        source.describe()
