"""What `train` does before its first step: at most two composes, one open source, one reading of the file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqmodels.cli.config import compose
from seqmodels.cli.config.library import Library
from seqmodels.cli.prepare import prepare
from seqmodels.data.sources.tables import table

ROOT = Path(__file__).parents[2]
SERIES = "day,sold\n" + "".join(f"2020-{m:02}-{d:02},{m * d % 7}\n" for m in range(1, 13) for d in range(1, 29))
# Readers of other kinds of data, and what they bring in.
OTHERS = ("genes", "audio", "strokes", "pairs", "ts", "fasta")


@pytest.fixture
def counted(monkeypatch):
    """How often each step is taken."""
    counts: dict[str, int] = {}

    def count(module, name):
        function = getattr(module, name)

        def counting(*arguments, **options):
            counts[name] = counts.get(name, 0) + 1
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, counting)

    count(compose, "hydra_compose")
    for name in ("first_tables", "whole_tables"):
        if hasattr(table, name):
            count(table, name)
    return counts


def readings(counts: dict[str, int]) -> int:
    return sum(count for name, count in counts.items() if name.endswith("_tables"))


def prepared(*overrides: str):
    library = Library()
    (job,), wrong = compose.jobs(library, list(overrides))
    assert not wrong
    return prepare(library, job)


def test_a_series_is_opened_once_and_composed_twice(tmp_path, counted):
    file = tmp_path / "sales.csv"
    file.write_text(SERIES)
    found = prepared("data=csv", f"data.path={file}", "data.target=sold", "data.time=day")
    assert found.problems == []
    assert "data.relative" in found.notes[0]  # what suits it was taken, so that its options are others now
    splits = found.source.splits()
    assert splits["train"].spec.period == found.config["data"]["period"]
    assert readings(counted) == 1
    assert counted["hydra_compose"] == 2


def test_labelled_rows_too(tmp_path, counted):
    file = tmp_path / "rows.csv"
    file.write_text("x1,x2,x3,kind\n" + "".join(f"{i},{i % 3},{i % 5},{'ab'[i % 2]}\n" for i in range(60)))
    found = prepared("data=csv", f"data.path={file}", "data.target=kind")
    assert found.source.splits()["train"].spec.target_names == ("a", "b")
    assert (readings(counted), counted["hydra_compose"]) == (1, 2)


def test_what_leaves_nothing_open_is_composed_once(counted):
    assert prepared("experiment=sunspots").source is None  # the run opens it
    assert counted == {"hydra_compose": 1}


def test_a_source_that_reads_the_file_otherwise_is_opened_anew(tmp_path):
    file = tmp_path / "sales.csv"
    file.write_text(SERIES)
    first = table.CSVSource(str(file), "sold", time="day")
    first.describe()
    assert not table.CSVSource(str(file), "sold", time="day", gaps="fill").take_over(first, {"gaps"})
    second = table.CSVSource(str(file), "sold", time="day", history=5)
    assert second.take_over(first, {"history"})
    assert second.describe() == table.CSVSource(str(file), "sold", time="day", history=5).describe()


def test_a_text_imports_no_reader_of_anything_else(tmp_path):
    (tmp_path / "book.txt").write_text("to be or not to be " * 50)
    program = f"""
import sys
from seqmodels.build import build_source
build_source({{"data": {{"name": "text", "path": "book.txt", "cache_dir": "cache"}}}}).splits()
loaded = [name for name in sys.modules if name.startswith("seqmodels.data.")]
print(*sorted(name for name in loaded if name.rpartition(".")[2] in {OTHERS}))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
