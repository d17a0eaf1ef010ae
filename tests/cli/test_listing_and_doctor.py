"""`seqmodels list`, `show`, `doctor` and the user's own configs."""

import importlib.metadata
from pathlib import Path

import pytest
import yaml

from seqmodels.cells import LSTMCell
from seqmodels.cli.config.library import Library
from seqmodels.cli.help import OVERVIEW, VERBS
from seqmodels.cli.main import function_of
from seqmodels.cli.verbs import doctor
from seqmodels.parts import shipped
from seqmodels.scan import ENGINES, choose
from tests.cli.command import said

MINE = """\
# @package _global_
# My own experiment
defaults:
  - override /data: my_sums
  - override /model/cell: my_cell
  - override /task: regression

name: mine

model:
  cell:
    width: 5
"""


@pytest.fixture
def mine(tmp_path):
    """A user's own folder of configs: an experiment, data from a known source, and a cell of their own."""
    for name, text in {
        "experiment/mine": MINE,
        "data/my_sums": "# Sums of mine\nname: running_sum\nsteps: 3\n",
        "model/cell/my_cell": "# A cell of mine\nname: my_cell\nwidth: 3\ninit: special\n",
    }.items():
        file = tmp_path / "configs" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "configs"


def test_every_verb_has_help_with_examples(seqmodels):
    for verb in VERBS:
        assert callable(function_of(verb))
        for command in ([verb, "--help"], [verb, "x=1", "-h"], ["help", verb]):
            assert seqmodels(*command) == (0, VERBS[verb], "")
        assert VERBS[verb].count(f"  seqmodels {verb}") >= 2
        assert f"seqmodels {verb} " in OVERVIEW
    for command in ([], ["--help"], ["-h"], ["help"]):
        assert seqmodels(*command) == (0, OVERVIEW, "")


def test_list_names_everything_with_its_line(seqmodels):
    out = seqmodels("list").out
    for group in ("model/cell", "model/head", "task", "data", "experiment", "recipe", "optimizer", "scheduler"):
        assert f"({group}=...)" in out
        for name, words in Library().options(group).items():
            assert any(line.split() == [name, *words.split()] for line in out.splitlines()), name


def test_list_of_one_kind_with_the_users_own(seqmodels, mine):
    out = seqmodels("list", "experiments", "--config-dir", str(mine)).out
    assert "cells" not in out
    assert next(line for line in out.splitlines() if line.startswith("  mine ")).endswith(" My own experiment")


def test_show_is_yaml_and_says_what_was_chosen(seqmodels):
    result = seqmodels("show", "experiment=adding", "model.hidden_sizes=[5,6]")
    assert result.code == 0
    assert " model/cell=gru " in result.out.splitlines()[0]
    assert "hidden_sizes: [5, 6]  # one per layer\n" in result.out
    assert "  steps: 200  # T, at least 2 [a whole number of at least 2 and at most 10000]\n" in result.out
    assert "\n  every_n_steps: 200\n" in result.out  # of the checkpoint: the comment on the diagnostics' is theirs
    assert "\n    time_masks: 0  # runs of steps that are hidden in each row\n" in result.out
    assert yaml.safe_load(result.out)["data"]["name"] == "adding"


@pytest.mark.parametrize("command", [["list", "data", "glucose"], ["train", "data=glucose", "--help"]])
def test_every_option_of_a_part_is_told(seqmodels, command):
    lines = seqmodels(*command).out.splitlines()
    for name, option in shipped("data")["csv"].options.items():
        (line,) = [line for line in lines if line.strip().startswith(f"{name}=")]
        assert option.meaning.rstrip(".") in line
    assert any(line.split()[:1] == ["gaps=split"] and "[one of allow, error, fill, split]" in line for line in lines)


def test_the_users_own_experiment_data_and_cell(seqmodels, mine):
    result = seqmodels("show", "--config-dir", str(mine), "experiment=mine", "model.cell.init=other")
    assert (result.code, result.err) == (0, "")
    config = yaml.safe_load(result.out)
    assert config["model"]["cell"] == {"name": "my_cell", "width": 5, "init": "other"}
    assert config["data"]["steps"] == 3
    assert config["data"]["largest"] == 9  # what their file leaves out


def test_mistakes_in_the_users_own_files(seqmodels, mine):
    experiment = mine / "experiment" / "mine.yaml"
    experiment.write_text(MINE.replace("width: 5", "wdth: 5") + "  dropuot: 0.1\ntrainer: {max_epochs: 0}\nxyz: 1\n")
    (mine / "data" / "my_sums.yaml").write_text("# Sums\nname: running_sum\nstps: 3\n")
    result = seqmodels("train", "--config-dir", str(mine), "experiment=mine")
    assert result == (
        2,
        "",
        said(
            "train",
            "data.stps: there is no such setting; did you mean data.steps?",
            "model.cell.wdth: there is no such setting; did you mean model.cell.width?",
            "model.dropuot: there is no such setting; did you mean model.dropout?",
            "trainer.max_epochs: must be a whole number of at least 1, or -1 for no limit, or auto, got 0",
            "xyz: there is no such setting",
        ),
    )


HEADER = "# @package _global_\n"
CELLS = ", ".join(sorted([*Library().options("model/cell"), "my_cell"]))
UNUSABLE = [
    (
        "experiment/adding",
        MINE,
        "{file}: the experiment/adding.yaml of seqmodels comes first: give yours another name",
    ),
    (
        "experiment/new",
        MINE.removeprefix(HEADER),
        "{file}: the first line of an experiment must be: # @package _global_",
    ),
    (
        "experiment/new",
        HEADER + "a: [1\n",
        "{file}, line 3: not valid YAML: expected ',' or ']', but got '<stream end>'",
    ),
    (
        "experiment/new",
        HEADER + "defaults:\n  - override /model/cell: lsmt\n",
        f"model/cell: there is no 'lsmt'; did you mean 'lstm'? choose from: {CELLS}",
    ),
]


@pytest.mark.parametrize(("name", "text", "problem"), UNUSABLE)
def test_files_that_cannot_be_used(seqmodels, mine, name, text, problem):
    file = mine / f"{name}.yaml"
    file.write_text(text)
    result = seqmodels("show", "--config-dir", str(mine), "experiment=" + name.split("/")[1])
    assert result == (2, "", said("show", problem.format(file=file)))


def test_no_such_folder(seqmodels):
    assert seqmodels("list", "--config-dir", "no") == (2, "", said("list", "--config-dir: there is no folder no"))


def test_doctor(seqmodels):
    result = seqmodels("doctor")
    assert result.code == 0
    for name in (*doctor.REQUIRED, "python", "GPU", "compiler", "compiled", *ENGINES, *Library().options("model/cell")):
        assert any(line.split()[:1] == [name] for line in result.out.splitlines()), name
    assert result.out.endswith("\nAll is well.\n")


def test_doctor_explains_the_engine_of_a_config(seqmodels):
    out = seqmodels("doctor", "model.cell.peephole=true").out
    assert f"  lstm              {': '.join(choose(LSTMCell(4, 4, peephole=True)))}" in out
    assert "\n  gru  " not in out
    problem = "model.cell.peephle: there is no such setting; did you mean model.cell.peephole?"
    assert seqmodels("doctor", "model.cell.peephle=true") == (2, "", said("doctor", problem))


def test_doctor_says_where_compiled_code_is_kept(seqmodels, monkeypatch, tmp_path):
    monkeypatch.setenv("SEQMODELS_CACHE", str(tmp_path / "new" / "folder"))
    assert f"  compiled code     {tmp_path / 'new' / 'folder'}\n" in seqmodels("doctor").out
    assert not (tmp_path / "new").exists()  # it only looks
    monkeypatch.setenv("SEQMODELS_CACHE", "/proc/nothing")
    assert "  compiled code     /proc/nothing cannot be written: set SEQMODELS_CACHE\n" in seqmodels("doctor").out


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [
        ("pytorch-lightning", "2.6.2", "malicious"),
        ("pytorch-lightning", "2.6.3", "malicious"),
        ("pytorch-lightning", "2.6.4", None),
        ("torch", "2.5.1+cpu", "CVE-2025-32434"),
        ("torch", "2.6.0", None),
        ("torch", "2.13.0", None),
        ("pandas", None, "pip install pandas"),
    ],
)
def test_doctor_knows_bad_versions(name, version, words):
    fault = doctor.fault(name, version)
    assert fault is None if words is None else words in fault


def test_doctor_names_what_is_missing(seqmodels, monkeypatch):
    real = importlib.metadata.version

    def version(name):
        if name == "rich":
            raise importlib.metadata.PackageNotFoundError(name)
        return "2.6.3" if name == "pytorch-lightning" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    result = seqmodels("doctor")
    assert result.code == 1
    assert "missing: pip install rich" in result.out
    assert result.out.endswith("\nTo mend: pytorch-lightning, rich\n")


def test_doctor_knows_the_requirements():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    block = text.split("dependencies = [", 1)[1].split("]", 1)[0]
    named = {line.strip().strip('",').split(">")[0] for line in block.splitlines() if line.strip()}
    assert set(doctor.REQUIRED) == named
