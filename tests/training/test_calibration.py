"""A run whose intervals are calibrated: the correction lies in the checkpoint, and everything that loads it uses it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from seqmodels import checkpoint
from seqmodels.cli.rules.check import combinations
from seqmodels.inference import load
from seqmodels.training.run import evaluate, train
from tests.training.runs import compose_config


def series_config(folder: Path, *overrides: str) -> dict:
    values = 20 + 5 * np.sin(np.arange(400) / 5) + np.random.default_rng(0).normal(size=400)
    path = folder / "series.csv"
    path.write_text("day,sales\n" + "\n".join(f"{day},{value:.3f}" for day, value in enumerate(values)))
    return compose_config(
        "data=csv data.target=sales data.time=day data.history=12 data.horizon=3 data.val_fraction=0.2 "
        "data.test_fraction=0.2 task=forecasting model/head=many_to_one model/cell=gru model.hidden_sizes=[8] "
        "model.skip_steps=6 trainer.max_epochs=3 trainer.accelerator=cpu trainer.enable_progress_bar=false "
        "diagnostics.enabled=false",
        f"data.path={path}",
        *overrides,
    )


@pytest.mark.parametrize("output", ["quantiles", "point"])
def test_the_correction_is_stored_and_used_again(tmp_path: Path, output: str) -> None:
    config = series_config(tmp_path, f"task.output={output}", "task.conformal=true")
    metrics = train(config, tmp_path / "run")
    for split, low, high in (("val", 0.795, 0.86), ("test", 0.6, 0.95)):
        assert low <= metrics[split]["coverage"] <= high
        assert set(metrics["baseline"][split]["ridge regression"]) >= {"coverage", "width", "crps", "wql"}
    stored = torch.load(tmp_path / "run/checkpoints/best.ckpt", weights_only=True)[checkpoint.KEY]["task"]
    assert stored["correction"].shape == (3, 3)
    again = evaluate(tmp_path / "run")
    assert again["test"] == pytest.approx(metrics["test"])
    (row,) = load(tmp_path / "run").predict(tmp_path / "series.csv")
    assert all(low < high for low, high in zip(row["interval"]["low"], row["interval"]["high"], strict=True))


def test_calibration_without_validation_is_refused(tmp_path: Path) -> None:
    config = series_config(tmp_path, "task.output=gaussian", "task.conformal=true", "data.val_fraction=0")
    (problem,) = combinations(config)
    assert problem.startswith("task.conformal: corrects the interval on the validation split, and data.val_fraction=0")
    with pytest.raises(ValueError, match=r"task\.conformal corrects .* but there is no validation"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_skip_for_many_predictions_is_refused(tmp_path: Path) -> None:
    (problem,) = combinations(series_config(tmp_path, "model/head=many_to_many", "data.target_per=step"))
    assert problem.startswith("model.skip_steps: adds to one prediction per sequence")
