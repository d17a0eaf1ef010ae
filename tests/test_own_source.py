"""docs/own_source.md keeps its word: a source in one file, which trains, scores and predicts by its commands."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from seqmodels import registry
from tests.cli.pages import ROOT, SMALL, blocks, command

EXAMPLE = ROOT / "docs" / "examples" / "own_source.py"
COMMANDS = {
    line[1] if line[1] != "data" else "inspect": line[1:]
    for info, code in blocks("docs/own_source.md")
    if info == "bash"
    for line in map(shlex.split, code.splitlines())
}


def recordings(count: int, seed: int, classes: tuple[str, ...] = ("walk", "wave")) -> str:
    generator = np.random.default_rng(seed)
    text = ""
    for i in range(count):
        label, steps = classes[i % len(classes)], generator.normal(size=(4 + i % 3, 3)) + i % len(classes)
        text += f"# {label} person{i // 4}\n" + "".join(f"{x:.3f} {y:.3f} {z:.3f}\n" for x, y, z in steps) + "\n"
    return text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(EXAMPLE, tmp_path)
    (tmp_path / "wrist.txt").write_text(recordings(40, 0) + "# walk ann\n1 2 3\n# wave ann\n")
    (tmp_path / "new.txt").write_text(recordings(6, 1))
    return tmp_path


def test_it_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 60


def test_its_commands_run(folder: Path) -> None:
    said = command(folder, *COMMANDS["inspect"])
    assert "41 sequences of 1 to 6 steps, 2 classes" in said
    assert "1 of 42 recordings left out: too short (data.shortest)" in said
    command(folder, *COMMANDS["train"], *SMALL)
    (run,) = {word for word in COMMANDS["predict"] if word.startswith("runs/")}
    assert json.loads((folder / run / "metrics.json").read_text())["test"]["accuracy"] >= 0
    assert "accuracy" in command(folder, *COMMANDS["evaluate"])
    rows = [json.loads(row) for row in command(folder, *COMMANDS["predict"]).splitlines() if row.startswith("{")]
    assert len(rows) == 6
    assert rows[1]["line"] == 7
    assert {row["label"] for row in rows} <= {"walk", "wave"}


@pytest.fixture
def source(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    registry.import_plugins(["own_source"])
    yield registry.find("data", "wrist")
    registry._parts["data"].pop("wrist", None)
    sys.modules.pop("own_source", None)


def test_new_files_are_encoded_as_in_training(source, folder: Path) -> None:
    splits = source("wrist.txt", val_fraction=0.2, test_fraction=0.2).splits()
    assert set(splits) == {"train", "val", "test"}
    assert not set(splits["train"].groups) & set(splits["test"].groups)
    spec = type(splits["train"].spec).from_plain(json.loads(json.dumps(splits["train"].spec.to_plain())))
    opened = source.open("new.txt", spec, shortest=5)
    assert len(opened) == 4
    values = np.array([float(cell) for cell in (folder / "new.txt").read_text().split("\n\n")[1].split()[3:6]])
    np.testing.assert_allclose(opened.read(0, 0, 1)[0][0], (values - spec.input_shift) / spec.input_scale, rtol=1e-5)
    assert spec.target_names[int(opened.read(0, 0, 1)[1])] == "wave"


def test_a_class_that_training_never_saw_is_refused_where_it_counts(source, folder: Path, caplog) -> None:
    spec = source("wrist.txt").splits()["train"].spec
    (folder / "other.txt").write_text(recordings(2, 3, ("walk", "clap")))
    with pytest.raises(ValueError, match=r"other.txt, line 7: the label 'clap' was never seen in training.* wave"):
        source.open("other.txt", spec, targets=True)
    assert source.open("other.txt", spec).read(1, 0, 1)[1] == 0
    assert "the class clap is not known from training: no target is used" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# walk ann\n1 2\n", "line 2: expected '# CLASS PERSON' or x y z, got '1 2'"),
        ("1 2 3\n", "line 1: expected"),
        ("# walk ann\n", "expected recordings of data.shortest=1 steps or more, got none"),
        (recordings(16, 0, ("walk",)), "expected two classes or more in the training part, got only 'walk'"),
        (recordings(4, 0), "too few to be split"),
    ],
)
def test_what_is_wrong_is_said(source, folder: Path, text: str, message: str) -> None:
    (folder / "bad.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        source("bad.txt").splits()
