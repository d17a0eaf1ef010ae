"""The run folder, and what a run says: metrics, the best and the last checkpoint, settings that cannot work."""

import io
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from rich.console import Console

from seqmodels import checkpoint
from seqmodels.training.learner import Learner
from seqmodels.training.report import write_json
from seqmodels.training.run import evaluate, train
from tests.training.runs import compose_config, text_config


def adding(*overrides: str) -> dict[str, Any]:
    """A tiny regression over features, done in a second."""
    return compose_config(
        "data=adding task=regression model/head=many_to_one model/cell=gru data.steps=6 data.train_size=32 "
        "data.val_size=16 data.test_size=8 model.hidden_sizes=[4] training.batch_size=8 trainer.accelerator=cpu "
        "trainer.max_epochs=2 diagnostics.enabled=false trainer.enable_progress_bar=false",
        *overrides,
    )


def run(config: dict[str, Any], folder: Path) -> tuple[dict[str, Any], str]:
    """What a run returns, and what it prints."""
    printed = io.StringIO()
    return train(config, folder, Console(file=printed, width=200)), printed.getvalue()


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The loss of every update."""
    seen: list[float] = []
    step = Learner.training_step

    def logged(self: Learner, batch: Any, batch_idx: int) -> torch.Tensor:
        loss = step(self, batch, batch_idx)
        seen.append(float(loss.detach()))
        return loss

    monkeypatch.setattr(Learner, "training_step", logged)
    return seen


def test_a_length_by_the_amount_of_data(tmp_path: Path) -> None:
    """Resumed, it is as long as it was; a limit of the user's own is kept, with a validation before it."""
    config = adding("trainer.max_epochs=auto", "trainer.max_steps=7", "scheduler=one_cycle")
    metrics, _ = run(config, tmp_path / "a")
    assert metrics["steps"] == 7
    assert (tmp_path / "a" / "checkpoints" / "best.ckpt").is_file()
    again, _ = run({**config, "resume": str(tmp_path / "a")}, tmp_path / "a")
    assert (again["steps"], again["test"]) == (7, metrics["test"])


def test_the_run_folder(tmp_path: Path) -> None:
    metrics, printed = run(adding(), tmp_path / "[a] run")
    written = json.loads((tmp_path / "[a] run" / "metrics.json").read_text())
    assert written == metrics
    keys = {"task", "parameters", "seconds", "steps", "val", "test", "baseline", "comparison", "data", "machine"}
    assert keys == set(metrics)
    assert metrics["steps"] == 8
    assert set(metrics["baseline"]) == {"val", "test"}
    assert (tmp_path / "[a] run" / "config.yaml").is_file()
    assert {file.name for file in (tmp_path / "[a] run" / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert f"run folder {tmp_path}/[a] run\n" in printed
    assert f"tensorboard --logdir '{tmp_path}/[a] run'" in printed


def test_the_best_checkpoint_is_scored_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Learner.training_step
    monkeypatch.setattr(Learner, "training_step", lambda *arguments: -step(*arguments))  # up the hill
    metrics, _ = run(adding("optimizer.lr=0.05", "trainer.max_epochs=4"), tmp_path)
    stored = checkpoint.read(tmp_path / "checkpoints" / "last.ckpt")
    best = next(state for key, state in stored["callbacks"].items() if key.startswith("BestCheckpoint"))
    assert (checkpoint.read(tmp_path / "checkpoints" / "best.ckpt")["global_step"], stored["global_step"]) == (4, 16)
    assert metrics["val"]["rmse"] == pytest.approx(float(best["best_model_score"]), rel=1e-5)
    assert evaluate(tmp_path, console=Console(quiet=True))["val"]["loss"] == pytest.approx(metrics["val"]["loss"])


def test_of_equally_good_validations_the_latest_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = itertools.chain([0.5, 0.25, 0.75, 0.25, 0.5], itertools.repeat(0.5))
    end = Learner._end_stage
    monkeypatch.setattr(Learner, "_end_stage", lambda *stage: {**end(*stage), "val/rmse": next(values)})
    run(adding("trainer.max_epochs=5"), tmp_path)
    assert checkpoint.read(tmp_path / "checkpoints" / "best.ckpt")["global_step"] == 4 * 4


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_other_precisions_run_to_the_end_and_are_evaluated_in_the_same(precision: str, tmp_path: Path) -> None:
    metrics, _ = run(adding(f"trainer.precision={precision}"), tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text())["test"] == metrics["test"]
    again = evaluate(tmp_path, console=Console(quiet=True))
    assert again["test"] == pytest.approx(metrics["test"])


def test_limits_on_evaluation_batches_hold_for_the_final_scores_too(tmp_path: Path, monkeypatch) -> None:
    seen: list[str] = []
    step = Learner.test_step
    monkeypatch.setattr(Learner, "test_step", lambda *arguments: seen.append("test") or step(*arguments))
    run(adding("trainer.limit_test_batches=1", "data.test_size=64"), tmp_path)
    assert seen == ["test"]


def test_validation_does_not_touch_training(tmp_path: Path, losses: list[float]) -> None:
    config = text_config(tmp_path, "trainer.max_steps=9", "data.val_fraction=0.2")
    run({**config, "trainer": {**config["trainer"], "val_check_interval": 2}}, tmp_path / "with")
    with_validation = losses.copy()
    losses.clear()
    run({**config, "trainer": {**config["trainer"], "limit_val_batches": 0}}, tmp_path / "without")
    assert losses == with_validation
    assert len(losses) == 9


@pytest.mark.parametrize("k2", ["null", "50"])
def test_every_epoch_starts_with_a_fresh_state(k2: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    step = Learner.training_step

    def looked_at(self: Learner, batch: Any, batch_idx: int) -> torch.Tensor:
        carried = self.carried["train"]
        found.append((batch_idx, carried.state is None, len(carried.past)))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Learner, "training_step", looked_at)
    run(text_config(tmp_path, "trainer.max_epochs=2", "trainer.limit_train_batches=3", f"training.k2={k2}"), tmp_path)
    assert [one[0] for one in found] == [0, 1, 2] * 2
    assert [one[1:] for one in found if one[0] == 0] == [(True, 0)] * 2
    assert not any(one[1] for one in found if one[0])


def test_early_stopping_is_said(tmp_path: Path) -> None:
    metrics, printed = run(adding("optimizer.lr=1e-12", "early_stopping.patience=2", "trainer.max_epochs=9"), tmp_path)
    assert metrics["steps"] < 36
    assert f"Stopped early at step {metrics['steps']}: 2 validations without a better rmse." in printed
    assert "Stopped early" not in run(adding(), tmp_path / "other")[1]


@pytest.mark.parametrize("without", ["split", "batches"])
@pytest.mark.parametrize("option", ["scheduler=plateau", "early_stopping.patience=1"])
def test_what_follows_the_validation_is_refused_without_one(option: str, without: str, tmp_path: Path) -> None:
    config = adding(option, *(["data.val_size=0"] if without == "split" else []))
    if without == "batches":
        config["trainer"]["limit_val_batches"] = 0
    with pytest.raises(ValueError, match=f"{option.split('=')[0]}.* follows the validation metric, but there is no"):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_plateau_waits_for_epochs_with_a_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
    monkeypatch.setattr(plateau, "step", lambda self, value: looked.append(float(value)))
    run(adding("scheduler=plateau", "trainer.check_val_every_n_epoch=2", "trainer.max_epochs=5"), tmp_path)
    assert len(looked) == 2


def test_more_updates_between_validations_than_an_epoch_has(tmp_path: Path) -> None:
    assert run(adding("trainer.val_check_interval=500"), tmp_path)[0]["val"]


def test_one_device_starts_no_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[Any] = []
    fit = pl.Trainer.fit
    monkeypatch.setattr(pl.Trainer, "fit", lambda self, *a, **k: fitted.append(self.strategy) or fit(self, *a, **k))
    run(adding("trainer.devices=auto"), tmp_path)
    assert fitted[0].launcher is None


def test_a_moved_run_keeps_its_best_its_settings_and_its_seconds(tmp_path: Path) -> None:
    config = adding("optimizer.lr=0.05", "trainer.max_epochs=3")
    first, _ = run(config, tmp_path / "a")
    shutil.move(tmp_path / "a", tmp_path / "b")
    stored = checkpoint.read(tmp_path / "b" / "checkpoints" / "best.ckpt")["state_dict"]
    config = {**config, "resume": str(tmp_path / "b"), "trainer": {**config["trainer"], "max_epochs": 4}}
    with pytest.MonkeyPatch.context() as patch:  # from here on nothing is learnt, so the best stays
        patch.setattr(torch.optim.Adam, "step", lambda self, closure=None: closure() and None)
        patch.setattr("seqmodels.training.learner.Learner.on_validation_epoch_end", worse)
        second, _ = run(config, tmp_path / "b")
    after = checkpoint.read(tmp_path / "b" / "checkpoints" / "best.ckpt")["state_dict"]
    assert all(torch.equal(after[name], value) for name, value in stored.items())
    assert second["seconds"] > first["seconds"]
    assert second["val"] == pytest.approx(first["val"])
    last = checkpoint.read(tmp_path / "b" / "checkpoints" / "last.ckpt")
    assert str(tmp_path / "a") not in str(last["callbacks"])
    assert "resume: null" in (tmp_path / "b" / "config_1.yaml").read_text()
    assert f"resume: {tmp_path / 'b'}" in (tmp_path / "b" / "config.yaml").read_text()


def worse(self: Learner) -> None:
    """Log a validation that is worse than any other."""
    values = self._end_stage("val")
    self.log_dict({name: value + 1000 * (self.trainer.state.fn == "fit") for name, value in values.items()})


def test_a_run_that_goes_on_in_another_folder_brings_its_best_along(tmp_path: Path) -> None:
    config = adding()
    first, _ = run(config, tmp_path / "a")
    again, _ = run({**config, "resume": str(tmp_path / "a")}, tmp_path / "b")  # nothing is left to do
    assert (again["val"], again["steps"]) == (first["val"], first["steps"])
    assert (tmp_path / "a" / "checkpoints" / "last.ckpt").exists()


def test_numbers_that_json_has_not_become_null(tmp_path: Path) -> None:
    write_json({"a": float("nan"), "b": [float("inf"), 1.0], "c": {"d": -1}}, tmp_path / "m.json")
    assert json.loads((tmp_path / "m.json").read_text(), parse_constant=pytest.fail) == {
        "a": None,
        "b": [None, 1.0],
        "c": {"d": -1},
    }
