"""The log is part of the run: after any kill and resume it says what that of an uninterrupted run says, once."""

from __future__ import annotations

import io
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

from seqmodels.training.event_log import EventLog
from seqmodels.training.learner import Learner
from seqmodels.training.run import train
from tests.training.runs import run as run_process
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


def killed(config: dict[str, Any], folder: Path, updates: list[int]) -> None:
    """Train, killed before each of these updates in turn, and resumed to the end."""
    step = Learner.training_step
    for update in [*updates, None]:

        def training_step(self: Learner, batch: Any, index: int, update: int | None = update) -> torch.Tensor:
            if self.global_step == update:
                raise Killed
            return step(self, batch, index)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Learner, "training_step", training_step)
            try:
                train(config, folder, Console(file=io.StringIO()))
            except Killed:
                config = {**config, "resume": str(folder)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    train(watched(), folder, Console(file=io.StringIO()))
    return folder


@pytest.mark.parametrize("updates", [[5], [7, 7, 7], [12, 13, 22], [23]])
def test_after_a_kill_the_log_is_that_of_an_uninterrupted_run(updates: list[int], whole: Path, tmp_path: Path) -> None:
    killed(watched(), tmp_path, updates)
    assert told(tmp_path) == told(whole)
    seen = [one[:2] for one in records(tmp_path)]
    assert len(seen) == len(set(seen))
    loss = EventAccumulator(str(tmp_path), purge_orphaned_data=False).Reload().Scalars("train/loss")
    assert [event.step for event in loss] == [5, 10, 15, 20, 24]
