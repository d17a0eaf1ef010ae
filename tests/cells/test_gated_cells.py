"""Heads, gains, starting weights and gates of the gated cells."""

import math
from typing import Any

import pytest
import torch

from seqmodels.cells import (
    DiagonalGRUCell,
    DiagonalLSTMCell,
    ElmanCell,
    GatedCell,
    GRUCell,
    IndRNNCell,
    LayerNormGRUCell,
    LayerNormLSTMCell,
    LSTMCell,
    LSTMState,
    MGUCell,
)
from seqmodels.layers import Recurrent

H = 6
WITH_HEADS = [ElmanCell, LSTMCell, GRUCell, LayerNormLSTMCell, LayerNormGRUCell, MGUCell]
DIAGONAL = [IndRNNCell, DiagonalLSTMCell, DiagonalGRUCell]


def random_state(cell: GatedCell) -> Any:
    return cell.state_type(*(torch.randn(2, size) for size in cell.state_sizes().values()))


def blocks(cell: GatedCell) -> list[torch.Tensor]:
    """Every square block of the recurrent weights."""
    return list(cell.weight_hh.split(H // cell.heads))


@pytest.mark.parametrize("heads", [1, 2, 3, H])
@pytest.mark.parametrize("cls", WITH_HEADS)
def test_orthogonal_and_identity_per_block(cls: type[GatedCell], heads: int) -> None:
    cell = cls(3, H, init="orthogonal", heads=heads)
    for block in blocks(cell):
        torch.testing.assert_close(block @ block.T, torch.eye(H // heads))
    assert not cell.bias_ih.any()
    for block in blocks(cls(3, H, init="identity", heads=heads)):
        assert torch.equal(block, torch.eye(H // heads))


@pytest.mark.parametrize("cls", WITH_HEADS)
def test_identity_blocks_are_the_dense_identity(cls: type[GatedCell]) -> None:
    one, several = (cls(3, H, init="identity", bias=False, heads=heads) for heads in (1, 3))
    state = random_state(one)
    assert torch.equal(one.recur(state), several.recur(state))


@pytest.mark.parametrize("cls", [ElmanCell, LSTMCell, GRUCell])
def test_uniform_keeps_torch_own_bound(cls: type[GatedCell]) -> None:
    cell = cls(3, 100, heads=50)
    assert 0.09 < cell.weight_hh.abs().max() <= 1 / math.sqrt(100)


@pytest.mark.parametrize("cls", [*WITH_HEADS, *DIAGONAL])
def test_a_unit_sees_only_its_own_head(cls: type[GatedCell]) -> None:
    cell = cls(3, H, heads=2) if cls in WITH_HEADS else cls(3, H)
    state = random_state(cell)
    whole = torch.autograd.functional.jacobian(lambda h: cell.recur(state._replace(h=h)), state.h)
    seen = whole[0, :, 0].view(len(cell.gates), H, H).abs().sum(0) > 0
    heads = 2 if cls in WITH_HEADS else H
    assert torch.equal(seen, torch.block_diag(*[torch.ones(H // heads, H // heads)] * heads).bool())


@pytest.mark.parametrize("cls", [ElmanCell, LSTMCell, GRUCell])
def test_torch_has_no_heads(cls: type[GatedCell]) -> None:
    assert cls(3, H).vendor() is not None
    cell = cls(3, H, heads=2)
    assert cell.vendor() is None
    with pytest.raises(ValueError, match="engine='vendor' cannot run this"):
        Recurrent(cell, engine="vendor")(torch.zeros(1, 2, 3))


@pytest.mark.parametrize("init", ["uniform", "orthogonal", "identity"])
@pytest.mark.parametrize("cls", [LayerNormLSTMCell, LayerNormGRUCell])
def test_gains_start_at_one(cls: type[GatedCell], init: str) -> None:
    cell = cls(3, H, init=init)
    gains = {name: value for name, value in cell.named_parameters() if name.startswith("gain")}
    assert len(gains) >= 2
    assert all(torch.equal(gain, torch.ones_like(gain)) for gain in gains.values())
    assert cell.bias_hh is None


@pytest.mark.parametrize("cls", [LayerNormLSTMCell, LayerNormGRUCell])
def test_layer_norm_forgets_the_scale_of_the_weights(cls: type[GatedCell]) -> None:
    """LN(a z) = LN(z): ten times the weights is the same cell (Ba et al. 2016, section 5.1)."""
    options: dict[str, Any] = {"eps": 1e-9}
    cell = cls(3, H, **options)
    x, state = torch.randn(2, 3), random_state(cell)
    before = cell.step(cell.project(x), state)[0]
    with torch.no_grad():
        cell.weight_ih.mul_(10)
        cell.weight_hh.mul_(10)
    torch.testing.assert_close(cell.step(cell.project(x), state)[0], before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("cls", "gate", "sign"),
    [
        (LayerNormLSTMCell, "f", 1),
        (LayerNormGRUCell, "z", 1),
        (DiagonalLSTMCell, "f", 1),
        (DiagonalGRUCell, "z", 1),
        (MGUCell, "f", -1),
    ],
)
def test_a_large_forget_bias_keeps_the_state(cls: type[GatedCell], gate: str, sign: int) -> None:
    cell = cls(3, H, forget_bias=30.0)
    state = random_state(cell)
    kept = cell.step(cell.project(torch.randn(2, 3)), state)[1]
    gates = cell.activations(cell.project(torch.randn(2, 3)), state)
    torch.testing.assert_close(gates[gate], torch.full((2, H), float(sign > 0)))
    if isinstance(state, LSTMState):
        added = (kept.c - state.c).abs()
        assert (added <= 1).all()  # all of c_(t-1), and at most i g
    else:
        torch.testing.assert_close(kept.h, state.h)


@pytest.mark.parametrize("cls", [*WITH_HEADS[1:], DiagonalGRUCell, DiagonalLSTMCell])
def test_chrono_covers_the_time_scales(cls: type[GatedCell]) -> None:
    cell = cls(3, H, init="chrono", chrono_steps=100)
    total = sum(bias for name, bias in cell.named_parameters() if name in ("bias_ih", "bias_hh"))
    assert isinstance(total, torch.Tensor)
    parts = dict(zip(cell.gates, total.split(H), strict=True))
    keep = parts[cell.keep_gate] if cell.keep_gate else -parts[cell.write_gate or ""]
    assert ((keep >= 0) & (keep <= math.log(99))).all()
    assert keep.std() > 0
    if cell.write_gate:
        assert torch.equal(parts[cell.write_gate], -keep)


def test_indrnn_starts_within_the_range_of_its_dependencies() -> None:
    weights = IndRNNCell(3, 500, longest_dependency=2).weight_hh
    assert 1.3 < weights.max() <= math.sqrt(2)
    assert 0 <= weights.min() < 0.1
    assert 0.9 < IndRNNCell(3, 500).weight_hh.max() <= 1


def test_activations_are_the_gates_of_the_step() -> None:
    """The state made again from the named activations is the new state."""
    x = torch.randn(2, 3)
    cells: list[GatedCell]
    cells = [LSTMCell(3, H, heads=2), LayerNormLSTMCell(3, H, heads=3), DiagonalLSTMCell(3, H, peephole=True)]
    cells += [LSTMCell(3, H, peephole=True), LSTMCell(3, H, coupled=True)]
    for cell in cells:
        state = random_state(cell)
        a = cell.activations(cell.project(x), state)
        assert list(a) == ["i", "f", "g", "o"]
        torch.testing.assert_close(cell.step(cell.project(x), state)[1].c, a["f"] * state.c + a["i"] * a["g"])
    cells = [GRUCell(3, H, heads=2), LayerNormGRUCell(3, H, heads=3), DiagonalGRUCell(3, H), MGUCell(3, H)]
    cells.append(GRUCell(3, H, reset_gate="before"))
    for cell in cells:
        state = random_state(cell)
        a = cell.activations(cell.project(x), state)
        keep = 1 - a["f"] if isinstance(cell, MGUCell) else a["z"]
        torch.testing.assert_close(cell.step(cell.project(x), state)[0], (1 - keep) * a["n"] + keep * state.h)


REFUSED: list[tuple[type[GatedCell], dict[str, Any], str]] = [
    *[(cls, {"heads": 4}, "heads must be a whole number that divides hidden_size=6, got 4") for cls in WITH_HEADS],
    (LSTMCell, {"heads": 0}, "heads must be a whole number"),
    (LSTMCell, {"heads": 2, "proj_size": 2}, "proj_size mixes the heads: set heads=1 or proj_size=0, got 2 and 2"),
    (GRUCell, {"heads": 2, "reset_gate": "before"}, "heads needs reset_gate='after', got heads=2"),
    (LayerNormLSTMCell, {"eps": 0}, "eps must be a number above 0, got 0"),
    (LayerNormGRUCell, {"eps": -1.0}, "eps must be a number above 0, got -1.0"),
    (LayerNormLSTMCell, {"bias": False, "forget_bias": 1.0}, "forget_bias needs biases"),
    (IndRNNCell, {"nonlinearity": "gelu"}, "nonlinearity must be one of tanh, relu, got 'gelu'"),
    (IndRNNCell, {"longest_dependency": 0}, "longest_dependency must be a whole number of at least 1, or null, got 0"),
    (ElmanCell, {"init": "chrono"}, "init='chrono' needs chrono_steps"),
    (MGUCell, {"init": "chrono"}, "init='chrono' needs chrono_steps"),
    (DiagonalLSTMCell, {"coupled": True, "forget_bias": 1.0}, "coupled gates have no forget gate"),
]


@pytest.mark.parametrize(("cls", "options", "message"), REFUSED)
def test_refusal(cls: type[GatedCell], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls(3, H, **options)
