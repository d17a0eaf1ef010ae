"""Every built-in cell against its equations, written again in numpy."""

from typing import Any

import numpy as np
import pytest
import torch

from seqmodels import registry
from seqmodels.cells import (
    Cell,
    DiagonalGRUCell,
    DiagonalLSTMCell,
    ElmanCell,
    FeedforwardCell,
    GRUCell,
    IndRNNCell,
    LayerNormGRUCell,
    LayerNormLSTMCell,
    LRUCell,
    LSTMCell,
    MGUCell,
    MinGRUCell,
    MinLSTMCell,
    RGLRUCell,
)
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


def dense(blocks: np.ndarray) -> np.ndarray:
    """Block-diagonal recurrent weights ``(G*H, H/heads)`` with their zeros, ``(G*H, H)``."""
    size = blocks.shape[1]
    whole = np.zeros((len(blocks), H))
    for index, row in enumerate(blocks):
        start = index % H // size * size
        whole[index, start : start + size] = row
    return whole


def normal(z: np.ndarray, eps: float) -> np.ndarray:
    centred = z - z.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)


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


def layer_norm_lstm(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    eps = options.get("eps", 1e-5)
    sums = w["gain_ih"] * normal(x @ w["weight_ih"].T, eps) + w["gain_hh"] * normal(state["h"] @ w["weight_hh"].T, eps)
    i, f, g, o = np.split(sums + w.get("bias_ih", 0), 4, axis=-1)
    state["c"] = sigmoid(f) * state["c"] + sigmoid(i) * np.tanh(g)
    state["h"] = sigmoid(o) * np.tanh(w["gain_c"] * normal(state["c"], eps) + w.get("bias_c", 0))
    return state["h"]


def layer_norm_gru(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    h, eps, gates, new = state["h"], options.get("eps", 1e-5), slice(0, 2 * H), slice(2 * H, 3 * H)
    bias = w.get("bias_ih", np.zeros(3 * H))

    def normalised(side: str, of: np.ndarray, rows: slice) -> np.ndarray:
        return w[f"gain_{side}"][rows] * normal(of @ w[f"weight_{side}"][rows].T, eps)

    r, z = np.split(sigmoid(normalised("ih", x, gates) + normalised("hh", h, gates) + bias[gates]), 2, axis=-1)
    n = np.tanh(normalised("ih", x, new) + bias[new] + r * (normalised("hh", h, new) + w.get("bias_hn", 0)))
    state["h"] = (1 - z) * n + z * h
    return state["h"]


def indrnn(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    activate = np.tanh if options.get("nonlinearity") == "tanh" else relu
    own = np.diag(w["weight_hh"]) * state["h"]
    state["h"] = activate(x @ w["weight_ih"].T + own + w.get("bias_ih", 0) + w.get("bias_hh", 0))
    return state["h"]


def mgu(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    h = state["h"]
    f = sigmoid(product(w, 0, x, h))
    from_h = h @ part(w, "weight_hh", 1).T + part(w, "bias_hh", 1)
    state["h"] = (1 - f) * h + f * np.tanh(x @ part(w, "weight_ih", 1).T + part(w, "bias_ih", 1) + f * from_h)
    return state["h"]


def feedforward(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    activate = relu if options.get("nonlinearity") == "relu" else np.tanh
    return activate(x @ w["linear.weight"].T + w.get("linear.bias", 0))


def mingru(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    z, n = np.split(x @ w["linear.weight"].T + w.get("linear.bias", 0), 2, axis=-1)
    state["h"] = (1 - sigmoid(z)) * state["h"] + sigmoid(z) * n
    return state["h"]


def minlstm(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    i, f, g = np.split(x @ w["linear.weight"].T + w.get("linear.bias", 0), 3, axis=-1)
    i, f = sigmoid(i), sigmoid(f)
    state["h"] = f / (f + i) * state["h"] + i / (f + i) * g
    return state["h"]


def lru(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    a = np.exp(-np.exp(w["nu_log"]) + 1j * np.exp(w["theta_log"]))
    b_real, b_imaginary, d = np.split(w["weight_ih"], 3)
    c_real, minus_c_imaginary = np.split(w["weight_ho"], 2, axis=-1)
    h = state["h"][:, :H] + 1j * state["h"][:, H:]
    h = a * h + np.exp(w["gamma_log"]) * (x @ (b_real + 1j * b_imaginary).T)
    state["h"] = np.concatenate((h.real, h.imag), axis=-1)
    return (h @ (c_real - 1j * minus_c_imaginary).T).real + x @ d.T


def rglru(w: Weights, x: np.ndarray, state: dict[str, np.ndarray], options: dict[str, Any]) -> np.ndarray:
    r, i, v = np.split(x @ w["linear.weight"].T + w.get("linear.bias", 0), 3, axis=-1)
    a = sigmoid(w["a_logit"]) ** (options.get("exponent", 8.0) * sigmoid(r))
    state["h"] = a * state["h"] + np.sqrt(1 - a**2) * sigmoid(i) * v
    return state["h"]


EQUATIONS = {
    ElmanCell: elman,
    LSTMCell: lstm,
    GRUCell: gru,
    FeedforwardCell: feedforward,
    LayerNormLSTMCell: layer_norm_lstm,
    LayerNormGRUCell: layer_norm_gru,
    IndRNNCell: indrnn,
    MGUCell: mgu,
    DiagonalGRUCell: gru,
    DiagonalLSTMCell: lstm,
    MinGRUCell: mingru,
    MinLSTMCell: minlstm,
    LRUCell: lru,
    RGLRUCell: rglru,
}
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
    *[
        (cls, {"heads": heads, "bias": bias})
        for cls in (ElmanCell, GRUCell, LSTMCell, LayerNormLSTMCell, LayerNormGRUCell, MGUCell)
        for heads in (1, 2, H)
        for bias in (True, False)
    ],
    (LSTMCell, {"heads": 2, "peephole": True, "coupled": True}),
    *[(cls, {"eps": 0.5}) for cls in (LayerNormLSTMCell, LayerNormGRUCell)],
    *[(IndRNNCell, {"nonlinearity": n, "bias": bias}) for n in ("tanh", "relu") for bias in (True, False)],
    *[(DiagonalGRUCell, {"bias": bias}) for bias in (True, False)],
    *[(DiagonalLSTMCell, {"peephole": p, "coupled": c, "bias": not p}) for p in (True, False) for c in (True, False)],
    *[(cls, {"bias": bias}) for cls in (MinGRUCell, MinLSTMCell, RGLRUCell) for bias in (True, False)],
    *[(LRUCell, {"r_min": r_min}) for r_min in (0.0, 0.9)],
    (RGLRUCell, {"exponent": 2.0}),
]


@pytest.mark.parametrize(("cls", "options"), CASES, ids=lambda value: getattr(value, "__name__", None) or str(value))
def test_equations(cls: type[Cell], options: dict[str, Any]) -> None:
    layer = Recurrent(cls(F, H, **options), engine="reference").double()
    with torch.no_grad():
        for parameter in layer.cell.parameters():
            parameter.add_(torch.randn_like(parameter) / 2)  # what starts at 0 or 1 must be seen to matter
    weights = {name: value.detach().numpy() for name, value in layer.cell.named_parameters()}
    if getattr(layer.cell, "heads", 1) != 1:
        weights["weight_hh"] = dense(weights["weight_hh"])
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
