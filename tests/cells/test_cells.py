"""What a cell says of itself, how it is initialised, and what it refuses."""

import copy
from typing import Any

import pytest
import torch

from seqmodels import registry
from seqmodels.cells import Cell, ElmanCell, FeedforwardCell, GRUCell, LSTMCell

H = 6


def keep_bias(cell: LSTMCell | GRUCell, gate: str) -> torch.Tensor:
    block = slice(cell.gates.index(gate) * H, (cell.gates.index(gate) + 1) * H)
    return (cell.bias_ih + cell.bias_hh)[block]


@pytest.mark.parametrize("cls", [ElmanCell, LSTMCell, GRUCell])
def test_uniform_is_torch_own_to_the_last_bit(cls: type[Cell]) -> None:
    ours, theirs = {ElmanCell: torch.nn.RNNCell, LSTMCell: torch.nn.LSTMCell, GRUCell: torch.nn.GRUCell}[cls], cls
    torch.manual_seed(5)
    expected = ours(3, H)
    torch.manual_seed(5)
    actual = theirs(3, H)
    for name, parameter in expected.named_parameters():
        assert torch.equal(parameter, getattr(actual, name))


def test_identity_is_the_irnn() -> None:
    cell = ElmanCell(3, H, nonlinearity="relu", init="identity")
    assert torch.equal(cell.weight_hh, torch.eye(H))
    assert cell.weight_ih.abs().max() < 0.01


@pytest.mark.parametrize(
    ("cell", "gate"), [(LSTMCell(3, H, forget_bias=1.5), "f"), (GRUCell(3, H, forget_bias=1.5), "z")]
)
def test_forget_bias(cell: Any, gate: str) -> None:
    assert torch.equal(keep_bias(cell, gate), torch.full((H,), 1.5))


REFUSED: list[tuple[type[Cell], dict[str, Any], str]] = [
    (LSTMCell, {"input_size": 0}, "input_size must be a whole number of at least 1, got 0"),
    (LSTMCell, {"hidden_size": 2.0}, "hidden_size must be a whole number"),
    (LSTMCell, {"proj_size": H}, "proj_size must be from 0 to hidden_size - 1 = 5, got 6"),
    (LSTMCell, {"proj_size": -1}, "proj_size must be a whole number of at least 0, got -1"),
    (LSTMCell, {"coupled": True, "forget_bias": 1.0}, "coupled gates have no forget gate"),
    (LSTMCell, {"init": "chrono"}, "needs chrono_steps"),
    (LSTMCell, {"init": "chrono", "chrono_steps": 2}, "of at least 3, or null, got 2"),
    (LSTMCell, {"chrono_steps": 9}, "chrono_steps is only read by init='chrono'"),
    (LSTMCell, {"init": "xavier"}, "init must be one of uniform, orthogonal, chrono, identity, got 'xavier'"),
    (LSTMCell, {"forget_bias": 1.0, "bias": False}, "forget_bias needs biases"),
    (GRUCell, {"reset_gate": "middle"}, "reset_gate must be one of after, before, got 'middle'"),
    (ElmanCell, {"nonlinearity": "gelu"}, "nonlinearity must be one of tanh, relu, got 'gelu'"),
    (FeedforwardCell, {"nonlinearity": "gelu"}, "nonlinearity must be one of tanh, relu, got 'gelu'"),
]


@pytest.mark.parametrize(("cls", "options", "message"), REFUSED)
def test_refusal(cls: type[Cell], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**{"input_size": 3, "hidden_size": H, **options})


def test_feedforward_has_no_state_to_learn() -> None:
    with pytest.raises(ValueError, match="initial_state='learned' needs a cell with a state"):
        FeedforwardCell(3, H).learn_initial_state()


def test_bind_shares_nothing_that_changes() -> None:
    cell = LSTMCell(3, H)
    before = copy.deepcopy(cell.state_dict())
    bound = cell.bind({"weight_hh": cell.weight_hh * 0})
    assert not bound.weight_hh.any()
    assert all(torch.equal(value, before[name]) for name, value in cell.state_dict().items())


def test_registry_knows_the_cells_and_suggests() -> None:
    assert {"elman", "lstm", "gru", "feedforward"} <= set(registry.names("cell"))
    with pytest.raises(ValueError, match="no cell is called 'lsmt'; did you mean 'lstm'"):
        registry.find("cell", "lsmt")
    with pytest.raises(ValueError, match="cell 'lstm' has no option 'peepholes'; did you mean 'peephole'"):
        registry.make("cell", "lstm", 3, 4, peepholes=True)
    with pytest.raises(ValueError, match="already taken"):
        registry.register("cell", "lstm")(GRUCell)
