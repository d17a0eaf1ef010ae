"""Before its first step a training imports neither what it draws with nor torch's compiler; both work when asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNNEEDED = ("matplotlib", "scipy", "sklearn", "sympy", "torch._dynamo.eval_frame", "torch._inductor", "pyarrow.parquet")
# Runs the command, and ends it after its first update.
PROGRAM = f"""
import importlib.abc, importlib.util, os, sys

class AfterFirstStep(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "torch.optim.optimizer":
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(name)
            own = spec.loader.exec_module
            spec.loader.exec_module = lambda module: (own(module), module.register_optimizer_step_post_hook(end))
            return spec

def end(*_):
    print(*[name for name in {UNNEEDED!r} if name in sys.modules], file=sys.stderr)
    sys.stdout.flush()
    os._exit(77)

sys.meta_path.insert(0, AfterFirstStep())
from seqmodels.cli import light, main
if "count" in globals():
    sys.setprofile(count)
if os.environ.get("HEAVY"):
    light.install = lambda: None
sys.exit(main.main())
"""
# Counts the package's files whose functions are called, from `main` to before the first update, imports apart.
COUNTING = f"""
import inspect, sys
import seqmodels

files, importing = set(), []

def count(frame, event, _):
    code = frame.f_code
    if code.co_name == "<module>" and event in ("call", "return"):
        importing.append(code) if event == "call" else importing.pop()
    elif event == "call" and not importing and code.co_name[0] != "<" and code.co_flags & inspect.CO_OPTIMIZED:
        if code.co_filename.startswith(seqmodels.__path__[0]):
            files.add(code.co_filename)

{PROGRAM.replace("print(", "sys.setprofile(None); print(len(files)); print(").replace("post_hook", "pre_hook")}
"""
# A run of a small series entered 124 when this was first counted.
MOST_FILES = 130
COMPILED = """
import sys, torch
from seqmodels.cli import light
sys.modules.pop("torch._dynamo", None)
light.install()
from lightning_fabric.wrappers import OptimizedModule
layer = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
optimizer.step()
assert isinstance(torch._dynamo, light.Compiler) and not isinstance(layer, OptimizedModule)
{asked}
assert torch._dynamo is sys.modules["torch._dynamo"] and not isinstance(torch._dynamo, light.Compiler)
compiled = torch.compile(layer, backend="eager")
assert isinstance(compiled, OptimizedModule) and compiled(torch.ones(1, 1)).shape == (1, 1)
optimizer.zero_grad()
optimizer.step()
"""
ASKED = (
    "torch.compile(layer, backend='eager')(torch.ones(1, 1))",
    "torch.use_deterministic_algorithms(True)",
    "import torch._dynamo.utils as inside; assert inside is sys.modules['torch._dynamo.utils'] is torch._dynamo.utils",
    "torch._dynamo.reset()",
)


def run(program: str, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["series", "labels"])
def test_before_the_first_step(tmp_path, kind):
    rows = [f"2020-{m:02}-{d:02},{m * d % 7}" for m in range(1, 13) for d in range(1, 29)]
    if kind == "labels":
        rows = [f"{row.partition(',')[0]} or {n},{'ab'[n % 2]}" for n, row in enumerate(rows)]
    (tmp_path / "rows.csv").write_text("\n".join(["one,two", *rows]))
    overrides = ["data=csv", "data.path=rows.csv", "data.target=two"]
    done = run(PROGRAM, tmp_path, "train", *overrides)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (77, "")


def test_how_many_files_are_entered(tmp_path):
    (tmp_path / "rows.csv").write_text("day,sold\n" + "".join(f"2020-01-{d:02},{d % 7}\n" for d in range(1, 32)))
    done = run(COUNTING, tmp_path, "train", "data=csv", "data.path=rows.csv", "data.target=sold", "data.history=3")
    assert done.returncode == 77, done.stderr
    assert 60 < int(done.stdout.splitlines()[-1]) <= MOST_FILES


def test_the_check_can_fail(tmp_path):
    (tmp_path / "book.txt").write_text("to be or not to be " * 50)
    done = run(PROGRAM, tmp_path, "train", "data=text", "data.path=book.txt", HEAVY="1")
    assert done.returncode == 77
    assert done.stderr.splitlines()[-1].split()[:2] == ["matplotlib", "scipy"]


@pytest.mark.parametrize("asked", ASKED)
def test_the_compiler_comes_when_it_is_asked_for(tmp_path, asked):
    done = run(COMPILED.format(asked=asked), tmp_path)
    assert done.returncode == 0, done.stderr
