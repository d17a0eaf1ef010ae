"""A signal ends every command in one line, in time, with what there is saved; so does a reader that goes away."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from seqmodels import checkpoint, stopping
from tests.cli.signalled import LIMIT, ROOT, Case, Ended, ends

TRAIN = ["train", "experiment=running_sum", "data.train_size=32", "data.val_size=32", "data.test_size=8"]
TRAIN += ["model.hidden_sizes=[4]", "training.batch_size=8", "trainer.accelerator=cpu", "trainer.max_epochs=2"]
TRAIN += ["trainer.num_sanity_val_steps=1", "diagnostics.enabled=false", "run_dir=run"]
BEFORE = "before the first step, with nothing to save; the same command begins again"
SCORING = "after the training, which is saved, in its scoring. Go on with: seqmodels train resume=run"
GO_ON = "Go on with: seqmodels train resume=run"
# What is said in each phase of a training.
SAID = {
    "imports": f"; {stopping.AGAIN}",
    "composing": f" {BEFORE}",
    "reading": f" {BEFORE}",
    "sanity check": f" {BEFORE}",
    "training": f" at step 3; everything is saved. {GO_ON}",
    "long update": f" {BEFORE}",
    "validation": f" at step 4; everything is saved. {GO_ON}",
    "long validation": f" at once; saved is step 4. {GO_ON}",
    "scoring": f" {SCORING}",
    "scoring in Lightning": f" {SCORING}",
}
LONG = ("long update", "long validation")
NAMES = [number.name for number in stopping.SIGNALS]


def check(case: Case, ended: Ended) -> None:
    number = getattr(signal, case.signal)
    said = [line for line in ended.printed.splitlines() if line.startswith("seqmodels train:")]
    assert said == [f"seqmodels train: stopped by {case.signal}{SAID[case.phase]}"], (case, ended)
    assert ended.printed.splitlines()[-1:] == said, (case, ended)
    assert "Traceback" not in ended.printed, (case, ended)
    assert ended.code == 128 + number, (case, ended)
    assert ended.seconds < LIMIT, (case, ended)
    last = Path(case.folder) / "run" / "checkpoints" / "last.ckpt"
    assert last.exists() == (GO_ON in ended.printed), (case, ended)
    if last.exists():
        assert checkpoint.read(last)["global_step"] == {"training": 3, "validation": 4, "long validation": 4}.get(
            case.phase, 8
        )


def test_a_signal_in_each_phase_of_a_training(tmp_path: Path) -> None:
    """Every phase and every signal at least once; the slow tests have all pairs."""
    phases = [phase for phase in SAID if phase not in LONG]
    cases = [
        Case(name, phase, str(tmp_path / phase), TRAIN, group)
        for phase, name, group in zip(phases, itertools.cycle(NAMES), itertools.cycle((True, False)), strict=False)
    ]
    for case, ended in zip(cases, ends(cases), strict=True):
        check(case, ended)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_signal_in_every_phase(name: str, tmp_path: Path) -> None:
    cases = [
        Case(name, phase, str(tmp_path / f"{phase} {group} {len(more)}"), [*TRAIN, *more], group)
        for phase, group, more in itertools.product(SAID, (False, True), ([], ["training.workers=1"]))
        if group or not more
    ]
    for case, ended in zip(cases, ends(cases), strict=True):
        check(case, ended)


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["training", "validation", "long validation", "scoring"])
def test_what_was_stopped_goes_on_bit_for_bit(phase: str, tmp_path: Path) -> None:
    stopped, whole = str(tmp_path / "stopped"), str(tmp_path / "whole")
    found = ends(
        [
            Case("SIGTERM", phase, stopped, TRAIN),
            Case("", "", stopped, ["train", "resume=run"]),
            Case("", "", whole, TRAIN),
        ]
    )
    assert [one.code for one in found] == [143, 0, 0], found
    results = [Path(folder, "run", "checkpoints", "last.ckpt") for folder in (stopped, whole)]
    weights = [checkpoint.read(path)["state_dict"] for path in results]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[1])


def test_a_signal_that_was_ignored_when_the_command_began_stays_so(tmp_path: Path) -> None:
    """As nohup does with SIGHUP."""
    command = [sys.executable, "-m", "seqmodels", "list"]
    options: dict[str, Any] = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True}
    options["preexec_fn"] = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with subprocess.Popen(command, stdout=subprocess.PIPE, **options) as process:
        for _ in range(20):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "running_sum" in printed


CLOSED = ["list", "show", "--help", "--version", "train nonsense=1"]


@pytest.mark.parametrize("arguments", CLOSED)
def test_a_closed_stream_is_one_that_goes_nowhere(arguments: str, tmp_path: Path) -> None:
    def run(redirected: str) -> tuple[int, str, str]:
        done = subprocess.run(
            f"{sys.executable} -m seqmodels {arguments} {redirected}",
            shell=True,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    code, out, err = run("")
    assert run(">&- <&-") == (code, "", err)
    assert run("2>&-") == (code, out, "")
