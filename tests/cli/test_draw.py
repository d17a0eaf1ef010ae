"""Handwriting from the command line: trained for a moment, drawn, predicted for, refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from seqmodels.cli.main import main
from seqmodels.inference import Model


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawings")
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, 12, 60)
    points = np.concatenate([generator.normal(size=(lengths.sum(), 2)).cumsum(0), np.zeros((lengths.sum(), 1))], axis=1)
    points[::3, 2] = 1
    np.savez(folder / "my.npz", points=points, lengths=lengths, labels=[f"kind {i % 2}" for i in range(60)])
    settings = ["data=strokes", f"data.path={folder}/my.npz", "trainer.max_steps=3", "trainer.accelerator=cpu"]
    settings += ["trainer.enable_progress_bar=false", "diagnostics.enabled=false", "model.head.hidden_sizes=[4]"]
    settings += ["model.hidden_sizes=[4]", "model.head.max_steps=20", "task.components=2"]
    assert main(["train", *settings, f"run_dir={folder}/run"]) == 0
    return folder / "run"


def test_its_parts_are_chosen_by_the_data(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["task"] == "stroke_generation"
    assert set(metrics["baseline"]["test"]) == {"one Gaussian", "mixture without memory", "regression on the last"}


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml")])
def test_a_picture_of_drawings(seqmodels, run, name, start):
    result = seqmodels("generate", str(run), "--output", name, "--count", "5", "--prompt", "kind 1", "--seed", "1")
    assert result == (0, "", f"5 drawings in {name}\n")
    assert Path(name).read_bytes().startswith(start)


def test_the_same_seed_draws_the_same(run):
    model = Model.load(run)
    first, second, other = (model.draw("kind 0", count=3, seed=seed) for seed in (1, 1, 2))
    assert first == second != other
    assert len(first) == 3
    assert all(1 <= sum(map(len, strokes)) <= 20 for strokes in first)
    with pytest.raises(ValueError, match="prompt must be one of kind 0, kind 1"):
        model.draw("kind 2")


def test_predictions_are_drawings(seqmodels, run):
    result = seqmodels("predict", str(run), "--input", str(run.parent / "my.npz"))
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert [row["label"] for row in rows] == [f"kind {i % 2}" for i in range(60)]
    assert all(row["strokes"] for row in rows)


def test_refusals(seqmodels, run):
    result = seqmodels("generate", str(run))
    assert (result.code, result.out) == (1, "")
    assert "this model draws" in result.err
    result = seqmodels("generate", str(run), "--count", "3")
    assert (result.code, "--count: is for drawings, which need --output" in result.err) == (2, True)
    result = seqmodels("generate", str(run), "--output", "a.gif", "--top-k", "3", "--length", "9")
    for words in ("--output: must end in .png, .svg or .pdf", "--top-k: is not for drawings", "--length: is not"):
        assert words in result.err
    assert not list(Path().iterdir())
