"""Files that users have: what is read, and what is said of those that cannot be."""

import csv
import gzip

import numpy as np
import pytest

from seqmodels.data.read.open import read_table


def write(tmp_path, content: str | bytes, name: str = "my.csv") -> str:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cells_are_the_text_they_are(tmp_path, delimiter, end):
    lines = [delimiter.join(cells) for cells in (["a", "label "], ["1.50", "007"], ["NA", "NA"])]
    table = read_table(write(tmp_path, end.join(lines) + end))
    assert table.columns == {"a": ["1.50", "NA"], "label": ["007", "NA"]}
    assert table.lines == [2, 3]
    np.testing.assert_array_equal(table.numbers("a"), [1.5, np.nan])


def test_gzip_and_byte_order_mark(tmp_path):
    packed = gzip.compress("﻿a,b\n1,2\n".encode())
    assert read_table(write(tmp_path, packed, "oddly_named.csv")).columns == {"a": ["1"], "b": ["2"]}


def test_quoted_cells_may_hold_anything_and_lines_are_counted(tmp_path):
    table = read_table(write(tmp_path, 'text,n\n"one,\n""two""",1\nthree,x\n'))
    assert table.columns["text"] == ['one,\n"two"', "three"]
    assert table.place(1, "n").endswith("my.csv, line 4, column 'n'")


@pytest.mark.parametrize("large", [False, True])
def test_between_tabs_quotes_are_letters_unless_they_close(tmp_path, large):
    options = {"memory_limit": 0, "cache_dir": str(tmp_path / "cache")} if large else {}
    loose = ['"Well," he said', "plain", '"never closed', 'an "inner" one', '"closed"']
    path = write(tmp_path, "\n".join(["text\tn", *(f"{text}\t1" for text in loose)]) + "\n", "loose.tsv")
    assert list(read_table(path, **options).columns["text"]) == loose
    path = write(tmp_path, 'text\tn\n"one\ttwo"\t1\n"a\nb"\t2\n', "held.tsv")
    assert list(read_table(path, **options).columns["text"]) == ["one\ttwo", "a\nb"]


def test_a_cell_may_be_long(tmp_path):
    limit = csv.field_size_limit()
    assert len(read_table(write(tmp_path, f"gene,n\n{'ACGT' * 50_000},1\n")).columns["gene"][0]) == 200_000
    assert csv.field_size_limit() == limit


def test_blank_lines_are_blank_cells_only_where_there_is_one_column(tmp_path):
    assert read_table(write(tmp_path, "a,b\n1,2\n\n3,4\n\n")).lines == [2, 4]
    assert read_table(write(tmp_path, "a\n1\n\n3\n\n")).columns == {"a": ["1", "", "3"]}


def test_numbers_and_what_is_missing(tmp_path):
    table = read_table(write(tmp_path, "a,b,c\n1,x,\ninf,2,NA\n-1e3,y,nan\n 4 ,z,NULL\n"))
    np.testing.assert_array_equal(table.numbers("a"), [1, np.nan, -1000, 4])
    assert [table.is_numeric(name) for name in "abc"] == [True, False, False]


def test_text_in_a_column_of_numbers(tmp_path):
    table = read_table(write(tmp_path, 'a,b\n1,1\n2,2\nclosed,3\n4,"5,5"\n'))
    assert table.is_numeric("a")  # meant as numbers: most are
    with pytest.raises(ValueError, match=r"my.csv, line 4, column 'a': expected a number, got 'closed'; write"):
        table.numbers("a")
    with pytest.raises(ValueError, match=r"line 5, column 'b': expected a number, got '5,5'; .* a point, not a comma"):
        table.numbers("b")


def test_a_column_that_is_not_there(tmp_path):
    table = read_table(write(tmp_path, "date,sales\n1,2\n"))
    with pytest.raises(ValueError, match=r"data.target: .* no column 'sale'; did you mean 'sales'\? .*: date, sales"):
        table.cells("sale", "target")


BAD = {
    "empty": (b"", "got an empty file"),
    "blank": (b" \n\n", "got an empty file"),
    "header only": (b"a,b\n", "expected rows of data below the header line"),
    "binary": (b"a,b\n1,\x00\x01\n", "got a binary one"),
    "excel": (b"PK\x03\x04rest", "got a zip archive .or a spreadsheet."),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "got a binary one .or UTF-16."),
    "latin-1": ("a,b\n1,2\nM\xfcller,3\n".encode("latin-1"), r"line 3: expected UTF-8 text, got the byte 0xfc"),
    "cut gzip": (gzip.compress(b"a,b\n1,2\n" * 100)[:-12], "gzip file is damaged or cut short"),
    "repeated": (b"a,b,a\n1,2,3\n", "column names must differ, got 'a' more than once"),
    "too many": (b"a,b\n1,2\n1,2,3\n", "line 3: expected 2 cells separated by ',' as in the header, got 3"),
    "too few": (b"a;b\n1;2\n1\n", "line 3: expected 2 cells separated by ';' as in the header, got 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_says_why(tmp_path, name):
    content, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        read_table(write(tmp_path, content))


def test_a_missing_file_suggests_one_that_is_there(tmp_path):
    path = write(tmp_path, "a,b\n1,2\n", "sales.csv")
    with pytest.raises(ValueError, match=r"data.path: there is no file .*sale.csv'; did you mean .*sales.csv'\?"):
        read_table(path.replace("sales", "sale"))
    with pytest.raises(ValueError, match=r"there is no file 'nowhere/x.csv'"):
        read_table("nowhere/x.csv")
    with pytest.raises(ValueError, match="expected a file, got the folder"):
        read_table(str(tmp_path))
    with pytest.raises(ValueError, match=r"no data file 'sunspot.csv' comes with the package. Known: .*sunspots.csv"):
        read_table("shipped:sunspot.csv")


def test_columns_may_be_called_by_numbers_that_count_up(tmp_path):
    assert list(read_table(write(tmp_path, "0,1,2\n5,6,7\n")).columns) == ["0", "1", "2"]
