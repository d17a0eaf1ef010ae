"""The picture of the model: it says what the model is, all of it inside the picture."""

import pytest
from matplotlib.text import Text
from torch import nn

from seqmodels.cells import FeedforwardCell, GRUCell, LSTMCell
from seqmodels.heads import EncoderDecoder, ManyToMany, ManyToOne
from seqmodels.layers import Recurrent, Stack
from seqmodels.model import FeatureEncoder, SequenceModel, TokenEncoder
from seqmodels.training.diagnostics.anatomy import anatomy, count, head_shape
from seqmodels.training.diagnostics.style import figure_pixels
from seqmodels.training.diagnostics.unrolled import unrolled_figure
from tests.training.diagnostics_parts import HEADS, VOCABULARY, figure_words, layers_of, model_for


def model_with(head: nn.Module, layers: nn.Module) -> SequenceModel:
    return SequenceModel(TokenEncoder(VOCABULARY, 6), layers, head)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", ["stack", "bidirectional"])
def test_every_parameter_is_in_one_box(head, kind):
    model, _, _ = model_for(head, kind)
    parts = anatomy(model)
    assert parts.shape == head
    boxes = [parts.encoder, *parts.layers, parts.head]
    assert sum(box.parameters for box in boxes) == parts.parameters == count(model)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", ["stack", "bidirectional"])
@pytest.mark.parametrize("window", [None, 35])
def test_all_words_are_inside_the_picture(head, kind, window):
    model, _, _ = model_for(head, kind)
    figure = unrolled_figure(model, window)
    pixels = figure_pixels(figure)
    assert pixels.dtype == "uint8"
    height, width = pixels.shape[:2]
    for text in figure.findobj(Text):
        if text.get_text():
            box = text.get_window_extent()
            assert box.x0 >= 0, text
            assert box.y0 >= 0, text
            assert box.x1 <= width, text
            assert box.y1 <= height, text
    assert f"{count(model):,} parameters" in figure_words(figure)
    assert head.replace("_", "-") in figure_words(figure)


def test_boxes_say_cell_sizes_and_parameters():
    model, _, _ = model_for("many_to_many")
    words = figure_words(unrolled_figure(model)).split(" | ")
    assert words.count("LSTM") == 2 * 3
    assert words.count(f"6 → 8 · {count(model.layers.layers[0])}") == 3
    assert words.count("dropout 0.3") == 1
    assert {"$x_{1}$", "$x_{2}$", "$x_{T}$", "$\\hat{y}_{T}$", "zero\nstate"} <= set(words)


def test_the_carried_state_is_drawn_where_there_is_one():
    model, _, _ = model_for("many_to_many")
    words = figure_words(unrolled_figure(model, window=35))
    assert "carried\nstate" in words
    assert "carried on,\nno gradient" in words
    assert "one window: 35 steps between updates" in words
    assert "zero\nstate" not in words
    assert "carried" not in figure_words(unrolled_figure(model))
    reaching = figure_words(unrolled_figure(model, window=35, k2=70))
    assert "gradients reach 70 steps back" in reaching
    assert "no gradient" not in reaching


def test_a_learned_initial_state_and_a_cell_without_state():
    learned = Recurrent(GRUCell(6, 8), initial_state="learned")
    words = figure_words(unrolled_figure(model_with(ManyToMany(8, 3), learned)))
    assert "learned\nstart" in words
    words = figure_words(unrolled_figure(model_with(ManyToMany(8, 3), Recurrent(FeedforwardCell(6, 8)))))
    assert "Feedforward" in words
    assert "state" not in words.replace("The state runs", "")


def test_pooling_attention_and_feed_are_named():
    layers = layers_of("stack")
    for pooling in ("mean", "max", "attention"):
        figure = unrolled_figure(model_with(ManyToOne(8, 3, pooling=pooling), layers))
        assert f"pooling over all steps: {pooling}" in figure_words(figure)
    assert "pooling" not in figure_words(unrolled_figure(model_with(ManyToOne(8, 3), layers)))
    head = EncoderDecoder(8, 3, hidden_sizes=[5], attention="dot", feed=False)
    words = figure_words(unrolled_figure(model_with(head, layers)))
    assert "every target step looks at all steps" in words
    assert "start state" in words
    assert "an input\nat every step" not in words


def test_residuals_are_drawn_around_the_layers_that_have_them():
    layers = Stack([Recurrent(LSTMCell(6, 8)), Recurrent(LSTMCell(8, 8))], residual=True)
    model = model_with(ManyToMany(8, 3), layers)
    assert [layer.residual for layer in anatomy(model).layers] == [False, True]
    assert figure_words(unrolled_figure(model)).split(" | ").count("+") == 3


def test_a_tall_stack_is_drawn_with_a_gap():
    layers = Stack([Recurrent(LSTMCell(6, 6)) for _ in range(12)])
    words = figure_words(unrolled_figure(model_with(ManyToMany(6, 3), layers))).split(" | ")
    assert words.count("LSTM") == 5 * 3
    assert words.count("⋮  7 more") == 3


def test_a_head_of_ones_own_is_drawn_by_its_targets():
    class Mine(ManyToOne):
        pass

    class Other(nn.Module):
        target_shape = "own"

    assert head_shape(Mine(4, 2)) == "many_to_one"
    assert head_shape(Other()) == "encoder_decoder"
    assert head_shape(nn.Linear(2, 2)) == "many_to_many"
    model = SequenceModel(FeatureEncoder(3), Recurrent(LSTMCell(3, 4)), Mine(4, 2))
    assert "LSTM" in figure_words(unrolled_figure(model))
