"""Linear cells: how they start, what they refuse, and that their gradients stay finite at the ends of their range.

Their equations are in ``test_equations.py``, whole = chunks = steps in the laws.
"""

import math
from typing import Any

import pytest
import torch

from seqmodels.cells import HiddenState, LinearCell, LRUCell, MinGRUCell, MinLSTMCell, RGLRUCell

F, H = 3, 400
CELLS: list[type[LinearCell]] = [MinGRUCell, MinLSTMCell, LRUCell, RGLRUCell]


def test_the_ring_of_an_lru() -> None:
    cell = LRUCell(F, H, r_min=0.5, r_max=0.9, max_phase=1.0)
    real, imaginary = cell.coefficients(torch.zeros(3 * H))[0].chunk(2)
    radius, phase = torch.hypot(real, imaginary), torch.atan2(imaginary, real)
    assert ((radius >= 0.5 - 1e-6) & (radius <= 0.9 + 1e-6)).all()
    assert ((phase >= 0) & (phase <= 1)).all()
    # Uniform in area: half of the units lie outside the circle that halves the ring's area.
    assert abs((radius > math.sqrt((0.25 + 0.81) / 2)).double().mean() - 0.5) < 0.1
    torch.testing.assert_close(cell.gamma_log.exp(), torch.sqrt(1 - radius**2), rtol=1e-4, atol=1e-5)


def test_an_lru_keeps_the_size_of_white_noise() -> None:
    """What gamma is for: the state is as large with |a| near 1 as with |a| near 0."""
    for r_min, r_max in ((0.0, 0.1), (0.97, 0.98)):
        cell = LRUCell(F, H, r_min=r_min, r_max=r_max)
        state = cell.initial_state(1, torch.ones(1))
        for x in torch.randn(300, 1, F):
            state = cell.step(cell.project(x), state)[1]
        assert 0.5 < state.h.detach().square().sum() / H < 2


@pytest.mark.parametrize("drawn", [torch.zeros, torch.ones])
def test_the_ends_of_the_range_are_finite(drawn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """|a| = 0 and |a| = 1 have no logarithm, or none of its logarithm."""
    monkeypatch.setattr(torch, "rand", drawn)
    for cell in (LRUCell(F, 8), RGLRUCell(F, 8, r_min=0.0, r_max=1.0)):
        assert all(parameter.isfinite().all() for parameter in cell.parameters())


def test_the_range_of_an_rglru() -> None:
    cell = RGLRUCell(F, H, r_min=0.3, r_max=0.6, exponent=4.0)
    a = torch.sigmoid(cell.a_logit) ** 4
    assert ((a >= 0.3 - 1e-6) & (a <= 0.6 + 1e-6)).all()
    assert abs(a.mean() - 0.45) < 0.02


@pytest.mark.parametrize("cls", [MinGRUCell, MinLSTMCell])
def test_forget_bias_is_what_is_kept(cls: Any) -> None:
    cell = cls(F, H, forget_bias=3.0)
    a, _ = cell.coefficients(cell.project(torch.zeros(F)))
    torch.testing.assert_close(a, torch.sigmoid(torch.full((H,), 3.0)))
    assert cell.linear.bias[-H:].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("cls", CELLS)
def test_finite_where_gates_are_shut_or_wide_open(cls: Any, dtype: torch.dtype) -> None:
    """a is exactly 0 or 1 there, and so near 1 that 1 - a**2 has no digit left."""
    cell = cls(F, 8).to(dtype)
    size = 2 * 8 if cls is LRUCell else 8
    blocks = cell.project(torch.zeros(F, dtype=dtype)).shape[-1] // 8
    for level in torch.cartesian_prod(*[torch.tensor([-200.0, -20.0, 0.0, 20.0, 200.0])] * blocks).view(-1, blocks):
        u = level.repeat_interleave(8).to(dtype).unsqueeze(0).requires_grad_()
        y, state = cell.step(u, HiddenState(torch.ones(1, size, dtype=dtype)))
        gradients = torch.autograd.grad(y.sum() + state.h.sum(), [u, *cell.parameters()], allow_unused=True)
        for tensor in (y, state.h, *(each for each in gradients if each is not None)):
            assert tensor.isfinite().all(), level


def test_the_shares_of_a_minlstm_are_one_together() -> None:
    cell = MinLSTMCell(F, 1)
    levels = torch.tensor([-300.0, -5.0, 0.0, 5.0, 300.0])
    u = torch.cat((torch.cartesian_prod(levels, levels), torch.ones(25, 1)), dim=-1)
    gates = cell.activations(u, cell.initial_state(25, u))
    torch.testing.assert_close(gates["i"] + gates["f"], torch.ones(25, 1))


def test_activations_are_the_gates_of_the_step() -> None:
    x, h = torch.randn(2, F), torch.randn(2, 8)
    state = HiddenState(h)
    for cell, new in (
        (MinGRUCell(F, 8), lambda g: (1 - g["z"]) * h + g["z"] * g["n"]),
        (MinLSTMCell(F, 8), lambda g: g["f"] * h + g["i"] * g["g"]),
    ):
        u = cell.project(x)
        torch.testing.assert_close(cell.step(u, state)[0], new(cell.activations(u, state)))
    gates = RGLRUCell(F, 8).activations(torch.randn(2, 24), state)
    assert list(gates) == ["r", "i"]
    assert not LRUCell(F, 8).activations(torch.randn(2, 24), state)


REFUSED: list[tuple[type[LinearCell], dict[str, Any], str]] = [
    (MinGRUCell, {"input_size": 0}, "input_size must be a whole number of at least 1, got 0"),
    (MinGRUCell, {"forget_bias": 1.0, "bias": False}, "forget_bias needs biases"),
    (MinLSTMCell, {"forget_bias": 1.0, "bias": False}, "forget_bias needs biases"),
    (LRUCell, {"r_min": -0.1}, "r_min must be a number of at least 0 and below 1, got -0.1"),
    (LRUCell, {"r_max": 1.1}, r"r_max must be a number above 0 and at most 1, got 1\.1"),
    (LRUCell, {"r_min": 0.9, "r_max": 0.9}, "r_min < r_max"),
    (LRUCell, {"max_phase": 0.0}, "max_phase must be a number above 0 and at most 2 pi, got 0.0"),
    (LRUCell, {"max_phase": 7.0}, "max_phase must be a number above 0"),
    (RGLRUCell, {"r_min": 0.9999}, "r_min < r_max"),
    (RGLRUCell, {"exponent": 0.0}, "exponent must be a number above 0, got 0.0"),
    (RGLRUCell, {"exponent": float("nan")}, "exponent must be a number above 0"),
]


@pytest.mark.parametrize(("cls", "options", "message"), REFUSED)
def test_refusal(cls: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**{"input_size": F, "hidden_size": 8, **options})
