"""In a copy of the package: an option is one edit of one file, a data set one YAML; all of the command knows both."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqmodels.parts import shipped

ROOT = Path(__file__).parents[2]
SOURCE = shipped("data")["csv"].module.replace(".", "/") + ".py"
# The option's line of the signature, and of the docstring, each after one that is there.
EDITS = {
    '        duplicates: Literal["error", "first", "last"] = "error",\n': (
        '        outliers: Literal["keep", "cut"] = "keep",\n'
    ),
    "        gaps: missing time stamps: ": '        outliers: values far from all others: "keep" or "cut".\n',
}
DATA_SET = """\
# Spots on the sun, six months ahead.
defaults: [csv]
path: shipped:sunspots.csv
target: sunspots
layout: series
horizon: 6
outliers: cut
"""


@pytest.fixture(scope="module")
def seqmodels(tmp_path_factory):
    """The command of a copy with the option and the data set."""
    root = tmp_path_factory.mktemp("copy")
    for folder in ("seqmodels", "configs"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (root / SOURCE).read_text(encoding="utf-8")
    for line, own in EDITS.items():
        assert text.count(line) == 1
        text = text.replace(line, own + line)
    (root / SOURCE).write_text(text, encoding="utf-8")
    (root / "configs/data/spots.yaml").write_text(DATA_SET, encoding="utf-8")

    def run(*words: str) -> tuple[int, str]:
        environment = {**os.environ, "PYTHONPATH": str(root)}
        command = [sys.executable, "-m", "seqmodels", *words]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


MEANING = 'values far from all others: "keep" or "cut" [one of keep, cut]'


@pytest.mark.parametrize("words", [["list", "data", "spots"], ["train", "data=spots", "--help"]])
def test_list_and_help_tell_both(seqmodels, words):
    code, said = seqmodels(*words)
    assert code == 0
    assert "Spots on the sun, six months ahead" in said
    (line,) = [line.split() for line in said.splitlines() if "outliers=" in line]
    assert (line[0], " ".join(line[1:])) == ("outliers=cut", MEANING)


def test_show_tells_both(seqmodels):
    code, said = seqmodels("show", "data=spots")
    assert code == 0, said
    assert f"  outliers: cut  # {MEANING}\n" in said
    assert "  horizon: 6 " in said
    assert f"  outliers: keep  # {MEANING}\n" in seqmodels("show", "data=glucose", "data.outliers=keep")[1]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["data=spots", "data.outliers=drop"], "data.outliers: must be one of keep, cut, got 'drop'"),
        (["data=spots", "data.outlier=cut"], "data.outlier: there is no such setting; did you mean data.outliers?"),
        (["data=spot"], "data: there is no 'spot'; did you mean 'spots'?"),
    ],
)
def test_the_check_knows_both(seqmodels, words, problem):
    code, said = seqmodels("train", *words)
    assert (code, problem in said) == (2, True), said


def test_data_inspect_reads_the_new_data_set(seqmodels):
    code, said = seqmodels("data", "inspect", "data=spots")
    assert code == 0, said
    assert "sunspots" in said
