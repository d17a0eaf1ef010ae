"""Law 6: before the window the gradient is exactly zero, inside it is what full BPTT gives."""

import pytest
import torch
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.cells import ElmanCell, FeedforwardCell, GRUCell, LSTMCell
from seqmodels.heads import ManyToMany, ManyToOne
from seqmodels.layers import Bidirectional, Recurrent, Stack
from seqmodels.model import FeatureEncoder, SequenceModel
from seqmodels.training.truncation import Carried, run_sequences, run_window

ROWS, STEPS, FEATURES, UNITS = 3, 24, 2, 5
CELLS = [LSTMCell, GRUCell, ElmanCell]


def make_model(cell: type, head: type = ManyToMany, learned: bool = False) -> SequenceModel:
    torch.manual_seed(0)
    initial = "learned" if learned else "zero"
    layers = [
        Recurrent(cell(FEATURES, UNITS), initial_state=initial),
        Recurrent(cell(UNITS, UNITS), initial_state=initial),
    ]
    return SequenceModel(FeatureEncoder(FEATURES), Stack(layers), head(UNITS, 1)).double()


def make_inputs() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(ROWS, STEPS, FEATURES, dtype=torch.double, requires_grad=True)


def window(inputs: Tensor, start: int, stop: int, reset: bool | list[bool], lengths: Tensor | None = None):
    flags = torch.tensor([reset] * ROWS if isinstance(reset, bool) else reset)
    lengths = torch.full((ROWS,), stop - start) if lengths is None else (lengths - start).clamp(0, stop - start)
    return SequenceBatch(inputs[:, start:stop], torch.zeros(ROWS), lengths, flags)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("k2", [None, 4, 6, 7, 12, 30])
@pytest.mark.parametrize("k1", [6, 8])
def test_gradient_reaches_exactly_k2_steps_back(cell: type, k1: int, k2: int | None) -> None:
    model, inputs, carried = make_model(cell), make_inputs(), Carried()
    reach = k1 if k2 is None else k2
    for start in range(0, STEPS, k1):
        prediction = run_window(model, window(inputs, start, start + k1, start == 0), carried, k2)
        last = prediction[:, -1].sum()
        (gradient,) = torch.autograd.grad(last, inputs)
        norms = gradient.abs().sum((0, 2))
        stop = start + k1
        # With k2 below k1 the graph is cut every k2 steps, so the last chunk may be shorter.
        inside = reach if reach >= k1 else (k1 % reach or reach)
        first = max(0, stop - inside)
        assert (norms[first:stop] > 0).all()
        assert (norms[:first] == 0).all()
        assert (norms[stop:] == 0).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("learned", [False, True])
def test_windows_that_reach_everything_equal_full_bptt(cell: type, learned: bool) -> None:
    model, inputs = make_model(cell, learned=learned), make_inputs()
    lengths = torch.tensor([24, 17, 5])
    whole = run_sequences(model, window(inputs, 0, STEPS, True, lengths), None)
    carried, windows = Carried(), []
    for start in range(0, STEPS, 6):
        windows.append(run_window(model, window(inputs, start, start + 6, start == 0, lengths), carried, k2=STEPS))
    torch.testing.assert_close(torch.cat(windows, 1), whole, rtol=0, atol=1e-12)
    # The loss of the last window alone: its gradient must be that of full BPTT through everything.
    weights = list(model.layers.parameters())
    expected = torch.autograd.grad(whole[:, 18:].pow(2).sum(), [inputs, *weights])
    found = torch.autograd.grad(windows[-1].pow(2).sum(), [inputs, *weights])
    for e, f in zip(expected, found, strict=True):
        torch.testing.assert_close(f, e, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", [*CELLS, FeedforwardCell])
@pytest.mark.parametrize("k2", [None, 3, 6, 9, 13])
def test_carried_windows_predict_as_one_run_does(cell: type, k2: int | None) -> None:
    model, inputs = make_model(cell), make_inputs()
    whole = model(inputs)[0]
    carried = Carried()
    for start in range(0, STEPS, 6):
        prediction = run_window(model, window(inputs, start, start + 6, start == 0), carried, k2)
        torch.testing.assert_close(prediction, whole[:, start : start + 6], rtol=0, atol=1e-12)


@pytest.mark.parametrize("k2", [None, 1, 2, 5, 6, 7, 11])
@pytest.mark.parametrize("sizes", [(3, 8, 2, 6, 1, 4), (7, 1, 1, 9, 5, 1), (1, 1, 12, 1, 1, 8), (5, 7, 6, 5, 1)])
def test_windows_of_mixed_lengths_predict_as_one_run_and_reach_exactly_k2_steps(
    sizes: tuple[int, ...], k2: int | None
) -> None:
    model, inputs, carried = make_model(GRUCell), make_inputs(), Carried()
    whole = model(inputs)[0]
    start = 0
    for size in sizes:
        stop = start + size
        prediction = run_window(model, window(inputs, start, stop, start == 0), carried, k2)
        torch.testing.assert_close(prediction, whole[:, start:stop], rtol=0, atol=1e-12)
        (gradient,) = torch.autograd.grad(prediction[:, -1].sum(), inputs)
        norms = gradient.abs().sum((0, 2))
        inside = size if k2 is None else k2 if k2 >= size else (size % k2 or k2)
        first = max(0, stop - inside)
        assert (norms[first:stop] > 0).all()
        assert (norms[:first] == 0).all()
        start = stop
        assert sum(past.inputs.shape[1] for past in carried.past[1:]) < (k2 or 1)
    assert start == STEPS


@pytest.mark.parametrize("k2", [None, 9])
def test_a_reset_row_starts_fresh_and_cuts_the_gradient(k2: int | None) -> None:
    model, inputs, carried = make_model(LSTMCell), make_inputs(), Carried()
    run_window(model, window(inputs, 0, 6, True), carried, k2)
    prediction = run_window(model, window(inputs, 6, 12, [False, True, False]), carried, k2)
    fresh = model(inputs[:, 6:12])[0]
    torch.testing.assert_close(prediction[1], fresh[1], rtol=0, atol=1e-12)
    assert (prediction[0] - fresh[0]).abs().max() > 1e-3
    (gradient,) = torch.autograd.grad(prediction[1].sum(), inputs)
    assert (gradient[:, :6] == 0).all()


def test_the_past_that_is_kept_is_bounded() -> None:
    model, inputs, carried = make_model(GRUCell), make_inputs().detach(), Carried()
    for _ in range(5):
        for start in range(0, STEPS, 3):
            run_window(model, window(inputs, start, start + 3, False), carried, k2=10)
            assert sum(past.inputs.shape[1] for past in carried.past) <= 9 + 3


@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("k2", [1, 5, 24, 40])
def test_whole_sequences_backpropagate_through_each_rows_last_k2_steps(pooling: str, k2: int) -> None:
    torch.manual_seed(0)
    layers = Stack([Recurrent(LSTMCell(FEATURES, UNITS))])
    model = SequenceModel(FeatureEncoder(FEATURES), layers, ManyToOne(UNITS, 1, pooling=pooling)).double()
    inputs, lengths = make_inputs(), torch.tensor([24, 11, 3])
    batch = window(inputs, 0, STEPS, True, lengths)
    truncated, full = run_sequences(model, batch, k2), run_sequences(model, batch, None)
    torch.testing.assert_close(truncated, full, rtol=0, atol=1e-12)
    (gradient,) = torch.autograd.grad(truncated.sum(), inputs)
    for row, length in enumerate(lengths.tolist()):
        norms = gradient[row].abs().sum(-1)
        first = max(0, length - k2)
        assert (norms[first:length] > 0).all()
        assert (norms[:first] == 0).all()
        assert (norms[length:] == 0).all()


def test_a_learned_initial_state_is_trained_by_the_rows_that_reach_it() -> None:
    model = make_model(LSTMCell, ManyToOne, learned=True)
    inputs = make_inputs()
    learned = model.layers.layers[0].cell.initial_h
    batch = window(inputs, 0, STEPS, True, torch.tensor([24, 11, 3]))
    prediction = run_sequences(model, batch, 5)
    assert torch.autograd.grad(prediction[2].sum(), learned, retain_graph=True)[0].abs().sum() > 0
    assert torch.autograd.grad(prediction[0].sum(), learned, allow_unused=True)[0].abs().sum() == 0


def test_bidirectional_layers_do_not_carry() -> None:
    cells = LSTMCell(FEATURES, UNITS), LSTMCell(FEATURES, UNITS)
    layer = Bidirectional(Recurrent(cells[0]), Recurrent(cells[1], reverse=True))
    assert not Stack([layer]).carries
