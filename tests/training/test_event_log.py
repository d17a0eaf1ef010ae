"""The log is part of the run: after any kill and resume it says what that of an uninterrupted run says, once."""

import errno
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from seqmodels import checkpoint
from seqmodels.training.callbacks.event_log import EventLog, RunLog
from seqmodels.training.learner import Learner
from seqmodels.training.run import train
from tests.full_disk import room
from tests.training.runs import run as run_process
from tests.training.runs import text_config
from tests.training.test_run import adding

TIMED = "second"


class Killed(BaseException):
    """As a kill leaves it: nothing is saved or written after it."""


def records(folder: Path) -> list[tuple[str, int, Any]]:
    """Tag, step and value of all that was logged, file after file."""
    found = []
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for content in RawEventFileLoader(str(file)).Load():
            event = Event.FromString(content)
            for value in event.summary.value:
                kind = value.WhichOneof("value")
                plain = value.simple_value if kind == "simple_value" else kind
                found.append((value.tag, event.step, plain))
    return found


def told(folder: Path) -> list[tuple[str, int, Any]]:
    """What is the same in two runs that are alike: all but times, and settings that name folders."""
    return sorted(one for one in records(folder) if TIMED not in one[0] and "hparams" not in one[0])


def watched(*overrides: str) -> dict[str, Any]:
    """A run that logs much: 24 updates, a validation after each sixth, a checkpoint after each fourth."""
    config = adding(
        "trainer.max_epochs=6", "trainer.val_check_interval=3", "trainer.log_every_n_steps=5",
        "diagnostics.every_n_steps=11", "checkpoint.every_n_steps=4", *overrides,
    )  # fmt: skip
    config["diagnostics"].update(enabled=True, budget=None, samples=4)
    return config


def killed(config: dict[str, Any], folder: Path, update: int = 9) -> dict[str, Any]:
    """Train, killed before that update; the config that goes on from there."""
    step = Learner.training_step

    def training_step(self: Learner, batch: Any, index: int) -> torch.Tensor:
        if self.global_step == update:
            raise Killed
        return step(self, batch, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "training_step", training_step)
        with pytest.raises(Killed):
            train(config, folder, Console(file=io.StringIO()))
    return {**config, "resume": str(folder)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    train(watched(), folder, Console(file=io.StringIO()))
    return folder


@pytest.mark.parametrize(
    "updates", [[5, 13, 13, 23], *(pytest.param([update], marks=pytest.mark.slow) for update in (3, 4, 7, 12, 18))]
)
def test_after_a_kill_the_log_is_that_of_an_uninterrupted_run(updates: list[int], whole: Path, tmp_path: Path) -> None:
    config = watched()
    for update in updates:
        config = killed(config, tmp_path, update)
    train(config, tmp_path, Console(file=io.StringIO()))
    assert told(tmp_path) == told(whole)
    seen = [one[:2] for one in records(tmp_path)]
    assert len(seen) == len(set(seen))
    loss = EventAccumulator(str(tmp_path), purge_orphaned_data=False).Reload().Scalars("train/loss")
    assert [event.step for event in loss] == [5, 10, 15, 20, 24]


ENDS = {
    "at the last update": ["trainer.max_steps=22", "trainer.max_epochs=-1"],
    "at a validation": ["trainer.max_steps=23", "trainer.max_epochs=-1"],
    "early": ["early_stopping.patience=1", "optimizer.lr=1e-12"],
}


@pytest.mark.parametrize("end", ENDS)
def test_what_is_logged_at_the_end_is_there_before_the_last_checkpoint(end: str, tmp_path: Path) -> None:
    """So that it is not lost when a run that has ended is resumed: nothing is left to do then."""
    train(watched("diagnostics.every_n_steps=100", *ENDS[end]), tmp_path, Console(file=io.StringIO()))
    before = told(tmp_path)
    stored = checkpoint.read(tmp_path / "checkpoints" / "last.ckpt")
    RunLog(tmp_path).cut_back(stored[checkpoint.KEY]["log"], tmp_path, stored["global_step"])
    assert told(tmp_path) == [one for one in before if not one[0].startswith("final/")]
    step = stored["global_step"]
    assert {("train/loss", step), ("memory/effective_steps", step), ("final/val/rmse", 0)} <= {o[:2] for o in before}


def test_a_run_that_has_ended_is_resumed_without_a_second_word(tmp_path: Path) -> None:
    train(plain(), tmp_path, Console(file=io.StringIO()))
    before = told(tmp_path)
    train({**plain(), "resume": str(tmp_path)}, tmp_path, Console(file=io.StringIO()))
    assert told(tmp_path) == before


def plain(*overrides: str) -> dict[str, Any]:
    return adding("trainer.max_epochs=3", "trainer.log_every_n_steps=2", "checkpoint.every_n_steps=5", *overrides)


def copied(config: dict[str, Any], folder: Path) -> None:
    train(killed(config, folder.with_name("first")), folder, Console(file=io.StringIO()))


def moved(config: dict[str, Any], folder: Path) -> None:
    killed(config, folder.with_name("first"))
    shutil.move(folder.with_name("first"), folder)
    train({**config, "resume": str(folder)}, folder, Console(file=io.StringIO()))


def cut_short(config: dict[str, Any], folder: Path) -> None:
    """Half a record, as some other program or a power cut may leave it."""
    config = killed(config, folder)
    file = next(folder.glob("events*"))
    file.write_bytes(file.read_bytes() + b"\x30\0\0\0")
    train(config, folder, Console(file=io.StringIO()))


@pytest.mark.parametrize("way", [copied, moved, cut_short])
def test_the_log_follows_the_run(way: Any, tmp_path: Path) -> None:
    train(plain(), tmp_path / "whole", Console(file=io.StringIO()))
    way(plain(), tmp_path / "again")
    assert told(tmp_path / "again") == told(tmp_path / "whole")


def test_a_log_that_is_gone_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = killed(plain(), tmp_path)
    next(tmp_path.glob("events*")).unlink()
    train(config, tmp_path, Console(file=io.StringIO()))
    assert [one[1] for one in told(tmp_path) if one[0] == "train/loss"] == [6, 8, 10, 12]
    assert f"{tmp_path}: the TensorBoard log up to step 5 is not whole any more" in caplog.text


def test_a_name_in_a_checkpoint_is_no_path(tmp_path: Path) -> None:
    outside = tmp_path / "events.out.tfevents.1"
    outside.write_text("keep")
    run = tmp_path / "run"
    run.mkdir()
    (run / "events.out.tfevents.2").symlink_to(outside)
    marks = {"../events.out.tfevents.1": 0, str(outside): 0, "events.out.tfevents.2": 0}
    RunLog(run).cut_back(marks, run, 1)
    assert outside.read_text() == "keep"


def test_a_full_disk_is_said_once_and_leaves_no_half_of_a_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = EventLog(tmp_path)
    with room(200):
        for step in range(20):
            log.add_event(scalar(step))
    log.add_event(scalar(20))
    log.close()
    steps = [one[1] for one in records(tmp_path)]
    assert 1 < len(steps) < 20
    assert steps == [*range(len(steps) - 1), 20]
    assert caplog.messages == [
        f"the TensorBoard log in {tmp_path} cannot be written (File too large); the training goes on without"
    ]


def test_a_training_whose_log_cannot_be_made_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: EventLog) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(EventLog, "_open", full)
    assert train(plain(), tmp_path, Console(file=io.StringIO()))["steps"] == 12
    assert len([line for line in caplog.messages if "TensorBoard log" in line]) == 1


def scalar(step: int) -> Event:
    return Event(step=step, summary=Summary(value=[Summary.Value(tag="loss", simple_value=1.0)]))


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", [7, 20, 33])
def test_after_a_kill_from_outside_too(kill_at: int, tmp_path: Path) -> None:
    every = ["trainer.val_check_interval=10", "trainer.log_every_n_steps=3"]
    config = text_config(tmp_path, "trainer.max_epochs=1", *every)
    run_process(config, tmp_path / "whole")
    run_process(config, tmp_path / "killed", kill_at=kill_at)
    run_process({**config, "resume": str(tmp_path / "killed")}, tmp_path / "killed")
    assert told(tmp_path / "killed") == told(tmp_path / "whole")
