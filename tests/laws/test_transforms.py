"""`torch.func` and lower precision, for every cell: forward mode, vmap, per-sample gradients, autocast."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, vjp, vmap

from seqmodels.layers import Recurrent
from seqmodels.state import leaves
from tests.laws.catalogue import MakeCell, cells
from tests.laws.recurrent_laws import close, randn

CELLS = cells()
each_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS.keys())


def build(make: MakeCell) -> tuple[Recurrent, torch.Generator]:
    torch.manual_seed(0)
    return Recurrent(make(3, 4)).double(), torch.Generator().manual_seed(0)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # torch's own, in forward mode
@each_cell
def test_forward_mode_agrees_with_backward_mode(make: MakeCell) -> None:
    layer, g = build(make)
    x, direction, weight = randn(2, 5, 3, g=g), randn(2, 5, 3, g=g), randn(2, 5, 4, g=g)
    run = lambda x: layer(x, lengths=torch.tensor([5, 2]))[0]  # noqa: E731
    y, slope = jvp(run, (x,), (direction,))
    pulled = vjp(run, x)[1](weight[..., : y.shape[2]])[0]
    close([(slope * weight[..., : y.shape[2]]).sum()], [(pulled * direction).sum()])
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, direction), lengths=torch.tensor([5, 2]))[0])
    close([dual.primal, dual.tangent], [y, slope])


@each_cell
def test_vmap_is_a_loop(make: MakeCell) -> None:
    layer, g = build(make)
    x, lengths = randn(3, 2, 5, 3, g=g), torch.tensor([[5, 0], [1, 2], [4, 5]])
    y, last = vmap(lambda x, lengths: layer(x, None, lengths))(x, lengths)
    for index in range(3):
        y_one, last_one = layer(x[index], None, lengths[index])
        close([y[index], *(leaf[index] for leaf in leaves(last))], [y_one, *leaves(last_one)])


@each_cell
def test_per_sample_gradients(make: MakeCell) -> None:
    layer, g = build(make)
    x, parameters = randn(3, 5, 3, g=g), {name: p.detach() for name, p in layer.named_parameters()}

    def loss(parameters: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return functional_call(layer, parameters, (x.unsqueeze(0),))[0].pow(2).sum()

    per_sample = vmap(grad(loss), in_dims=(None, 0))(parameters, x)
    for index in range(3):
        one = torch.autograd.grad(layer(x[index : index + 1])[0].pow(2).sum(), list(layer.parameters()))
        close([per_sample[name][index] for name, _ in layer.named_parameters()], one)


@each_cell
def test_autocast_is_near_full_precision(make: MakeCell) -> None:
    torch.manual_seed(0)
    layer = Recurrent(make(3, 16))  # a layer norm over only a few units magnifies every rounding
    x, lengths = torch.randn(2, 9, 3), torch.tensor([9, 4])
    y, last = layer(x, None, lengths)
    with torch.autocast("cpu", torch.bfloat16):
        first, state = layer(x[:, :5], None, lengths.clamp(max=5))
        second, state = layer(x[:, 5:], state, (lengths - 5).clamp(min=0))
    rough = torch.cat((first, second), dim=1)
    torch.testing.assert_close(rough.float(), y, atol=0.05, rtol=0.05)
    torch.testing.assert_close([s.float() for s in leaves(state)], list(leaves(last)), atol=0.05, rtol=0.05)
    rough.float().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters() if parameter.grad is not None)
