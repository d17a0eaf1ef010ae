"""The table of results: whole words and numbers on a terminal of 80 columns."""

import io

import numpy as np
import pytest
from rich.console import Console

from seqmodels.training.report import result_table

METRICS = ["loss", "mae", "mse", "crps", "wql", "coverage", "width", "rmse", "mase"]
METHODS = ["mean of train", "ridge regression", "last value", "seasonal naive", "exponential smoothing"]


@pytest.mark.parametrize("size", [1e-3, 1.0, 5e4, 3e6])
def test_all_methods_of_a_forecast_fit_into_a_terminal(size):
    draw = np.random.default_rng(0)
    scores = {m: {name: float(size * draw.uniform(1, 9)) for name in METRICS} for m in ["model", *METHODS]}
    for values in scores.values():
        values |= {"wql": draw.uniform(), "coverage": draw.uniform(), "mase": draw.uniform(), "mse": values["mse"] ** 2}
    screen = io.StringIO()
    Console(file=screen, width=80).print(result_table("test", scores.pop("model"), scores))
    shown = screen.getvalue()
    assert "…" not in shown
    assert all(word in shown for method in METHODS for word in method.split())
    assert all(name in shown for name in ("mae", "crps", "coverage", "width", "rmse", "mase"))
    assert max(map(len, shown.splitlines())) <= 80
