"""A drop-in is an ordinary module: copied, saved, cast, parametrised, swapped, exported and differentiated."""

import copy
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vmap
from torch.nn.utils import parametrize, prune

import seqmodels

NAMES = ["RNN", "GRU", "LSTM"]
each_name = pytest.mark.parametrize("name", NAMES)


def build(name: str, **options: Any) -> nn.Module:
    return getattr(seqmodels, name)(3, 5, 2, bidirectional=True, **options)


def same(one: nn.Module, other: nn.Module, x: Tensor) -> None:
    torch.testing.assert_close(one(x)[0], other(x)[0], rtol=0, atol=0)


@each_name
def test_it_has_no_children_and_torch_parameters_only(name: str) -> None:
    layer = build(name)
    assert not list(layer.children())
    assert not list(layer.buffers())
    assert all(parameter.is_leaf and parameter.device.type == "cpu" for parameter in layer.parameters())


@each_name
def test_copy_and_pickle_after_use(name: str) -> None:
    layer, x = build(name), torch.randn(6, 4, 3)
    layer(x)[0].sum().backward()
    same(copy.deepcopy(layer), layer, x)
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    same(torch.load(buffer, weights_only=False), layer, x)
    other = copy.deepcopy(layer)
    nn.init.zeros_(other.weight_hh_l0)
    assert layer.weight_hh_l0.any()


@each_name
def test_casts(name: str) -> None:
    layer, x = build(name), torch.randn(6, 4, 3)
    y = layer(x)[0]
    torch.testing.assert_close(layer.double()(x.double())[0].float(), y, rtol=1e-5, atol=1e-5)
    assert layer.to(torch.bfloat16)(x.bfloat16())[0].dtype == torch.bfloat16
    assert build(name, device="meta").weight_ih_l0.device.type == "meta"
    assert build(name, dtype=torch.float64).weight_ih_l0.dtype == torch.float64
    with torch.device("meta"):
        assert build(name).weight_ih_l0.device.type == "meta"


@each_name
def test_functional_call_reads_and_differentiates_the_given_weights(name: str) -> None:
    layer, theirs, x = (
        build(name).double(),
        getattr(nn, name)(3, 5, 2, bidirectional=True).double(),
        torch.randn(6, 4, 3).double(),
    )
    weights = {key: value.detach().clone().requires_grad_() for key, value in theirs.named_parameters()}
    y = functional_call(layer, weights, (x,))[0]
    torch.testing.assert_close(y, theirs(x)[0])
    gradients = torch.autograd.grad(y.pow(2).sum(), list(weights.values()))
    expected = torch.autograd.grad(theirs(x)[0].pow(2).sum(), list(theirs.parameters()))
    torch.testing.assert_close(gradients, expected)


class Symmetric(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight.triu() + weight.triu(1).transpose(-1, -2)


def test_parametrizations() -> None:
    layer, x = seqmodels.RNN(3, 5), torch.randn(6, 4, 3)
    parametrize.register_parametrization(layer, "weight_hh_l0", Symmetric())
    plain = nn.RNN(3, 5)
    plain.load_state_dict({name: getattr(layer, name).detach() for name in plain.state_dict()})
    torch.testing.assert_close(layer(x)[0], plain(x)[0])
    layer(x)[0].sum().backward()
    assert layer.parametrizations.weight_hh_l0.original.grad.any()
    same(copy.deepcopy(layer), layer, x)
    nn.utils.parametrizations.spectral_norm(layer, "weight_ih_l0")
    layer(x)[0].sum().backward()


def test_pruning_and_weights_set_as_plain_attributes() -> None:
    layer, x = seqmodels.LSTM(3, 5), torch.randn(6, 4, 3)
    prune.l1_unstructured(layer, "weight_hh_l0", amount=0.99)
    plain = nn.LSTM(3, 5)
    plain.load_state_dict({name: getattr(layer, name).detach() for name in plain.state_dict()})
    torch.testing.assert_close(layer(x)[0], plain(x)[0])


def test_shared_weights_gather_both_gradients() -> None:
    one, two, x = seqmodels.GRU(3, 3), seqmodels.GRU(3, 3), torch.randn(6, 4, 3)
    two.weight_hh_l0 = one.weight_hh_l0
    two(one(x)[0])[0].sum().backward()
    shared = one.weight_hh_l0.grad.clone()
    one.zero_grad()
    two(one(x)[0].detach())[0].sum().backward()
    assert not torch.allclose(shared, one.weight_hh_l0.grad)


@each_name
def test_training_it_equals_training_torch(name: str) -> None:
    torch.manual_seed(0)
    theirs = getattr(nn, name)(3, 5, 2)
    ours = getattr(seqmodels, name)(3, 5, 2)
    ours.load_state_dict(theirs.state_dict())
    x, target = torch.randn(6, 4, 3), torch.randn(6, 4, 5)
    for layer in (ours, theirs):
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
        for _ in range(5):
            optimizer.zero_grad()
            nn.functional.mse_loss(layer(x)[0], target).backward()
            optimizer.step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # torch's own, in forward mode
@each_name
def test_more_than_torch_can(name: str) -> None:
    """vmap, per-sample gradients and forward mode, which torch.nn.LSTM refuses."""
    layer, x = build(name).double(), torch.randn(2, 6, 4, 3).double()
    torch.testing.assert_close(vmap(lambda x: layer(x)[0])(x), torch.stack([layer(part)[0] for part in x]))
    weights = {key: value.detach() for key, value in layer.named_parameters()}
    loss = lambda weights, x: functional_call(layer, weights, (x,))[0].pow(2).sum()  # noqa: E731
    per_sample = vmap(grad(loss), in_dims=(None, 0))(weights, x)
    expected = torch.autograd.grad(layer(x[1])[0].pow(2).sum(), list(layer.parameters()))
    torch.testing.assert_close([per_sample[key][1] for key, _ in layer.named_parameters()], list(expected))
    direction = torch.randn_like(x[0])
    slope = jvp(lambda x: layer(x)[0].pow(2).sum(), (x[0],), (direction,))[1]
    torch.testing.assert_close(slope, (grad(lambda x: layer(x)[0].pow(2).sum())(x[0]) * direction).sum())


@each_name
def test_export(name: str) -> None:
    layer, x = build(name), torch.randn(6, 4, 3)
    exported = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(exported(x)[0], layer(x)[0])


@pytest.mark.parametrize("name", ["LSTM", *(pytest.param(name, marks=pytest.mark.slow) for name in ("RNN", "GRU"))])
def test_compile_without_graph_breaks(name: str) -> None:
    layer, x = getattr(seqmodels, name)(3, 5), torch.randn(3, 4, 3, requires_grad=True)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x)[0], layer(x)[0])
    expected = torch.autograd.grad(layer(x)[0].sum(), [x, *layer.parameters()])
    torch.testing.assert_close(torch.autograd.grad(compiled(x)[0].sum(), [x, *layer.parameters()]), expected)
