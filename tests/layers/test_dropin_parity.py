"""The drop-ins against torch's own layers: values, every gradient, weights, state dicts, over all options."""

import inspect
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

import seqmodels

T, B, F, H = 6, 4, 3, 5
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "tanh": ("RNN", {}),
    "relu": ("RNN", {"nonlinearity": "relu"}),
    "gru": ("GRU", {}),
    "lstm": ("LSTM", {}),
    "projected": ("LSTM", {"proj_size": 2}),
}
OPTIONS = [
    dict(zip(("num_layers", "bias", "batch_first", "bidirectional"), values, strict=True))
    for values in itertools.product((1, 3), (True, False), (False, True), (False, True))
]


def pair(kind: str, **options: Any) -> tuple[nn.Module, nn.Module]:
    """Ours and torch's, from the same seed."""
    name, more = KINDS[kind]
    made = []
    for package in (seqmodels, nn):
        torch.manual_seed(7)
        made.append(getattr(package, name)(F, H, **more, **options))
    return made[0], made[1]


def flat(result: Any) -> list[Tensor]:
    if isinstance(result, PackedSequence):
        return [part for part in result if part is not None]
    if isinstance(result, Tensor):
        return [result]
    return [leaf for part in result for leaf in flat(part)]


def all_gradients(layer: nn.Module, result: Any, wanted: list[Tensor]) -> list[Tensor]:
    leaves = [leaf for leaf in flat(result) if leaf.requires_grad]
    total = sum((leaf.sin() * (index + 1)).sum() for index, leaf in enumerate(leaves))
    return list(torch.autograd.grad(total, [*wanted, *layer.parameters()]))


def inputs(batch_first: bool, dtype: torch.dtype) -> dict[str, tuple[Tensor, Any]]:
    """By name: the tensor whose gradient is wanted, and how the layer's input is made of it."""
    x = torch.randn(B, T, F, dtype=dtype) if batch_first else torch.randn(T, B, F, dtype=dtype)
    lengths = [3, 6, 1, 6]
    pack = lambda x: pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)  # noqa: E731
    in_order = lambda x: pack_padded_sequence(x, sorted(lengths, reverse=True), batch_first)  # noqa: E731
    return {
        "batched": (x, lambda x: x),
        "unbatched": (torch.randn(T, F, dtype=dtype), lambda x: x),
        "packed": (x, pack),
        "packed in order": (x, in_order),
        "packed rows": (x, lambda x: pack_sequence([row[:n] for row, n in zip(x, (6, 4), strict=False)])),
        "one step": (x[:, :1] if batch_first else x[:1], lambda x: x),
    }


def random_hx(layer: nn.Module, rows: int | None, dtype: torch.dtype) -> list[Tensor]:
    """h, and for the LSTM c; without the batch axis where `rows` is None."""
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    sizes = [layer.proj_size or H, H] if isinstance(layer, nn.LSTM) else [H]
    shapes = [(count, size) if rows is None else (count, rows, size) for size in sizes]
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients(kind: str, options: dict[str, Any]) -> None:
    ours, theirs = pair(kind, **options, dtype=torch.float64)
    for name, (x, make) in inputs(options["batch_first"], torch.float64).items():
        x = x.requires_grad_()
        rows = None if name == "unbatched" else 2 if name == "packed rows" and not options["batch_first"] else B
        rows = 2 if name == "packed rows" else rows
        for given in (False, True):
            hx = random_hx(theirs, rows, torch.float64) if given else []
            argument = [] if not given else [tuple(hx) if len(hx) == 2 else hx[0]]
            results = [layer(make(x), *argument) for layer in (ours, theirs)]
            assert type(results[0][0]) is type(results[1][0])
            assert type(results[0][1]) is type(results[1][1])
            close(flat(results[0]), flat(results[1]))
            pairs = zip((ours, theirs), results, strict=True)
            close(*[all_gradients(layer, result, [x, *hx]) for layer, result in pairs])


def close(actual: list[Tensor], expected: list[Tensor]) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_by_the_same_kernels(kind: str) -> None:
    ours, theirs = pair(kind, num_layers=2)
    x = torch.randn(T, B, F)
    torch.testing.assert_close(flat(ours(x)), flat(theirs(x)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
@pytest.mark.parametrize("kind", KINDS)
def test_same_names_weights_and_state_dict(kind: str, options: dict[str, Any]) -> None:
    ours, theirs = pair(kind, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(ours.state_dict()[name], value) for name, value in theirs.state_dict().items())
    assert [[tuple(w.shape) for w in ws] for ws in ours.all_weights] == [
        [tuple(w.shape) for w in ws] for ws in theirs.all_weights
    ]
    other, _ = pair(kind, **options)
    nn.init.zeros_(other.weight_ih_l0)
    other.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(other.weight_ih_l0, theirs.weight_ih_l0)


def test_random_numbers_after_construction_are_the_same_too() -> None:
    after = []
    for package in (seqmodels, nn):
        torch.manual_seed(7)
        package.LSTM(F, H, 2)
        after.append(torch.rand(1))
    assert torch.equal(*after)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_has_the_same_masks(kind: str) -> None:
    results = []
    for layer in pair(kind, num_layers=3, dropout=0.5):
        torch.manual_seed(3)
        results.append([*flat(layer(torch.ones(T, B, F))), *flat(layer.eval()(torch.ones(T, B, F)))])
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_constructor_takes_the_same_by_position(name: str) -> None:
    common = (F, H, 2, *(["relu"] if name == "RNN" else []), False, True, 0.0, True)
    ours, theirs = getattr(seqmodels, name)(*common), getattr(nn, name)(*common)
    for attribute in ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
    assert (ours.mode, ours.proj_size) == (theirs.mode, theirs.proj_size)
    assert repr(ours) == repr(theirs)
    assert list(inspect.signature(ours.forward).parameters) == list(inspect.signature(theirs.forward).parameters)
    ours.flatten_parameters()


def test_a_batch_without_rows() -> None:
    for kind in KINDS:
        ours, theirs = pair(kind)
        assert [leaf.shape for leaf in flat(ours(torch.zeros(T, 0, F)))] == [
            leaf.shape for leaf in flat(theirs(torch.zeros(T, 0, F)))
        ]


def test_every_engine_gives_the_same() -> None:
    for name, options in KINDS.values():
        layers = [
            getattr(seqmodels, name)(F, H, 2, **options, engine=engine).double() for engine in ("vendor", "reference")
        ]
        layers[1].load_state_dict(layers[0].state_dict())
        x = torch.randn(T, B, F, dtype=torch.float64)
        close(*[flat(layer(x)) for layer in layers])
