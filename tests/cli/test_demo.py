"""scripts/demo.sh: what it asks of the command on its first call, its second, and after an interruption."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Stands for the command: notes how it was called, and leaves behind what a training does.
COMMAND = """#!/usr/bin/env bash
echo "$@" >> calls
[ "$1" = train ] || exit 0
for word in "$@"; do case "$word" in run_dir=*) run="${word#run_dir=}";; resume=*) run="${word#resume=}";; esac; done
mkdir -p "$run/checkpoints"
touch "$run/config.yaml" "$run/checkpoints/last.ckpt"
[ ! -e interrupt ] || exit 130
touch "$run/metrics.json"
"""
TRAIN = "train experiment=text_characters run_dir=runs/demo"


@pytest.fixture
def demo(tmp_path):
    """The script in a folder of its own, with nothing to set up; calling it gives the command's calls."""
    if sys.platform == "win32":
        pytest.skip("needs bash")
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "demo.sh", tmp_path / "scripts")
    (tmp_path / "scripts" / "setup.sh").write_text('cd "$(dirname "${BASH_SOURCE[0]}")/.."\n')
    program = tmp_path / "bin" / "seqmodels"
    program.parent.mkdir()
    program.write_text(COMMAND)
    program.chmod(0o755)

    def run(*arguments: str, code: int = 0) -> list[str]:
        environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
        script = ["bash", str(tmp_path / "scripts" / "demo.sh"), *arguments]
        done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        calls = (tmp_path / "calls").read_text().splitlines()
        (tmp_path / "calls").unlink()
        return calls

    return run


def test_it_trains_once_and_samples_each_time(demo):
    first, second = demo(), demo()
    assert first[0] == TRAIN
    assert first[1].startswith("generate runs/demo ")
    assert second == first[1:]


def test_after_an_interruption_it_goes_on(demo, tmp_path):
    (tmp_path / "interrupt").touch()
    assert demo(code=130) == [TRAIN]
    (tmp_path / "interrupt").unlink()
    resumed, sampled = demo()
    assert resumed == "train resume=runs/demo"
    assert sampled.startswith("generate runs/demo ")


def test_a_training_that_left_no_checkpoint_is_begun_anew(demo, tmp_path):
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    (tmp_path / "runs" / "demo" / "config.yaml").touch()
    assert demo()[0] == TRAIN


def test_with_arguments_a_second_call_has_a_folder_of_its_own(demo):
    assert demo("trainer.max_epochs=1")[0] == f"{TRAIN} trainer.max_epochs=1"
    trained, sampled = demo("trainer.max_epochs=1")
    assert trained.startswith("train experiment=text_characters run_dir=runs/demo_20")
    assert trained.endswith(" trainer.max_epochs=1")
    folder = trained.split("run_dir=")[1].split()[0]
    assert sampled.startswith(f"generate {folder} ")
