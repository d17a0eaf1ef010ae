"""A table larger than memory is the table that a smaller one of the same file is: cells, numbers, codes, lines, faults.

The law is drawn over files of the tests, those that come with the package, and files made at random out of what
makes files hard: quotation marks, blank lines, line ends, ragged lines, letters of many scripts.
"""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
    found: dict[str, Any] = {"rows": len(table), "lines": list(table.lines), "notes": table.notes, "unit": table.unit}
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
    small, large = seen(path), seen(path, memory_limit=0, cache_dir=str(folder / "cache"))
    assert large == small
    assert seen(path, memory_limit=0, cache_dir=str(folder / "cache")) == small  # from what is kept
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
