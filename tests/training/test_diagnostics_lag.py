"""Gradient against lag: known slopes, and equality with a loop written out by hand."""

import pytest
import torch

from seqmodels.batch import SequenceBatch
from seqmodels.cells import ElmanCell, FeedforwardCell
from seqmodels.heads import ManyToMany, ManyToOne
from seqmodels.spec import Spec
from seqmodels.training.diagnostics.cuts import NotApplicableError
from seqmodels.training.diagnostics.lag import decay_per_step, fresh_cell_curves, gradient_by_lag, gradient_lag_figure
from tests.training.diagnostics_parts import HEADS, Regress, figure_words, model_for, value_model


def linear_model(a: float, head: type, shape: str) -> tuple:
    """An Elman net that stays on the linear side of relu, with W = a I."""
    cell = ElmanCell(3, 5, nonlinearity="relu", bias=False)
    cell.weight_hh.data = a * torch.eye(5)
    cell.weight_ih.data.abs_()
    model = value_model(cell, head(5, 2)).double()
    targets = torch.rand(*((4, 12, 2) if shape == "step" else (4, 2)), dtype=torch.float64)
    inputs = torch.rand(4, 12, 3, dtype=torch.float64)
    batch = SequenceBatch(inputs, targets, torch.full((4,), 12), torch.ones(4).bool())
    return model, Regress(Spec("features", 3, "values", 2, shape)), batch


@pytest.mark.parametrize("a", [0.5, 0.9, 1.0, 1.2])
@pytest.mark.parametrize(("head", "shape"), [(ManyToMany, "step"), (ManyToOne, "sequence")])
def test_slope_of_a_linear_net_is_its_weight(a, head, shape):
    norms = gradient_by_lag(*linear_model(a, head, shape))["layer0"]["h"]
    assert norms.shape == (12,)
    torch.testing.assert_close(norms / norms[0], a ** torch.arange(12.0), rtol=1e-5, atol=0)
    assert decay_per_step(norms) == pytest.approx(a, rel=1e-5)


def test_equals_a_loop_written_out_by_hand():
    model, task, batch = model_for("many_to_many")
    batch = batch._replace(lengths=torch.full_like(batch.lengths, 10))
    curves = gradient_by_lag(model, task, batch)
    model.eval()
    first, second = (layer.cell for layer in model.layers.layers)
    x = model.encoder(batch.inputs)
    states, seen = [first.initial_state(4, x), second.initial_state(4, x)], []
    for t in range(10):
        y, states[0] = first.step(first.project(x[:, t]), states[0])
        y, states[1] = second.step(second.project(y), states[1])
        seen.append((states[0].h, states[0].c, states[1].h, states[1].c))
        for leaf in seen[-1]:
            leaf.retain_grad()
    loss = torch.nn.functional.cross_entropy(model.head.output(y), batch.targets[:, -1], reduction="sum")
    loss.backward()
    for place, (layer, field) in enumerate((n, f) for n in ("layer0", "layer1") for f in ("h", "c")):
        norms = [step[place].grad.norm(dim=1).mean() for step in reversed(seen)]
        torch.testing.assert_close(curves[layer][field], torch.stack(norms), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", ["stack", "bidirectional"])
def test_every_head_and_nothing_touched(head, kind):
    model, task, batch = model_for(head, kind)
    model.train()
    before = {name: p.clone() for name, p in model.named_parameters()}
    if head == "one_to_one":
        with pytest.raises(NotApplicableError, match="more than one step"):
            gradient_by_lag(model, task, batch)
        return
    curves = gradient_by_lag(model, task, batch)
    if head == "one_to_many":
        assert set(curves) == {"decoder0"}
    elif kind == "bidirectional":
        assert {"layer0", "layer0_reverse", "layer1", "layer1_reverse"} <= set(curves)
    for fields in curves.values():
        for norms in fields.values():
            assert bool(norms.isfinite().all())
    assert all(p.grad is None and torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert model.training


def test_each_direction_looks_back_from_where_it_ends():
    model, task, batch = model_for("many_to_many", "bidirectional")
    top = gradient_by_lag(model, task, batch)
    for layer in ("layer1", "layer1_reverse"):
        assert bool((top[layer]["h"] > 0).all())


def test_rows_are_cut_to_a_common_length():
    model, task, batch = model_for("many_to_many")
    assert len(gradient_by_lag(model, task, batch)["layer0"]["h"]) == 5  # the shortest row
    assert len(gradient_by_lag(model, task, batch, rows=3)["layer0"]["h"]) == 10
    assert len(gradient_by_lag(model, task, batch, rows=3, lags=4)["layer0"]["h"]) == 4


def test_frozen_weights_do_not_matter():
    model, task, batch = model_for("many_to_many")
    expected = gradient_by_lag(model, task, batch)
    model.requires_grad_(False)
    torch.testing.assert_close(gradient_by_lag(model, task, batch), expected)


def test_a_model_without_memory_has_no_curve():
    task = Regress(Spec("features", 3, "values", 2, "step"))
    batch = SequenceBatch(torch.rand(2, 6, 3), torch.rand(2, 6, 2), torch.full((2,), 6), torch.ones(2).bool())
    with pytest.raises(NotApplicableError, match="no layer has a state"):
        gradient_by_lag(value_model(FeedforwardCell(3, 4), ManyToMany(4, 2)), task, batch)


def test_an_untrained_lstm_reaches_further_than_an_elman_net():
    state = torch.get_rng_state()
    curves = fresh_cell_curves(32, 60)
    assert torch.equal(torch.get_rng_state(), state)
    elman, lstm = curves.values()
    assert elman.shape == lstm.shape == (60,)
    assert (lstm[-1] / lstm[0]) > 1e3 * (elman[-1] / elman[0])
    assert fresh_cell_curves(32, 60) is curves


@pytest.mark.parametrize(
    ("norms", "decay"), [([1.0, 0.5, 0.25], 0.5), ([1.0, 0.0, 0.25], 0.5), ([1.0, 0.0], None), ([0.0, 0.0], None)]
)
def test_decay_per_step(norms, decay):
    assert decay_per_step(torch.tensor(norms)) == (None if decay is None else pytest.approx(decay))


def test_figure_shows_every_curve_on_one_logarithmic_axis():
    model, task, batch = model_for("many_to_many")
    figure = gradient_lag_figure(gradient_by_lag(model, task, batch), fresh_cell_curves(8, 5))
    axes = figure.axes[0]
    assert axes.get_yscale() == "log"
    assert len(axes.lines) == 2 * 2 + 2
    words = figure_words(figure)
    for expected in ("layer0, state h", "layer1, state c", "Elman", "LSTM", "time lag", "gradient norm"):
        assert expected in words
