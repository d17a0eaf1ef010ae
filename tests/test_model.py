"""The whole model: encoders, padding, state and refusal."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqmodels.cells import GRUCell, LSTMCell
from seqmodels.heads import EncoderDecoder, ManyToMany, ManyToOne
from seqmodels.layers import Bidirectional, Recurrent, Stack
from seqmodels.model import FeatureEncoder, SequenceModel, Skip, TokenEncoder
from seqmodels.state import select

close = torch.testing.assert_close
LENGTHS = torch.tensor([5, 3, 0])


def language_model(vocabulary: int = 7, **options: Any) -> SequenceModel:
    torch.manual_seed(0)
    layers = Stack([Recurrent(LSTMCell(4, 6)), Recurrent(GRUCell(6, 5))])
    return SequenceModel(TokenEncoder(vocabulary, 4, **options), layers, ManyToMany(5, vocabulary)).double().eval()


def feature_model(head: nn.Module | None = None) -> SequenceModel:
    torch.manual_seed(0)
    layers = Bidirectional(Recurrent(GRUCell(3, 4)), Recurrent(GRUCell(3, 4), reverse=True))
    return SequenceModel(FeatureEncoder(3), layers, head or ManyToOne(8, 2, pooling="mean")).double().eval()


def tokens(rows: int = 3, steps: int = 5) -> Tensor:
    return torch.randint(7, (rows, steps), generator=torch.Generator().manual_seed(1))


def parameters_gradient(model: nn.Module, prediction: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(prediction.square().sum(), list(model.parameters())))


@pytest.mark.parametrize("garbage", [-1, 7, 10**12, -(10**12)])
def test_tokens_in_the_padding_may_be_anything(garbage: int) -> None:
    model = language_model()
    real = torch.arange(5) < LENGTHS.unsqueeze(1)
    dirty, state = model(tokens().masked_fill(~real, garbage), lengths=LENGTHS)
    clean, expected = model(tokens(), lengths=LENGTHS)
    close(dirty[real], clean[real], rtol=0, atol=0)
    close(state, expected, rtol=0, atol=0)
    for one, other in zip(
        parameters_gradient(model, dirty[real]), parameters_gradient(model, clean[real]), strict=True
    ):
        close(one, other)


def test_features_in_the_padding_may_be_nan() -> None:
    model = feature_model()
    features = torch.randn(3, 5, 3).double()
    dirty = features.masked_fill(~(torch.arange(5) < LENGTHS.unsqueeze(1)).unsqueeze(-1), torch.nan)
    found, expected = model(dirty, lengths=LENGTHS)[0], model(features, lengths=LENGTHS)[0]
    close(found, expected, rtol=0, atol=0)
    for one, other in zip(parameters_gradient(model, found), parameters_gradient(model, expected), strict=True):
        close(one, other)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_tokens_of_any_whole_dtype(dtype: torch.dtype) -> None:
    close(language_model()(tokens().to(dtype))[0], language_model()(tokens())[0], rtol=0, atol=0)


def test_two_windows_with_carried_state_are_one() -> None:
    model = language_model()
    whole, last = model(tokens())
    first, state = model(tokens()[:, :2])
    second, state = model(tokens()[:, 2:], state)
    close(torch.cat((first, second), dim=1), whole)
    close(state, last)


def test_reset_rows_start_afresh() -> None:
    model = language_model()
    _, state = model(tokens())
    reset = torch.tensor([True, False, True])
    carried, fresh = model(tokens(), state)[0], model(tokens())[0]
    found = model(tokens(), state, reset=reset)[0]
    close(found[0], fresh[0])
    close(found[1], carried[1])
    assert not torch.allclose(carried[0], fresh[0])


def test_parts_are_at_hand() -> None:
    model = language_model()
    features, state = model.features(tokens())
    close(model.head(features), model(tokens())[0])
    assert model.carries
    assert not feature_model().carries
    assert [leaf.shape for leaf in model.initial_state(3, features)[0]] == [(3, 6), (3, 6)]
    close(model(tokens(), model.initial_state(3, features))[0], model(tokens())[0])
    assert len(state) == 2


def test_teacher_and_lengths_reach_the_head() -> None:
    model = feature_model(EncoderDecoder(8, 5, hidden_sizes=[4], max_steps=3))
    features, lengths = torch.randn(2, 4, 3).double(), torch.tensor([4, 2])
    teacher = torch.tensor([[1, 2], [3, 4]])
    expected = model.head(model.features(features, lengths=lengths)[0], lengths, teacher)
    close(model(features, lengths=lengths, teacher=teacher)[0], expected)
    assert model(features)[0].shape == (2, 3, 5)


def test_dropout_acts_in_training_only() -> None:
    model = language_model(dropout=0.5)
    close(model(tokens())[0], model(tokens())[0], rtol=0, atol=0)
    model.train()
    assert not torch.allclose(model(tokens())[0], model(tokens())[0])
    encoder = FeatureEncoder(3, dropout=0.5)
    assert set(encoder(torch.ones(2, 50, 3)).unique().tolist()) == {0.0, 2.0}


def test_per_sample_gradients_through_vmap() -> None:
    model = language_model()
    weights = {name: parameter.detach() for name, parameter in model.named_parameters()}

    def loss(weights: dict[str, Tensor], row: Tensor) -> Tensor:
        return torch.func.functional_call(model, weights, (row.unsqueeze(0),))[0].square().sum()

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, tokens())
    for row in range(3):
        model.zero_grad()
        model(tokens()[row : row + 1])[0].square().sum().backward()
        for name, parameter in model.named_parameters():
            close(each[name][row], parameter.grad)


@pytest.mark.parametrize(
    ("inputs", "lengths", "said"),
    [
        (torch.tensor([[0, 7]]), None, "inputs must be tokens from 0 to 6, got 7: encode the data with the vocabulary"),
        (torch.tensor([[-3, 9]]), None, "inputs must be tokens from 0 to 6, got -3"),
        (torch.tensor([[0, 7]]), torch.tensor([2]), "inputs must be tokens from 0 to 6, got 7"),
        (torch.zeros(1, 2), None, r"inputs must be tokens \(whole numbers\), got torch.float32: call inputs.long"),
        (torch.zeros(2, dtype=torch.long), None, r"inputs must be tokens \(batch, steps\).*got \(2,\)"),
        (torch.zeros(1, 0, dtype=torch.long), None, r"at least one of each, got \(1, 0\)"),
        (torch.zeros(1, 2, dtype=torch.long), torch.tensor([3]), "lengths must be from 0 to 2"),
    ],
)
def test_refusal_of_tokens(inputs: Tensor, lengths: Tensor | None, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        language_model()(inputs, lengths=lengths)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (torch.zeros(1, 2, 3, dtype=torch.long), r"inputs must be features \(floating\), got torch.int64"),
        (torch.zeros(1, 2, 4), r"inputs must be features \(batch, steps, 3\).*got \(1, 2, 4\)"),
        (torch.zeros(2, 3), r"inputs must be features \(batch, steps, 3\).*got \(2, 3\)"),
        (torch.zeros(1, 2, 3), "inputs must have the dtype of the weights, torch.float64, got torch.float32"),
    ],
)
def test_refusal_of_features(inputs: Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        feature_model()(inputs)


def test_refusal_of_parts_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"layers.input_size must be encoder.output_size = 4, got 3"):
        SequenceModel(TokenEncoder(7, 4), Recurrent(GRUCell(3, 5)), ManyToMany(5, 7))
    with pytest.raises(ValueError, match=r"head.input_size must be layers.output_size = 5, got 6"):
        SequenceModel(TokenEncoder(7, 4), Recurrent(GRUCell(4, 5)), ManyToMany(6, 7))


def test_refusal_of_encoder_options() -> None:
    with pytest.raises(ValueError, match="vocabulary must be a whole number"):
        TokenEncoder(0, 4)
    with pytest.raises(ValueError, match="size must be a whole number"):
        FeatureEncoder(0)
    with pytest.raises(ValueError, match="dropout must be a probability"):
        TokenEncoder(3, 4, dropout=1.0)


def test_a_skip_adds_a_linear_map_of_the_last_real_steps_of_its_features() -> None:
    plain = feature_model()
    skip = Skip(3, 4, 2, features=(2, 0)).double()
    model = SequenceModel(plain.encoder, plain.layers, plain.head, skip)
    features = torch.randn(3, 5, 3).double()
    close(model(features, lengths=LENGTHS)[0], plain(features, lengths=LENGTHS)[0])  # it begins at zero
    nn.init.normal_(skip.linear.weight)
    added = model(features, lengths=LENGTHS)[0] - plain(features, lengths=LENGTHS)[0]
    read = torch.zeros(3, 4, 2).double()
    read[0], read[1, 1:] = features[0, 1:, [2, 0]], features[1, :3, [2, 0]]
    close(added, read.flatten(1) @ skip.linear.weight.T)
    dirty = features.masked_fill(~(torch.arange(5) < LENGTHS.unsqueeze(1)).unsqueeze(-1), torch.nan)
    close(model(dirty, lengths=LENGTHS)[0], model(features, lengths=LENGTHS)[0])
    assert torch.isfinite(parameters_gradient(model, model(dirty, lengths=LENGTHS)[0])[-2]).all()


def test_a_skip_is_for_one_prediction_per_sequence() -> None:
    plain = feature_model()
    with pytest.raises(ValueError, match=r"this head predicts more: set model\.skip_steps=0"):
        SequenceModel(plain.encoder, plain.layers, ManyToMany(8, 2), Skip(3, 4, 2))


def random_runs(ngrams: int = 3) -> TokenEncoder:
    """An encoder whose tables of runs hold random numbers: they begin at zero."""
    encoder = TokenEncoder(7, 4, ngrams=ngrams, buckets=50)
    for table in encoder.runs:
        torch.nn.init.normal_(table.weight)
    return encoder


def test_runs_of_tokens_are_added_to_the_token_that_ends_them() -> None:
    encoder, tokens = random_runs(), [5, 2, 2, 6, 0, 5, 2]
    made = encoder(torch.tensor([tokens]))[0]
    for t, token in enumerate(tokens):
        expected, code = encoder.embedding.weight[token].clone(), token
        for before, table in enumerate(encoder.runs, start=1):
            code = (code * 1_000_003 + (tokens[t - before] + 1 if t >= before else 0)) % 50
            expected = expected + table.weight[code]
        torch.testing.assert_close(made[t], expected)
    assert not torch.equal(made[1], made[6])  # the same two tokens, after others


def test_runs_of_tokens_look_back_only_and_never_into_the_padding() -> None:
    encoder, tokens = random_runs(), torch.randint(7, (3, 9))
    whole = encoder(tokens)
    torch.testing.assert_close(encoder(tokens[:, :5]), whole[:, :5])
    changed = tokens.clone()
    changed[:, 5:] = 99
    torch.testing.assert_close(encoder(changed, torch.tensor([5, 5, 5]))[:, :5], whole[:, :5])
    torch.testing.assert_close(encoder(tokens[[2, 0, 1]]), whole[[2, 0, 1]])


def test_runs_of_tokens_begin_without_effect() -> None:
    torch.manual_seed(0)
    plain = TokenEncoder(7, 4)
    torch.manual_seed(0)
    torch.testing.assert_close(
        TokenEncoder(7, 4, ngrams=3)(torch.tensor([[1, 2, 3]])), plain(torch.tensor([[1, 2, 3]]))
    )


def run_model(ngrams: int = 4) -> SequenceModel:
    return SequenceModel(random_runs(ngrams), Recurrent(LSTMCell(4, 8)), ManyToMany(8, 3)).double()


@pytest.mark.parametrize("width", [1, 2, 3, 5, 9])
def test_runs_of_tokens_go_on_from_window_to_window(width: int) -> None:
    model, tokens = run_model(), torch.randint(7, (3, 9))
    whole, last = model(tokens)
    state, parts = model.initial_state(3, whole), []
    for start in range(0, 9, width):
        part, state = model(tokens[:, start : start + width], state)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    assert torch.equal(state.tokens, last.tokens)
    assert torch.equal(state.tokens, tokens[:, -3:] + 1)


def test_runs_of_tokens_end_with_a_rows_length() -> None:
    model, tokens = run_model(), torch.randint(7, (4, 9))
    lengths = torch.tensor([0, 2, 5, 9])
    state = model(torch.randint(7, (4, 2)))[1]
    after = model(tokens, state, lengths)[1]
    for row, length in enumerate(lengths.tolist()):
        known = torch.cat((state.tokens[row], tokens[row, :length] + 1))
        assert torch.equal(after.tokens[row], known[-3:])


def test_runs_of_tokens_do_not_reach_back_over_a_reset() -> None:
    model, tokens = run_model(), torch.randint(7, (2, 9))
    state = model(torch.randint(7, (2, 5)))[1]
    reset = torch.zeros(2, 9, dtype=torch.bool)
    reset[0, 4] = reset[1, 0] = True
    made, _ = model(tokens, state, reset=reset)
    torch.testing.assert_close(made[:1, :4], model(tokens[:1, :4], select(state, torch.tensor([0])))[0])
    torch.testing.assert_close(made[:1, 4:], model(tokens[:1, 4:])[0])
    torch.testing.assert_close(made[1:], model(tokens[1:])[0])
    reset[:, 8] = True
    assert model(tokens, state, reset=reset)[1].tokens[:, :2].eq(0).all()
    rows = torch.tensor([False, True])
    fresh = model(tokens, state, reset=rows)[0]
    torch.testing.assert_close(fresh[1:], model(tokens[1:])[0])
    torch.testing.assert_close(fresh[:1], model(tokens[:1], select(state, torch.tensor([0])))[0])
    padded = model(tokens, state, torch.tensor([4, 9]), reset)[1]
    assert torch.equal(padded.tokens[0], tokens[0, 1:4] + 1)


def test_runs_of_tokens_refuse_a_state_that_does_not_know_them() -> None:
    model, tokens = run_model(), torch.randint(7, (2, 6))
    with pytest.raises(ValueError, match=r"state must be a ModelState, got LSTMState"):
        model(tokens, model.layers.initial_state(2, torch.zeros(1).double()))
    with pytest.raises(ValueError, match=r"int64 \(2, 3\), the tokens before the first step"):
        model(tokens, run_model(3)(tokens)[1])
