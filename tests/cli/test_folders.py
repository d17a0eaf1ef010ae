"""Folders that cannot be written, or are not there any more: one line, or no harm at all."""

import os
from pathlib import Path

import pytest

SMALL = ["experiment=running_sum", "model.hidden_sizes=[3]", "trainer.max_steps=1", "trainer.accelerator=cpu"]
FOLDERS = [["run_dir=/dev/null/x"], ["-m", "seed=0,1", "hydra.sweep.dir=/dev/null/x"]]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_run_folder_that_cannot_be_made_is_one_line(folder: list[str], seqmodels) -> None:
    result = seqmodels("train", *SMALL, *folder)
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "Not a directory: /dev/null" in result.err
    assert "set run_dir" in result.err


def test_a_cache_that_cannot_be_made_does_no_harm(seqmodels) -> None:
    Path("a.txt").write_text("to be or not to be " * 100)
    result = seqmodels("data", "inspect", "data=text", "data.path=a.txt", "data.cache_dir=/dev/null/x")
    assert result.code == 0
    assert "1,900 characters" in result.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--version"], 0), (["train", "--help"], 0), (["list"], 1), (["doctor"], 1), (["train", *SMALL], 1)],
)
def test_a_working_folder_that_was_removed(arguments: list[str], code: int, seqmodels, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    try:
        result = seqmodels(*arguments)
    finally:
        os.chdir(tmp_path)
    assert result.code == code
    if code:
        assert result.err == f"seqmodels {arguments[0]}: the working folder is not there any more: change to another\n"
