"""A signal ends every command in one line, in time, with what there is saved; so does a reader that goes away."""

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


def test_a_signal_ends_every_other_verb_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("x,kind\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(80)))
    train = ["train", "data=csv", "data.path=my.csv", "data.target=kind", "data.layout=wide", *TRAIN[5:], "run_dir=run"]
    predict = ["predict", "run", "--input", "my.csv", "--output"]
    stopped = {
        "imports": ("predict", [*predict, "out.csv"]),
        "loading": ("generate", ["generate", "run"]),
        "writing": ("predict", [*predict, "out.csv"]),
        "inspecting": ("data", ["data", "inspect", *train[1:5]]),
        "evaluating": ("evaluate", ["evaluate", "run"]),
    }
    cases = [Case("SIGHUP", phase, str(tmp_path), words) for phase, (_, words) in stopped.items()]
    trained, *found = ends([Case("", "", str(tmp_path), train), *cases])
    assert trained.code == 0, trained
    for (verb, _), ended in zip(stopped.values(), found, strict=True):
        assert ended.printed == f"seqmodels {verb}: stopped by SIGHUP; {stopping.AGAIN}\n", (verb, ended)
        assert (ended.code, ended.seconds < LIMIT) == (129, True), ended
    left = {path.name for path in tmp_path.iterdir()} - {"cache"}
    assert left == {"my.csv", "run", "sent", "output"}


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


@pytest.mark.slow
def test_a_reader_that_goes_away_stops_a_training_in_good_order(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seqmodels", *TRAIN, "trainer.max_epochs=100000"]
    options: dict[str, Any] = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        while "step 4" not in process.stdout.readline():
            pass
        process.stdout.close()
        left = time.monotonic()
        said = process.stderr.read()
        code = process.wait(timeout=60)
    assert code == 128 + signal.SIGPIPE
    assert time.monotonic() - left < LIMIT
    assert said.startswith("seqmodels train: stopped because its output is read no more at step ")
    assert said.endswith(f"; everything is saved. {GO_ON}\n")


@pytest.mark.slow
def test_the_workers_of_a_run_that_is_killed_end_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seqmodels", *TRAIN, "training.workers=2", "trainer.max_epochs=100000"]
    options: dict[str, Any] = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True}
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, **options) as process:
        while "step 4" not in process.stdout.readline():
            pass
        process.kill()
        killed = time.monotonic()
        process.stdout.read()  # until the last of them has closed it
    while living(process.pid) and time.monotonic() - killed < LIMIT:
        time.sleep(0.1)
    assert not living(process.pid)


def living(group: int) -> list[str]:
    """The processes of a group that have not ended."""
    listed = subprocess.run(["ps", "-eo", "pgid,stat,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    return [row[2] for row in rows if row[0] == str(group) and not row[1].startswith("Z")]
