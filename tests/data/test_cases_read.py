"""Files as people have them: what is read is read right, told, or refused with the cell and a cure.

Each is read twice, whole and as a table larger than memory, with the same answer.
"""

import math
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from seqmodels.data.read.open import read_table
from seqmodels.data.read.table import Table
from seqmodels.data.sources.tables.table import CSVSource


@pytest.fixture(params=["whole", "large"])
def read(request, tmp_path):
    """Reads a file of some text."""

    def reading(text: str, name: str = "my.csv") -> Table:
        path = tmp_path / name
        path.write_bytes(text.encode())
        more = {"memory_limit": 0, "cache_dir": str(tmp_path / "cache")} if request.param == "large" else {}
        return read_table(str(path), **more)

    return reading


def column(cells: list[str], delimiter: str = ";", **more: list[str]) -> str:
    columns = {"a": cells, "z": ["x"] * len(cells), **more}
    return "\n".join(delimiter.join(row) for row in [list(columns), *zip(*columns.values(), strict=True)]) + "\n"


NUMBERS = {
    "points between thousands": (
        ["998", "999", "1.000", "1.002"],
        {"b": ["20,8", "1", "2", "3"]},
        [998, 999, 1000, 1002],
    ),
    "with the mark alone": (["998", "999", "1.000", "1.002"], {}, [998, 999, 1000, 1002]),
    "points before decimals": (["998", "1", "1.5", "1.002"], {}, [998, 1, 1.5, 1.002]),
    "eighths": (["1", "1.125", "2", "1.375"], {}, [1, 1.125, 2, 1.375]),
    "three decimals": (["1.092", "12.345"], {}, [1.092, 12.345]),
    "decimal commas": (["1,5", "-,25", "1e3"], {}, [1.5, -0.25, 1000]),
    "three decimals after commas": (["0,123", "1,234"], {}, [0.123, 1.234]),
    "commas between thousands": (["1,234", "12"], {"b": ["1.5", "2.25"]}, [1234, 12]),
    "both marks": (["1.234,5", "12"], {}, [1234.5, 12]),
    "both marks, English": (["1,234.50", "12"], {}, [1234.5, 12]),
    "millions": (["1.234.567", "12"], {}, [1234567, 12]),
    "blanks between thousands": (["1 234", "12 000,5"], {}, [1234, 12000.5]),
    "narrow blanks between thousands": (["1\u202f234", "12"], {}, [1234, 12]),
    "apostrophes between thousands": (["1'234.5", "12"], {}, [1234.5, 12]),
    "a unit": (["12 kg", "13.5 kg", ""], {}, [12, 13.5, math.nan]),
    "a unit without a blank": (["12km/h", "13km/h"], {}, [12, 13]),
    "percent": (["5%", "7.5%"], {}, [5, 7.5]),
    "a currency before": (["$1,200.50", "-$3"], {}, [1200.5, -3]),
    "a currency behind": (["1.200,50 €", "3 €"], {}, [1200.5, 3]),
    "degrees": (["20°C", "-3°C"], {}, [20, -3]),
    "what is missing": (["1", "?", ".", "-", "#N/A", "<NA>", "NA", "null"], {}, [1] + [math.nan] * 7),
    "a dollar of one's own": (["R$ 1.234,50", "R$ 2,00"], {}, [1234.5, 2]),
    "a minus of typesetters": (["−3", "4", "−1.5"], {}, [-3, 4, -1.5]),
    "a minus of typesetters before money": (["−€3,50", "€1.000,25"], {}, [-3.5, 1000.25]),
    "missing in spreadsheets": (["1", "#DIV/0!", "#NV", "--", "–", "n.a.", "\\N"], {}, [1] + [math.nan] * 6),
    "truth": (["true", "False", "NA"], {}, [1, 0, math.nan]),
    "yes and no": (["yes", "no", "YES"], {}, [1, 0, 1]),
    "letters of truth": (["t", "f", "?"], {}, [1, 0, math.nan]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_column_of_numbers_has_one_reading(read, name):
    cells, more, values = NUMBERS[name]
    np.testing.assert_array_equal(read(column(cells, **more)).numbers("a"), values)


TOLD = {
    "points between thousands": "'a' with '.' between thousands",
    "a unit": "'a' in kg",
    "percent": "'a' in %",
    "a currency before": "'a' with ',' between thousands, in $",
}


@pytest.mark.parametrize("name", TOLD)
def test_a_reading_that_is_not_the_usual_one_is_told(read, name):
    cells, more, _ = NUMBERS[name]
    assert TOLD[name] in read(column(cells, **more)).notes


TEXT = {
    "underscores": (["3_2", "1_3"], "3_2"),
    "an underscore among numbers": (["1", "2", "1e5_0"], "1e5_0"),
    "another base": (["1", "0x10"], "0x10"),
    "a word of C": (["1", "2", "nan(ind)"], "nan(ind)"),
    "two units": (["5 kg", "300 g"], "5 kg"),
    "percent and none": (["5", "7", "5%"], "5%"),
    "two decimal marks": (["1.5", "2.5", "2,5"], "2,5"),
    "names": (["s0", "s1"], "s0"),
    "truth and more": (["yes", "no", "perhaps"], "yes"),
}


@pytest.mark.parametrize("name", TEXT)
def test_what_has_no_one_reading_is_text_and_refused_with_its_cell(read, name):
    cells, first = TEXT[name]
    table = read(column(cells))
    assert list(table.columns["a"]) == cells
    with pytest.raises(
        ValueError, match=rf"line {cells.index(first) + 2}, column 'a': expected a number, got '{re.escape(first)}'"
    ):
        table.numbers("a")


def test_truth_is_no_number_where_none_is_asked_for(read):
    assert not read(column(["true", "false"])).is_numeric("a")


DIALECTS = {
    "separators within quotes": '"Load (MW, gross, total)";day\n10,5;0\n11;1\n',
    "separators in a name": "Load (MW, gross);day\n10,5;0\n11;1\n",
    "a blank first line": "\n\nload;day\n10,5;0\n11;1\n",
    "comments": "# made, by hand\n# of 2024\nload;day\n10,5;0\n11;1\n",
    "comments among the rows": "load;day\n# a; b; c\n10,5;0\n11;1\n# the end\n",
    "an indented comment": "  # made by hand\nload;day\n10,5;0\n11;1\n",
    "blanks at the end": "load;day\n10,5;0\n11;1\n\n  \n",
    "blanks below names": "load day\n10.5  0\n11    1\n",
    "decimal commas between commas": 'load,day\n"10,5","0"\n"11,0","1"\n',
    "the separator told in capitals": "SEP=;\nload;day\n10,5;0\n11;1\n",
    "the separator told": "sep=;\nload;day\n10,5;0\n11;1\n",
    "old line ends": "load;day\r10,5;0\r11;1\r",
    "nameless columns": "load;day;;\n10,5;0;;\n11;1;;\n",
    "blank cells at line ends": "load;day\n10,5;0;\n11;1;\n",
    "tabs": "load\tday\n10.5\t0\n11\t1\n",
}


@pytest.mark.parametrize("name", DIALECTS)
def test_dialects(read, name):
    table = read(DIALECTS[name])
    assert table.numbers(next(iter(table.columns))).tolist() == [10.5, 11.0]
    assert table.numbers("day").tolist() == [0.0, 1.0]
    assert len(table.columns) == 2


def test_what_was_left_out_is_told(read):
    assert read(DIALECTS["nameless columns"]).notes == ("left out, without a name and blank: 2 at the ends of lines",)
    assert read(DIALECTS["comments among the rows"]).notes == ("left out among the rows: 2 with a comment",)
    assert read(DIALECTS["comments"]).notes == ("left out above the names of the columns: 2 lines",)


def test_row_names_of_r_are_a_column_without_a_name(read):
    table = read('"x","w"\n"1",0.5,"a"\n"2",1.5,"b"\n')
    assert list(table.columns) == ["", "x", "w"]
    assert table.numbers("x").tolist() == [0.5, 1.5]
    with pytest.raises(ValueError, match=r"line 2: expected 2 cells .* got 3"):
        read("x,w\n0.5,a,b\n1.5,c,d\n")


def test_a_nameless_column_that_holds_something_is_kept(read):
    assert read("a;b;\n1;2;x\n3;4;\n").columns.keys() == {"a", "b", ""}
    with pytest.raises(ValueError, match=r"line 3: expected 2 cells .* got 3"):
        read("a;b\n1;2;\n3;4;x\n")


DATA = {
    "numbers": "0.5,2\n1,2\n",
    "numbers that rise": "1.0,2.0\n2.0,5.0\n",
    "numbers that count up": "5,6,7\n6,9,9\n",
    "dates": "2024-01-01,5.2\n2024-01-02,5.3\n2024-01-03,5.4\n",
    "classes": "Smith,English\n" + "Jones,English\nDupont,French\n" * 9,
    "numbers and a class": "5.1,3.5,1.4,setosa\n" + "4.9,3.0,1.4,setosa\n7.0,3.2,4.7,virginica\n" * 9,
    "a number, a share and a word": "0,0.5,w0\n1,2.5,w1\n2,4.5,w2\n",
    "a sequence and a number": "ACGT,0.25\nGGTA,0.5\nTTGA,0.75\n",
}


@pytest.mark.parametrize("name", DATA)
def test_a_first_line_of_data_is_not_swallowed(read, name):
    if name.startswith("numbers") and "class" not in name:
        assert len(read(DATA[name])) == 2
        return
    with pytest.raises(
        ValueError, match=r"line 1: expected the names of the columns, got .*look like a row of data; put"
    ):
        read(DATA[name])


NAMES = {
    "years": "land,2001,2002,2003\na,1,2,3\nb,2,3,4\n",
    "one year": "land,2020\na,1\nb,2\n",
    "days": "land,2024-01-01,2024-01-02\na,1,2\nb,3,4\n",
    "bands": "kind,400.5,410.5,420.5\na,1,2,3\nb,2,3,4\n",
    "a word that is also a cell": "word,tag\n" + "\n".join(f"w{i},N" for i in range(50)) + "\nword,N\n",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_look_like_data_are_names(read, name):
    assert list(read(NAMES[name]).columns) == NAMES[name].split("\n", 1)[0].split(",")


TIMES = {
    "points": ("Date;Time;x\n10/03/2004;18.00.00;2,5\n11/03/2004;19.00.00;3\n", "10/03/2004 18:00:00"),
    "colons": ("day,clock,x\n2004-03-10,18:00,2.5\n2004-03-11,19:00,3\n", "2004-03-10 18:00"),
    "points in both": ("Datum;Zeit;x\n10.03.04;18:00:00;2,5\n31.03.04;19:00:00;3\n", "10.03.04 18:00:00"),
}


@pytest.mark.parametrize("name", TIMES)
def test_date_and_time_in_two_columns_are_one(read, name):
    text, first = TIMES[name]
    table = read(text)
    date, time, _ = text.replace(";", ",").split("\n", 1)[0].split(",")
    assert table.columns[date][0] == first
    assert table.notes == (f"{date!r} and {time!r} joined as {date!r}",)
    with pytest.raises(ValueError, match=f"no column '{time}' that can be read .*joined with '{date}'"):
        table.cells(time, "time")
    assert table.numbers("x").tolist() == [2.5, 3.0]


@pytest.mark.parametrize("other", ["18.50", "25:00", "soon"])
def test_what_is_no_time_of_day_is_joined_with_nothing(read, other):
    assert list(read(f"date,price\n2004-03-10,18:00\n2004-03-11,{other}\n").columns) == ["date", "price"]


def test_air_quality(tmp_path):
    """Semicolons at line ends, decimal commas, date and time apart: hours in order of time."""
    lines = [f"{10 + i // 24:02d}/03/2004;{i % 24:02d}.00.00;{i % 7},{i % 10};{1000 + i};;" for i in range(400)]
    (tmp_path / "air.csv").write_text("\n".join(["Date;Time;CO(GT);PT08.S1(CO);;", *lines, ""]))
    described = CSVSource(str(tmp_path / "air.csv"), "CO(GT)").describe()
    assert "1 hour" in described
    assert "'Date' and 'Time' joined as 'Date'" in described
    assert "left out, without a name and blank: 2 at the ends of lines" in described


def panel(time: str, clocks: list[str], names: list[str], by_time: bool) -> str:
    """Rows of a time, what it is of, and a number."""
    rows = [(place, name, clock) for place, clock in enumerate(clocks) for name in names]
    rows = rows if by_time else sorted(rows, key=lambda row: (row[1], row[0]))
    return f"{time},of,y\n" + "".join(f"{clock},{name},{place % 7}.5\n" for place, name, clock in rows)


@pytest.mark.parametrize("header", ["day,price", "x1,x2,x3,price"])
def test_a_target_in_several_currencies_is_refused_with_its_cell(tmp_path, header):
    rows = [f"{'2024-01-01' if 'day' in header else '1,2,3'},{'$€'[i > 40]}{i}.{i}" for i in range(60)]
    (tmp_path / "my.csv").write_text("\n".join([header, *rows, ""]))
    with pytest.raises(ValueError, match=r"line 43, column 'price': expected a number in the unit .*'\$0.0'.*'€41.41'"):
        CSVSource(str(tmp_path / "my.csv"), "price").splits()


@pytest.mark.parametrize("by_time", [True, False])
@pytest.mark.parametrize("names", [["a", "b"], ["1", "2", "3"]])
@pytest.mark.parametrize("memory_limit", [None, 0])
def test_the_column_that_tells_series_apart_is_named_first(tmp_path, by_time, names, memory_limit):
    path = tmp_path / "my.csv"
    more = {} if memory_limit is None else {"memory_limit": memory_limit, "cache_dir": str(tmp_path / "cache")}

    def refused(text: str, **options: str) -> str:
        path.write_text(text)
        with pytest.raises(ValueError, match=r"data\.series=of") as error:
            CSVSource(str(path), "y", **more, **options).splits()
        return str(error.value)

    days = [str(np.datetime64("2024-01-01") + i) for i in range(60)]
    assert "repeated in all); name the series with data.series=of, or" in refused(panel("day", days, names, by_time))
    assert "'step' comes again for each 'of'" in refused(panel("step", list(map(str, range(60))), names, by_time))
    hours = [f"2023-10-{28 + i // 24} {i % 24:02d}:00" for i in range(60)]
    hours.insert(27, hours[26])  # clocks put back
    assert "'time' comes again" in refused(panel("time", hours, names, by_time), timezone="Europe/Berlin")


def test_a_column_tells_series_apart_that_have_times_twice_themselves(tmp_path):
    """Of 40 series' times, 3 in 100 are there twice."""
    days = [str(np.datetime64("2024-01-01") + i) for i in range(100)]
    days = sorted([*days, *days[50:53]])
    path = tmp_path / "my.csv"
    path.write_text(panel("day", days, [f"m{i}" for i in range(40)], True))
    with pytest.raises(ValueError, match=r"repeated in all\); name the series with data.series=of, or"):
        CSVSource(str(path), "y").splits()
    notes = CSVSource(str(path), "y", duplicates="last").describe()
    assert (
        "4020 rows with a time that is there twice left out; 'of' tells them apart: keep them with data.series=of"
        in notes
    )


@pytest.mark.parametrize("columns", ["year,month", "step,quarter", "hour,weekday"])
def test_parts_of_a_time_name_no_series(tmp_path, columns):
    rows = [f"{2000 + i // 4},{i % 4 + 1},{i % 7}.5" for i in range(240)]
    (tmp_path / "my.csv").write_text("\n".join([f"{columns},y", *rows, ""]))
    assert "rows in the order of the file" in CSVSource(str(tmp_path / "my.csv"), "y").describe()


@pytest.mark.parametrize("name", ["Unnamed: 0", "rownames", "", "nr"])
def test_a_column_that_numbers_the_rows_is_no_feature(tmp_path, name):
    random = np.random.default_rng(0)
    lines = [
        f"{i + 1},2024-{i // 28 + 1:02d}-{i % 28 + 1:02d},{random.normal():.3f},{random.normal():.3f}"
        for i in range(300)
    ]
    (tmp_path / "my.csv").write_text("\n".join([f"{name},day,x,y", *lines, ""]))
    source = CSVSource(str(tmp_path / "my.csv"), "y")
    assert source.splits()["train"].spec.input_names == ("y", "x")
    assert f"left out, numbers of rows: {name!r}" in source.describe()


def test_a_column_that_numbers_the_rows_may_stand_last(tmp_path):
    random = np.random.default_rng(0)
    rows = [f"{np.datetime64('2024-01-01') + i},{random.normal():.3f},{random.normal():.3f},{i + 1}" for i in range(90)]
    (tmp_path / "my.csv").write_text("\n".join(["day,x,y,Nr", *rows, ""]))
    assert CSVSource(str(tmp_path / "my.csv"), "y").splits()["train"].spec.input_names == ("y", "x")


def test_a_title_above_the_names_is_told(read):
    with pytest.raises(ValueError, match=r"line 2: expected 1 cells .* got 2; .*, or remove line 1 if it is a title"):
        read("Sales of 2024\nday,sales\n1,2\n")


def test_the_one_table_in_a_zip_archive(read, tmp_path):
    with zipfile.ZipFile(tmp_path / "my.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/data.csv", "a,b\n1,2\n3,x\n")
        archive.writestr("__MACOSX/._data.csv", "…")
        archive.writestr("readme.md", "…")
    for more in ({}, {"memory_limit": 0, "cache_dir": str(tmp_path / "cache")}):
        table = read_table(str(tmp_path / "my.zip"), **more)
        assert list(table.columns["b"]) == ["2", "x"]
        assert table.place(1) == f"{tmp_path / 'my.zip'}, line 3"


def test_zip_archives_that_cannot_be_read(tmp_path):
    path = tmp_path / "my.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.csv", "b.csv"):
            archive.writestr(name, "a,b\n1,2\n")
    whole = path.read_bytes()
    with pytest.raises(ValueError, match=r"expected an archive with one table in it .*got a.csv, b.csv; unpack it"):
        read_table(str(path))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="the zip archive cannot be read"):
        read_table(str(path))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "a,b\n" + "1,2\n" * 20_000_000)
    with pytest.raises(ValueError, match="decompression bomb"):
        read_table(str(path), cache_dir=str(Path(tmp_path) / "cache"))


JSON = {
    "my.jsonl": '{"a": 1, "b": "x"}\n{"a": 2.5}\n',
    "lines.json": '{"a": 1, "b": "x"}\n{"a": 2.5}\n',
    "array.json": '[{"a": 1, "b": "x"}, {"a": 2.5}]',
    "pretty.json": '[\n  {\n    "a": 1,\n    "b": "x"\n  },\n  {"a": 2.5}\n]\n',
}


@pytest.mark.parametrize("name", JSON)
def test_json_lines_and_arrays(read, name):
    table = read(JSON[name], name)
    assert {key: list(cells) for key, cells in table.columns.items()} == {"a": ["1", "2.5"], "b": ["x", ""]}


@pytest.mark.parametrize("text", ["[1, 2]", '[{"a": 1}, {"a":', '[{"a": 1}, 5]'])
def test_json_that_is_no_array_of_objects(read, text):
    with pytest.raises(ValueError, match=r"my\.json: expected an array of JSON objects"):
        read(text, "my.json")
