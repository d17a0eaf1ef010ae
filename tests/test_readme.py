"""The README keeps its word: its Python runs, its commands compose, and its cell trains by its command."""

import json
import shlex
import sys
import types
from pathlib import Path

import pytest
import yaml

from seqmodels import registry
from seqmodels.cli.main import main
from seqmodels.cli.verbs import forecast
from seqmodels.training import run as training_run
from tests.cli.pages import ROOT, SMALL, blocks, command, in_a_fresh_process

BLOCKS = blocks("README.md")
PYTHON = [code for info, code in BLOCKS if info == "python"]
NEEDS_A_RUN = [code for info, code in BLOCKS if info == "python notest"]
LINES = [line for info, code in BLOCKS if info == "bash" for line in code.splitlines() if line.strip()]
COMMANDS = [shlex.split(line, comments=True)[1:] for line in LINES if line.startswith("seqmodels ")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """A folder with a run in runs/demo."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "text.txt").write_text("ROMEO. To be or not to be.\n" * 40)
    own = ["data.path=text.txt", "data.cache_dir=cache", "training.batch_size=4", "run_dir=runs/demo"]
    command(folder, "train", *own, *SMALL, "task.ngram_orders=[1]")
    return folder


def test_the_readme_has_blocks_of_each_kind():
    assert len(PYTHON) >= 3
    assert len(NEEDS_A_RUN) == 1
    assert len(COMMANDS) >= 12
    assert {info for info, _ in BLOCKS} == {"python", "python notest", "bash"}


def test_its_python_runs(tmp_path):
    """Each block by itself; in another process, because one of them registers a cell."""
    program = "import json\nfor code in json.loads(sys.argv[1]):\n    exec(code, {'__name__': 'readme'})"
    in_a_fresh_process(program, tmp_path, json.dumps(PYTHON))


def test_its_python_for_a_trained_run(demo):
    printed = in_a_fresh_process(NEEDS_A_RUN[0], demo)
    assert printed.startswith("ROMEO. ")


def test_its_lines_for_a_trained_run(demo):
    for line in COMMANDS:
        if line[0] == "generate":
            assert command(demo, *line).startswith("ROMEO. ")
        if line[0] == "evaluate":
            assert "unigram" in command(demo, "evaluate", "runs/demo", *line[2:])


def test_other_lines_name_files_that_are_there():
    for line in LINES:
        program, *rest = shlex.split(line, comments=True)
        if program == "bash":
            assert (ROOT / rest[0]).is_file()
        else:
            assert program in ("seqmodels", "tensorboard")


class Silent(types.SimpleNamespace):
    """A trained model that has nothing to say, whatever it is asked."""

    spec = types.SimpleNamespace(horizon=1, targets="tokens")

    def nothing(self, *_, **__):
        return []

    predict = forecast = ahead = transcribe = generate_pieces = nothing

    def searching(self, *_):
        return self

    def translate(self, *_, **__):
        return ""

    generate = translate


SILENT = Silent()


@pytest.fixture
def world(tmp_path, monkeypatch):
    """The files that the README's commands speak of, and a training and inference that do nothing."""
    monkeypatch.chdir(tmp_path)
    rows = [f"2020-{month:02}-{day:02},{month * day}" for month in range(1, 13) for day in range(1, 29)]
    Path("sales.csv").write_text("\n".join(["date,sales", *rows]))
    strokes = [f"{i},{i + 1},{i + 2},{i + 3},{i + 4},{i + 5},{'ab'[i % 2]}" for i in range(40)]
    Path("strokes.csv").write_text("\n".join(["x1,y1,x2,y2,x3,y3,label", *strokes]))
    Path("my_book.txt").write_text("To be or not to be. " * 200)
    Path("new.csv").touch()
    Path("recordings").mkdir()
    monkeypatch.delitem(registry._parts["cell"], "leaky", raising=False)  # of another test in this process
    monkeypatch.delitem(sys.modules, "my_cells", raising=False)
    Path("my_cells.py").write_text(next(code for code in PYTHON if "@register" in code))

    def train(config, run_dir, console=None, source=None):
        (run_dir / "checkpoints").mkdir(parents=True)
        (run_dir / "config.yaml").write_text(yaml.safe_dump(config))
        (run_dir / "checkpoints" / "last.ckpt").touch()
        return {"val": {"loss": 1.0}}

    def resume(config, run_dir, console=None, source=None):
        assert (run_dir / "checkpoints").is_dir()
        return {"val": {"loss": 1.0}}

    run = types.ModuleType("seqmodels.training.run")
    run.train = lambda config, *rest, **more: (resume if config["resume"] else train)(config, *rest, **more)
    run.evaluate = lambda *_: {}
    run.assemble = training_run.assemble
    inference = types.ModuleType("seqmodels.inference")
    inference.load = lambda *_, **__: SILENT
    inference.write_predictions = lambda *_: 0
    monkeypatch.setitem(sys.modules, "seqmodels.training.run", run)
    monkeypatch.setitem(sys.modules, "seqmodels.inference", inference)
    monkeypatch.setattr(forecast, "_plot", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["seqmodels", "train"])
    for line in COMMANDS:
        for word in line:
            if word.startswith("resume="):
                assert main(["train", "experiment=surname_origin", f"run_dir={word.removeprefix('resume=')}"]) == 0
    assert main(["train", "run_dir=runs/demo"]) == 0


@pytest.mark.parametrize("line", COMMANDS, ids=" ".join)
def test_its_commands_compose(world, capsys, line):
    words = ["runs/demo" if word == "runs/..." else word for word in line]
    assert main(words) == 0, capsys.readouterr().err


def test_its_cell_is_trained_by_its_command(tmp_path):
    (leaky,) = [code for code in PYTHON if "@register" in code]
    (line,) = [line for line in COMMANDS if "plugins=[my_cells]" in line]
    (tmp_path / "my_cells.py").write_text(leaky)
    small = ["data.train_size=64", "data.val_size=16", "data.test_size=16", "run_dir=out", *SMALL]
    command(tmp_path, *line, *small)
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["test"]["loss"] > 0
    command(tmp_path, "evaluate", "out", "plugins=[my_cells]")
