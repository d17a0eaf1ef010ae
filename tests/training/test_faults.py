"""Nothing is lost: a loss that turns NaN, a full disk, a checkpoint that does not fit, Ctrl-C."""

import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqmodels import checkpoint
from seqmodels.stopping import Stopped
from seqmodels.training.callbacks.last_checkpoint import Interrupted
from seqmodels.training.learner import Learner, NonFiniteError
from seqmodels.training.processes.fit import original
from tests.training.runs import small_text, text_config
from tests.training.test_run import adding, run


@pytest.fixture(autouse=True)
def ctrl_c_interrupts() -> Iterator[None]:
    """As in a terminal; a job that a script started in the background ignores Ctrl-C, its tests with it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def spoilt(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The second row of the batch of one update is NaN."""
    train = Learner.training_step

    def training_step(self: Learner, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == step:
            batch = batch._replace(inputs=batch.inputs.clone())
            batch.inputs[1] = float("nan")
        return train(self, batch, batch_idx)

    monkeypatch.setattr(Learner, "training_step", training_step)


def test_a_loss_that_turns_nan_stops_the_run_and_names_step_row_and_checkpoint(tmp_path: Path, monkeypatch) -> None:
    last = tmp_path / "checkpoints" / "last.ckpt"
    spoilt(monkeypatch, step=3)
    with pytest.raises(NonFiniteError) as caught:
        run(adding("checkpoint.every_n_steps=2"), tmp_path)
    assert str(caught.value).startswith(
        f"the loss of row 1 is no longer finite at step 3. Last good checkpoint: {last}. Try a lower optimizer.lr"
    )
    assert checkpoint.read(last)["global_step"] == 2


def test_after_a_resume_the_checkpoint_resumed_from_is_the_last_good_one(tmp_path: Path, monkeypatch) -> None:
    config = adding("checkpoint.every_n_steps=100", "trainer.max_epochs=1")
    run(config, tmp_path)
    spoilt(monkeypatch, step=5)
    config = {**config, "resume": str(tmp_path), "trainer": {**config["trainer"], "max_epochs": 2}}
    with pytest.raises(NonFiniteError, match=f"Last good checkpoint: {tmp_path}/checkpoints/last.ckpt"):
        run(config, tmp_path)


def test_weights_that_are_not_finite_reach_no_checkpoint(tmp_path: Path, monkeypatch) -> None:
    run(adding("trainer.max_epochs=1"), tmp_path)
    before = {file.name: file.read_bytes() for file in (tmp_path / "checkpoints").iterdir()}

    def ruin(self: Learner) -> None:
        for parameter in self.parameters():
            parameter.data.fill_(float("nan"))

    monkeypatch.setattr(Learner, "on_validation_epoch_start", lambda self: (ruin(self), self._start_stage("val"))[0])
    config = adding("trainer.max_epochs=2")
    with pytest.raises(NonFiniteError, match="a weight is no longer finite after step 8; the last good"):
        run({**config, "resume": str(tmp_path)}, tmp_path)
    assert {file.name: file.read_bytes() for file in (tmp_path / "checkpoints").iterdir()} == before


def test_a_disk_that_fills_up_leaves_the_previous_checkpoint(tmp_path: Path, monkeypatch) -> None:
    save, calls = torch.save, []

    def full(content: Any, file: Any, *arguments: Any, **options: Any) -> None:
        calls.append(file)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(content, file, *arguments, **options)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="the previous one is kept"):
        run(adding("checkpoint.every_n_steps=1", "training.batch_size=4"), tmp_path)
    assert [file.name for file in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]
    assert checkpoint.read(tmp_path / "checkpoints" / "last.ckpt")["global_step"] == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler  # restored after an error too


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"training": {"window": 10}}, "training.window was 20, is 10"),
        ({"training": {"k2": 5}}, "training.k2 was None, is 5"),
        ({"model": {"hidden_sizes": [5, 5]}}, r"model.hidden_sizes was \[12, 12\], is \[5, 5\]"),
        ({"optimizer": {"lr": 0.5}}, "optimizer.lr was 0.01, is 0.5"),
        ({"scheduler": {"pct_start": 0.5}}, "scheduler.pct_start was 0.3, is 0.5"),
        ({"trainer": {"max_epochs": 6}}, "one_cycle was planned to end after 6 updates, and now 18 are asked for"),
        ({"data": {"path": None}}, "the data are others"),
    ],
)
def test_a_resume_that_does_not_fit_is_refused_before_anything_is_written(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    overrides = ["trainer.max_epochs=2", "trainer.limit_train_batches=3", "scheduler=one_cycle"]
    config = text_config(tmp_path, *overrides)
    run(config, tmp_path / "run")
    if "data" in changes:
        changes = {"data": {"path": str(small_text(tmp_path, seed=1))}}
    changed = {**config, "resume": str(tmp_path / "run")}
    for group, values in changes.items():
        changed[group] = {**changed[group], **values}
    with pytest.raises(ValueError, match=words):
        run(changed, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_constant_rate_can_be_trained_for_longer(tmp_path: Path) -> None:
    run(adding("trainer.max_epochs=1"), tmp_path)
    assert run({**adding("trainer.max_epochs=3"), "resume": str(tmp_path)}, tmp_path)[0]["steps"] == 12


STOPS = {
    "after an update": ["training.batch_size=4"],
    "one update an epoch": ["training.batch_size=32"],
    "validation after every update": ["trainer.val_check_interval=1"],
    "at the very end": ["training.batch_size=32", "trainer.max_epochs=3"],
    "in an epoch with a plan": ["training.batch_size=4", "scheduler=plateau", "scheduler.patience=0"],
}
IN_VALIDATION = {
    "in the middle of an epoch": ["trainer.val_check_interval=3"],
    "at the end of an epoch, with a plan": ["scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.1"],
    "by steps, over epochs": ["trainer.check_val_every_n_epoch=null", "trainer.val_check_interval=3"],
    "after the last update": ["trainer.val_check_interval=3", "trainer.max_steps=3"],
    "at the very end": ["trainer.max_epochs=1", "early_stopping.patience=9"],
}


def stop_at(monkeypatch: pytest.MonkeyPatch, name: str, call: int, times: int = 1) -> None:
    """Send Ctrl-C in a call of one of the Learner's methods, counted from 1 in each Trainer."""
    method, calls = getattr(Learner, name), []

    def stopped(self: Learner, *arguments: Any) -> Any:
        calls.append(self)
        if not self.trainer.sanity_checking and sum(one.trainer is self.trainer for one in calls) == call:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        return method(self, *arguments)

    monkeypatch.setattr(Learner, name, stopped)


def stop(config: dict[str, Any], folder: Path) -> str:
    """Run until it is stopped, and what it says of that."""
    with pytest.raises(Stopped) as caught:
        run(config, folder)
    assert caught.value.code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return str(caught.value)


def plain(value: Any) -> Any:
    """The same, as something that can be compared."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return list(map(plain, value)) if isinstance(value, list | tuple) else np.asarray(value).tolist()


def alike(one: Path, other: Path) -> None:
    """Two runs ended with the same weights, optimizer, random state, best checkpoint and results."""
    for name in ("last.ckpt", "best.ckpt"):
        first, second = (checkpoint.read(folder / "checkpoints" / name) for folder in (one, other))
        for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step"):
            assert plain(first[key]) == plain(second[key]), (name, key)
        assert plain(first[checkpoint.KEY]["random"]) == plain(second[checkpoint.KEY]["random"]), name
    results = [json.loads((folder / "metrics.json").read_text()) for folder in (one, other)]
    assert results[0]["steps"] == results[1]["steps"]
    assert results[0]["val"] == results[1]["val"]


@pytest.mark.parametrize("where", STOPS)
def test_a_stop_is_answered_at_once_and_the_run_goes_on(where: str, tmp_path: Path, monkeypatch) -> None:
    config = adding("trainer.max_epochs=5", "checkpoint.every_n_steps=1000", *STOPS[where])
    folder = tmp_path / "my run"
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", 3)
        assert stop(config, folder) == (
            f"stopped by SIGINT at step 3; everything is saved. Go on with: seqmodels train resume='{folder}'"
        )
    run({**config, "resume": str(folder)}, folder)
    run(config, tmp_path / "whole")
    alike(folder, tmp_path / "whole")


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("where", IN_VALIDATION)
def test_a_stop_within_a_validation_goes_on_with_that_validation(
    where: str, batch: int, tmp_path: Path, monkeypatch
) -> None:
    """As if it had not begun, twice in a row; the validation draws random numbers here."""
    overrides = ["trainer.max_epochs=4", "checkpoint.every_n_steps=1000", "model.hidden_sizes=[4,4]"]
    config = adding(*overrides, "model.dropout=0.2", *IN_VALIDATION[where])
    config["data"]["val_size"] = 32
    step = Learner.validation_step

    def drawing(self: Learner, *arguments: Any) -> Any:
        torch.rand(3)
        return step(self, *arguments)

    monkeypatch.setattr(Learner, "validation_step", drawing)
    folder, whole = tmp_path / "run", tmp_path / "whole"
    for resume in (None, str(folder)):
        with monkeypatch.context() as patch:
            stop_at(patch, "validation_step", batch)
            assert "everything is saved" in stop({**config, "resume": resume}, folder)
    run({**config, "resume": str(folder)}, folder)
    run(config, whole)
    alike(folder, whole)


def test_two_ctrl_cs_stop_at_once(tmp_path: Path, monkeypatch) -> None:
    stop_at(monkeypatch, "training_step", 3, times=2)
    assert stop(adding("checkpoint.every_n_steps=1"), tmp_path).startswith("stopped by SIGINT at once; saved is step 2")


def test_two_ctrl_cs_in_a_validation_lose_nothing_either(tmp_path: Path, monkeypatch) -> None:
    stop_at(monkeypatch, "validation_step", 1, times=2)
    assert stop(adding(), tmp_path).startswith("stopped by SIGINT at once; saved is step 4")


@pytest.mark.parametrize(
    ("kind", "words"), [(ValueError, "too few rows"), (NonFiniteError, "two\nlines: a"), (Interrupted, "")]
)
def test_errors_of_another_process_come_back_as_they_were(kind: type[Exception], words: str) -> None:
    path = f"{kind.__module__}.{kind.__name__}".removeprefix("builtins.")
    text = "\n\n-- Process 1 terminated with the following error:\nTraceback (most recent call last):\n"
    text += f'  File "a.py", line 3\n    raise KeyError("x")\nKeyError: 3\n\nDuring handling ...\n\n{path}'
    error = original(RuntimeError(text + (f": {words}\n" if words else "\n")))
    assert type(error) is kind
    assert str(error) == words


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_ctrl_c_on_the_command(devices: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seqmodels", "train"]
    overrides = ["data=adding", "task=regression", "model/head=many_to_one", "data.steps=6", "model.hidden_sizes=[4]"]
    overrides += ["trainer.accelerator=cpu", f"trainer.devices={devices}", "trainer.max_steps=30000", "run_dir=my run"]
    overrides += ["trainer.max_epochs=-1", "trainer.limit_val_batches=2", "checkpoint.every_n_steps=20"]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    options: dict[str, Any] = {"env": environment, "cwd": tmp_path, "text": True, "start_new_session": True}
    with subprocess.Popen(
        [*command, *overrides], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    ) as process:
        last = tmp_path / "my run" / "checkpoints" / "last.ckpt"
        deadline = time.monotonic() + 90
        while not last.exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "seqmodels train resume='my run'" in printed
    assert "Traceback" not in printed
    stopped_at = checkpoint.read(last)["global_step"]
    again = shlex.split(printed.split("Go on with:")[1].strip().splitlines()[0])[1:]
    more = [sys.executable, "-m", "seqmodels", *again, f"trainer.max_steps={stopped_at + 5}"]
    done = subprocess.run(more, capture_output=True, timeout=120, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "my run" / "metrics.json").read_text())["steps"] == stopped_at + 5
