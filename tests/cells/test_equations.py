"""Every built-in cell against its equations, written again in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from seqmodels import registry
from seqmodels.cells import Cell, ElmanCell, FeedforwardCell, GRUCell, LSTMCell
from seqmodels.layers import Recurrent

B, T, F, H = 2, 5, 3, 4
Weights = dict[str, np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def part(w: Weights, name: str, gate: int) -> np.ndarray:
    """The rows of one gate; zero where the cell has no such weights."""
    return w[name][gate * H : (gate + 1) * H] if name in w else np.zeros(())


def product(w: Weights, gate: int, x: np.ndarray, h: np.ndarray) -> np.ndarray:
    """W_i x + b_i + W_h h + b_h of one gate."""
    recurrent = h @ part(w, "weight_hh", gate).T + part(w, "bias_hh", gate)
    return x @ part(w, "weight_ih", gate).T + part(w, "bias_ih", gate) + recurrent


def elman(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    activate = relu if options.get("nonlinearity") == "relu" else np.tanh
    state["h"] = activate(product(w, 0, x, state["h"]))
    return state["h"]


def lstm(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    h, c = state["h"], state["c"]
    coupled = options.get("coupled", False)
    peep = lambda gate: w.get(f"weight_c{gate}", np.zeros(()))  # noqa: E731
    at = {"i": 0, "g": 1, "o": 2} if coupled else {"i": 0, "f": 1, "g": 2, "o": 3}
    i = sigmoid(product(w, at["i"], x, h) + peep("i") * c)
    f = 1 - i if coupled else sigmoid(product(w, at["f"], x, h) + peep("f") * c)
    g = np.tanh(product(w, at["g"], x, h))
    state["c"] = f * c + i * g
    o = sigmoid(product(w, at["o"], x, h) + peep("o") * state["c"])
    state["h"] = o * np.tanh(state["c"])
    if "weight_hr" in w:
        state["h"] = state["h"] @ w["weight_hr"].T
    return state["h"]


def gru(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    h = state["h"]
    r, z = sigmoid(product(w, 0, x, h)), sigmoid(product(w, 1, x, h))
    from_x = x @ part(w, "weight_ih", 2).T + part(w, "bias_ih", 2)
    if options.get("reset_gate") == "before":
        n = np.tanh(from_x + (r * h) @ part(w, "weight_hh", 2).T + part(w, "bias_hh", 2))
    else:
        n = np.tanh(from_x + r * (h @ part(w, "weight_hh", 2).T + part(w, "bias_hh", 2)))
    state["h"] = (1 - z) * n + z * h
    return state["h"]


def feedforward(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    activate = relu if options.get("nonlinearity") == "relu" else np.tanh
    return activate(x @ w["linear.weight"].T + w.get("linear.bias", 0))


EQUATIONS = {ElmanCell: elman, LSTMCell: lstm, GRUCell: gru, FeedforwardCell: feedforward}
CASES: list[tuple[type[Cell], dict[str, Any]]] = [
    *[(ElmanCell, {"nonlinearity": n, "bias": bias}) for n in ("tanh", "relu") for bias in (True, False)],
    *[(FeedforwardCell, {"nonlinearity": n, "bias": bias}) for n in ("tanh", "relu") for bias in (True, False)],
    *[(GRUCell, {"reset_gate": gate, "bias": bias}) for gate in ("after", "before") for bias in (True, False)],
    *[
        (LSTMCell, {"peephole": peephole, "coupled": coupled, "proj_size": proj_size, "bias": bias})
        for peephole in (True, False)
        for coupled in (True, False)
        for proj_size in (0, 3)
        for bias in (True, False)
    ],
]


@pytest.mark.parametrize(("cls", "options"), CASES, ids=lambda value: getattr(value, "__name__", None) or str(value))
def test_equations(cls: type[Cell], options: dict[str, Any]) -> None:
    layer = Recurrent(cls(F, H, **options), engine="reference").double()
    weights = {name: value.detach().numpy() for name, value in layer.cell.named_parameters()}
    x = torch.randn(B, T, F, dtype=torch.float64)
    first = {name: torch.randn(B, size, dtype=torch.float64) for name, size in layer.cell.state_sizes().items()}
    y, last = layer(x, layer.cell.state_type(**first))

    state = {name: value.numpy() for name, value in first.items()}
    expected = np.stack([EQUATIONS[cls](weights, x[:, t].numpy(), state, options) for t in range(T)], axis=1)
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-13)
    for name, value in state.items():
        np.testing.assert_allclose(getattr(last, name).detach().numpy(), value, atol=1e-13)


def test_every_built_in_cell_has_equations() -> None:
    classes = {registry.find("cell", name) for name in registry.names("cell")}
    assert {cls for cls in classes if cls.__module__.startswith("seqmodels.")} == set(EQUATIONS)
