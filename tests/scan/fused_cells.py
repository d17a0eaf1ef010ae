"""Cells for the tests of the fused engine, and the comparison of its results with the plain loop's.

B rows, T steps, F features, H units.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqmodels.cells import GatedCell, HiddenState
from seqmodels.scan import scan
from seqmodels.state import State, leaves, map_state


class LeakyCell(GatedCell):
    """The smallest cell of a user's: two gates, a vector, a number and a part with weights of its own."""

    gates = ("a", "n")

    def __init__(self, input_size: int, hidden_size: int, rate: float = 0.5) -> None:
        super().__init__(input_size, hidden_size)
        self.rate = rate
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, hidden_size))
        self.norm = nn.LayerNorm(hidden_size)

    def update(self, u: Tensor, r: Tensor, state: HiddenState) -> HiddenState:
        a, n = (u + r).chunk(2, dim=-1)
        a = torch.sigmoid(a) * self.rate
        return HiddenState((1 - a) * state.h + a * torch.tanh(self.norm(n) * self.scale))


def cell_with(update: Callable[..., Tensor], gates: Sequence[str] = ("a", "b"), sizes: tuple[int, int] = (3, 5)) -> Any:
    """A cell of a class of its own, in float64, whose next `h` is ``update(cell, u, r, h)``."""

    class Written(GatedCell):
        def update(self, u: Tensor, r: Tensor, state: HiddenState) -> HiddenState:
            return HiddenState(update(self, u, r, state.h))

    Written.gates = tuple(gates)
    return Written(*sizes).double()


class Three(NamedTuple):
    """A state of up to three fields."""

    h: Tensor
    c: Tensor
    m: Tensor


class Two(NamedTuple):
    h: Tensor
    c: Tensor


_ONE: dict[str, Callable[..., Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": functional.softplus,
    "sin": torch.sin,
    "relu": torch.relu,
    "gelu": functional.gelu,
    "scaled": lambda x: 0.3 * x - 0.7,
    "bounded": lambda x: x / (1 + x.abs()),
    "centred": lambda x: x - x.mean(-1, keepdim=True),
    "root": lambda x: (x * x + 0.1).sqrt(),
}
_BOTH: dict[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "maximum": torch.maximum,
    "blend": lambda x, y: torch.lerp(x, y, torch.sigmoid(y)),
    "chosen": lambda x, y: torch.where(x > y, x, 0.5 * y),
    "share": lambda x, y: x / (1 + y * y),
}


class RandomCell(GatedCell):
    """A cell whose gates, fields and update are drawn by `seed`.

    The values of a step are a growing list: what it reads, and then each operation's result.
    """

    def __init__(self, input_size: int, hidden_size: int, seed: int, heads: int = 1) -> None:
        draw = random.Random(seed)
        self.gates = tuple(f"g{index}" for index in range(draw.randint(1, 6)))
        self.state_type = draw.choice([HiddenState, Two, Three])  # type: ignore[misc]
        super().__init__(input_size, hidden_size, heads=heads, bias=draw.random() < 0.8)
        self.vector = nn.Parameter(torch.linspace(-1, 1.03, hidden_size))
        self.double_vector = nn.Parameter(torch.linspace(-1, 1.03, 2 * hidden_size))
        self.number = nn.Parameter(torch.tensor(0.7))
        self.norm = nn.LayerNorm(hidden_size)
        self.reads_all = draw.random() < 0.3  # the recurrent product is not of h alone
        known = 2 * len(self.gates) + len(self.state_type._fields) + 4
        names = [*_ONE, *_BOTH, *(["norm"] if draw.random() < 0.4 else [])]
        program = []
        for made in range(draw.randint(4, 12)):
            top = known + made
            # The latest value is read often, else most of it would not matter.
            program.append((draw.choice(names), draw.choice([top - 1, draw.randrange(top)]), draw.randrange(top)))
        self.program = tuple(program)
        self.results = tuple(known + len(program) - 1 - index for index in range(len(self.state_type._fields)))

    def recurrent_input(self, state: Any) -> Tensor:
        return torch.tanh(sum(state)) if self.reads_all else state.h  # type: ignore[arg-type]

    def update(self, u: Tensor, r: Tensor, state: Any) -> Any:
        count = len(self.gates)
        values = [*u.chunk(count, -1), *r.chunk(count, -1), *state, self.vector, self.number]
        values += self.double_vector.chunk(2)
        for name, one, other in self.program:
            if name == "norm":
                values.append(self.norm(values[one].expand_as(state.h)))
            elif name in _ONE:
                values.append(_ONE[name](values[one].expand_as(state.h)))
            else:
                values.append(_BOTH[name](values[one].expand_as(state.h), values[other]))
        # Every gate takes part, so that every weight has a gradient.
        mixed = torch.sigmoid(sum(values[:count]) + sum(values[count : 2 * count]))  # type: ignore[arg-type]
        return type(state)(
            *(torch.lerp(old, torch.tanh(values[at]), mixed) for old, at in zip(state, self.results, strict=True))
        )


def results(
    cell: Any,
    inputs: Tensor,
    state: State,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    engine: str = "fused",
) -> list[Tensor | None]:
    """Outputs, last state, and the gradients of inputs, state and every parameter."""
    x = inputs.detach().requires_grad_()
    before = map_state(lambda leaf: leaf.detach().requires_grad_(), state)
    outputs, last = scan(cell, x, before, lengths, reset, engine=engine)
    total = (outputs * torch.linspace(-1, 2, outputs.numel(), dtype=x.dtype).view_as(outputs)).sum()
    total = total + sum((leaf.sin() * (2 + index)).sum() for index, leaf in enumerate(leaves(last)))
    wanted = [x, *leaves(before), *cell.parameters()]
    return [outputs, *leaves(last), *torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True)]


def close(actual: Sequence[Any], expected: Sequence[Any], tolerance: float) -> None:
    """Each tensor equal, relative to its own largest element."""
    for index, (one, other) in enumerate(zip(actual, expected, strict=True)):
        scale = max(1.0, float(other.detach().abs().max()) if other.numel() else 1.0)
        torch.testing.assert_close(
            one, other, rtol=0, atol=tolerance * scale, msg=lambda m, i=index: f"result {i}: {m}"
        )


def agrees(
    cell: Any,
    inputs: Tensor,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    tolerance: float = 1e-10,
    engine: str = "fused",
) -> None:
    """That a cell gives the same by `engine` as by the plain loop, from a random state."""
    zero = cell.initial_state(len(inputs), inputs)
    state = map_state(lambda leaf: torch.randn_like(leaf) / 2, zero)
    close(
        results(cell, inputs, state, lengths, reset, engine),
        results(cell, inputs, state, lengths, reset, "reference"),
        tolerance,
    )
