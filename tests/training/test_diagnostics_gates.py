"""Gate activations and saturation against values set by hand."""

import pytest
import torch
from torch import nn

from seqmodels.cells import ElmanCell
from seqmodels.heads import ManyToMany
from seqmodels.training.diagnostics.gates import gate_activations, saturated_share, saturation
from seqmodels.training.diagnostics.trace import named_cells
from tests.training.diagnostics_parts import HEADS, model_for


def test_gates_of_a_cell_with_known_weights():
    model, task, batch = model_for("many_to_many")
    cell = named_cells(model)["layer0"]
    for parameter in cell.parameters():
        nn.init.zeros_(parameter)
    cell.bias_ih.data[8:16] = 10.0  # the forget gate, wide open
    found = gate_activations(model, task, batch)
    gates = found.gates["layer0"]
    assert set(gates) == {"i", "f", "g", "o"}
    torch.testing.assert_close(gates["i"], torch.full_like(gates["i"], 0.5))
    torch.testing.assert_close(gates["f"], torch.sigmoid(torch.full_like(gates["f"], 10.0)))
    assert bool((found.states["layer0"]["c"] == 0).all())
    assert saturation(found)["layer0"] == {"i": 0.0, "f": 1.0, "g": 0.0, "o": 0.0}


def test_padding_is_not_counted_and_may_be_anything():
    model, task, batch = model_for("many_to_many")
    whole = gate_activations(model, task, batch)
    assert whole.gates["layer0"]["i"].shape == (int(batch.lengths.sum()), 8)
    cut = gate_activations(model, task, batch, rows=2, steps=3)
    assert cut.gates["layer1"]["o"].shape == (2 * 3, 8)
    dirty = batch._replace(inputs=batch.inputs.clone())
    dirty.inputs[-1, 5:] = 10**6
    torch.testing.assert_close(gate_activations(model, task, dirty).states, whole.states)


@pytest.mark.parametrize("head", HEADS)
def test_every_head_and_direction(head):
    for kind in ("stack", "bidirectional"):
        found = gate_activations(*model_for(head, kind))
        assert {"layer0", "layer1"} <= set(found.gates)
        shares = saturation(found)
        assert all(0 <= share <= 1 for gates in shares.values() for share in gates.values())
    if HEADS[head][1] == "own":
        assert found.gates["decoder0"]["i"].shape == (4 * 5, 8)


@pytest.mark.parametrize(
    ("name", "values", "share"),
    [
        ("f", [0.04, 0.06, 0.94, 0.96], 0.5),
        ("n", [-0.96, -0.94, 0.0, 0.96], 0.5),
        ("k", [0.0, 0.5], 0.5),  # unknown and never negative: from 0 to 1
        ("k", [-0.99, 0.0, 0.01, 0.5], 0.25),  # unknown and negative: from -1 to 1
        ("k", [3.0, 0.5], None),
        ("i", [], None),
    ],
)
def test_saturated_share(name, values, share):
    assert saturated_share(name, torch.tensor(values)) == share


def test_a_cell_without_gates_is_judged_by_its_output():
    for nonlinearity, expected in (("tanh", {"h": 1.0}), ("relu", {})):
        model, task, batch = model_for("many_to_many")
        cell = ElmanCell(6, 8, nonlinearity=nonlinearity)
        nn.init.zeros_(cell.weight_hh)
        cell.bias_ih.data[:] = torch.tensor([50.0, -50.0] * 4)
        model.layers.layers[0].cell = cell
        assert saturation(gate_activations(model, task, batch))["layer0"] == expected


def test_the_head_may_be_any_module_of_the_model():
    model, task, batch = model_for("many_to_many")
    model.head = nn.Sequential(ManyToMany(8, 7))
    model.head.forward = lambda features, lengths, teacher: model.head[0](features, lengths)
    assert "layer0" in gate_activations(model, task, batch).gates
