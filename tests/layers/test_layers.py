"""What layers do beyond the laws: merging, widths, dropout, residuals, learned states, and what they refuse."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from seqmodels.cells import ElmanCell, FeedforwardCell, GRUCell, LSTMCell
from seqmodels.layers import Bidirectional, Layer, Recurrent, Stack


def two_ways(merge: str = "concat", backward_size: int = 5) -> Bidirectional:
    return Bidirectional(Recurrent(GRUCell(3, 5)), Recurrent(GRUCell(3, backward_size), reverse=True), merge)


def test_reverse_is_the_flipped_sequence() -> None:
    cell = GRUCell(3, 5)
    x, lengths = torch.randn(2, 6, 3), [6, 4]
    y, last = Recurrent(cell, reverse=True)(x, lengths=torch.tensor(lengths))
    for row, length in enumerate(lengths):
        expected, state = Recurrent(cell)(x[row : row + 1, :length].flip(1))
        torch.testing.assert_close(y[row, :length], expected[0].flip(0))
        torch.testing.assert_close(last.h[row], state.h[0])


def test_merge() -> None:
    x = torch.randn(2, 6, 3)
    layer = two_ways()
    forward, backward = layer.forward_layer(x)[0], layer.backward_layer(x)[0]
    assert torch.equal(layer(x)[0], torch.cat((forward, backward), dim=-1))
    layer.merge = "sum"
    assert torch.equal(layer(x)[0], forward + backward)
    assert two_ways("concat", 7).output_size == 12
    assert two_ways("sum").output_size == 5


def test_a_stack_of_different_widths() -> None:
    stack = Stack([Recurrent(LSTMCell(3, 8)), Recurrent(GRUCell(8, 2)), two_layers()])
    y, state = stack(torch.randn(2, 6, 3))
    assert y.shape == (2, 6, 6)
    assert (stack.input_size, stack.output_size) == (3, 6)
    assert [type(part).__name__ for part in state] == ["LSTMState", "HiddenState", "tuple"]


def two_layers() -> Bidirectional:
    return Bidirectional(Recurrent(ElmanCell(2, 3)), Recurrent(ElmanCell(2, 3), reverse=True))


def test_dropout_is_between_layers_only() -> None:
    first, second = Recurrent(FeedforwardCell(4, 4)), Recurrent(FeedforwardCell(4, 4))
    stack = Stack([first, second], dropout=0.5)
    x = torch.randn(64, 3, 4)
    torch.manual_seed(1)
    y = stack(x)[0]
    torch.manual_seed(1)
    expected = second(torch.nn.functional.dropout(first(x)[0], 0.5))[0]
    assert torch.equal(y, expected)
    assert torch.equal(stack.eval()(x)[0], second(first(x)[0])[0])


def test_dropout_one_stops_all() -> None:
    stack = Stack([Recurrent(ElmanCell(3, 4)), Recurrent(ElmanCell(4, 4, bias=False))], dropout=1.0)
    assert not stack(torch.randn(2, 5, 3))[0].any()


def test_residual_goes_around_each_layer_as_wide_as_its_input() -> None:
    layers = [Recurrent(GRUCell(3, 5)), Recurrent(GRUCell(5, 5)), Recurrent(GRUCell(5, 2))]
    x = torch.randn(2, 6, 3)
    one = layers[0](x)[0]
    two = layers[1](one)[0] + one
    torch.testing.assert_close(Stack(layers, residual=True)(x)[0], layers[2](two)[0])


@pytest.mark.parametrize("engine", ["vendor", "reference"])
def test_a_learned_initial_state_learns_at_the_start_and_at_resets(engine: str) -> None:
    layer = Recurrent(LSTMCell(3, 5), initial_state="learned", engine=engine)
    x = torch.randn(4, 6, 3)
    state = (torch.randn(4, 5), torch.randn(4, 5))
    given = layer.cell.state_type(*state)
    names = ["cell.initial_h", "cell.initial_c"]
    parameters = [dict(layer.named_parameters())[name] for name in names]

    def gradients(**arguments: Any) -> list[torch.Tensor]:
        total = layer(x, **arguments)[0].sum()
        return list(torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True))

    assert all(gradient.any() for gradient in gradients())
    assert not any(gradient.any() for gradient in gradients(state=given))
    rows = torch.tensor([False, True, False, False])
    assert all(gradient.any() for gradient in gradients(state=given, reset=rows))
    if engine == "reference":
        inside = torch.zeros(4, 6, dtype=torch.bool)
        inside[2, 3] = True
        assert all(gradient.any() for gradient in gradients(state=given, reset=inside))


def test_carries() -> None:
    assert Recurrent(GRUCell(3, 5)).carries
    assert not Recurrent(GRUCell(3, 5), reverse=True).carries
    assert not two_ways().carries
    assert Stack([Recurrent(GRUCell(3, 5))]).carries
    assert not Stack([two_ways("sum"), Recurrent(GRUCell(5, 5))]).carries


def test_explain_has_a_line_per_cell() -> None:
    stack = Stack(
        [two_ways("sum"), Recurrent(LSTMCell(5, 5, peephole=True)), Recurrent(GRUCell(5, 5), engine="reference")]
    )
    assert stack.explain().splitlines() == [
        "GRUCell: fused (its step is compiled into code of its own)",
        "GRUCell: fused (its step is compiled into code of its own)",
        "LSTMCell: fused (its step is compiled into code of its own)",
        "GRUCell: reference (engine='reference' was asked for)",
    ]


def test_shape_of_the_initial_state_is_that_of_the_last() -> None:
    stack = Stack([two_ways("sum"), Recurrent(LSTMCell(5, 4, proj_size=2))])
    x = torch.randn(2, 6, 3)
    y, last = stack(x)
    again, _ = stack(x, stack.initial_state(2, x))
    assert torch.equal(y, again)
    assert last[1].h.shape == (2, 2)
    assert last[1].c.shape == (2, 4)


REFUSED: list[tuple[Callable[[], Layer], str]] = [
    (lambda: Recurrent(torch.nn.LSTMCell(3, 5)), "cell must be a seqmodels.cells.Cell, got LSTMCell"),
    (
        lambda: Recurrent(GRUCell(3, 5), initial_state="random"),
        "initial_state must be 'zero' or 'learned', got 'random'",
    ),
    (lambda: Recurrent(GRUCell(3, 5), engine="fast"), "engine must be one of auto, .*; got 'fast'"),
    (lambda: Recurrent(FeedforwardCell(3, 5), initial_state="learned"), "needs a cell with a state; FeedforwardCell"),
    (lambda: two_ways("mean"), "merge must be 'concat' or 'sum', got 'mean'"),
    (lambda: two_ways("sum", 7), "merge='sum' needs equal output sizes, got 5 and 7; use merge='concat'"),
    (
        lambda: Bidirectional(Recurrent(GRUCell(3, 5)), Recurrent(GRUCell(3, 5))),
        "backward must be a Recurrent with reverse=True, got one with reverse=False",
    ),
    (
        lambda: Bidirectional(GRUCell(3, 5), Recurrent(GRUCell(3, 5), reverse=True)),
        "forward must be a Recurrent with reverse=False, got GRUCell",
    ),
    (
        lambda: Bidirectional(Recurrent(GRUCell(4, 5)), Recurrent(GRUCell(3, 5), reverse=True)),
        "forward and backward must have one input_size, got 4 and 3",
    ),
    (lambda: Stack([]), "layers must be at least one seqmodels layer.* got none"),
    (lambda: Stack([torch.nn.Linear(3, 3)]), "layers must be .* got Linear"),
    (
        lambda: Stack([Recurrent(GRUCell(3, 5)), Recurrent(GRUCell(4, 5))]),
        r"layers\[1\] takes 4 features but layers\[0\] gives 5",
    ),
    (lambda: Stack([Recurrent(GRUCell(3, 5))], dropout=1.5), "dropout must be a probability from 0 to 1, got 1.5"),
    (lambda: Stack([Recurrent(GRUCell(3, 5))], residual=True), "residual=True needs a layer .* got 3 to 5"),
]


@pytest.mark.parametrize(("build", "message"), REFUSED)
def test_refusal(build: Callable[[], Layer], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_a_state_of_the_wrong_structure_is_refused() -> None:
    x = torch.zeros(2, 6, 3)
    with pytest.raises(ValueError, match=r"state must be the tuple \(forward state, backward state\), got HiddenState"):
        two_ways()(x, Recurrent(GRUCell(3, 5)).initial_state(2, x))
    with pytest.raises(ValueError, match=r"state must be the tuple \(state of layer 0\), got"):
        Stack([Recurrent(GRUCell(3, 5))])(x, (None, None))
    with pytest.raises(ValueError, match="reset must be"):
        two_ways()(x, reset=torch.ones(2, 6, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"inputs must be \(batch, steps, 3\)"):
        Stack([Recurrent(GRUCell(3, 5))])(x[0])


def test_dropout_without_a_place_warns() -> None:
    with pytest.warns(UserWarning, match="dropout=0.5 has no effect"):
        Stack([Recurrent(GRUCell(3, 5))], dropout=0.5)
