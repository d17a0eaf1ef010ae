"""What a tensor says of itself reaches compiled code: resolved, left to another engine, or refused in words."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import seqmodels
from seqmodels import registry
from seqmodels.cells import ElmanCell, GRUCell, LSTMCell, LSTMState, MinGRUCell
from seqmodels.layers import Recurrent, Regularisers
from seqmodels.scan import choose, scan
from seqmodels.state import leaves, map_state
from tests.laws.catalogue import cells
from tests.scan.fused_cells import LeakyCell, close
from tests.scan.refused import KINDS, H

ALL_KINDS = [*KINDS, "backward", "arguments"]
FEW = ["lstm-peephole", "elman-no_bias", "mingru"]


@pytest.mark.parametrize(
    ("kinds", "titles"),
    [
        (",".join(ALL_KINDS), FEW),
        *(pytest.param(kind, list(cells()), marks=pytest.mark.slow, id=kind) for kind in ALL_KINDS),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(kinds: str, titles: list[str]) -> None:
    """In a process of its own, which would be killed."""
    command = [sys.executable, "-W", "error", "-m", "tests.scan.refused", kinds, *titles]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
    assert len(done.stdout.splitlines()) >= 20 * len(titles)


class Marked(Tensor):
    """A subclass; torch keeps it through its operations."""


def negated(tensor: Tensor) -> Tensor:
    return torch._neg_view(tensor.detach())


def imaginary(tensor: Tensor) -> Tensor:
    return torch.complex(torch.zeros_like(tensor), tensor).detach().conj().imag


def marked(tensor: Tensor) -> Tensor:
    return tensor.detach().as_subclass(Marked)


SAYINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "negated": negated,
    "imaginary": imaginary,
    "subclass": marked,
    "expanded": lambda tensor: tensor.detach()[..., :1].expand_as(tensor),
    "overlapping": lambda tensor: torch.randn(999, dtype=tensor.dtype).as_strided(tensor.shape, [1] * tensor.dim()),
}
each_saying = pytest.mark.parametrize("say", SAYINGS.values(), ids=SAYINGS)
each_kind = pytest.mark.parametrize("make", [LSTMCell, LeakyCell, GRUCell, MinGRUCell, ElmanCell])


def outcome(cell: Any, x: Tensor, state: Any, engine: str, lead: Callable[[Tensor], Tensor] | None = None) -> list[Any]:
    """Outputs, state and gradients; `lead` makes the gradient of the outputs."""
    torch.manual_seed(1)
    y, last = scan(cell, x, state, torch.tensor([4, 2]), engine=engine)
    given = torch.randn(*y.shape, dtype=y.dtype)
    given = given if lead is None else lead(given)
    return [y, *leaves(last), *torch.autograd.grad(y, list(cell.parameters()), given, allow_unused=True)]


def plain(results: list[Any]) -> list[Tensor]:
    return [torch.zeros(()) if one is None else torch.empty(one.shape).double().copy_(one.detach()) for one in results]


@each_saying
@each_kind
def test_inputs_states_and_gradients_that_are_not_what_memory_holds(make: Any, say: Any) -> None:
    cell, x = make(3, H).double(), torch.randn(2, 4, 3, dtype=torch.float64)
    state = map_state(torch.randn_like, cell.initial_state(2, x))
    for inputs, before, lead in ((say(x), state, None), (x, map_state(say, state), None), (x, state, say)):
        close(*(plain(outcome(cell, inputs, before, engine, lead)) for engine in ("auto", "reference")), 1e-10)
    for rows in (1, 2):
        one, before = x[:rows, 0], map_state(lambda leaf, rows=rows: leaf[:rows], state)
        for inputs, started in ((say(one), before), (one, map_state(say, before))):
            expected = cell(inputs, started)
            with torch.no_grad():
                actual = [cell(inputs, started) for _ in range(2)]
            for y, after in actual:
                close(plain([y, *leaves(after)]), plain([expected[0], *leaves(expected[1])]), 1e-10)


@each_saying
@each_kind
def test_weights_that_are_not_what_memory_holds(make: Any, say: Any) -> None:
    cell, x = make(3, H).double(), torch.randn(2, 4, 3, dtype=torch.float64)
    for module in list(cell.modules()):
        for name, weight in list(module._parameters.items()):
            if weight is not None:
                setattr(module, name, nn.Parameter(say(weight)))
    close(*(plain(outcome(cell, x, None, engine)) for engine in ("auto", "reference")), 1e-10)


@pytest.mark.parametrize(
    "layout", [torch.sparse_coo, torch._mkldnn, torch.sparse_csr], ids=["sparse", "mkldnn", "rows compressed"]
)
@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_what_is_not_dense_is_refused(layout: torch.layout) -> None:
    x = torch.randn(2, 4, 3)
    other = x.to_mkldnn() if layout is torch._mkldnn else x.to_sparse(layout=layout)
    with pytest.raises(ValueError, match="inputs must be dense"):
        scan(LSTMCell(3, H), other)
    with pytest.raises(ValueError, match=r"inputs must be dense.*to_padded_tensor"):
        scan(LSTMCell(3, H), torch.nested.as_nested_tensor([x[0], x[1]], layout=torch.jagged))
    if layout is torch.sparse_coo:
        state = LSTMState(torch.zeros(2, H).to_sparse(), torch.zeros(2, H))
        with pytest.raises(ValueError, match="state must be dense"):
            scan(LSTMCell(3, H), x, state)


def test_a_sparse_gradient() -> None:
    cell, x = LSTMCell(3, H).double(), torch.randn(2, 4, 3, dtype=torch.float64)
    close(plain(outcome(cell, x, None, "fused", Tensor.to_sparse)), plain(outcome(cell, x, None, "reference")), 1e-10)


LENGTHS = {
    "int32": torch.tensor([4, 2], dtype=torch.int32),
    "strided": torch.tensor([4, 0, 2, 0])[::2],
    "expanded": torch.tensor([2]).expand(2),
    "negated": torch._neg_view(torch.tensor([-4, -2])),
    "subclass": torch.tensor([4, 2]).as_subclass(Marked),
}


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("make", [LSTMCell, MinGRUCell])
def test_lengths_in_any_form(make: Any, lengths: Tensor) -> None:
    cell, x = make(3, H), torch.randn(2, 4, 3)
    expected = scan(cell, x, lengths=torch.tensor(lengths.tolist()), engine="reference")[0]
    for engine in ("auto", "reference"):
        close(plain([scan(cell, x, lengths=lengths, engine=engine)[0]]), plain([expected]), 1e-5)


def test_lengths_and_resets_are_the_callers_own_again_after_forward() -> None:
    cell, x = LSTMCell(3, H).double(), torch.randn(2, 4, 3, dtype=torch.float64)
    found = []
    for spoil in (False, True):
        lengths, reset = torch.tensor([4, 2]), torch.tensor([[False, True, False, True]] * 2)
        y, _ = scan(cell, x, None, lengths, reset, engine="fused")
        if spoil:
            lengths.fill_(2**40)
            reset.fill_(True)
        found.append(torch.autograd.grad(y.sum(), list(cell.parameters())))
    close(*found, tolerance=0)


def copied(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.contiguous_format)


@pytest.mark.parametrize("units", [8, 64])  # of 64 units, rows are kept further apart than they are long
def test_hooks_on_saved_tensors_may_hand_back_copies(units: int) -> None:
    cell, x = LSTMCell(3, units).double(), torch.randn(2, 4, 3, dtype=torch.float64)
    with torch.autograd.graph.saved_tensors_hooks(copied, lambda tensor: tensor):
        actual = outcome(cell, x, None, "fused")
    close(plain(actual), plain(outcome(cell, x, None, "reference")), 1e-10)


@pytest.mark.parametrize("change", [Tensor.half, lambda t: t[:1], lambda t: t.to("meta")], ids=["half", "cut", "meta"])
def test_hooks_on_saved_tensors_that_hand_back_something_else_are_refused(change: Any) -> None:
    with torch.autograd.graph.saved_tensors_hooks(change, lambda tensor: tensor):
        y, _ = scan(LSTMCell(3, H), torch.randn(2, 4, 3), engine="fused")
    with pytest.raises((ValueError, RuntimeError), match="must be"):
        y.sum().backward()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_noise_is_in_the_precision_of_the_code(dtype: torch.dtype) -> None:
    layer = Recurrent(LSTMCell(3, H), regularisers=Regularisers(zoneout_h=0.5, zoneout_c=0.5)).to(dtype).train()
    found = []
    for engine in ("fused", "reference"):
        layer.engine = engine
        torch.manual_seed(0)
        found.append(layer(torch.ones(2, 4, 3, dtype=dtype))[0])
    torch.testing.assert_close(*found, rtol=0.05, atol=0.05)


@pytest.fixture
def elsewhere() -> Iterator[None]:
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


@pytest.mark.usefixtures("elsewhere")
def test_the_default_device_is_not_where_memory_is_taken() -> None:
    with torch.device("cpu"):
        cell, x, lengths = LSTMCell(3, H), torch.randn(2, 4, 3), torch.tensor([4, 2])
        expected = outcome(cell, x, None, "reference")
    y, _ = scan(cell, x, None, lengths, engine="fused")
    found = torch.autograd.grad(y, list(cell.parameters()), torch.ones_like(y))
    assert all(gradient.is_cpu for gradient in found)
    with torch.device("cpu"):
        close(plain([y]), plain(expected[:1]), 1e-5)


def test_a_mode_that_must_see_each_operation_sees_them() -> None:
    cell, x = LeakyCell(3, H), torch.randn(2, 4, 3)
    with FlopCounterMode(display=False) as counter:
        scan(cell, x)
        assert choose(cell, x)[0] == "reference"
        with pytest.raises(ValueError, match="cannot run this: a dispatch mode is at work"):
            scan(cell, x, engine="fused")
    assert counter.get_total_flops() > 0
    assert choose(cell, x)[0] == "fused"


def test_vmap_over_gradients_of_a_scan() -> None:
    cell, x = LSTMCell(3, H).double(), torch.randn(2, 4, 3, dtype=torch.float64)
    y, _ = scan(cell, x, engine="fused")
    leads = torch.randn(3, *y.shape, dtype=y.dtype)
    pull = lambda lead: torch.autograd.grad(y, cell.weight_hh, lead, retain_graph=True)[0]  # noqa: E731
    torch.testing.assert_close(torch.func.vmap(pull)(leads), torch.stack([pull(lead) for lead in leads]))


def test_a_source_of_another_precision_is_left_to_torch() -> None:
    """A decay kept in float32 by a cell in half precision, say: torch knows what comes of it."""
    x = torch.randn(2, 4, 3).bfloat16()
    for other, engine in ((torch.float32, "reference"), (torch.bfloat16, "fused"), (torch.float64, "reference")):
        cell = LeakyCell(3, H).bfloat16()
        cell.scale.data = cell.scale.data.to(other)
        assert choose(cell, x)[0] == engine


def test_explain_reads_nothing_that_was_freed() -> None:
    layer = Recurrent(LeakyCell(3, H))
    layer.cell.weight_hh.untyped_storage().resize_(0)
    assert "memory was freed" in layer.explain()


def test_only_the_gate_takes_addresses() -> None:
    """Whoever else did would read what a tensor is not."""
    found = {
        str(path.relative_to(Path(seqmodels.__file__).parent))
        for path in Path(seqmodels.__file__).parent.rglob("*.py")
        if re.search(r"\.data_ptr\(|Tensor\.data_ptr", path.read_text(encoding="utf-8"))
    }
    # `memory.py` asks the system for large pages; `single.py` is the gate of single steps, written out for speed.
    assert found == {"scan/gate.py", "scan/fused/memory.py", "scan/fused/single.py"}


COMPILED = ["lstm", "gru", "elman", "layer_norm_lstm", "mingru"]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in COMPILED[:2] else pytest.mark.slow) for name in registry.names("cell")],
)
@pytest.mark.filterwarnings("ignore")  # torch's compiler has many of its own
def test_a_compiler_may_come_after_eager_calls(name: str) -> None:
    torch._dynamo.reset()
    for steps in (3, 1):
        for mode in (torch.no_grad, torch.enable_grad):
            layer, x = Recurrent(registry.make("cell", name, 3, H)), torch.randn(1, steps, 3)
            state = layer.initial_state(1, x)
            with torch.no_grad():
                layer(x, state)
            layer(x, state)
            compiled = torch.compile(layer, fullgraph=True, backend="eager")
            with mode():
                for _ in range(2):
                    torch.testing.assert_close(compiled(x, state)[0], layer(x, state)[0])
