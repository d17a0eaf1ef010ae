"""Processes that a launcher makes: what its variables say, how they meet, and that they train as one process does."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from seqmodels.training.processes import launchers, meeting
from seqmodels.training.processes.fit import _passing_on_signals
from seqmodels.training.processes.launchers import Launch
from seqmodels.training.trainer import strategy
from tests.training.runs import small_text, weights

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "RANK": "1",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_WORLD_SIZE": "2",
    "GROUP_WORLD_SIZE": "1",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29500",
}
SRUN = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_NNODES": "1"}
MPIRUN = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}
SEVERAL = {
    "torchrun": TORCHRUN,
    "torchrun inside a job": {**SRUN, "SLURM_NTASKS": "1", "SLURM_PROCID": "0", **TORCHRUN},
    "srun": SRUN,
    "srun, torch's variables set by a script": {**SRUN, "WORLD_SIZE": "2", "RANK": "1", "MASTER_PORT": "29500"},
    "srun from a shell of salloc": {**SRUN, "SLURM_JOB_NAME": "interactive", "SLURM_STEP_NUM_TASKS": "2"},
    "mpirun": MPIRUN,
    "mpirun inside a job": {**SRUN, "SLURM_PROCID": "0", **MPIRUN},
    "mpiexec": {"PMI_SIZE": "2", "PMI_RANK": "1"},
    "by hand": {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"},
}
ALONE = {
    "nothing": {},
    "a job of one task": {**SRUN, "SLURM_NTASKS": "1", "SLURM_PROCID": "0"},
    "a shell of srun": {**SRUN, "SLURM_JOB_NAME": "bash", "SLURM_PROCID": "0"},
    "a shell of salloc": {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_JOB_NAME": "interactive"},
    "an address": {"MASTER_ADDR": "localhost", "MASTER_PORT": "29500"},
    "a rank of one process": {"LOCAL_RANK": "0", "WORLD_SIZE": "1"},
}
REFUSED = {
    "a size alone": ({"WORLD_SIZE": "2"}, "unset WORLD_SIZE;"),
    "no address": ({"RANK": "0", "WORLD_SIZE": "2"}, "without MASTER_ADDR, MASTER_PORT"),
    "a rank left behind": ({"LOCAL_RANK": "1"}, "unset LOCAL_RANK;"),
    "no number": ({**TORCHRUN, "WORLD_SIZE": "two"}, "WORLD_SIZE=two"),
    "a rank that is none": ({**TORCHRUN, "RANK": "2"}, "RANK must be below WORLD_SIZE"),
    "ranks that differ": ({**TORCHRUN, "LOCAL_RANK": "0"}, "LOCAL_RANK=0, but torchrun set WORLD_SIZE=2, RANK=1"),
    "another size": ({**SRUN, "WORLD_SIZE": "3"}, "WORLD_SIZE=3, but srun set SLURM_NTASKS=2"),
    "some elsewhere": ({**TORCHRUN, "LOCAL_WORLD_SIZE": "1"}, "several machines is not supported yet"),
    "several machines": ({**SRUN, "SLURM_NNODES": "2"}, "several machines is not supported yet"),
    "several agents": ({**TORCHRUN, "GROUP_WORLD_SIZE": "2"}, "several machines is not supported yet"),
}
SMALL = (
    *("experiment=running_sum", "name=sums", "data.train_size=40", "data.val_size=10", "data.test_size=10"),
    *("model.hidden_sizes=[3]", "training.batch_size=10", "diagnostics.enabled=false", "trainer.accelerator=cpu"),
    "trainer.max_epochs=1",
)


@pytest.mark.parametrize("name", SEVERAL)
def test_the_second_of_two_processes_knows_what_it_is(name: str) -> None:
    found = launchers.found(SEVERAL[name])
    assert found is not None
    assert (found.size, found.rank) == (2, 1)
    assert strategy({"devices": 2, "accelerator": "cpu", "strategy": "auto"}, found) == "ddp"
    ranks = {"RANK", "LOCAL_RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"}
    first = launchers.found({key: "0" if key in ranks else value for key, value in SEVERAL[name].items()})
    assert first is not None
    assert (first.rank, *first[4:]) == (0, *found[4:])  # so that they meet


@pytest.mark.parametrize("name", ALONE)
def test_what_stands_for_no_other_process_is_no_launch(name: str) -> None:
    assert launchers.found(ALONE[name]) is None
    assert strategy({"devices": 2, "accelerator": "cpu", "strategy": "auto"}, None) == "ddp_spawn"


@pytest.mark.parametrize("name", REFUSED)
def test_variables_that_contradict_one_another_are_named(name: str) -> None:
    environment, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        launchers.found(environment)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"devices": 4}, "trainer.devices: is 4, but torchrun started 2 processes"),
        ({"devices": [0]}, r"trainer.devices: is \[0\]"),
        ({"strategy": "ddp_spawn"}, "trainer.strategy: ddp_spawn starts processes itself"),
    ],
)
def test_settings_that_contradict_the_launcher_are_named(settings: dict[str, Any], words: str) -> None:
    launch = launchers.found(TORCHRUN)
    assert launch is not None
    with pytest.raises(ValueError, match=words):
        strategy({"devices": 2, "accelerator": "cpu", "strategy": "auto", **settings}, launch)


@pytest.mark.parametrize("rank", [0, 1])
def test_who_waits_for_others_in_vain_is_told(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "WAIT", 0.5)
    monkeypatch.setenv("WORLD_SIZE", "2")
    launch = Launch("torchrun", f"WORLD_SIZE=2, RANK={rank}", 2, rank, "127.0.0.1", free_port(), "x")
    with pytest.raises(ValueError, match=r"only 1 of 2 processes .*unset WORLD_SIZE"), meeting.met(launch):
        pass


def test_a_meeting_place_elsewhere_or_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        launch = Launch("srun", "", 2, 0, "127.0.0.1", taken.getsockname()[1], "x")
        with pytest.raises(ValueError, match="set MASTER_PORT to another number"), meeting.met(launch):
            pass
    with pytest.raises(ValueError, match=r"MASTER_ADDR=192\.0\.2\.1 is not this machine"):
        meeting.Meeting(launch._replace(address="192.0.2.1"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


def torchrun(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in two processes of torchrun."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "seqmodels"]
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )


def srun(folder: Path, *arguments: str) -> list[subprocess.Popen[str]]:
    """The command in two processes, with what srun would set for them."""
    own = {**SRUN, "SLURM_JOB_ID": str(os.getpid()), "MASTER_PORT": str(free_port())}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "seqmodels", *arguments],
            cwd=folder,
            env={**environment(), **own, "SLURM_PROCID": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]


def test_torchrun_makes_one_run(tmp_path: Path) -> None:
    done = torchrun(tmp_path, "train", *SMALL)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs" / "sums").iterdir()
    assert json.loads((folder / "metrics.json").read_text())["steps"] == 4
    assert "devices: 2" in (folder / "config.yaml").read_text()
    assert done.stdout.count("run folder") == done.stdout.count("Results:") == 1
    assert not (folder / "run.lock").exists()
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_error_of_all_processes_is_said_once(tmp_path: Path) -> None:
    done = torchrun(tmp_path, "train", "data=text", "data.path=gone.txt", "trainer.accelerator=cpu")
    assert done.returncode == 1
    assert done.stderr.count("there is no file 'gone.txt'") == 1, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("dead", [0, 1])
def test_when_one_process_is_killed_the_other_ends_and_the_run_can_go_on(dead: int, tmp_path: Path) -> None:
    long = [*SMALL, "trainer.max_epochs=5000", "checkpoint.every_n_steps=5", "run_dir=run"]
    processes = srun(tmp_path, "train", *long)
    last, end = tmp_path / "run" / "checkpoints" / "last.ckpt", time.monotonic() + 120
    while not last.exists() and time.monotonic() < end:
        time.sleep(0.1)
    processes[dead].send_signal(signal.SIGKILL)
    printed, _ = processes[1 - dead].communicate(timeout=60)
    processes[dead].communicate(timeout=5)
    assert processes[1 - dead].returncode == 1, printed
    assert printed.count("was killed") == 1
    assert "Traceback" not in printed
    assert f"rank {dead} (process id {processes[dead].pid}) of 2 processes was killed" in printed
    done = torchrun(tmp_path, "train", "resume=run", "trainer.max_epochs=3000", "trainer.max_steps=400")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_launcher_trains_as_spawned_processes_do_and_goes_on_as_they_do(tmp_path: Path) -> None:
    small_text(tmp_path)
    settings = ["data=text", "data.path=text0.txt", "data.val_fraction=0.2", "data.cache_dir=cache"]
    settings += ["model.dropout=0.2"]
    settings += ["model.hidden_sizes=[12,12]", "training.batch_size=4", "training.window=20", "trainer.max_epochs=1"]
    settings += ["scheduler=one_cycle", "diagnostics.enabled=false", "trainer.accelerator=cpu"]
    spawned = [sys.executable, "-m", "seqmodels", "train", *settings, "trainer.devices=2", "run_dir=spawned"]
    subprocess.run(spawned, cwd=tmp_path, env=environment(), capture_output=True, timeout=300, check=True)
    assert torchrun(tmp_path, "train", *settings, "run_dir=launched").returncode == 0
    for process in srun(tmp_path, "train", *settings, "run_dir=srun"):
        assert process.communicate(timeout=300)[0].count("Results:") <= 1
        assert process.returncode == 0
    expected = weights(tmp_path / "spawned")
    for run in ("launched", "srun"):
        for name, value in weights(tmp_path / run).items():
            assert torch.equal(value, expected[name]), (run, name)


def test_processes_of_whoever_trains_are_left_alone() -> None:
    start = multiprocessing.get_context("spawn").Process
    theirs, ours = start(target=time.sleep, args=(60,)), start(target=time.sleep, args=(60,))
    theirs.start()
    try:
        with _passing_on_signals():
            ours.start()
        ours.join(10)
        assert ours.exitcode == -signal.SIGKILL
        assert theirs.is_alive()
    finally:
        theirs.kill()
