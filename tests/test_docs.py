"""docs/own_cell.md and docs/cells.md keep their word: what they show runs, and prints what they say it prints."""

import inspect
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from seqmodels import registry
from seqmodels.benchmark import cases
from seqmodels.cells import GatedCell, HiddenState, LSTMState
from seqmodels.layers import Recurrent
from seqmodels.scan import engines_for
from seqmodels.scan.fused import compiler
from seqmodels.scan.step_graph import lowering, lowering_shapes  # noqa: F401  the second registers itself
from tests.cli.pages import ROOT, SMALL, blocks, command, in_a_fresh_process

OWN_CELL = blocks("docs/own_cell.md")
PYTHON = [code for info, code in OWN_CELL if info == "python"]
TWENTY_LINES = PYTHON[0]
COMMANDS = [
    shlex.split(line)[1:] for info, code in OWN_CELL if info == "bash" for line in code.splitlines() if line.strip()
]
needs_a_compiler = pytest.mark.skipif(compiler.find() is None, reason="no C compiler: nothing is fused")

RUN_ALL = """
import contextlib, io, json, pathlib
names, printed = {"__name__": "page"}, []
for number, code in enumerate(json.loads(sys.argv[1])):
    file = pathlib.Path(sys.argv[2], str(number), "my_cells.py")  # one that is there, so that its lines can be shown
    file.parent.mkdir()
    file.write_text(code)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, file, "exec"), names)
    printed.append(out.getvalue())
print(json.dumps(printed))
"""


@needs_a_compiler
def test_each_block_prints_what_stands_below_it(tmp_path: Path) -> None:
    printed = json.loads(in_a_fresh_process(RUN_ALL, ROOT, json.dumps(PYTHON), str(tmp_path)))
    shown: list[str] = []
    for info, text in OWN_CELL:
        shown += [""] if info == "python" else []
        if info == "text":
            shown[-1] = text
    assert [re.sub(r"[^ ]+(?=my_cells\.py:)", "", text) for text in printed] == shown
    assert sum(bool(text) for text in shown) >= 8


def test_the_twenty_lines_are_those_of_the_benchmark() -> None:
    for part in (cases.TwoMemories, cases.TwoMemoryCell):
        assert inspect.getsource(part) in TWENTY_LINES
    code = inspect.getsource(cases.TwoMemories) + inspect.getsource(cases.TwoMemoryCell)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files that the page has its reader write."""
    (name_it,) = [code for code in PYTHON if "register(" in code]
    (tmp_path / "my_cells.py").write_text(TWENTY_LINES + name_it)
    return tmp_path


@pytest.mark.parametrize("line", [line for line in COMMANDS if line[0] == "benchmark"], ids=" ".join)
def test_its_benchmark_runs(folder: Path, line: list[str]) -> None:
    printed = command(folder, *line, "--quick", "--repeats", "1", "--shapes", "3x2x2x4")
    assert "TwoMemoryCell" in printed


def test_its_commands_train_and_evaluate_the_cell(folder: Path) -> None:
    (train,) = [line for line in COMMANDS if line[0] == "train"]
    command(folder, *train, "data.train_size=64", "data.val_size=16", "data.test_size=16", *SMALL)
    assert json.loads((folder / "runs" / "mine" / "metrics.json").read_text())["test"]["loss"] > 0
    (evaluate,) = [line for line in COMMANDS if line[0] == "evaluate"]
    assert "test" in command(folder, *evaluate)
    assert {line[0] for line in COMMANDS} == {"train", "evaluate", "benchmark"}


# What torch calls a function inside, where the page says something else of it or nothing.
INSIDE = {
    "native_layer_norm": "layer_norm",
    "rsub": "sub",
    "split_with_sizes": "split",
    "unsafe_split": "split",
    "unsafe_chunk": "chunk",
    "_unsafe_view": "view",
    "_reshape_alias": "reshape",
    "scalar_tensor": "full",
    "detach_": "detach",
    "alias": "clone",
    "lift_fresh": "clone",
    "seqmodels::clip_gradient": "detach",
}
#: Of v, (B, 2H), and half of it: what is not called as ``f(v)`` or ``f(v, w)``.
CALLS: dict[str, Callable[[Tensor], Tensor]] = {
    "addcmul": lambda v: torch.addcmul(v, v, v),
    "addcdiv": lambda v: torch.addcdiv(v, v, 2 + v * v),
    "lerp": lambda v: torch.lerp(v, v * v, 0.3),
    "clamp": lambda v: torch.clamp(v, -0.5, 0.5),
    "sum": lambda v: v - v.sum(-1, keepdim=True),
    "mean": lambda v: v - v.mean(-1, keepdim=True),
    "var": lambda v: v * v.var(-1, keepdim=True),
    "var_mean": lambda v: v * torch.var_mean(v, dim=-1, keepdim=True)[1],
    "layer_norm": lambda v: functional.layer_norm(v, v.shape[-1:]),
    "chunk": lambda v: torch.cat(v.chunk(2, -1), -1),
    "split": lambda v: torch.cat(v.split(v.shape[-1] // 2, -1), -1),
    "slice": lambda v: torch.cat((v[:, v.shape[-1] // 2 :], v[:, : v.shape[-1] // 2]), -1),
    "cat": lambda v: torch.cat(v.chunk(2, -1), -1),
    "stack": lambda v: torch.stack(v.chunk(2, -1), 1).flatten(1),
    "unbind": lambda v: torch.cat(v.view(-1, 2, v.shape[-1] // 2).unbind(1), -1),
    "select": lambda v: torch.cat((v.view(-1, 2, v.shape[-1] // 2).select(1, 1), v.chunk(2, -1)[0]), -1),
    "view": lambda v: v.view(-1, 2, v.shape[-1] // 2).tanh().view(v.shape),
    "view_as": lambda v: v.view_as(v),
    "reshape": lambda v: v.reshape(-1, 2, v.shape[-1] // 2).reshape(v.shape),
    "unsqueeze": lambda v: torch.cat([half.unsqueeze(1) for half in v.chunk(2, -1)], 1).flatten(1),
    "squeeze": lambda v: torch.cat([half.unsqueeze(1).squeeze(1) for half in v.chunk(2, -1)], -1),
    "ones_like": lambda v: v * torch.ones_like(v),
    "zeros_like": lambda v: v + torch.zeros_like(v),
    "expand": lambda v: v.chunk(2, -1)[0].expand(-1, -1).repeat(1, 2),
    "repeat": lambda v: v.chunk(2, -1)[0].repeat(1, 2),
    "ones": lambda v: v * torch.ones(v.shape, dtype=v.dtype),
    "zeros": lambda v: v + torch.zeros(v.shape, dtype=v.dtype),
    "full": lambda v: v + torch.full(v.shape, 0.3, dtype=v.dtype),
    "full_like": lambda v: v + torch.full_like(v, 0.3),
    "new_ones": lambda v: v * v.new_ones(v.shape),
    "new_zeros": lambda v: v + v.new_zeros(v.shape),
    "clamp_min": lambda v: torch.clamp_min(v, 0.1),
    "clamp_max": lambda v: torch.clamp_max(v, 0.1),
    "pow": lambda v: v**3,
    "where": lambda v: torch.where(v > 0, v, -v),
}
TWO = ("add", "sub", "mul", "div", "maximum", "minimum")
COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne")


def listed() -> list[str]:
    """The functions in the page's table."""
    text = (ROOT / "docs" / "own_cell.md").read_text(encoding="utf-8")
    table = text.split("| what | functions |")[1].split("\n\n")[0]
    return re.findall(r"`(\w+)`", table)


def test_the_table_lists_what_can_be_generated() -> None:
    known = {*lowering._ELEMENTWISE, *lowering._LOWERINGS, *lowering._SAME}
    assert {INSIDE.get(name, name) for name in known} | {"chunk"} == set(listed())
    assert len(listed()) == len(set(listed()))


def call(name: str, v: Tensor) -> Tensor:
    if name in CALLS:
        return CALLS[name](v)
    function = getattr(torch, name, None) or getattr(functional, name, None) or getattr(Tensor, name)
    if name in COMPARISONS:
        return torch.where(function(v, 0.2), v, 0.0)
    return function(v, v * 0.5) if name in TWO else function(v)


#: What the page says cannot be generated, by the words that it has for it.
REFUSED: dict[str, Callable[[Tensor], Tensor]] = {
    "`v += 1`": lambda v: v.add_(1),
    "a matrix product": lambda v: v @ v.new_ones(v.shape[-1], v.shape[-1]),
    "random numbers": lambda v: v + torch.randn_like(v),
    "`softmax`": lambda v: torch.softmax(v, -1),
    "`amax`": lambda v: v - v.amax(-1, keepdim=True),
    "`v[:, 0]`": lambda v: v * v[:, :1],
    "`roll`": lambda v: v.roll(1, -1),
    "`cumsum`": lambda v: v.cumsum(-1),
    "`(v > 0).float()`": lambda v: v * (v > 0).float(),
    "`(v > 0) & (v < 1)`": lambda v: torch.where((v > 0) & (v < 1), v, 0.0),
    "a tensor from outside": lambda v: v * OUTSIDE,
}
INSTEAD: dict[str, Callable[[Tensor], Tensor]] = {
    "`e = torch.exp(v); e / e.sum(-1, keepdim=True)`": lambda v: torch.exp(v) / torch.exp(v).sum(-1, keepdim=True),
    "`w * (v > 0)`": lambda v: v * (v > 0),
    "`torch.where(v > 0, w * (v < 1), 0)`": lambda v: torch.where(v > 0, v * (v < 1), 0),
}
OUTSIDE = torch.tensor(2.0)


class OneFunction(GatedCell):
    """Two blocks of H, and one function of them."""

    gates = ("a", "b")

    def __init__(self, input_size: int, hidden_size: int, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        super().__init__(input_size, hidden_size)

    def update(self, u: Tensor, r: Tensor, state: HiddenState) -> HiddenState:
        a, b = self.function(u + r).chunk(2, dim=-1)
        return HiddenState(a + 0.5 * b + 0.1 * state.h)


@needs_a_compiler
@pytest.mark.parametrize("name", listed())
def test_what_the_table_lists_is_fused(name: str) -> None:
    assert "fused" in engines_for(OneFunction(3, 4, lambda v: call(name, v)))


@needs_a_compiler
@pytest.mark.parametrize("words", [*REFUSED, *INSTEAD])
def test_what_is_fused_instead_of_what(words: str) -> None:
    assert words in (ROOT / "docs" / "own_cell.md").read_text(encoding="utf-8")
    cell = OneFunction(3, 4, {**REFUSED, **INSTEAD}[words])
    assert ("fused" in engines_for(cell)) == (words in INSTEAD)


class ReadsAll(GatedCell):
    """A cell that reads a tensor of each shape that the page names, and keeps a state of two blocks."""

    state_type = LSTMState
    gates = ("a", "b")
    number: Tensor
    pairs: Tensor

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.flag = True
        self.row = torch.rand(2, hidden_size)
        self.register_buffer("number", torch.tensor(0.7))
        self.wide = torch.nn.Parameter(torch.rand(2 * hidden_size))
        self.register_buffer("pairs", torch.rand(2, hidden_size))

    def state_sizes(self) -> dict[str, int]:
        return {"h": self.hidden_size, "c": 2 * self.hidden_size}

    def update(self, u: Tensor, r: Tensor, state: LSTMState) -> LSTMState:
        c = torch.tanh(self.wide * state.c + (u + r)) * self.number
        a, b = (c.view(len(c), 2, -1) * self.pairs).unbind(1)
        return LSTMState(a * self.row + b if self.flag else b, c)


@needs_a_compiler
def test_a_cell_reads_tensors_of_the_shapes_that_the_page_names() -> None:
    cell = ReadsAll(3, 5).double()
    cell.row = cell.row.double()
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    fused, plain = (Recurrent(cell, engine=engine)(x) for engine in ("fused", "reference"))
    torch.testing.assert_close(fused, plain, rtol=1e-10, atol=1e-10)


def rows_of_cells() -> dict[str, list[str]]:
    """The table of docs/cells.md: by name, its other columns."""
    text = (ROOT / "docs" / "cells.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in rows}


@pytest.mark.parametrize(
    "name", [n for n in registry.names("cell") if registry.find("cell", n).__module__.startswith("seqmodels.")]
)
def test_the_table_of_cells_is_complete(name: str) -> None:
    _, options, _, engines = rows_of_cells()[name]
    cls = registry.find("cell", name)
    assert re.findall(r"`(\w+)`", options) == list(inspect.signature(cls).parameters)[2:]
    if compiler.find() is not None:
        assert re.findall(r"\w+", engines) == [e for e in sorted(engines_for(cls(3, 4))) if e != "reference"]


def test_the_files_that_the_design_names_are_there() -> None:
    """Paths in backticks, from the package, the repository, or the folder that the text is about."""
    tops = [ROOT / top for top in ("seqmodels", "configs", "tests", "docs")]
    there = [path.relative_to(ROOT) for top in tops for path in (top, *top.rglob("*"))]
    known = {f"/{path.as_posix()}{'' if path.suffix else '/'}" for path in there}
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:\w+/)*\w+\.(?:py|c|md|yaml)|(?:\w+/)+)`", text))
    named = {name for name in named if not name.endswith(("/x.py", "/x.yaml"))}  # what one is to write
    assert len(named) > 60
    assert sorted(name for name in named if not any(path.endswith(f"/{name}") for path in known)) == []
