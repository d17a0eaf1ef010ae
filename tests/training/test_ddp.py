"""Two processes on CPU: the same global batch, so the same losses as one process."""

import json
from pathlib import Path

import pytest
import torch

from tests.training.runs import run, text_config, weights


def mean_losses(folder: Path) -> list[float]:
    """The mean loss over all processes of every update, from what each wrote."""
    files = sorted(folder.glob("losses.*"))
    processes = [[tuple(map(float, line.split())) for line in file.read_text().splitlines()] for file in files]
    return [sum(t for t, _ in parts) / sum(c for _, c in parts) for parts in zip(*processes, strict=True)]


@pytest.mark.parametrize("k2", ["null", pytest.param("30", marks=pytest.mark.slow)])
def test_two_processes_train_as_one_does(k2: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", root)
    found = {}
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        folder.mkdir()
        monkeypatch.setenv("LOSSES", str(folder / "losses"))
        overrides = ["model.dropout=0", "trainer.max_epochs=1", f"training.k2={k2}", f"trainer.devices={devices}"]
        config = text_config(tmp_path, *overrides)
        config["task"]["name"] = "logged_language_modelling"
        run({**config, "plugins": ["tests.training.logged_task"]}, folder)
        assert len(list(folder.glob("losses.*"))) == devices
        found[devices] = mean_losses(folder), json.loads((folder / "metrics.json").read_text())["val"]
    assert found[1][0] == pytest.approx(found[2][0], abs=1e-5)
    assert found[1][1] == pytest.approx(found[2][1], abs=1e-5)
    for name, expected in weights(tmp_path / "1").items():
        torch.testing.assert_close(weights(tmp_path / "2")[name], expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_loss_that_turns_nan_in_one_of_two_processes_is_said_as_in_one(tmp_path: Path) -> None:
    config = text_config(tmp_path, "trainer.devices=2", "optimizer=sgd", "optimizer.lr=1e38", "trainer.max_epochs=1")
    config["trainer"]["gradient_clip_val"] = None
    with pytest.raises(RuntimeError, match=r"NonFiniteError: .* no longer finite .*step \d"):
        run(config, tmp_path / "run")


@pytest.mark.slow
def test_two_processes_resume(tmp_path: Path) -> None:
    config = text_config(tmp_path, "model.dropout=0.2", "trainer.max_epochs=1", "trainer.devices=2")
    run(config, tmp_path / "whole")
    run({**config, "trainer": {**config["trainer"], "max_steps": 21}}, tmp_path / "stopped")
    run({**config, "resume": str(tmp_path / "stopped")}, tmp_path / "stopped")
    for name, expected in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(tmp_path / "stopped")[name], expected, rtol=0, atol=1e-6)
