"""Law 11: train n = stop anywhere and resume, bit for bit; and 12: same seed, same loss."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from seqmodels.training.learner import Learner
from seqmodels.training.run import train
from tests.training.runs import compose_config, run, text_config, weights

WHOLE_SEQUENCES = (
    "data=adding task=regression model/head=many_to_one model/cell=gru data.steps=12 data.train_size=64 "
    "data.val_size=16 model.hidden_sizes=[8] training.batch_size=8 diagnostics.enabled=false "
    "trainer.enable_progress_bar=false checkpoint.every_n_steps=5 trainer.max_epochs=4"
)
PLATEAU = "scheduler=plateau scheduler.patience=0 scheduler.factor=0.1"
VARIANTS = {
    "stream": ("trainer.max_epochs=2", 60),
    "validation in the middle": ("trainer.max_epochs=1 trainer.val_check_interval=10", 31),
    "half precision": ("trainer.max_epochs=1 trainer.val_check_interval=10 trainer.precision=bf16-mixed", 31),
    "k2 reaches back": ("trainer.max_epochs=1 training.k2=50", 25),
    "random windows, workers": ("trainer.max_epochs=1 training.random_window=true training.workers=2", 20),
    "one cycle, accumulation": ("trainer.max_epochs=1 scheduler=one_cycle trainer.accumulate_grad_batches=2", 40),
    "plateau": (f"trainer.max_epochs=3 {PLATEAU}", 130),
    "cosine": ("trainer.max_epochs=1 scheduler=cosine scheduler.warmup_steps=30", 25),
    "k2 over the epoch's end": ("trainer.max_epochs=2 training.k2=50", 123),
    "validation after every update": (
        "trainer.max_epochs=1 trainer.limit_train_batches=12 trainer.val_check_interval=1",
        9,
    ),
    "one update an epoch": (
        f"trainer.max_epochs=16 trainer.limit_train_batches=1 trainer.check_val_every_n_epoch=2 {PLATEAU}",
        9,
    ),
}
FAST = ("one update an epoch", "k2 reaches back")


def check(config: dict, folder: Path, kill_at: int) -> None:
    whole = run(config, folder / "whole")
    before = run(config, folder / "killed", kill_at=kill_at)
    assert whole[: len(before)] == before
    after = run({**config, "resume": str(folder / "killed")}, folder / "killed")
    assert len(after) < len(whole)
    assert after == whole[-len(after) :]
    for which in ("best", "last"):
        found = weights(folder / "killed", which)
        for name, expected in weights(folder / "whole", which).items():
            assert torch.equal(found[name], expected), (which, name)


@pytest.mark.parametrize("variant", [v if v in FAST else pytest.param(v, marks=pytest.mark.slow) for v in VARIANTS])
def test_a_killed_stream_goes_on_bit_for_bit(variant: str, tmp_path: Path) -> None:
    overrides, kill_at = VARIANTS[variant]
    check(text_config(tmp_path, *overrides.split()), tmp_path, kill_at)


@pytest.mark.slow
@pytest.mark.parametrize("kill_at", [7, 13, 23])
def test_killed_training_on_whole_sequences_goes_on_bit_for_bit(kill_at: int, tmp_path: Path) -> None:
    check(compose_config(WHOLE_SEQUENCES), tmp_path, kill_at)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_losses_and_another_seed_others(tmp_path: Path) -> None:
    config = text_config(tmp_path, "trainer.max_steps=12")
    first, second = run(config, tmp_path / "a"), run(config, tmp_path / "b")
    other = run({**config, "seed": 1}, tmp_path / "c")
    assert first == second
    assert first != other


@pytest.mark.slow
def test_a_run_that_max_steps_cut_short_goes_on_in_the_middle_of_its_epoch(tmp_path: Path) -> None:
    config = text_config(tmp_path, "trainer.max_epochs=1", "trainer.limit_train_batches=40")
    whole = run(config, tmp_path / "whole")
    before = run({**config, "trainer": {**config["trainer"], "max_steps": 23}}, tmp_path / "short")
    after = run({**config, "resume": str(tmp_path / "short")}, tmp_path / "short")
    assert before + after == whole
    for name, expected in weights(tmp_path / "whole").items():
        assert torch.equal(weights(tmp_path / "short")[name], expected), name


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "none"])
def test_a_moved_run_that_ends_earlier_keeps_its_plan(schedule: str, tmp_path: Path, monkeypatch) -> None:
    """Killed, moved, resumed for fewer updates, resumed for the rest: as one that nothing happened to."""
    config = text_config(tmp_path, f"scheduler={schedule}", "trainer.max_epochs=1", "trainer.limit_train_batches=12")
    config["checkpoint"]["every_n_steps"] = 3
    whole, quiet, step = (
        train(config, tmp_path / "whole", Console(quiet=True)),
        Console(quiet=True),
        Learner.training_step,
    )

    def killed(self: Learner, *arguments: Any) -> torch.Tensor:
        if self.global_step == 7:
            raise RuntimeError("killed")
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "training_step", killed)
        with pytest.raises(RuntimeError, match="killed"):
            train(config, tmp_path / "run", quiet)
    moved, data = tmp_path / "elsewhere" / "moved", tmp_path / "elsewhere" / "data.txt"
    moved.parent.mkdir()
    (tmp_path / "run").rename(moved)
    Path(config["data"]["path"]).rename(data)
    config = {**config, "data": {**config["data"], "path": str(data)}, "resume": str(moved)}
    assert train({**config, "trainer": {**config["trainer"], "max_steps": 9}}, moved, quiet)["steps"] == 9
    with (
        pytest.raises(ValueError, match="planned to end after 12 updates, and now 24")
        if schedule != "none"
        else nullcontext()
    ):
        train({**config, "trainer": {**config["trainer"], "max_epochs": 2}}, tmp_path / "more", quiet)
    rest = train(config, moved, quiet)
    assert (rest["steps"], rest["val"]) == (12, whole["val"])
    for name, expected in weights(tmp_path / "whole").items():
        assert torch.equal(weights(moved)[name], expected), name
    before = (moved / "metrics.json").stat().st_mtime_ns
    assert train(config, moved, quiet) == json.loads((moved / "metrics.json").read_text())  # it is done
    assert (moved / "metrics.json").stat().st_mtime_ns == before
    (moved / "metrics.json").unlink()
    assert train(config, moved, quiet)["val"] == whole["val"]
