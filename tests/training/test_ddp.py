"""Two processes on CPU: the same global batch, so the same losses as one process."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.runs import run, text_config, weights


@pytest.mark.parametrize("k2", ["null", "30"])
def test_two_processes_train_as_one_does(k2: str, tmp_path: Path) -> None:
    overrides = ["model.dropout=0", "trainer.max_epochs=1", f"training.k2={k2}"]
    one = text_config(tmp_path, *overrides)
    two = text_config(tmp_path, *overrides, "trainer.devices=2")
    run(one, tmp_path / "one")
    run(two, tmp_path / "two")
    for name, expected in weights(tmp_path / "one").items():
        torch.testing.assert_close(weights(tmp_path / "two")[name], expected, rtol=0, atol=1e-5)


def test_two_processes_resume(tmp_path: Path) -> None:
    config = text_config(tmp_path, "model.dropout=0.2", "trainer.max_epochs=1", "trainer.devices=2")
    run(config, tmp_path / "whole")
    run({**config, "trainer": {**config["trainer"], "max_steps": 21}}, tmp_path / "stopped")
    run({**config, "resume": str(tmp_path / "stopped")}, tmp_path / "stopped")
    for name, expected in weights(tmp_path / "whole").items():
        torch.testing.assert_close(weights(tmp_path / "stopped")[name], expected, rtol=0, atol=1e-6)
