"""Someone else's cell: registered, it is found and tried; wrong, it is caught. Proof that each law can fail."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

from seqmodels import registry
from seqmodels.cells import Cell, GatedCell, HiddenState, LSTMCell
from seqmodels.layers import Recurrent
from tests.laws.catalogue import cells
from tests.laws.recurrent_laws import LAWS, Law


class MatrixState(NamedTuple):
    """A memory of more than one axis, and a count."""

    memory: Tensor
    count: Tensor


class MatrixCell(Cell):
    """A fast-weight memory: an outer product is added at each step, and read with a query."""

    state_type = MatrixState

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.linear = torch.nn.Linear(input_size, 3 * hidden_size)

    def initial_state(self, batch_size: int, like: Tensor) -> MatrixState:
        size = self.hidden_size
        return MatrixState(like.new_zeros(batch_size, size, size), like.new_zeros(batch_size, 1))

    def project(self, x: Tensor) -> Tensor:
        return self.linear(x)

    def step(self, u: Tensor, state: MatrixState) -> tuple[Tensor, MatrixState]:
        key, value, query = u.chunk(3, dim=-1)
        memory = 0.9 * state.memory + torch.einsum("bi,bj->bij", torch.tanh(key), value)
        count = 0.9 * state.count + 1
        return torch.einsum("bij,bi->bj", memory, torch.tanh(query)) / count, MatrixState(memory, count)


class Plain(GatedCell):
    def update(self, u: Tensor, r: Tensor, state: Any) -> HiddenState:
        return HiddenState(torch.tanh(u + r))


class SeesNeighbours(Plain):
    def update(self, u: Tensor, r: Tensor, state: Any) -> HiddenState:
        return HiddenState(torch.tanh(u + r + u.mean()))


class SeesWhatIsNotFinite(Plain):
    """As a product that reads past a row's end, and multiplies what is there by zero."""

    def update(self, u: Tensor, r: Tensor, state: Any) -> HiddenState:
        return HiddenState(torch.tanh(u + r) + 0 * u.sum(dim=0, keepdim=True))


class ResetsByAFactor(Recurrent):
    def forward(self, inputs: Tensor, state: Any = None, lengths: Any = None, reset: Any = None) -> Any:
        if state is None or reset is None or reset.dim() == 2:
            return super().forward(inputs, state, lengths, reset)
        return super().forward(inputs, HiddenState(state.h * (~reset).unsqueeze(1)), lengths)


class RemembersInSecret(Plain):
    def update(self, u: Tensor, r: Tensor, state: Any) -> HiddenState:
        self.steps = getattr(self, "steps", 0) + 1
        return HiddenState(torch.tanh(u + r) / self.steps)


class SeesTheFuture(Plain):
    def project(self, x: Tensor) -> Tensor:
        return super().project(x + x.nan_to_num(0, 0, 0).sum(dim=1, keepdim=True))


class WrongGradient(Plain):
    def update(self, u: Tensor, r: Tensor, state: Any) -> HiddenState:
        return HiddenState(torch.tanh(u + r.detach()) + 0 * r)


class ChangesItsInput(Plain):
    def step(self, u: Tensor, state: Any) -> tuple[Tensor, HiddenState]:
        state.h.data.add_(1)
        return super().step(u, state)


class LayerNormLSTM(LSTMCell):
    """A subclass that changes the equations: torch's fused LSTM may then not be picked."""

    def update(self, u: Tensor, r: Tensor, state: Any) -> Any:
        return super().update(u, torch.nn.functional.layer_norm(r, r.shape[-1:]), state)


class IgnoresLengths(Recurrent):
    def forward(self, inputs: Tensor, state: Any = None, lengths: Any = None, reset: Any = None) -> Any:
        return super().forward(inputs, state, None, reset)


class IgnoresReset(Recurrent):
    def forward(self, inputs: Tensor, state: Any = None, lengths: Any = None, reset: Any = None) -> Any:
        return super().forward(inputs, state, lengths, None)


class IgnoresState(Recurrent):
    def forward(self, inputs: Tensor, state: Any = None, lengths: Any = None, reset: Any = None) -> Any:
        return super().forward(inputs, None, lengths, reset)


class KeepsTheGraph(Recurrent):
    last = 0.0

    def forward(self, inputs: Tensor, state: Any = None, lengths: Any = None, reset: Any = None) -> Any:
        outputs, state = super().forward(inputs, state, lengths, reset)
        outputs, self.last = outputs + self.last, outputs.sum()
        return outputs, state


class LateStates(Recurrent):
    def unroll(self, inputs: Tensor, state: Any = None, lengths: Any = None, reset: Any = None) -> Any:
        outputs, states = super().unroll(inputs, state, lengths, reset)
        return outputs, HiddenState(states.h.roll(1, 1))


BROKEN: list[tuple[type[Recurrent], type[Cell], str]] = [
    (Recurrent, SeesNeighbours, "row"),
    (Recurrent, RemembersInSecret, "pure"),
    (Recurrent, ChangesItsInput, "pure"),
    (Recurrent, SeesTheFuture, "causal"),
    (Recurrent, WrongGradient, "gradcheck"),
    (IgnoresLengths, Plain, "padding"),
    (IgnoresLengths, Plain, "alone"),
    (IgnoresReset, Plain, "reset"),
    (IgnoresState, Plain, "chunk"),
    (KeepsTheGraph, Plain, "truncation"),
    (LateStates, Plain, "every_state"),
    (Recurrent, SeesWhatIsNotFinite, "neighbours"),
    (ResetsByAFactor, Plain, "forgotten"),
]


@pytest.fixture
def registered() -> Iterator[None]:
    registry.register("cell", "matrix")(MatrixCell)
    yield
    del registry._parts["cell"]["matrix"]


def obeys(law: Law, cell: type[Cell], layer: type[Recurrent] = Recurrent) -> None:
    law(lambda F, H: layer(cell(F, H)).double(), torch.Generator().manual_seed(0))


@pytest.mark.usefixtures("registered")
def test_a_registered_cell_is_found() -> None:
    assert "matrix" in cells()
    assert isinstance(cells()["matrix"](3, 4), MatrixCell)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("cell", [Plain, MatrixCell, LayerNormLSTM])
def test_a_sound_cell_obeys(cell: type[Cell], law: Law) -> None:
    obeys(law, cell)


@pytest.mark.parametrize(("layer", "cell", "name"), BROKEN)
def test_what_is_broken_is_caught(layer: type[Recurrent], cell: type[Cell], name: str) -> None:
    law = next(law for law in LAWS if law.__name__ == name)
    with pytest.raises((AssertionError, GradcheckError)):
        obeys(law, cell, layer)


def test_every_law_can_fail() -> None:
    assert {name for _, _, name in BROKEN} == {law.__name__ for law in LAWS}
