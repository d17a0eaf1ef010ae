"""The wheel, installed into an environment of its own, works from any folder, also with a user's own parts."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CELL = '''\
import torch
from seqmodels.cells import GatedCell, HiddenState
from seqmodels.registry import register


@register("cell", "leaky")
class LeakyCell(GatedCell):
    """An Elman cell that keeps part of its state."""

    def __init__(self, input_size, hidden_size, keep=0.5):
        self.keep = keep
        super().__init__(input_size, hidden_size)

    def update(self, u, r, state):
        return HiddenState(self.keep * state.h + (1 - self.keep) * torch.tanh(u + r))
'''
EXPERIMENT = """\
# @package _global_
# My own cell on running sums
defaults:
  - override /data: running_sum
  - override /task: regression
  - override /model/cell: leaky
  - override /model/head: many_to_many

name: mine
plugins: [my_cells]
data: {train_size: 64, val_size: 16, test_size: 16}
model: {hidden_sizes: [4], cell: {keep: 0.9}}
trainer: {max_steps: 2, accelerator: cpu}
diagnostics: {enabled: false}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The folder of an environment that holds the wheel, and finds its requirements in this one."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(environment), "platbase": str(environment)}))
    site.mkdir(parents=True, exist_ok=True)
    # Its own packages come first; those of this environment are found after them.
    (site / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(environment), "install", "--no-deps", "--no-index", "-q"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    return environment


@pytest.fixture
def seqmodels(installed, tmp_path):
    """The installed command, run in an empty folder that is far from the checkout."""
    scripts = installed / ("Scripts" if os.name == "nt" else "bin")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "SEQMODELS"))}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**clean, "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [str(scripts / "seqmodels"), *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def mine(tmp_path) -> Path:
    """A user's own folder: configs, and a package with a cell."""
    (tmp_path / "my_cells.py").write_text(CELL)
    for name, text in {
        "experiment/mine": EXPERIMENT,
        "model/cell/leaky": "# Keeps part of its state\nname: leaky\nkeep: 0.5\n",
    }.items():
        file = tmp_path / "my_configs" / f"{name}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    return tmp_path


def test_the_wheel_holds_configs_data_and_licences(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("configs", "seqmodels/data/shipped"):
        for file in (ROOT / folder).rglob("*"):
            inside = file.relative_to(ROOT).as_posix()
            if file.is_file() and "__pycache__" not in inside:
                assert (inside if inside.startswith("seqmodels") else f"seqmodels/{inside}") in held
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert not [name for name in held if "__pycache__" in name or name.startswith("tests")]


def test_the_installed_configs_are_used(seqmodels, installed, tmp_path):
    shown = seqmodels("train", "--info", "searchpath").stdout
    assert f"file://{installed}" in shown
    assert str(ROOT) not in shown
    assert "text_characters" in seqmodels("list", "experiments").stdout


def test_show_and_errors_from_another_folder(seqmodels, mine):
    shown = seqmodels("show", "--config-dir", "my_configs", "experiment=mine")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "keep: 0.9" in shown.stdout
    wrong = seqmodels("show", "--config-dir", "my_configs", "experiment=mine", "model.cell.kep=1")
    problem = "model.cell.kep: there is no such setting; did you mean model.cell.keep?"
    assert (wrong.returncode, wrong.stderr) == (2, f"seqmodels show: {problem}\n")


def test_a_users_own_cell_is_trained_and_used(seqmodels, mine):
    trained = seqmodels("train", "--config-dir", "my_configs", "experiment=mine", "run_dir=out")
    assert trained.returncode == 0, trained.stderr
    metrics = json.loads((mine / "out" / "metrics.json").read_text())
    assert metrics["task"] == "regression"
    assert metrics["test"]["loss"] > 0
    untrusted = seqmodels("evaluate", "out")
    assert untrusted.returncode == 1
    assert "my_cells" in untrusted.stderr
    assert "Traceback" not in untrusted.stderr
    assert seqmodels("evaluate", "out", "plugins=[my_cells]").returncode == 0
