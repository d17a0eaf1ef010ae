"""Recording steps and cutting batches leaves everything as it was, and cuts where it says."""

import pytest
import torch
from torch import nn

from seqmodels.cells import GRUCell, LSTMCell
from seqmodels.layers import Recurrent
from seqmodels.model import evaluating
from seqmodels.training.diagnostics.cuts import NotApplicableError, last_steps, longest_rows, only_step, predict
from seqmodels.training.diagnostics.trace import named_cells, recorded
from tests.training.diagnostics_parts import HEADS, batch_for, model_for


def test_cells_are_named_by_layer_direction_and_place():
    one_way, _, _ = model_for("many_to_many")
    assert list(named_cells(one_way)) == ["layer0", "layer1"]
    two_ways, _, _ = model_for("many_to_one", "bidirectional")
    assert list(named_cells(two_ways)) == ["layer0", "layer0_reverse", "layer1", "layer1_reverse"]
    own, _, _ = model_for("encoder_decoder")
    assert list(named_cells(own)) == ["layer0", "layer1", "decoder0"]


def test_a_reversed_layer_in_a_list_is_a_layer_of_its_own():
    layers = nn.ModuleList([Recurrent(GRUCell(3, 3)), Recurrent(GRUCell(3, 3), reverse=True)])
    assert list(named_cells(layers)) == ["layer0", "layer1_reverse"]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", ["stack", "bidirectional"])
def test_recording_changes_no_prediction_and_leaves_the_model_as_it_was(head, kind):
    model, task, batch = model_for(head, kind)
    model.train()
    model.encoder.eval()  # a mode of its own must come back too
    modes = [m.training for m in model.modules()]
    attributes = {name: set(vars(m)) for name, m in model.named_modules()}
    with evaluating(model):
        expected = predict(model, batch, task)
    with recorded(model) as steps:
        torch.testing.assert_close(predict(model, batch, task), expected)
    assert all(len(met) == batch.inputs.shape[1] for name, met in steps.items() if name.startswith("layer"))
    assert [m.training for m in model.modules()] == modes
    assert {name: set(vars(m)) for name, m in model.named_modules()} == attributes
    assert all(m.engine == "auto" for m in model.modules() if isinstance(m, Recurrent))


def test_the_model_comes_back_also_after_an_error():
    model, task, batch = model_for("many_to_many")
    model.train()
    with pytest.raises(ValueError, match="token"), recorded(model):
        predict(model, batch._replace(inputs=batch.inputs + 100), task)
    assert model.training
    assert "step" not in vars(named_cells(model)["layer0"])


def test_recorded_states_are_those_the_layer_gives():
    layer = Recurrent(LSTMCell(3, 5))
    inputs = torch.randn(2, 7, 3)
    with recorded(layer) as steps:
        layer(inputs)
    torch.testing.assert_close(torch.stack([s.after.c for s in steps["layer0"]], dim=1), layer.states(inputs).c)


def test_last_steps_are_each_rows_own():
    batch = batch_for("step", rows=3, steps=6)
    cut = last_steps(batch, 4, per_step=True)
    assert cut.lengths.tolist() == [4, 4, 3]
    assert torch.equal(cut.inputs[0], batch.inputs[0, 2:])
    assert torch.equal(cut.inputs[2, :3], batch.inputs[2, :3])
    assert torch.equal(cut.targets[0], batch.targets[0, 2:])
    assert bool(cut.reset.all())
    whole = last_steps(batch_for("sequence", rows=3, steps=6), 4, per_step=False)
    assert whole.targets.shape == (3,)


def test_only_step_is_the_step_asked_for():
    batch = batch_for("step", rows=3, steps=6)
    prediction = torch.randn(3, 6, 7)
    one, cut = only_step(prediction, batch, batch.lengths - 1)
    assert torch.equal(one[2, 0], prediction[2, 2])
    assert cut.targets[:, 0].tolist() == [batch.targets[0, 5], batch.targets[1, 5], batch.targets[2, 2]]


def test_rows_that_only_pad_are_left_out():
    batch = batch_for("step", rows=3, steps=6)
    padded = batch._replace(lengths=torch.tensor([0, 6, 2]))
    assert longest_rows(padded, 8).lengths.tolist() == [6, 2]
    with pytest.raises(NotApplicableError, match="no real step"):
        longest_rows(batch._replace(lengths=torch.zeros(3, dtype=torch.long)), 8)
