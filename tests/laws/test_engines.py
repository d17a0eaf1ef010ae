"""Every engine that can run a cell agrees with the reference: outputs, last state and every gradient."""

import zlib

import pytest
import torch

from seqmodels.layers import Recurrent
from seqmodels.scan import ENGINES
from seqmodels.state import leaves
from tests.laws.catalogue import cells, engines_for
from tests.laws.recurrent_laws import close, gradients, randn, random_lengths, random_reset, random_state

PAIRS = [
    (title, engine)
    for title, make in cells().items()
    for engine in ("auto", *engines_for(make(3, 4)))
    if engine != "reference"
]


@pytest.mark.parametrize(("title", "engine"), PAIRS)
def test_agrees_with_the_reference(title: str, engine: str) -> None:
    seed = zlib.crc32(f"{title} {engine}".encode())
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(seed)
    for _ in range(12):
        B, T, F, H = (
            int(torch.randint(low, high, (1,), generator=g)) for low, high in ((1, 6), (1, 9), (1, 8), (2, 9))
        )
        cell = cells()[title](F, H).double()
        fast, slow = Recurrent(cell, engine=engine), Recurrent(cell, engine="reference")
        x = randn(B, T, F, g=g).requires_grad_()
        state = None if torch.rand(1, generator=g) < 0.3 else random_state(fast, B, g)
        lengths = None if torch.rand(1, generator=g) < 0.3 else random_lengths(B, T, g)
        reset = random_reset(B, *([T] if engine == "auto" else []), g=g)
        before = [leaf.requires_grad_() for leaf in leaves(state)] if state is not None else []
        results = [layer(x, state, lengths, reset) for layer in (fast, slow)]
        close([results[0][0], *leaves(results[0][1])], [results[1][0], *leaves(results[1][1])])
        close(gradients(fast, results[0], x, *before), gradients(slow, results[1], x, *before))


@pytest.mark.parametrize(("title", "engine"), PAIRS)
def test_agrees_in_float32_where_the_kernels_are_others(title: str, engine: str) -> None:
    """oneDNN runs float32 only; a second derivative through it is tried as well."""
    torch.manual_seed(3)
    g = torch.Generator().manual_seed(3)
    cell = cells()[title](5, 16)
    x = torch.randn(3, 7, 5, generator=g).requires_grad_()
    results = []
    for layer in (Recurrent(cell, engine=engine), Recurrent(cell, engine="reference")):
        y, last = layer(x, None, torch.tensor([7, 4, 0]))
        total = y.sin().sum() + sum(leaf.cos().sum() for leaf in leaves(last))
        tensors = [x, *cell.parameters()]
        first = torch.autograd.grad(total, tensors, create_graph=True)
        penalty = sum(gradient.pow(2).sum() for gradient in first)
        second = torch.autograd.grad(penalty, tensors, allow_unused=True, materialize_grads=True)
        results.append([y, *leaves(last), *first, *second])
    # Relative to the largest element of each: layer norm makes second derivatives ill-conditioned.
    scales = [max(1.0, float(tensor.detach().abs().max())) for tensor in results[1]]
    close(*([tensor / scale for tensor, scale in zip(one, scales, strict=True)] for one in results), tolerance=2e-3)
    close(results[0][:1], results[1][:1], tolerance=2e-6)


def test_lstm_memory_crosses_the_padding_exactly() -> None:
    """The vendor engine carries c through the padding by saturated gates: not one bit may change."""
    torch.manual_seed(0)
    for dtype in (torch.float32, torch.float64):
        layer = Recurrent(cells()["lstm"](3, 8).to(dtype), engine="vendor")
        x = torch.randn(2, 50, 3, dtype=dtype)
        state = layer.cell.state_type(torch.randn(2, 8, dtype=dtype), torch.randn(2, 8, dtype=dtype) * 5)
        _, last = layer(x, state, torch.tensor([0, 50]))
        assert torch.equal(last.c[0], state.c[0])
        assert torch.equal(last.h[0], state.h[0])


def test_relu_does_not_explode_in_the_padding() -> None:
    """Steps past the end of a row are run and thrown away: they must stay finite, for NaN spreads."""
    cell = cells()["elman-no_bias"](1, 3)
    cell.nonlinearity = "relu"
    with torch.no_grad():
        cell.weight_hh.copy_(torch.eye(3) * 100)
        cell.weight_ih.fill_(1)
    x = torch.ones(2, 60, 1)
    x[0] = -1  # a row that stays at 0; the other grows a hundredfold at each step
    y, _ = Recurrent(cell, engine="vendor")(x, None, torch.tensor([60, 3]))
    y.sum().backward()
    assert cell.weight_ih.grad.isfinite().all()
    assert cell.weight_hh.grad.isfinite().all()


def test_every_engine_says_what_it_cannot_run() -> None:
    for title, make in cells().items():
        cell = make(3, 4)
        for name in ENGINES:
            layer = Recurrent(cell, engine=name)
            if name in engines_for(cell):
                layer(torch.zeros(1, 2, 3))
            else:
                with pytest.raises(ValueError, match=f"engine='{name}' cannot run this: .*use engine='auto'"):
                    layer(torch.zeros(1, 2, 3))
            assert name in layer.explain(), title
