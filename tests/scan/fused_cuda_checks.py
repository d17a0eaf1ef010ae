"""The fused engine for CUDA against the plain loop: by Triton's interpreter, or on a device.

    python fused_cuda_checks.py cpu agreement     with TRITON_INTERPRET=1
    python fused_cuda_checks.py cuda agreement

A program of its own, since the interpreter must be asked for before Triton is first imported.
Each check is a function below; the two drivers are tried in turn wherever both can run.
"""

import os
import sys
import zlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from seqmodels.cells import Cell, GatedCell, HiddenState, LSTMCell
from seqmodels.cells.regularised import regularise
from seqmodels.scan.fused import FUSED
from seqmodels.scan.fused_cuda import cuda_obstacle, failure, function, launch_triton, run_on_cuda
from seqmodels.scan.fused_cuda.graphs import Recording
from seqmodels.scan.fused_cuda.kernel import kernel_for
from seqmodels.scan.fused_cuda.module import load
from seqmodels.scan.fused_cuda.plan import plan
from seqmodels.scan.fused_cuda.text import BUFFERS
from seqmodels.scan.reference import reference_steps
from seqmodels.scan.step_graph.operations import OPERATIONS
from seqmodels.state import State, leaves, map_state
from tests.laws.catalogue import cells

options_of = launch_triton.options
_give_up = failure.give_up
DEVICE = torch.device(sys.argv[1] if __name__ == "__main__" else "cpu")
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5, torch.bfloat16: 4e-2, torch.float16: 5e-3}
#: The cell cannot be generated; the CPU's engine says why.
NOT_GENERATED = {name for name, make in cells().items() if FUSED.obstacle(make(3, 4), None, None)}


def plain_loop(
    cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None, reset: Tensor | None
) -> tuple[Tensor, State]:
    outputs, states = reference_steps(cell, inputs, state, lengths, reset)
    return torch.stack(outputs, dim=1), states[-1]


def results(
    run: Callable[..., Any], cell: Cell, tensors: list[Tensor], lengths: Any, reset: Any, last_only: bool = False
) -> list[Tensor]:
    """Outputs, last state, and the gradient of everything."""
    torch.manual_seed(1)  # both draw the same noise
    x, *fields = tensors
    y, last = run(cell, x, cell.state_type(*fields), lengths, reset)
    total = 0 if last_only else y.float().sin().sum()
    for leaf in leaves(last):
        total = total + (leaf.float() * 1.3).cos().sum()
    wanted = [*tensors, *cell.parameters()]
    found = torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True)
    return [y, *leaves(last), *found]


def near(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    """Each tensor to within `tolerance` of its largest number, or of 1."""
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        scale = max(1.0, other.abs().max().item() if other.numel() else 0.0)
        difference = (one.double() - other.double()).abs().max().item() if other.numel() else 0.0
        assert difference <= tolerance * scale, (difference, scale)


def compare(
    cell: Cell,
    B: int,
    T: int,
    dtype: torch.dtype = torch.float32,
    driver: str = "auto",
    masks: bool = True,
    seed: int = 0,
    last_only: bool = False,
) -> None:
    """One cell by one driver; what is compared with is the plain loop in float32 at least, from the same numbers."""
    g = torch.Generator().manual_seed(seed)
    cell = cell.to(DEVICE, dtype)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.mul_(1.3)
    sizes = cell.state_sizes().values()
    made = [torch.randn(B, T, cell.input_size, generator=g), *(torch.randn(B, n, generator=g) / 2 for n in sizes)]
    tensors = [tensor.to(DEVICE, dtype).requires_grad_() for tensor in made]
    lengths = reset = None
    if masks:
        lengths = torch.randint(0, T + 1, (B,), generator=g).to(DEVICE)
        reset = (torch.rand(B, T, generator=g) < 0.3).to(DEVICE)
    function.DRIVERS = (driver,)
    if DEVICE.type == "cpu" and dtype == torch.bfloat16:  # the interpreter would multiply the bits of such numbers
        launch_triton.options = lambda _: options_of(torch.float32)
    else:
        launch_triton.options = options_of
    assert cuda_obstacle(cell, tensors[0], reset) is None
    found = results(run_on_cuda, cell, tensors, lengths, reset, last_only)
    assert all(one.dtype == dtype for one in found)
    wide = torch.promote_types(dtype, torch.float32)
    tensors = [tensor.detach().to(wide).requires_grad_() for tensor in tensors]
    expected = results(plain_loop, cell.to(wide), tensors, lengths, reset, last_only)
    near(found, expected, TOLERANCES[dtype])


def agreement() -> None:
    """Every cell that can be generated, with its options."""
    names = [name for name in cells() if name not in NOT_GENERATED]
    assert len(names) > 30
    for name in names:
        for driver in ("auto", "stepwise"):
            seed = zlib.crc32(f"{name} {driver}".encode())
            g = torch.Generator().manual_seed(seed)
            B, T, H = (int(torch.randint(low, high, (1,), generator=g)) for low, high in ((1, 4), (1, 6), (2, 8)))
            compare(cells()[name](3, H), B, T, driver=driver, seed=seed)


def sizes() -> None:
    """Odd sizes; more rows, and more units, than one program takes; no lengths or resets; no gradient of outputs."""
    for name, B, T, H in (("lstm", 1, 1, 1), ("gru", 17, 2, 7), ("layer_norm_lstm", 3, 2, 33), ("lru", 2, 3, 130)):
        for driver in ("auto", "stepwise"):
            compare(cells()[name](2, H), B, T, driver=driver, masks=False)
            compare(cells()[name](2, H), B, T, driver=driver, last_only=True)
    compare(cells()["lstm-peephole"](2, 130), 2, 3)  # too wide to be held on chip
    heads = LSTMCell(2, 6, heads=3)
    for driver in ("auto", "stepwise"):
        compare(heads, 2, 3, driver=driver)


def dtypes() -> None:
    """float64 only step by step: its products have no place on chip."""
    for name in ("lstm-peephole", "gru-heads", "layer_norm_gru", "indrnn", "lru", "minlstm"):
        compare(cells()[name](3, 6), 2, 4, torch.float64)
        for dtype in (torch.bfloat16, torch.float16):
            for driver in ("auto", "stepwise"):
                compare(cells()[name](3, 6), 2, 4, dtype, driver)


class StrangeCell(GatedCell):
    """Reads a number, a vector and a value per row; its product reads a function of the state; it sums over units."""

    gates = ("a", "n")

    def __init__(self, input_size: int, hidden_size: int, rows: int) -> None:
        super().__init__(input_size, hidden_size)
        self.scale = nn.Parameter(torch.tensor(0.7))
        self.offset = nn.Parameter(torch.tensor(0.3))
        self.slope = nn.Parameter(torch.randn(hidden_size))
        self.per_row = torch.rand(rows, hidden_size).to(DEVICE)

    def recurrent_input(self, state: HiddenState) -> Tensor:
        return torch.tanh(state.h * self.slope) * self.per_row

    def update(self, u: Tensor, r: Tensor, state: HiddenState) -> HiddenState:
        a, n = (u + r).chunk(2, dim=-1)
        a = torch.sigmoid(a * self.scale)
        level = state.h.pow(3).mean(-1, keepdim=True).exp() + self.offset
        return HiddenState(a * state.h + (1 - a) * torch.where(n > 0, n, torch.expm1(n)) / level.clamp(min=0.5))


def options() -> None:
    """Regularisers, a cell from elsewhere, a learned initial state, a window after a window, and no gradient."""
    for driver in ("auto", "stepwise"):
        noisy = regularise(cells()["gru"](3, 5), None, {"h": 0.5}, True, None)
        compare(noisy, 2, 4, driver=driver)
        mask = (torch.rand(2, 5) < 0.7).float().to(DEVICE) / 0.7
        cell = regularise(cells()["lstm"](3, 5).to(DEVICE), mask, {"h": 0.2, "c": 0.3}, False, 0.05)
        compare(cell, 2, 4, driver=driver)
        compare(StrangeCell(3, 5, rows=2), 2, 4, driver=driver)
        learned = cells()["gru"](3, 5)
        learned.learn_initial_state()
        compare(learned, 2, 4, driver=driver)
        with torch.no_grad():
            x = torch.randn(2, 5, 3, device=DEVICE)
            cell = cells()["lstm"](3, 5).to(DEVICE)
            whole, end = run_on_cuda(cell, x, cell.initial_state(2, x), None, None)
            first, middle = run_on_cuda(cell, x[:, :2], cell.initial_state(2, x), None, None)
            second, last = run_on_cuda(cell, x[:, 2:], middle, None, None)
            near([torch.cat((first, second), 1), *last], [whole, *end], 1e-6)
    twice()


def twice() -> None:
    """The gradient of a gradient goes by the plain loop; and backward may be asked for again."""
    found = []
    cell = cells()["gru"](3, 5).to(DEVICE)
    x = torch.randn(2, 4, 3, device=DEVICE, requires_grad=True)
    for run in (run_on_cuda, plain_loop):
        y, last = run(cell, x, cell.initial_state(2, x), None, None)
        wanted = [x, *cell.parameters()]
        total = y.sin().sum() + last.h.sum()
        near(*(list(torch.autograd.grad(total, wanted, retain_graph=True)) for _ in range(2)), 0)
        first = torch.autograd.grad(total, wanted, create_graph=True)
        found.append([*first, *torch.autograd.grad(sum(one.pow(2).sum() for one in first), wanted)])
    near(*found, 1e-4)


def faults() -> None:
    """Where the compiler fails, forward or backward, the plain loop runs, once and for all, with the same results."""
    failure.give_up = _give_up
    run, x = function._run, torch.randn(2, 4, 3, device=DEVICE, requires_grad=True)
    for broken in ("forward", "backward"):

        def failing(name: str, *rest: Any, broken: str = broken) -> None:
            if name == broken:
                raise OSError("no such compiler")
            run(name, *rest)

        function._run = failing
        cell = cells()["gru-no_bias" if broken == "forward" else "gru"](3, 5).to(DEVICE)
        tensors = [x, cell.initial_state(2, x).h.requires_grad_()]
        near(*(results(each, cell, tensors, None, None) for each in (run_on_cuda, plain_loop)), 1e-6)
        assert "no such compiler" in str(cuda_obstacle(cell, x, None))
    function._run = run


def unexpected(kernel: Any, error: Exception) -> None:
    raise error


OPERATION = """
import triton
import triton.language as tl
from seqmodels.scan.fused_cuda.vectors_triton import *


@triton.jit
def operation(a, b, c, out, COUNT: tl.constexpr):
    at = tl.arange(0, COUNT)
    x, y, z = tl.load(a + at), tl.load(b + at), tl.load(c + at)
    tl.store(out + at, {})
"""


def operations() -> None:
    """The text of every operation, which also serves the C compiler, against torch's own."""
    tried = 0
    for name, operation in OPERATIONS.items():
        own = next((getattr(torch, title, None) for title in (*operation.aten, name)), None)
        if own is None or name in ("sum", "detach"):
            continue
        for dtype in (torch.float32, torch.float64):
            args = [torch.randn(64, dtype=dtype, device=DEVICE) for _ in range(3)]
            if name in ("sqrt", "log", "log1p", "pow"):
                args[0] = args[0].abs() + 0.01
            if name in ("eq", "ge", "le", "ne"):
                args[1][::2] = args[0][::2]
            found = torch.empty_like(args[0])
            load(OPERATION.format(operation.text.format("x", "y", "z"))).operation[(1,)](*args, found, COUNT=64)
            count = next(n for n in (1, 2, 3) if f"{{{n}}}" not in operation.text)
            given = [args[0] > 0, *args[1:]] if name == "where" else args[:count]
            if name == "where":
                load(OPERATION.format(operation.text.format("tl.where(x > 0, 1.0, 0.0)", "y", "z"))).operation[(1,)](
                    *args, found, COUNT=64
                )
            torch.testing.assert_close(
                found, own(*given).to(dtype), rtol=1e-5 if dtype == torch.float32 else 1e-11, atol=1e-6
            )
            tried += 1
    assert tried > 50


def recording() -> None:
    """A recording plays on buffers of its own: what it is given goes in, what it leaves comes out, each time."""

    def launches(buffers: dict[str, Tensor]) -> None:
        buffers["twice"].copy_(buffers["x"] * 2)
        buffers["total"].add_(buffers["x"])
        buffers["scratch"].zero_()

    def given(x: float) -> dict[str, Tensor]:
        return {name: torch.tensor([x if name == "x" else 1.0]) for name in ("x", "twice", "total", "scratch")}

    play = Recording(launches, given(9.0), lambda recorded: recorded)
    for x in (3.0, 5.0):
        buffers = given(x)
        play(buffers, results=("twice", "total"), scratch=("twice", "scratch"))
        assert [buffers[name].item() for name in ("x", "twice", "total", "scratch")] == [x, 2 * x, 1 + x, 1.0]


def replays() -> None:
    """On a device: the third call of a kind is the second one's recording, and gives the same."""
    function.DRIVERS = ("stepwise",)
    cell = cells()["lstm"](3, 40).to(DEVICE)
    for _ in range(4):
        x = torch.randn(2, 6, 3, device=DEVICE, requires_grad=True)
        state = map_state(torch.Tensor.requires_grad_, cell.initial_state(2, x))
        found = [results(run, cell, [x, *state], None, None) for run in (run_on_cuda, plain_loop)]
        near(*found, 1e-4)


def compilation() -> None:
    """To machine code for a GPU that need not be there: both drivers, and kinds of number."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    wide = ("outputs", "memory", "kept_numbers", "fresh", "numbers", "carried", "sums")
    target = GPUTarget("cuda", 80, 32)
    kinds = {"reset": "*u8", "lengths": "*i64", **dict.fromkeys(wide, "*fp32")}
    for name, dtype, pointer in (
        ("lstm-peephole", torch.bfloat16, "*bf16"),
        ("gru", torch.float32, "*fp32"),
        ("layer_norm_lstm", torch.float16, "*fp16"),
        ("rglru", torch.float32, "*fp32"),
    ):
        cell = cells()[name](8, 64)
        kernel = kernel_for(cell, isinstance(cell, GatedCell) and cell.usual_project)
        for driver in ("auto", "stepwise"):
            where = plan(kernel, 16, 64, 1, dtype, driver)
            options = {
                **dict.fromkeys(("SAVING", "RESET", "LENGTHS"), True),
                "SEPARATE": kernel.layout.separate,
                "PERSISTENT": where.persistent,
                "ROWS": where.rows,
                "UNITS": where.units,
                **options_of(dtype),
            }
            for title in ("forward", "backward"):
                code = getattr(kernel.module, title)
                pointers = {*BUFFERS[title].split(), *(f"tensor{k}" for k in range(len(kernel.step.sources)))}
                signature = {name: kinds.get(name, pointer) if name in pointers else "i32" for name in code.arg_names}
                constants = {key: value for key, value in options.items() if key in signature}
                signature.update(dict.fromkeys(constants, "constexpr"))
                made = compile(ASTSource(code, signature, constants), target, {"num_warps": where.warps})
                assert ".entry" in made.asm["ptx"]
    for operation in OPERATIONS.values():
        if operation.text:
            code = load(OPERATION.format(operation.text.format("x", "y", "z"))).operation
            signature = {**dict.fromkeys(("a", "b", "c", "out"), "*fp32"), "COUNT": "constexpr"}
            assert ".entry" in compile(ASTSource(code, signature, {"COUNT": 64}), target).asm["ptx"]


if __name__ == "__main__":
    assert DEVICE.type == "cuda" or os.environ["TRITON_INTERPRET"] == "1" or sys.argv[2:] == ["compilation"]
    failure.give_up = unexpected
    torch.manual_seed(0)
    for check in sys.argv[2:]:
        globals()[check]()
        print(f"{check} agrees", flush=True)
