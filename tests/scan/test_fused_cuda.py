"""The fused engine for CUDA: its numbers by Triton's interpreter, that it compiles, and on a device where there is one.

On a machine with a GPU ``pytest -m "" tests/scan/test_fused_cuda.py`` runs all of it.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from seqmodels.cells import GRUCell
from seqmodels.scan.fused_cuda import cuda_obstacle, module
from seqmodels.scan.fused_cuda.emit import emit
from seqmodels.scan.step_graph.step import backward_of, trace_step

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
CHECKS = [["agreement"], ["sizes", "dtypes", "operations"], ["options", "recording", "replays", "faults"]]


def in_a_process(cache: Path, *arguments: str, interpret: bool) -> str:
    own = {"TRITON_INTERPRET": str(int(interpret)), "TRITON_CACHE_DIR": str(cache), "SEQMODELS_CACHE": str(cache)}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **own}
    program = str(Path(__file__).with_name("fused_cuda_checks.py"))
    # The interpreter computes what the masks of a kernel leave out as well, and numpy warns of it.
    command = [sys.executable, "-W", "ignore::RuntimeWarning", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_triton
@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=needs_cuda)], ids=["interpreted", "on the device"]
)
@pytest.mark.parametrize("checks", CHECKS, ids=" ".join)
def test_it_agrees_with_the_plain_loop(checks: list[str], device: str, tmp_path: Path) -> None:
    said = in_a_process(tmp_path, device, *checks, interpret=device == "cpu")
    assert said.splitlines() == [f"{check} agrees" for check in checks]


@needs_triton
@pytest.mark.slow
def test_it_compiles_for_a_gpu_that_need_not_be_there(tmp_path: Path) -> None:
    assert in_a_process(tmp_path, "cpu", "compilation", interpret=False) == "compilation agrees\n"


def test_the_text_is_the_same_each_time() -> None:
    """It names the file, and what Triton has compiled."""
    texts = set()
    for units in (3, 5):
        step = trace_step(GRUCell(2, units), projects=True)
        texts.add(emit(step, backward_of(step))[0])
    assert len(texts) == 1


def test_without_triton_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.setattr("seqmodels.scan.fused_cuda.engine.find_spec", lambda name: None)
    assert "pip install triton" in str(cuda_obstacle(GRUCell(2, 3), None, None))


def test_generated_text_is_written_once_and_mended_where_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQMODELS_CACHE", str(tmp_path / "cache"))
    assert module.load("answer = 42\n").answer == 42
    (path,) = (tmp_path / "cache").glob("*.py")
    path.write_text("answer = 4")
    assert module.load("answer = 42\n").answer == 42
    assert path.read_text() == "answer = 42\n"
    monkeypatch.setenv("SEQMODELS_CACHE", "/dev/null/cache")
    assert module.load("answer = 43\n").answer == 43
