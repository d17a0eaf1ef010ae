"""A table larger than memory is the table that a smaller one of the same file is: cells, numbers, codes, lines, faults.

The law is drawn over files of the tests, those that come with the package, and files made at random out of what
makes files hard: quotation marks, blank lines, line ends, ragged lines, letters of many scripts.
"""

import datetime
import gzip
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from seqmodels.data.read.open import read_table
from seqmodels.data.shipped import shipped
from tests.data.csv_examples import LONG, WIDE, long_rows, series_rows, wide_rows, write
from tests.data.test_csv_read import BAD


def seen(path: str, **options: Any) -> Any:
    """All that a table gives, or what it is refused for."""
    try:
        table = read_table(path, **options)
    except ValueError as error:
        return str(error)
    lists = {
        name: (
            column.lengths.tolist(),
            {key: (list(cells), column.is_numeric(key)) for key, cells in column.columns.items()},
        )
        for name, column in table.lists.items()
    }
    found: dict[str, Any] = {
        "lists": lists,
        "left out": table.left_out,
        "rows": len(table),
        "lines": list(table.lines),
        "notes": table.notes,
        "unit": table.unit,
    }
    for name, cells in table.columns.items():
        numbers, words = table.codes(name)
        found[name] = list(cells), numbers.tolist(), words, table.is_numeric(name), numbers.dtype.str
        found[name] += cells[len(cells) // 2], cells[1:4], cells[-1], [c for part in table.blocks(name) for c in part]
        try:
            found[name] += (np.array(table.numbers(name)).tobytes(),)
        except ValueError as error:
            found[name] += (str(error),)
    return found


def same(path: str, folder: Path) -> Any:
    """Check the law for a file, and return what it is."""
    odd = {"memory_limit": 0, "cache_dir": str(folder / "it's a [c]ache *?")}
    small, large = seen(path), seen(path, **odd)
    assert large == small
    assert seen(path, **odd) == small  # from what is kept
    return small


@pytest.mark.parametrize("kind", ["wide", "long", "series"])
@pytest.mark.parametrize("packed", [False, True])
def test_tables_of_the_tests(tmp_path, kind, packed):
    rows, header = {
        "wide": (wide_rows(61), WIDE),
        "long": (long_rows(), LONG),
        "series": (series_rows(), "day,sales,rain"),
    }[kind]
    path = write(tmp_path, rows, header)
    if packed:
        path += ".gz"
        Path(path).write_bytes(gzip.compress(Path(path[:-3]).read_bytes()))
    assert same(path, tmp_path)["rows"] == len(rows)


@pytest.mark.parametrize("name", ["seattle_weather.csv", "sunspots.csv", "surnames_by_language.csv.gz"])
def test_files_that_come_with_the_package(tmp_path, name):
    assert same(str(shipped(name)), tmp_path)["rows"] > 1000


@pytest.mark.parametrize("name", BAD)
def test_faults_are_told_in_the_same_words(tmp_path, name):
    path = tmp_path / "my.csv"
    path.write_bytes(BAD[name][0])
    assert isinstance(same(str(path), tmp_path), str)


HARD = {
    "quoted": 'text,n\n"one,\n""two""",1\nthree,x\n"a ""b"" c",2\n',
    "quote within": 'text,n\nan "inner" one,1\na"b,2\n',
    "text after a quote": 'text,n\n"a"b,1\n"a" ,2\n',
    "never closed": 'text,n\na,1\n"b,2\nc,3\n',
    "odd tabs": 'text\tn\n"Well," he said\t1\n"never closed\t1\n"closed"\t2\n',
    "blank lines": "a,b\n1,2\n\n\n3,4\n\n",
    "blank lines of one column": "a\n1\n\n3\n\n",
    "line ends": "a,b\r\n1,2\r\n3,4\n5,6\r\n",
    "old line ends": "a,b\r1,2\r3,4\r",
    "returns inside": 'a,b\n"1\r\n2",2\n3,4\n',
    "returns in a cell": "a,b\n1\r2,2\n3,4\n",
    "no last end": "a,b\n1,2\n3,4",
    "byte order mark": "\ufeffa,b\n1,2\n",
    "byte order mark of data": "\ufeff0.5,2\n1,2\n",
    "no names": "0.5,2\n1,2\n7,8\n",
    "blanks": "  1.0   -2e-1 3\n 2  4  5\n",
    "ragged": "a,b\n1,2\n3\n4,5\n",
    "ragged far down": "a,b\n" + "1,2\n" * 3000 + "1,2,3\n",
    "nameless": "a;b;;\n1;2,5;;\n3;4,25;;\n",
    "blank at ends": "a,b\n1,2,\n3,4\n5,6,,\n",
    "a cell behind": "a,b\n1,2,\n3,4,x\n",
    "comments": '# made "by hand\n#\na,b\n1,2\n',
    "sep": "sep=;\na;b\n1;2\n",
    "first blank": "\n\na,b\n1,2\n",
    "thousands": 'a;b;c\n999;1,5;7 kg\n1.000;"2,25";8 kg\n1.002;x;9 kg\n',
    "german": "a;b\n1,5;rot, blau\n-,25;x\n1e3;y\n",
    "scripts": "näme,b\nß,1\nहिन्दी,2\n🎈,3\n",
    "whitespace": "a,b\n 1 ,\t2\n 3\u00a0, x \n",
    "odd numbers": "a,b\n1_3,0x10\n+-5,-+5\n1e5_0,1e999\n.5,5.\nNaN,-inf\n٣,Infinity\n"
    "+nan,+inf\n-NAN,1E5\n1e-999,00012\n1e,0b1\n--1,1d\ntrue,- 1\n",
    "missing": "a,b\n?,1\n.,-\nNA,#N/A\n<NA>,2\n1,null\n",
    "truth": "a,b,c\nTrue,yes,t\nFalse,no,f\n,NA,t\n",
    "truth and more": "a,b\nTrue,yes\nFalse,perhaps\n",
    "header in two lines": '"a\nb",c\n1,2\n3,4\n',
    "empty in quotes": 'a,b\n"",1\n,2\n',
    "a long cell": f"gene,n\n{'ACGT' * 800_000},1\nA,2\n",
    "nulls": "a,b\nNULL,\\N\n1,2\n",
    "escapes": 'a,b\n"x\\"",1\ny,2\n',
    "names that mean something to SQL": "select,\"drop table 'x';\"\n1,2\n3,4\n",
}


@pytest.mark.parametrize("name", HARD)
def test_files_that_are_hard_to_read(tmp_path, name):
    path = tmp_path / "it's *.csv"
    path.write_bytes(HARD[name].encode())
    same(str(path), tmp_path)


PIECES = [
    "1",
    "2.5",
    "-3",
    "x",
    "yes",
    "",
    "",
    " ",
    '"',
    '""',
    '"a"',
    '"a,b"',
    '"c\nd"',
    "é",
    "1,5",
    "1.000",
    "NA",
    "\r",
]


def random_file(chance: random.Random) -> str:
    """Some lines of cells that are hard now and then."""
    delimiter, end = chance.choice(",;\t|"), chance.choice(["\n", "\n", "\r\n"])
    width, hard = chance.randint(1, 4), chance.choice([0, 0, 0.02, 0.2])
    easy = chance.choice([["1", "2.5", "-3"], ["a", "b", '"c d"'], ["1,5", "20,25"], PIECES[:8]])
    lines = [delimiter.join(f"n{i}" for i in range(width))]
    for _ in range(chance.randint(1, 40)):
        cells = [chance.choice(PIECES if chance.random() < hard else easy) for _ in range(width)]
        cells += ["x"] * (chance.random() < hard / 10)
        lines += [delimiter.join(cells)] + [""] * (chance.random() < hard)
    return end.join(lines) + end * chance.randint(0, 2)


@pytest.mark.parametrize("seed", range(8))
def test_files_made_at_random(tmp_path, seed):
    for number in range(6):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(random_file(random.Random(f"{seed} {number}")).encode())
        same(str(path), tmp_path)


def typed(rows: int = 50) -> dict[str, list]:
    """Columns of every type."""
    days = [
        datetime.datetime(2024, 1, 31, 17, 30) + datetime.timedelta(hours=i, microseconds=i % 2) for i in range(rows)
    ]
    return {
        "row": list(range(rows)),
        "Row": [None if i % 7 == 3 else 2**53 + i for i in range(rows)],
        "cell": [[0.1, 1e300, float("inf"), float("nan"), None, -0.0, 1e-5][i % 7] for i in range(rows)],
        "flag": [[True, False, None][i % 3] for i in range(rows)],
        "day": [day.date() for day in days],
        "time": days,
        "name": [["007", "NA", "", None, "it's"][i % 5] for i in range(rows)],
        "text": [str(i / 4) for i in range(rows)],
        "steps": [[i + 0.5] * (i % 4) or None for i in range(rows)],
        "places": [[[i, 1.5], [2, i]][: 1 + i % 2] for i in range(rows)],
        "tags": [["a", None, "b"][: i % 4] for i in range(rows)],
        "strange": [{"a": i} for i in range(rows)],
    }


@pytest.mark.parametrize("end", [".parquet", ".arrow", ".feather", ".jsonl", ".jsonl.gz"])
def test_typed_tables(tmp_path, end):
    path, columns = tmp_path / f"it's *{end}", typed()
    if "json" in end:
        rows = [dict(zip(columns, own, strict=True)) for own in zip(*columns.values(), strict=True)]
        text = "".join(
            json.dumps(row, default=str).replace("NaN", "null").replace("Infinity", "1e999") + "\n" for row in rows
        )
        path.write_bytes(gzip.compress(text.encode()) if end.endswith("gz") else text.encode())
    elif end == ".parquet":
        parquet.write_table(pa.table(columns), path, row_group_size=7)
    elif end == ".feather":
        feather.write_feather(pa.table(columns), path)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, pa.table(columns).schema) as writer:
            writer.write_table(pa.table(columns), 11)
    found = same(str(path), tmp_path)
    assert found["rows"] == 50
    assert set(found["lists"]) == {"steps", "places", "tags"}
    assert found["flag"][2] == (["1", "0", ""] if end != ".x" else [])
    assert found["time"][0][:2] == (
        ["2024-01-31 17:30:00", "2024-01-31 18:30:00.000001"]
        if "json" in end
        else ["2024-01-31T17:30:00", "2024-01-31T18:30:00.000001"]
    )
    assert list(found["left out"]) == ["strange"]


@pytest.mark.parametrize("asked", ["", "/*.parquet"])
def test_several_files_of_parquet_are_one_table(tmp_path, monkeypatch, asked):
    whole, folder = pa.table(typed()), tmp_path / "many"
    folder.mkdir()
    parquet.write_table(whole, tmp_path / "one.parquet")
    for number, start in enumerate(range(0, 50, 20)):
        parquet.write_table(whole.slice(start, 20), folder / f"{number}.parquet", row_group_size=6)
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # which is an extra
    found, one = (
        str(same(path, tmp_path)).replace(path, "…") for path in (f"{folder}{asked}", f"{tmp_path}/one.parquet")
    )
    assert found == one
    table = read_table(f"{folder}{asked}", 0, str(tmp_path / "cache"))
    assert [table.columns["row"][i] for i in (0, 19, 20, 49)] == ["0", "19", "20", "49"]


def test_files_of_parquet_with_other_columns_are_told(tmp_path):
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "0.parquet")
    parquet.write_table(pa.table({"b": [1]}), tmp_path / "1.parquet")
    with pytest.raises(ValueError, match=r"1.parquet: expected the columns of .*0.parquet, got others"):
        read_table(str(tmp_path))


BAD_LINES = {
    "cut": ('{"a": 1}\n{"a": \n{"a": 3}\n', "line 2: expected a JSON object on each line: Expecting value"),
    "no object": ('{"a": 1}\n[1]\n', "line 2: expected a JSON object on each line: no object"),
    "nothing": ("\n\n", "expected text, got an empty file"),
    "no keys": ("{}\n", "expected rows of data, got none"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_lines_that_are_no_objects_are_told(tmp_path, name):
    content, message = BAD_LINES[name]
    (tmp_path / "my.jsonl").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_table(str(tmp_path / "my.jsonl"))


def test_a_file_cannot_make_another_be_read(tmp_path):
    """Whatever a file is called, what is read is that file and no other."""
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    for name in ("*.csv", "secret.csv' || '.csv", "{secret,x}.csv", "[s]ecret.csv"):
        (tmp_path / name).write_text("own,b\n3,4\n5,6\n")
        table = read_table(str(tmp_path / name), 0, str(tmp_path / "cache"))
        assert list(table.columns["own"]) == ["3", "5"]
        connection = table.columns["own"].store.connection
        for query in (f"SELECT * FROM read_text('{tmp_path}/secret.csv')", f"COPY (SELECT 1) TO '{tmp_path}/x'"):
            with pytest.raises(Exception, match="disabled by config"):
                connection.execute(query)
