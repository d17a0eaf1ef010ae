"""What one_to_many and encoder_decoder share: feeding, coins, stopping, learning."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from seqmodels.heads import EncoderDecoder, OneToMany
from seqmodels.registry import make, names

close = torch.testing.assert_close
LENGTHS = torch.tensor([4, 2])


def make_features() -> Tensor:
    return torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def make_head(**options: Any) -> EncoderDecoder:
    torch.manual_seed(1)
    return EncoderDecoder(3, 5, hidden_sizes=[4], embedding_size=2, **options).double()


@pytest.mark.parametrize("cell", names("cell"))
@pytest.mark.parametrize("attention", [None, "additive"])
def test_a_forced_decoder_is_the_plain_loop_over_its_cell(cell: str, attention: str | None) -> None:
    head, features = make_head(cell={"name": cell}, attention=attention), make_features()
    teacher = torch.tensor([[3, 0, 4], [1, 1, 2]])
    inner = head.layers.layers[0].cell
    condition = features[torch.arange(2), LENGTHS - 1]
    (state,) = head.bridge(condition)
    items = torch.full((2,), 5)
    for t in range(3):
        y, state = inner.step(inner.project(torch.cat((head.items.embedding.weight[items], condition), dim=1)), state)
        y = y.unsqueeze(1)
        if head.attention is not None:
            valid = torch.arange(4) < LENGTHS.unsqueeze(1)
            y, _ = head.attention(y, head.attention.key(features), features, valid)
        close(head(features, LENGTHS, teacher)[:, t], head.output(y.squeeze(1)))
        items = teacher[:, t]


def test_the_bridge_gives_the_first_state() -> None:
    head = make_head(cell={"name": "lstm"})
    (state,) = head.bridge(torch.ones(2, 3).double())
    expected = torch.tanh(head.bridge.linear(torch.ones(2, 3).double()))
    close(torch.cat((state.h, state.c), dim=1), expected)


def test_coins_fall_for_every_row_and_step() -> None:
    """A teacher's item is seen, or not, at each place alone: found out by asking for gradients."""
    torch.manual_seed(3)
    head = OneToMany(3, 1, targets="values", hidden_sizes=[4], feed=False).double()
    head.teacher_forcing = 0.5
    teacher = torch.randn(40, 6, 1).double().requires_grad_()
    head(torch.randn(40, 1, 3).double(), teacher=teacher)[:, -1].sum().backward()
    assert teacher.grad is not None
    seen = teacher.grad.squeeze(2)[:, :-1] != 0
    assert 0.35 < seen.double().mean() < 0.65
    assert seen.double().std(dim=0).min() > 0.3  # rows differ at every step
    assert seen.double().std(dim=1).max() > 0.3  # and steps in a row


def test_evaluation_forces_tokens_and_frees_values() -> None:
    features = make_features()
    tokens = make_head(teacher_start=0.0).eval()
    teacher = torch.tensor([[3, 0, 4], [1, 1, 2]])
    other = torch.tensor([[0, 0, 4], [2, 1, 2]])
    assert not torch.allclose(tokens(features, LENGTHS, teacher)[:, 1], tokens(features, LENGTHS, other)[:, 1])
    values = make_head(targets="values").eval()
    truth = torch.randn(2, 3, 5).double()
    generator_state = torch.get_rng_state()
    close(values(features, LENGTHS, truth), values(features, LENGTHS)[:, :3], rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), generator_state)  # evaluation draws nothing


def test_generate_ends_at_the_stop_token() -> None:
    torch.manual_seed(5)
    head = make_head(stop=2).eval()
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(30, 4, 3).double()
    tokens, lengths = head.generate(features, max_steps=8, temperature=1.0, generator=generator)
    assert tokens.shape[1] == int(lengths.max()) <= 8
    assert len(set(lengths.tolist())) > 2
    for row, length in zip(tokens.tolist(), lengths.tolist(), strict=True):
        assert 2 not in row[: length - 1]
        assert set(row[length:]) <= {2}
        assert row[length - 1] == 2 or length == 8
    everything = make_head().eval().generate(features, max_steps=8)
    assert everything[0].shape == (30, 8)
    assert everything[1].tolist() == [8] * 30


def test_attention_weights_of_generated_tokens() -> None:
    head, features = make_head(attention="dot", stop=2).eval(), make_features()
    tokens, _ = head.generate(features, LENGTHS, max_steps=5)
    weights = head.attention_weights(features, LENGTHS, tokens)
    assert weights.shape == (2, tokens.shape[1], 4)
    close(weights.sum(2), torch.ones(weights.shape[:2]).double())
    assert (weights[1, :, 2:] == 0).all()
    with pytest.raises(ValueError, match="this head has no attention: build it with attention="):
        make_head().attention_weights(features, LENGTHS, tokens)


def test_feed_shows_the_features_at_every_step() -> None:
    """With the bridge cut, only a fed decoder tells one row's features from another's."""
    for feed in (True, False):
        head, features = make_head(feed=feed), make_features()
        torch.nn.init.zeros_(head.bridge.linear.weight)
        first, second = head(features, LENGTHS, torch.tensor([[1, 2], [1, 2]]))
        assert torch.allclose(first, second) is not feed


def fit(head: torch.nn.Module, features: Tensor, targets: Tensor, steps: int, rate: float) -> None:
    optimizer = torch.optim.Adam(head.parameters(), lr=rate)
    for _ in range(steps):
        prediction = head(features, teacher=targets)
        if targets.is_floating_point():
            loss = functional.mse_loss(prediction, targets)
        else:
            loss = functional.cross_entropy(prediction.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("attention", [None, "additive", "dot"])
def test_it_learns_to_reverse(attention: str | None) -> None:
    torch.manual_seed(6)
    source = torch.randint(4, (64, 3))
    features, targets = functional.one_hot(source, 4).float(), source.flip(1)
    if attention is None:  # without attention the last step must hold all of the sequence
        features = features.flatten(1).unsqueeze(1)
    else:  # with it, the steps must tell where they are
        features = torch.cat((features, torch.eye(3).expand(64, -1, -1)), dim=2)
    head = EncoderDecoder(features.shape[2], 4, hidden_sizes=[32], attention=attention, max_steps=3)
    fit(head, features, targets, 150, 0.02)
    tokens, _ = head.eval().generate(features)
    assert (tokens == targets).double().mean() > 0.95


def test_scheduled_sampling_learns_to_run_freely() -> None:
    torch.manual_seed(7)
    phase = torch.rand(32, 1) * 6
    waves = torch.sin(phase + torch.arange(1, 13) * 0.5).unsqueeze(2)
    features = torch.cat((torch.sin(phase), torch.cos(phase)), dim=1).unsqueeze(1)
    head = OneToMany(2, 1, targets="values", hidden_sizes=[24], max_steps=12, teacher_start=0.5, feed=False)
    fit(head, features, waves, 200, 0.01)
    error = functional.mse_loss(head.eval().generate(features), waves)
    assert error < 0.05  # the mean of a sine squared is 0.5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"targets": "labels"}, "targets must be 'tokens' or 'values', got 'labels'"),
        ({"stop": 5}, "stop must be a token from 0 to 4, got 5"),
        ({"stop": 1, "targets": "values"}, "stop is a token, and this head gives values"),
        ({"cell": {"units": 3}}, "cell must have a name"),
        ({"cell": {"name": "lstn"}}, "did you mean 'lstm'"),
        ({"cell": {"name": "gru", "peephole": True}}, "cell 'gru' has no option 'peephole'"),
        ({"cell": {"name": "feedforward"}, "feed": False}, "feed must be true for the cell 'feedforward'"),
        ({"hidden_sizes": []}, "hidden_sizes must be a list"),
        ({"hidden_sizes": 8}, "hidden_sizes must be a list"),
        ({"hidden_sizes": [0]}, "each item a whole number of at least 1 and at most 100000, got"),
        ({"embedding_size": 0}, "embedding_size must be a whole number"),
        ({"max_steps": 0}, "max_steps must be a whole number"),
        ({"attention": "both"}, "attention must be one of additive, dot, or null, got"),
        ({"teacher_schedule": "linear"}, "needs teacher_end"),
    ],
)
def test_refusal_of_options(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make("head", "encoder_decoder", 3, 5, **options)


@pytest.mark.parametrize(
    ("targets", "options", "said"),
    [
        ("values", {"temperature": 1.0}, "are for tokens; this head gives values"),
        ("values", {"beam": 3}, "are for tokens; this head gives values"),
        ("tokens", {"beam": 3, "temperature": 1.0}, "a beam is not sampled"),
        ("tokens", {"beam": 0}, "beam must be a whole number"),
        ("tokens", {"max_steps": 0}, "max_steps must be a whole number"),
        ("tokens", {"top_k": 3}, "give temperature too"),
    ],
)
def test_refusal_in_generate(targets: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_head(targets=targets).generate(make_features(), **options)


def test_one_to_many_and_one_to_one_read_one_step() -> None:
    with pytest.raises(ValueError, match="one_to_many reads one step, got 4 steps: use encoder_decoder"):
        OneToMany(3, 5).double()(make_features())
    with pytest.raises(ValueError, match="one_to_one reads sequences of one step, got 4 steps: use many_to_one"):
        make("head", "one_to_one", 3, 5).double()(make_features())
