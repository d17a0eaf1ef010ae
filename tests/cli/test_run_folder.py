"""Which folder a run gets, and that it is one process's at a time; and what a launcher's variables change."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from seqmodels import checkpoint
from seqmodels.cli.config.library import Library
from seqmodels.cli.main import ALONE
from seqmodels.cli.prepare import prepare
from seqmodels.cli.verbs.train import _made
from seqmodels.training.lock import NAME, held
from tests.training.runs import compose_config
from tests.training.test_launchers import TORCHRUN


@pytest.mark.parametrize("variables", [{"WORLD_SIZE": "2"}, {**TORCHRUN, "WORLD_SIZE": "two"}])
@pytest.mark.parametrize("verb", ["train", *sorted(ALONE)])
def test_every_verb_refuses_what_a_launcher_left(verb: str, variables: dict[str, str], seqmodels, monkeypatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = seqmodels(verb, "experiment=running_sum")
    assert result.code in (1, 2)
    assert "unset WORLD_SIZE" in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "-m", "seed=1,2"], "-m: a sweep cannot be run in the 2 processes that torchrun started"),
        (["train", "experiment=running_sum", "trainer.devices=4"], "trainer.devices: is 4, but torchrun started 2"),
        (["evaluate", "runs/x"], "evaluate runs in one process, and torchrun started 2"),
    ],
)
def test_a_command_that_contradicts_its_launcher_is_refused(arguments, words, seqmodels, monkeypatch) -> None:
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    result = seqmodels(*arguments)
    assert result.code in (1, 2)
    assert words in result.err


HOLDER = """
import sys, time
from pathlib import Path
from seqmodels.training.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that works in the folder `run`."""
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "run")], env=environment, **options) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.parametrize("how", ["run_dir=run", "resume=run"])
def test_a_folder_in_use_is_refused_and_who_uses_it_is_named(how: str, holder, seqmodels, tmp_path: Path) -> None:
    config = compose_config("experiment=running_sum")
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    before = sorted(path.name for path in (tmp_path / "run").iterdir())
    result = seqmodels("train", "experiment=running_sum", how)
    assert result.code == 1
    assert f"run is being used by process {holder.pid} on {socket.gethostname()}" in result.err
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before


def test_what_a_killed_process_held_is_free_at_once(holder, tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(timeout=10)
    assert (tmp_path / "run" / NAME).exists()
    with held(tmp_path / "run"), held(tmp_path / "run"):
        assert (tmp_path / "run" / NAME).read_text().startswith(f"process {os.getpid()} on ")
    assert not (tmp_path / "run" / NAME).exists()


def test_where_there_are_no_locks_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with held(tmp_path):
        pass


def test_starts_in_the_same_second_get_folders_of_their_own(tmp_path: Path) -> None:
    assert [_made(tmp_path / "runs" / "now").name for _ in range(3)] == ["now", "now_2", "now_3"]


RESUMED = ["experiment=running_sum", "model.hidden_sizes=[3]", "scheduler=one_cycle", "trainer.max_epochs=7"]


def test_a_checkpoint_that_was_moved_alone_brings_its_config(tmp_path: Path) -> None:
    config = compose_config(*RESUMED)
    stored = {checkpoint.KEY: {"config": config, "spec": {}}, "state_dict": {}}
    checkpoint.save(stored, tmp_path / "last.ckpt")
    resume = f"resume={tmp_path / 'last.ckpt'}"
    prepared = prepare(Library(), [resume, "++trainer.max_steps=5"])
    assert prepared.problems == []
    trainer = {**config["trainer"], "max_steps": 5}
    assert prepared.config == {**config, "trainer": trainer, "resume": str(tmp_path / "last.ckpt")}


def test_the_command_that_began_a_run_goes_on_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it took from the data the first time, it takes again."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{row * 7 % 40},{row % 3},{'ab'[row % 2]}\n" for row in range(40))
    (tmp_path / "table.csv").write_text("x,y,class\n" + rows)
    command = ["data=csv", "++data.path=table.csv", "++data.target=class", "++data.layout=wide"]
    began = prepare(Library(), command)
    assert began.problems == []
    assert began.config["scheduler"]["name"] == "one_cycle"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(began.config))
    again = prepare(Library(), [*command, "resume=run"])
    assert again._replace(source=None) == began._replace(
        source=None,
        config={**began.config, "resume": "run"},
        written={**began.written, "resume": "run"},
        run_dir=Path("run"),
    )


def test_data_that_are_gone_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moved.txt").write_text("to be or not to be " * 100)
    config = compose_config("data=text", "++data.path=gone.txt", "++training.window=20")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    (problem,) = prepare(Library(), ["resume=run"]).problems
    assert problem.startswith("data.path: the data of run are not at 'gone.txt'")
    assert problem.endswith("set data.path=THEIR_PLACE")
    assert prepare(Library(), ["resume=run", "++data.path=moved.txt"]).problems == []
