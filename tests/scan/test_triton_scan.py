"""The kernel of the parallel engine for CUDA: its numbers by Triton's interpreter, and that it compiles."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from seqmodels.layers import Recurrent
from seqmodels.registry import make

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

# For a GPU that need not be there: to machine code, in the kinds of number that a layer may have.
COMPILE = """
import itertools
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from seqmodels.scan.linear_scan_triton import _scan

whole = ("a_row", "a_step", "b_row", "b_step", "h0_row", "h_row", "h_step", "cut_row", "cut_step", "steps", "units")
for cut, complex, reverse, (pointer, kind) in itertools.product(
    (False, True), (False, True), (False, True), (("*fp32", tl.float32), ("*bf16", tl.float32), ("*fp64", tl.float64))
):
    constants = {"CUT": cut, "REVERSE": reverse, "COMPLEX": complex, "KIND": kind, "TILE": 64, "UNITS": 32}
    signature = {**dict.fromkeys(("a", "b", "h0", "h"), pointer), "cut": "*u8", **dict.fromkeys(whole, "i32")}
    signature.update(dict.fromkeys(constants, "constexpr"))
    kernel = triton.compile(ASTSource(_scan, signature, constants), target=GPUTarget("cuda", 80, 32))
    assert ".entry" in kernel.asm["ptx"]
print("compiles")
"""


def in_a_process(*arguments: str, cache: Path, **variables: str) -> str:
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": path, "TRITON_CACHE_DIR": str(cache), **variables}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_interpreted_kernel_agrees_with_the_torch_form(tmp_path: Path) -> None:
    program = Path(__file__).with_name("interpreted_scan.py")
    assert "agrees" in in_a_process(str(program), cache=tmp_path, TRITON_INTERPRET="1")


@pytest.mark.slow
def test_the_kernel_compiles(tmp_path: Path) -> None:
    assert "compiles" in in_a_process("-c", COMPILE, cache=tmp_path, TRITON_INTERPRET="0")


@needs_cuda
@pytest.mark.parametrize("name", ["mingru", "minlstm", "lru", "rglru"])
def test_on_the_device_it_agrees_with_the_plain_loop(name: str) -> None:
    cell = make("cell", name, 5, 33).cuda()
    x, lengths = torch.randn(3, 300, 5, device="cuda").requires_grad_(), torch.tensor([300, 7, 0])
    found = []
    for engine in ("parallel", "reference"):
        y, last = Recurrent(cell, engine=engine)(x, None, lengths)
        found.append([y, last.h, *torch.autograd.grad(y.sin().mean() + last.h.mean(), [x, *cell.parameters()])])
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)
