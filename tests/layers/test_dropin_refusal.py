"""The drop-ins refuse what torch refuses, with the same type of error and words that say at least as much."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import seqmodels

X = torch.zeros(6, 4, 3)

CONSTRUCTORS: list[tuple[str, dict[str, Any]]] = [
    ("LSTM", {"input_size": 0}),
    ("LSTM", {"input_size": 3.0}),
    ("LSTM", {"hidden_size": 0}),
    ("LSTM", {"hidden_size": "5"}),
    ("LSTM", {"num_layers": 0}),
    ("LSTM", {"bias": 1}),
    ("LSTM", {"batch_first": 0}),
    ("LSTM", {"dropout": 1.5}),
    ("LSTM", {"dropout": True}),
    ("LSTM", {"dropout": "0.5"}),
    ("LSTM", {"proj_size": -1}),
    ("LSTM", {"proj_size": 5}),
    ("GRU", {"proj_size": 2}),
    ("RNN", {"proj_size": 2}),
    ("RNN", {"nonlinearity": "gelu"}),
    ("GRU", {"nonlinearity": "tanh"}),
]
CALLS: list[tuple[str, dict[str, Any], Callable[[], tuple[Any, ...]]]] = [
    ("LSTM", {}, lambda: (X[0, 0],)),
    ("LSTM", {}, lambda: (X.unsqueeze(0),)),
    ("LSTM", {}, lambda: (X[..., :2],)),
    ("LSTM", {}, lambda: (X.double(),)),
    ("LSTM", {}, lambda: (X.long(),)),
    ("LSTM", {}, lambda: (X[:0],)),
    ("LSTM", {}, lambda: (X, (torch.zeros(1, 4, 5), torch.zeros(1, 4, 4)))),
    ("LSTM", {}, lambda: (X, (torch.zeros(1, 3, 5), torch.zeros(1, 3, 5)))),
    ("LSTM", {}, lambda: (X, (torch.zeros(4, 5), torch.zeros(4, 5)))),
    ("LSTM", {}, lambda: (X[:, 0], (torch.zeros(1, 1, 5), torch.zeros(1, 1, 5)))),
    ("LSTM", {"proj_size": 2}, lambda: (X, (torch.zeros(1, 4, 5), torch.zeros(1, 4, 5)))),
    ("LSTM", {"num_layers": 2}, lambda: (X, (torch.zeros(1, 4, 5), torch.zeros(1, 4, 5)))),
    ("GRU", {}, lambda: (X, torch.zeros(2, 4, 5))),
    ("GRU", {}, lambda: (X, torch.zeros(4, 5))),
    ("GRU", {}, lambda: (X[:, 0], torch.zeros(1, 1, 5))),
    ("GRU", {"batch_first": True}, lambda: (X, torch.zeros(1, 4, 5))),
    ("GRU", {}, lambda: (X, torch.zeros(1, 4, 5, dtype=torch.float64))),
    ("RNN", {}, lambda: (pack_sequence([torch.zeros(3, 2)]),)),
    ("RNN", {}, lambda: (pack_sequence([torch.zeros(3, 3)]), torch.zeros(1, 2, 5))),
    ("GRU", {}, lambda: (pack_sequence([torch.zeros(3, 3, dtype=torch.float64)]),)),
]


def error_of(run: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is what is compared
        run()
    return caught.value


@pytest.mark.parametrize(("name", "options"), CONSTRUCTORS)
def test_constructor(name: str, options: dict[str, Any]) -> None:
    sizes = {"input_size": 3, "hidden_size": 5}
    ours, theirs = (error_of(lambda p=p: getattr(p, name)(**{**sizes, **options})) for p in (seqmodels, nn))
    assert type(ours) is type(theirs), (ours, theirs)
    assert next(iter(options)) in str(ours)


@pytest.mark.parametrize(("name", "options", "arguments"), CALLS)
def test_call(name: str, options: dict[str, Any], arguments: Callable[[], tuple[Any, ...]]) -> None:
    ours, theirs = (error_of(lambda p=p: getattr(p, name)(3, 5, **options)(*arguments())) for p in (seqmodels, nn))
    assert type(ours) is type(theirs), (ours, theirs)
    assert any(word in str(ours) for word in ("input", "Expected hidden", "hx", "sequence length"))


def test_dropout_of_one_layer_warns_as_torch_does() -> None:
    for package in (seqmodels, nn):
        with pytest.warns(UserWarning, match="non-zero dropout expects num_layers greater than 1") as caught:
            package.LSTM(3, 5, dropout=0.5)
        if package is seqmodels:
            assert caught[0].filename == __file__


def test_what_is_no_tensor() -> None:
    with pytest.raises(TypeError, match="input must be a Tensor or a PackedSequence, got list"):
        seqmodels.LSTM(3, 5)([[1.0]])
    with pytest.raises(ValueError, match="engine must be one of auto"):
        seqmodels.LSTM(3, 5, engine="cudnn")
    with pytest.raises(RuntimeError, match=r"hx must be the pair \(h_0, c_0\) of Tensors"):
        seqmodels.LSTM(3, 5)(X, torch.zeros(1, 4, 5))  # torch: "index 1 is out of bounds"
