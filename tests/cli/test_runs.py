"""`seqmodels evaluate`, `predict` and `generate`: which run, with which settings."""

import json
import os
import sys
import types
from pathlib import Path

import pytest
import yaml

from tests.cli.command import said

CONFIG = {
    "name": "old",
    "plugins": [],
    "resume": None,
    "training": {"batch_size": 32, "window": None, "k2": None, "random_window": False},
    "model": {
        "bidirectional": False, "hidden_sizes": [3], "cell": {"name": "gru"}, "head": {"name": "many_to_one"}
    },
    "task": {"name": "classification"},
    "data": {"name": "csv", "path": "a.csv", "val_fraction": 0.1, "test_fraction": 0.1},
    "optimizer": {"name": "adam", "lr": 0.1},
    "scheduler": {"name": "none"},
    "early_stopping": {"patience": None},
    "trainer": {
        "max_epochs": 1, "max_steps": -1, "max_time": None, "limit_val_batches": None, "precision": "32-true",
        "accelerator": "auto", "devices": 1, "num_nodes": 1,
        "val_check_interval": None, "check_val_every_n_epoch": 1,
    },
}  # fmt: skip


def make_run(folder: str, when: int = 1) -> Path:
    path = Path(folder)
    (path / "checkpoints").mkdir(parents=True)
    (path / "checkpoints" / "best.ckpt").touch()
    (path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    os.utime(path / "config.yaml", (when, when))
    return path


class Model:
    """Stands for a loaded model, and remembers what was asked of it."""

    asked: list

    def __init__(self, asked):
        self.asked = asked

    def predict(self, path, every=None, top=None):
        self.asked.append(path)
        yield {"label": "ä", "probability": 0.5}
        yield {"label": "b", "probability": 0.25}

    def generate_pieces(self, **options):
        self.asked.append(options)
        return ["To", " be"]


@pytest.fixture
def asked(monkeypatch):
    """What reaches training and inference."""
    seen: list = []
    run = types.ModuleType("seqmodels.training.run")
    run.evaluate = lambda *arguments: seen.append(arguments)
    inference = types.ModuleType("seqmodels.inference")

    def load(path, plugins, changes):
        seen.append((path, changes, plugins))
        return Model(seen)

    inference.load = load
    inference.write_predictions = lambda rows, path: path.write_text(str(list(rows))) and 2
    monkeypatch.setitem(sys.modules, "seqmodels.training.run", run)
    monkeypatch.setitem(sys.modules, "seqmodels.inference", inference)
    monkeypatch.setattr(sys, "argv", ["seqmodels", "evaluate"])
    return seen


def test_evaluate_with_changes(seqmodels, asked):
    run = make_run("runs/a/1")
    command = ["data.path=c.csv", "training.batch_size=4", "plugins=[my_cells]"]
    assert seqmodels("evaluate", str(run), *command).code == 0
    assert asked == [(run, {"data.path": "c.csv", "training.batch_size": 4}, ["my_cells"])]


def test_a_checkpoint_is_a_run_too(seqmodels, asked):
    run = make_run("runs/a/1")
    assert seqmodels("evaluate", str(run / "checkpoints" / "best.ckpt")).code == 0
    assert asked == [(run / "checkpoints" / "best.ckpt", {}, [])]


def test_the_newest_run_is_taken(seqmodels, asked):
    make_run("runs/a/1", when=100)
    make_run("runs/multirun/a/2/0", when=300)
    make_run("runs/b/3", when=200)
    Path("runs/c").mkdir()
    Path("runs/c/config.yaml").write_text("of nothing")
    result = seqmodels("evaluate", "training.batch_size=4")
    assert result.err == "run: runs/multirun/a/2/0\n"
    assert asked == [(Path("runs/multirun/a/2/0"), {"training.batch_size": 4}, [])]


def test_a_run_whose_name_has_an_equals_sign(seqmodels, asked):
    make_run("runs/lr=0.1")
    assert seqmodels("evaluate", "runs/lr=0.1").code == 0
    assert asked[0][0] == Path("runs/lr=0.1")


@pytest.mark.parametrize(
    ("command", "problems"),
    [
        (["nowhere"], ["RUN: there is no run folder or checkpoint nowhere"]),
        ([], ["no run was named, and there is none under runs/: seqmodels evaluate RUN"]),
        (["empty"], ["empty holds no run: config.yaml is missing"]),
        (["run", "data=text"], ["data=text: the config of a run can only be changed value by value: name=value"]),
        (["run", "~seed"], ["~seed: the config of a run can only be changed value by value: name=value"]),
        (["run", "seed=1,2"], ["seed=1,2: the config of a run can only be changed value by value: name=value"]),
        (
            ["run", "data.pth=x", "training.batch_size=0"],
            [
                "data.pth: there is no such setting; did you mean data.path?",
                "training.batch_size: must be a whole number of at least 1 and at most 1000000, got 0",
            ],
        ),
    ],
)
def test_mistakes(seqmodels, asked, command, problems):
    make_run("run")
    Path("empty").mkdir()
    assert seqmodels("evaluate", *command) == (2, "", said("evaluate", *problems))
    assert asked == []


def test_predictions_on_the_screen_are_json_lines(seqmodels, asked):
    make_run("run")
    Path("new.csv").touch()
    result = seqmodels("predict", "run", "--input", "new.csv")
    assert [json.loads(line)["label"] for line in result.out.splitlines()] == ["ä", "b"]
    assert asked[1] == Path("new.csv")


def test_predictions_in_a_file(seqmodels, asked):
    make_run("run")
    Path("new.csv").touch()
    result = seqmodels("predict", "run", "--input", "new.csv", "--output", "out.jsonl")
    assert result == (0, "", "2 predictions in out.jsonl\n")
    assert "ä" in Path("out.jsonl").read_text()


def test_predict_names_what_is_missing(seqmodels, asked):
    make_run("run")
    problem = "--input: name the file to predict for: --input FILE"
    assert seqmodels("predict", "run") == (2, "", said("predict", problem))
    missing = f"--input: there is no file 'no.csv' (looked from {str(Path.cwd())!r})"
    problems = [missing, "--output: must end in .csv or .jsonl, got out.xls"]
    result = seqmodels("predict", "run", "--input", "no.csv", "--output", "out.xls")
    assert result == (2, "", said("predict", *problems))
    Path("new.csv").touch()
    problem = "--output: there is no folder missing: make it first"
    result = seqmodels("predict", "run", "--input", "new.csv", "--output", "missing/out.csv")
    assert result == (2, "", said("predict", problem))


def test_generate(seqmodels, asked):
    make_run("run")
    result = seqmodels("generate", "run", "--prompt", "To", "--length", "9", "--top-k", "3", "--seed", "1")
    assert result == (0, "To be\n", "")
    options = {"prompt": "To", "length": 9, "temperature": 0.8, "top_k": 3, "top_p": None, "beam": 1, "seed": 1}
    assert asked[1] == options


def test_generate_ranges(seqmodels, asked):
    make_run("run")
    flags = ["--length", "0", "--temperature", "-1", "--top-k", "0", "--top-p", "2", "--beam", "3", "--seed", "-1"]
    assert seqmodels("generate", "run", *flags).err == said(
        "generate",
        "--length: must be a whole number of at least 1 and at most 1000000, got 0",
        "--temperature: must be a number of at least 0, got -1.0",
        "--top-k: must be a whole number of at least 1, got 0",
        "--top-p: must be a number above 0 and at most 1, got 2.0",
        "--seed: must be a whole number of at least 0 and at most 4294967295, got -1",
        "--beam: searches for the likeliest; --top-k and --top-p sample: leave one out",
    )
    assert seqmodels("generate", "run", "--length", "many").err == said(
        "generate", "argument --length: invalid int value: 'many'"
    )


def test_the_flags_of_generate_are_the_arguments_of_the_model():
    import inspect

    from seqmodels.inference import Model as Real

    accepted = set(inspect.signature(Real.generate).parameters) - {"self"}
    assert accepted == {"prompt", "length", "temperature", "top_k", "top_p", "beam", "seed"}
