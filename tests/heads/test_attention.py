"""Pooling and attention, written again with loops over rows and steps."""

import numpy as np
import pytest
import torch

from seqmodels.heads import ManyToOne
from seqmodels.heads.attention import DecoderAttention, PoolingAttention, masked_softmax

LENGTHS = torch.tensor([4, 2, 1])
FEATURES = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
VALID = torch.arange(4) < LENGTHS.unsqueeze(1)
close = torch.testing.assert_close


def array(parameter: torch.Tensor) -> np.ndarray:
    return parameter.detach().numpy()


def softmax(scores: np.ndarray) -> np.ndarray:
    shares = np.exp(scores - scores.max())
    return shares / shares.sum()


@pytest.mark.parametrize("pooling", ["last", "ends", "middle", "mean", "max"])
def test_pooling_is_over_the_real_steps(pooling: str) -> None:
    head = ManyToOne(5, 2, pooling=pooling).double()
    for row, length in enumerate(LENGTHS):
        real = array(FEATURES[row, :length])
        ends = np.concatenate((real[-1], real[0]))
        middle = real[len(real) // 2]
        pooled = {"last": real[-1], "ends": ends, "middle": middle, "mean": real.mean(0), "max": real.max(0)}[pooling]
        expected = array(head.output.weight) @ pooled + array(head.output.bias)
        close(head(FEATURES, LENGTHS)[row], torch.from_numpy(expected))


def test_max_pooling_is_not_fooled_by_zeros_in_the_padding() -> None:
    head = ManyToOne(5, 2, pooling="max").double()
    below_zero = -FEATURES.abs() - 1
    close(head(below_zero, LENGTHS)[1], head(below_zero[1:2, :2])[0])


def test_pooling_attention_equations() -> None:
    torch.manual_seed(1)
    attention = PoolingAttention(5).double()
    pooled, weights = attention(FEATURES, VALID)
    w, b, v = array(attention.hidden.weight), array(attention.hidden.bias), array(attention.score.weight)[0]
    for row, length in enumerate(LENGTHS):
        real = array(FEATURES[row, :length])
        expected = softmax(np.array([v @ np.tanh(w @ x + b) for x in real]))
        close(weights[row, :length], torch.from_numpy(expected))
        close(pooled[row], torch.from_numpy(expected @ real))
        assert weights[row, length:].abs().sum() == 0


@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_decoder_attention_equations(kind: str) -> None:
    torch.manual_seed(2)
    attention = DecoderAttention(kind, 3, 5).double()
    outputs = torch.randn(3, 2, 3, dtype=torch.float64)
    attended, weights = attention(outputs, attention.key(FEATURES), FEATURES, VALID)
    key, combine = array(attention.key.weight), array(attention.combine.weight)
    for row, step in np.ndindex(3, 2):
        real, h = array(FEATURES[row, : LENGTHS[row]]), array(outputs[row, step])
        if kind == "dot":
            scores = [h @ key @ m / np.sqrt(3) for m in real]
        else:
            assert attention.query is not None
            assert attention.score is not None
            query, v = array(attention.query.weight) @ h + array(attention.query.bias), array(attention.score.weight)[0]
            scores = [v @ np.tanh(query + key @ m) for m in real]
        expected = softmax(np.array(scores))
        close(weights[row, step, : LENGTHS[row]], torch.from_numpy(expected))
        close(attended[row, step], torch.from_numpy(np.tanh(combine @ np.concatenate((expected @ real, h)))))


def test_masked_softmax_in_half_precision_and_with_extreme_scores() -> None:
    scores = torch.tensor([[6e4, -6e4, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float16)
    weights = masked_softmax(scores, torch.tensor([[False, True, False], [False] * 3]))
    assert weights.tolist() == [[0, 1, 0], [0, 0, 0]]


def test_attention_weights_are_to_be_had() -> None:
    weights = ManyToOne(5, 2, pooling="attention").double().attention_weights(FEATURES, LENGTHS)
    close(weights.sum(1), torch.ones(3, dtype=torch.float64))
    assert (weights[~VALID] == 0).all()
    with pytest.raises(ValueError, match="only pooling='attention' has attention weights; this head has pooling='max'"):
        ManyToOne(5, 2, pooling="max").attention_weights(FEATURES)


def test_refusal() -> None:
    with pytest.raises(
        ValueError, match="pooling must be one of last, ends, middle, mean, max, attention, got 'median'"
    ):
        ManyToOne(5, 2, pooling="median")
    with pytest.raises(ValueError, match="attention must be null, 'additive' or 'dot', got 'sparse'"):
        DecoderAttention("sparse", 3, 5)
