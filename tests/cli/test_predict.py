"""`seqmodels predict` on real runs: where the data may come from, and what of it is told."""

import csv
import errno
import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from seqmodels.cli.main import main

SMALL = [
    *("trainer.max_steps=3", "trainer.accelerator=cpu", "trainer.enable_progress_bar=false"),
    *("diagnostics.enabled=false", "model.hidden_sizes=[4]"),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A classifier, a tagger and a language model, hardly trained."""
    folder = tmp_path_factory.mktemp("runs")
    generator = np.random.default_rng(0)
    lines = [f"{a},{b},{'abcd'[i % 4]}" for i, (a, b) in enumerate(generator.integers(0, 9, (80, 2)))]
    (folder / "wide.csv").write_text("\n".join(["x1,x2,label", *lines]) + "\n")
    steps = [f"s{i // 5},{v},{'pqr'[i % 3]}" for i, v in enumerate(generator.integers(0, 9, 200))]
    (folder / "long.csv").write_text("\n".join(["who,x,tag", *steps]) + "\n")
    (folder / "book.txt").write_text("to be or not to be, that is the question\n" * 60)
    names = [f"{['anna', 'bert', 'carl', 'dora'][i % 4]}{i:02d},{'pq'[i % 2]}" for i in range(80)]
    (folder / "names.csv").write_text("\n".join(["name,kind", *names]) + "\n")
    data = {
        "reader": ["data=csv", f"data.path={folder}/names.csv", "data.target=kind", "data.text=name"],
        "classifier": ["data=csv", f"data.path={folder}/wide.csv", "data.target=label", "data.layout=wide"],
        "tagger": ["data=csv", f"data.path={folder}/long.csv", "data.target=tag", "data.sequence=who"],
        "writer": ["data=text", f"data.path={folder}/book.txt", f"data.cache_dir={folder}/cache"],
    }
    data["tagger"] += ["data.target_per=step"]
    for name, settings in data.items():
        assert main(["train", *settings, *SMALL, f"run_dir={folder}/{name}"]) == 0
    return folder


def read(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("count", [1, 3, 99])
def test_the_likeliest_few_are_those_of_all(seqmodels, runs, count):
    command = ["predict", str(runs / "classifier"), "--input", str(runs / "wide.csv")]
    every, few = (read(seqmodels(*command, *more).out) for more in ([], ["--top", str(count)]))
    assert len(every) == len(few) == 80
    for whole, some in zip(every, few, strict=True):
        best = sorted(whole["probabilities"].items(), key=lambda item: -item[1])[:count]
        assert list(some["probabilities"].values()) == pytest.approx([share for _, share in best], abs=1e-6)
        assert some["label"] == whole["label"] == next(iter(some["probabilities"]))


def test_a_table_has_a_column_for_each_class_and_one_cell_for_the_likeliest(seqmodels, runs):
    command = ["predict", str(runs / "classifier"), "--input", str(runs / "wide.csv")]
    whole = read(seqmodels(*command).out)
    for more in ([], ["--top", "1"]):
        assert seqmodels(*command, *more, "--output", "out.csv").code == 0
        with open("out.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        for row, one in zip(rows, whole, strict=True):
            if more:
                found, wanted = json.loads(row["probabilities"]), {one["label"]: one["probabilities"][one["label"]]}
            else:
                found = {name: float(row[f"probabilities.{name}"]) for name in one["probabilities"]}
                wanted = one["probabilities"]
            assert (row["label"], found) == (one["label"], pytest.approx(wanted, abs=1e-6))


@pytest.mark.parametrize("more", [[], ["--top", "1"]])
def test_a_table_has_a_row_for_each_tag(seqmodels, runs, more):
    command = ["predict", str(runs / "tagger"), "--input", str(runs / "long.csv")]
    whole = read(seqmodels(*command).out)
    assert seqmodels(*command, *more, "--output", "out.csv").code == 0
    with open("out.csv", newline="") as file:
        rows = [(row["who"], int(row["step"]), row["tag"]) for row in csv.DictReader(file)]
    assert rows == [(str(one["who"]), i, tag) for one in whole for i, tag in enumerate(one["tags"], 1)]


def test_the_likeliest_tags_of_every_step(seqmodels, runs):
    command = ["predict", str(runs / "tagger"), "--input", str(runs / "long.csv")]
    every, few = (read(seqmodels(*command, *more).out) for more in ([], ["--top", "2"]))
    for whole, some in zip(every, few, strict=True):
        assert [max(step, key=step.get) for step in some["probabilities"]] == whole["tags"]
        assert [max(step.values()) for step in some["probabilities"]] == pytest.approx(whole["probabilities"])
        assert {len(step) for step in some["probabilities"]} == {2}


def test_standard_input_is_as_good_as_a_file(seqmodels, runs, monkeypatch):
    for run, file in (("classifier", "wide.csv"), ("writer", "book.txt")):
        expected = seqmodels("predict", str(runs / run), "--input", str(runs / file)).out
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO((runs / file).read_bytes())))
        assert seqmodels("predict", str(runs / run), "--input", "-") == (0, expected, "")


def test_what_is_wrong_with_standard_input(seqmodels, runs, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"x1,x2\n1,one\n")))
    result = seqmodels("predict", str(runs / "classifier"), "--input", "-")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("seqmodels predict: standard input, line 2, column 'x2': expected a number, got 'one'")


def test_a_folder_and_a_pattern_of_texts(seqmodels, runs):
    Path("texts").mkdir()
    text = (runs / "book.txt").read_text()
    for name, part in (("a.txt", text[:700]), ("b.txt", text[700:])):
        (Path("texts") / name).write_text(part)
    expected = seqmodels("predict", str(runs / "writer"), "--input", str(runs / "book.txt")).out
    for given in ("texts", "texts/*.txt"):
        assert seqmodels("predict", str(runs / "writer"), "--input", given) == (0, expected, "")
    assert seqmodels("predict", str(runs / "classifier"), "--input", "texts").code == 1
    assert seqmodels("predict", str(runs / "writer"), "--input", "nothing/*.txt").code == 2


def test_letters_and_classes_never_seen_are_told_of(seqmodels, runs, caplog):
    Path("new.csv").write_text("name\nannaß!\nß\n")
    result = seqmodels("predict", str(runs / "reader"), "--input", "new.csv")
    assert (result.code, len(read(result.out))) == (0, 2)
    assert "new.csv: 3 characters ('ß', '!') not known from training, read as <unk>" in caplog.text
    Path("new.csv").write_text("name,kind\nanna,p\nbert,z\n")
    result = seqmodels("predict", str(runs / "reader"), "--input", "new.csv")
    assert (result.code, len(read(result.out))) == (0, 2)
    assert "new.csv: labels that training never saw ('z'): no target is used" in caplog.text
    Path("new.csv").write_text("name,kind\nanna,\nbert,\n")
    result = seqmodels("predict", str(runs / "reader"), "--input", "new.csv")
    assert (result.code, len(read(result.out))) == (0, 2)


def test_mistakes(seqmodels, runs):
    run, file = str(runs / "writer"), str(runs / "book.txt")
    result = seqmodels("predict", run, "--input", file, "--top", "0")
    assert (result.code, "--top: must be a whole number of at least 1, got 0" in result.err) == (2, True)
    result = seqmodels("predict", run, "--input", file, "--top", "2", "--output", "out.csv")
    assert (result.code, "ranks no classes" in result.err) == (1, True)
    assert not list(Path().iterdir()), "nothing half-written"


def stopped(*_):
    raise KeyboardInterrupt


def no_room(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("happens", "code", "words"), [(stopped, 130, "stopped by SIGINT"), (no_room, 1, "No space left")]
)
@pytest.mark.parametrize("name", ["new.csv", "new.jsonl"])
def test_what_stops_the_writing_leaves_the_old_file_and_nothing_else(
    seqmodels, runs, monkeypatch, happens, code, words, name
):
    Path(name).write_text("what was there")
    monkeypatch.setattr("seqmodels.files.atomic.os.replace", happens)
    result = seqmodels("predict", str(runs / "classifier"), "--input", str(runs / "wide.csv"), "--output", name)
    assert (result.code, result.out) == (code, "")
    assert words in result.err
    assert result.err.count("\n") == 1
    assert [path.read_text() for path in Path().iterdir()] == ["what was there"]


def test_where_the_predictions_may_go(seqmodels, runs):
    command = ["predict", str(runs / "classifier"), "--input", str(runs / "wide.csv"), "--output"]
    result = seqmodels(*command, "nowhere/new.csv")
    assert (result.code, result.err) == (2, "seqmodels predict: --output: there is no folder nowhere: make it first\n")
    Path("new.csv").mkdir()
    result = seqmodels(*command, "new.csv")
    assert result.code == 1
    assert "new.csv: cannot be written (Is a directory)" in result.err
    Path("old.csv").write_text("what was there")
    assert seqmodels(*command, "old.csv").code == 0
    assert len(Path("old.csv").read_text().splitlines()) == 81
    assert sorted(path.name for path in Path().iterdir()) == ["new.csv", "old.csv"]


def test_a_fault_far_down_in_the_input_leaves_no_output(seqmodels, runs):
    lines = (runs / "wide.csv").read_text().splitlines()
    Path("bad.csv").write_text("\n".join([*lines, "1,x,a"]) + "\n")
    result = seqmodels("predict", str(runs / "classifier"), "--input", "bad.csv", "--output", "new.jsonl")
    assert (result.code, result.out) == (1, "")
    assert "bad.csv, line 82, column 'x2': expected a number, got 'x'" in result.err
    assert [path.name for path in Path().iterdir()] == ["bad.csv"]


def test_a_full_disk_behind_standard_output_is_told(seqmodels, runs, monkeypatch, capsys):
    class Full(io.StringIO):
        def flush(self):
            no_room()

    with monkeypatch.context() as changed:
        changed.setattr(sys, "stdout", Full())
        code = main(["predict", str(runs / "classifier"), "--input", str(runs / "wide.csv")])
    assert (code, capsys.readouterr().err) == (1, "seqmodels predict: No space left on device\n")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_input(runs, tmp_path):
    program = (
        "import resource, sys; from seqmodels.cli.main import main; code = main(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr); sys.exit(code)"
    )
    peaks = []
    for name, times in (("short", 1), ("long", 10)):
        (tmp_path / f"{name}.txt").write_text((runs / "book.txt").read_text() * 120 * times)
        command = ["predict", str(runs / "writer"), "--input", str(tmp_path / f"{name}.txt")]
        command += ["--output", str(tmp_path / f"{name}.jsonl")]
        done = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, check=True)
        peaks.append(int(done.stderr.split()[-1]))
    assert (tmp_path / "long.txt").stat().st_size > 2_500_000
    assert peaks[1] - peaks[0] < 20_000, "kilobytes"
