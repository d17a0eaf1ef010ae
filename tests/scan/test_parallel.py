"""The parallel engine: which cells it runs, and that lengths, resets and learned states are as in the plain loop.

The laws (tests/laws) try it with every cell, on few steps; here there are enough for chunks.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from seqmodels.batch import step_mask
from seqmodels.cells import ElmanCell, HiddenState, LinearCell, LRUCell, MinGRUCell, MinLSTMCell, RGLRUCell
from seqmodels.layers import Recurrent
from seqmodels.scan import choose, engines_for, scan
from seqmodels.scan.parallel import PARALLEL

B, T, F, H = 3, 300, 4, 5
CELLS: list[type[LinearCell]] = [MinGRUCell, MinLSTMCell, LRUCell, RGLRUCell]
every_cell = pytest.mark.parametrize("cls", CELLS)


def both(cell: LinearCell, dtype: torch.dtype, lengths: Tensor | None, reset: Tensor | None) -> list[list[Tensor]]:
    """Outputs, last state and every gradient, by the parallel engine and by the plain loop."""
    g = torch.Generator().manual_seed(1)
    x = torch.randn(B, T, F, generator=g, dtype=torch.float64).to(dtype)
    if lengths is not None:
        x = torch.where(step_mask(lengths, T).unsqueeze(-1), x, torch.tensor(float("nan"), dtype=dtype))
    x.requires_grad_()
    h = torch.randn(B, cell.state_sizes()["h"], generator=g, dtype=torch.float64).to(dtype).requires_grad_()
    found = []
    for engine in ("parallel", "reference"):
        y, last = scan(cell, x, HiddenState(h), lengths, reset, engine)
        weights = torch.linspace(-1, 2, y.numel(), dtype=dtype).view_as(y)
        total = (y * weights).mean() + last.h.sin().sum()
        gradients = torch.autograd.grad(total, [x, h, *cell.parameters()], allow_unused=True)
        found.append([y, last.h, *(torch.zeros(()) if each is None else each for each in gradients)])
    return found


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@every_cell
def test_agrees_with_the_plain_loop_over_many_steps(cls: Any, dtype: torch.dtype, tolerance: float) -> None:
    cell = cls(F, H).to(dtype)
    cell.learn_initial_state()
    torch.nn.init.normal_(cell.initial_h)
    lengths, reset = torch.tensor([T, 131, 0]), torch.rand(B, T) < 0.01
    for given in ((None, None), (lengths, None), (None, reset), (lengths, reset)):
        for one, other in zip(*both(cell, dtype, *given), strict=True):
            torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@every_cell
def test_a_learned_initial_state_is_reached_by_every_reset(cls: Any) -> None:
    """The gradient of a reset in the middle alone: before it the state is given."""
    cell = cls(F, H).double()
    cell.learn_initial_state()
    state = HiddenState(torch.ones(1, cell.state_sizes()["h"], dtype=torch.float64))
    reset = torch.zeros(1, 9, dtype=torch.bool)
    x = torch.randn(1, 9, F, dtype=torch.float64)
    y, _ = scan(cell, x, state, None, reset, "parallel")
    assert not torch.autograd.grad(y.sum(), cell.initial_h, allow_unused=True, materialize_grads=True)[0].any()
    reset[0, 4] = True
    y, _ = scan(cell, x, state, None, reset, "parallel")
    assert torch.autograd.grad(y[:, 4:].sum(), cell.initial_h, retain_graph=True)[0].any()
    assert not torch.autograd.grad(y[:, :4].sum(), cell.initial_h)[0].any()


@every_cell
def test_the_carried_state_does_not_keep_the_sequence(cls: Any) -> None:
    _, last = scan(cls(F, H), torch.randn(B, T, F), engine="parallel")
    assert last.h.untyped_storage().nbytes() == last.h.numel() * 4


@every_cell
def test_no_rows_is_an_answer_too(cls: Any) -> None:
    none = torch.zeros(0, dtype=torch.long)
    y, last = scan(cls(F, H), torch.zeros(0, T, F), None, none, none.bool().view(0, 1).expand(0, T), "parallel")
    assert y.shape == (0, T, H)
    assert len(last.h) == 0


@every_cell
def test_checkpointing_works(cls: Any) -> None:
    layer = Recurrent(cls(F, H), engine="parallel")
    tensors = [torch.randn(B, T, F, requires_grad=True), *layer.parameters()]
    once = torch.autograd.grad(layer(tensors[0])[0].sum(), tensors)
    y = torch.utils.checkpoint.checkpoint(lambda x: layer(x)[0], tensors[0], use_reentrant=False)
    assert all(torch.equal(*pair) for pair in zip(torch.autograd.grad(y.sum(), tensors), once, strict=True))


@pytest.mark.slow
@every_cell
def test_it_can_be_compiled(cls: Any) -> None:
    layer = Recurrent(cls(F, H), engine="parallel")
    x, lengths = torch.randn(B, 110, F), torch.tensor([110, 7, 0])
    y, last = torch.compile(layer, backend="aot_eager", fullgraph=True)(x, None, lengths)
    expected, expected_last = layer(x, None, lengths)
    torch.testing.assert_close((y, last.h), (expected, expected_last.h))


class Hold(LinearCell):
    """Coefficients of every shape that is allowed: one factor for all steps, and an addend that is one too."""

    def project(self, x: Tensor) -> Tensor:
        return x

    def coefficients(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return u.new_full((self.hidden_size,), 0.5), u.new_ones(())


def test_coefficients_that_are_the_same_at_all_steps() -> None:
    y, last = scan(Hold(2, 3), torch.zeros(2, 4, 2), lengths=torch.tensor([4, 2]), engine="parallel")
    torch.testing.assert_close(y[..., 0], torch.tensor([[1, 1.5, 1.75, 1.875], [1, 1.5, 0, 0]]))
    torch.testing.assert_close(last.h[:, 0], torch.tensor([1.875, 1.5]))


class OwnStep(MinGRUCell):
    def step(self, u: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        y, state = super().step(u, state)
        return y, HiddenState(torch.tanh(state.h))


class OwnAdvance(MinGRUCell):
    def advance(self, a: Tensor, b: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(a * h + b)


class OwnCoefficients(MinGRUCell):
    def coefficients(self, u: Tensor) -> tuple[Tensor, Tensor]:
        a, b = super().coefficients(u)
        return -a, b


def test_which_cells_it_runs() -> None:
    for cls in (*CELLS, OwnCoefficients, Hold):
        assert "parallel" in engines_for(cls(3, 3))
    assert PARALLEL.obstacle(ElmanCell(3, 3), None, None) == "ElmanCell is not linear in its state"
    for cls in (OwnStep, OwnAdvance):
        assert "which need not be linear" in PARALLEL.obstacle(cls(3, 3), None, None)
        assert "parallel" not in engines_for(cls(3, 3))
        with pytest.raises(
            ValueError, match=f"engine='parallel' cannot run this: {cls.__name__} has a step of its own"
        ):
            scan(cls(3, 3), torch.zeros(1, 2, 3), engine="parallel")


def test_it_is_picked_and_says_why() -> None:
    name, reason = choose(MinGRUCell(3, 4), torch.zeros(2, 9, 3))
    assert name in ("fused", "parallel")
    assert Recurrent(MinGRUCell(3, 4), engine="parallel").explain().startswith("MinGRUCell: parallel")
    assert "linear" in PARALLEL.reason
    assert reason
