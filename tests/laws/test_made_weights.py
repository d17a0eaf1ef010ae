"""Weights that are no leaves, made anew for each call from other tensors: every engine trains them as the loop does."""

import warnings
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from seqmodels import registry
from seqmodels.cells import Cell, LSTMCell
from seqmodels.layers import Recurrent, Regularisers
from seqmodels.state import leaves
from tests.laws.catalogue import cells, engines_for
from tests.laws.recurrent_laws import close, randn

#: ``way(module, name)`` lets a parameter be made of others; what it returns is to be called before each step.
Way = Callable[[nn.Module, str], Callable[[], None] | None]


def _by_hook(norm: Callable[..., nn.Module]) -> Way:
    def way(module: nn.Module, name: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch names their successors
            norm(module, name)

    return way


def _assigned(module: nn.Module, name: str) -> Callable[[], None]:
    """As a network that makes the weights of another does."""
    source = nn.Parameter(getattr(module, name).detach() / 2)
    delattr(module, name)
    module.register_parameter(f"{name}_source", source)
    return lambda: setattr(module, name, source * 2)


def _among_parameters(module: nn.Module, name: str) -> Callable[[], None]:
    """As `torch.func.functional_call` and libraries of meta-learning do."""
    source = nn.Parameter(getattr(module, name).detach() / 2)
    module.register_parameter(f"{name}_source", source)
    return lambda: module._parameters.update({name: source * 2})  # type: ignore[dict-item]


WAYS: dict[str, Way] = {
    "weight_norm": _by_hook(weight_norm),
    "spectral_norm": _by_hook(spectral_norm),
    "parametrized": lambda module, name: parametrizations.weight_norm(module, name) and None,
    "assigned": _assigned,
    "among parameters": _among_parameters,
}


def matrices(cell: Cell) -> Iterator[tuple[nn.Module, str]]:
    """Where every matrix of a cell hangs."""
    for module in list(cell.modules()):
        for name, parameter in list(module._parameters.items()):
            if parameter is not None and parameter.dim() == 2:
                yield module, name


def trained(title: str, way: Way, engine: str, steps: int = 6) -> list[Tensor]:
    """What two updates come to: losses, the trained tensors, and what the layer then gives without a gradient."""
    torch.manual_seed(5)
    cell = cells()[title](3, 4).double()
    before = [call for call in [way(*place) for place in matrices(cell)] if call is not None]
    layer = Recurrent(cell, engine=engine)
    sources = [p for p in cell.parameters() if p.is_leaf]
    optimizer = torch.optim.SGD(sources, lr=0.05)
    x, seen = randn(3, steps, 3, g=torch.Generator().manual_seed(1)), []
    for _ in range(2):
        optimizer.zero_grad()
        for call in before:
            call()
        y, last = layer(x, None, torch.tensor([steps, 1, max(1, steps - 2)]))
        loss = y.square().sum() + sum(leaf.sum() for leaf in leaves(last))
        loss.backward()
        optimizer.step()
        seen.append(loss.detach())
    for call in before:
        call()
    with torch.no_grad():
        y, last = layer(x)
    return [*seen, *(source.detach() for source in sources), y, *leaves(last)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("title", registry.names("cell"))
def test_every_engine_trains_weights_that_are_no_leaves(title: str, way: str) -> None:
    expected = trained(title, WAYS[way], "reference")
    for engine in ("auto", *engines_for(cells()[title](3, 4))):
        close(trained(title, WAYS[way], engine), expected)


@pytest.mark.parametrize("way", WAYS)
def test_a_single_step_too(way: str) -> None:
    close(trained("lstm", WAYS[way], "auto", steps=1), trained("lstm", WAYS[way], "reference", steps=1))


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("steps", [1, 5])
def test_a_scan_is_one_call_of_its_cell(engine: str, steps: int) -> None:
    """Its forward pre-hooks run once, whatever the engine, and what they make of the inputs counts."""
    cell, calls = LSTMCell(3, 4), []
    cell.register_forward_pre_hook(lambda module, args: calls.append(args[0].shape))
    x = torch.randn(2, steps, 3)
    plain = Recurrent(cell, engine=engine)(x)[0]
    assert calls == [x.shape]
    Recurrent(cell, regularisers=Regularisers(recurrent_dropout=0.5), engine=engine).states(x)
    assert calls == [x.shape] * 2
    cell.register_forward_pre_hook(lambda module, args, kwargs: ((args[0] * 2, args[1]), kwargs), with_kwargs=True)
    cell.register_forward_pre_hook(lambda module, args: args[0] / 4)
    cell.register_forward_pre_hook(lambda module, args: (args[0] * 2, args[1]))
    torch.testing.assert_close(Recurrent(cell, engine=engine)(x)[0], plain)
