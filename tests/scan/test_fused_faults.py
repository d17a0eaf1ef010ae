"""Whatever goes wrong with compiler, cache or processes, results are those of the plain loop, and it is said once."""

import logging
import os
import signal
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seqmodels.scan import choose, scan
from seqmodels.scan.fused import compiler, kernel
from seqmodels.scan.step_graph import code_folders
from tests.scan.fused_cells import LeakyCell, close

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
ignores_forks = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An engine that has compiled nothing yet, and an empty cache."""
    monkeypatch.setenv("SEQMODELS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kernel, "_kernels", {})
    monkeypatch.setattr("seqmodels.scan.dispatch._reported", set())
    forget()
    yield
    forget()


def forget() -> None:
    for remembered in (compiler.find, compiler._machine, code_folders._own_folder, code_folders._say_unsafe):
        remembered.cache_clear()


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def run(caplog: pytest.LogCaptureFixture, times: int = 3) -> tuple[str, list[str]]:
    """The chosen engine and what was said, after some scans of two cells whose results are checked."""
    with caplog.at_level(logging.WARNING):
        cell, x = LeakyCell(3, 5).double(), torch.randn(3, 4, 3, dtype=torch.float64)
        for one in (cell, LeakyCell(3, 5).double(), *[cell] * times):
            outcomes = []
            for engine in ("auto", "reference"):
                y, _ = scan(one, x, lengths=torch.tensor([4, 2, 0]), engine=engine)
                outcomes.append([y, *torch.autograd.grad(y.sin().sum(), list(one.parameters()))])
            close(*outcomes, tolerance=1e-10)
    return choose(cell, x)[0], [record.getMessage() for record in caplog.records]


WITHOUT_CODE = "cannot be found", "fails", "hangs", "writes garbage", "writes nothing", "is no program"


@pytest.fixture(params=WITHOUT_CODE)
def broken_compiler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    # -o's argument comes last but for libraries, so it is looked for.
    out = 'while [ "$1" != "-o" ]; do [ $# -gt 0 ] || exit 0; shift; done; '
    attempt = f'[ "$1" = "--version" ] || echo tried >> {tmp_path}/attempts; '
    texts = {
        "fails": attempt + "echo no space left on device >&2; exit 1",
        "hangs": attempt + '[ "$1" = "--version" ] || exec sleep 60',
        "writes garbage": attempt + out + 'echo garbage > "$2"',
        "writes nothing": attempt + "exit 0",
    }
    if request.param == "cannot be found":
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("CC", raising=False)
    elif request.param == "is no program":
        (tmp_path / "cc").write_text("not a program")
        (tmp_path / "cc").chmod(0o755)
        monkeypatch.setenv("CC", str(tmp_path / "cc"))
    else:
        monkeypatch.setenv("CC", script(tmp_path / "cc", texts[request.param]))
    monkeypatch.setattr(compiler, "TIME_LIMIT", 0.5)
    forget()
    return str(request.param)


def test_without_compiled_code_results_are_the_same_and_it_is_said_once(
    broken_compiler: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    engine, said = run(caplog)
    assert engine == "reference"
    assert len(said) == 1, said
    assert "reference" in said[0]
    assert "compiler" in said[0] or "cc" in said[0]
    if (tmp_path / "attempts").exists():
        assert (tmp_path / "attempts").read_text() == "tried\n"  # one that hangs is not waited for again and again


def test_a_compiler_named_wrongly_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CC", "/nowhere/to/be/found")
    forget()
    assert run(caplog) == ("fused", [])


def test_a_compiler_with_options_or_odd_letters_in_its_name(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    folder = tmp_path / "a b; touch owned $(touch owned)"
    folder.mkdir()
    found = compiler.find()
    forget()
    monkeypatch.setenv("CC", script(folder / "cc", f'exec {found} "$@"'))
    monkeypatch.setenv("SEQMODELS_CACHE", str(tmp_path / "c d; touch owned 'ü"))
    monkeypatch.chdir(tmp_path)
    assert run(caplog) == ("fused", [])
    assert not list(tmp_path.rglob("owned"))


def entries() -> list[Path]:
    return sorted(code_folders.cache_folder().glob("*.so"))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "garbage": lambda content: b"garbage" * 1000,
    "a hundred bytes": lambda content: content[:100],
    "half": lambda content: content[: len(content) // 2],
    "nearly whole": lambda content: content[:-100],
    "zeros inside": lambda content: content[:4096] + bytes(len(content) - 4096),
    "another library": lambda content: Path(torch.__file__).parent.joinpath("lib", "libshm.so").read_bytes(),
}


#: Tried each time; the others are slow.
FEW = ("half", "zeros inside", "another library")


def in_a_fork(function: Callable[[], Any]) -> int:
    """The id of a forked process that ends with 0 where `function` comes to an end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            torch.set_num_threads(1)  # torch's own products hang in a fork with more, so its data workers do this
            function()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def waited_for(child: int, seconds: float = 20) -> int | None:
    """The exit code of a process, minus a signal's number, or None where it had to be killed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@needs_fork
@ignores_forks
@pytest.mark.parametrize(
    "damage", [*FEW, *(pytest.param(one, marks=pytest.mark.slow) for one in DAMAGES if one not in FEW)]
)
def test_a_broken_entry_in_the_cache_is_built_again(
    damage: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a process of its own, for one that loads half a library is killed."""
    if damage == "another library" and not (Path(torch.__file__).parent / "lib" / "libshm.so").exists():
        pytest.skip("no other library is at hand")
    run(caplog, times=0)
    (entry,) = entries()
    whole = entry.read_bytes()
    monkeypatch.setenv("SEQMODELS_CACHE", str(tmp_path / "broken"))
    broken = tmp_path / "broken" / entry.name
    broken.parent.mkdir()
    broken.write_bytes(DAMAGES[damage](whole))

    def again() -> None:
        kernel._kernels.clear()
        caplog.clear()
        engine, said = run(caplog)
        assert engine == "fused"
        assert len(said) == 1
        assert "is broken" in said[0]

    assert waited_for(in_a_fork(again)) == 0
    assert len(broken.read_bytes()) == len(whole)


def test_an_entry_that_is_a_folder(caplog: pytest.LogCaptureFixture) -> None:
    run(caplog)
    (entry,) = entries()
    entry.unlink()
    entry.mkdir()
    kernel._kernels.clear()
    assert run(caplog)[0] in ("fused", "reference")


def nowhere(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("a file where a folder should be")
    monkeypatch.setenv("SEQMODELS_CACHE", str(path / "cache"))


def is_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("a file where a folder should be")
    monkeypatch.setenv("SEQMODELS_CACHE", str(path))


def not_writable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.mkdir()
    path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    monkeypatch.setenv("SEQMODELS_CACHE", str(path / "cache"))
    if os.access(path, os.W_OK):  # as root: a place that even root cannot write
        monkeypatch.setenv("SEQMODELS_CACHE", "/proc/seqmodels")


def no_home(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEQMODELS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/proc/nobody")


def home_unknown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEQMODELS_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)


@pytest.mark.parametrize("fault", [nowhere, is_file, not_writable, no_home, home_unknown])
def test_a_cache_that_cannot_be_written(
    fault: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Code is then built for this process alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fault(tmp_path / "place", monkeypatch)
    assert run(caplog)[0] == "fused"


def test_no_folder_at_all_can_be_written(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEQMODELS_CACHE", "/proc/nowhere")
    monkeypatch.setattr("tempfile.tempdir", "/proc/nowhere")
    engine, said = run(caplog)
    assert engine == "reference"
    assert len(said) == 1
    assert "folder" in said[0] or "director" in said[0]


def test_code_for_this_process_alone_lies_where_no_other_user_can_write_or_foresee(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """In the common folder for temporary files anyone may make a folder first, and lay code there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("SEQMODELS_CACHE", "/proc/seqmodels")
    planted = tmp_path / f"seqmodels-{os.getpid()}"
    planted.mkdir(mode=0o777)
    run(caplog, times=0)
    assert not list(planted.iterdir())
    (library,) = tmp_path.rglob("*.so")
    assert stat.S_IMODE(library.parent.stat().st_mode) == 0o700


@needs_fork
@ignores_forks
def test_two_processes_may_build_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """Or one find what another is about to write."""

    def build(delay: float) -> None:
        time.sleep(delay)
        assert run(caplog, times=0) == ("fused", [])

    children = [in_a_fork(partial(build, delay)) for delay in (0, 0, 0.4, 0.8, 1.2)]
    assert [waited_for(child) for child in children] == [0] * 5
    assert [path.suffix for path in code_folders.cache_folder().iterdir()] == [".so"]  # one, and nothing left over


def test_no_shell_is_used_to_compile(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    commands: list[Any] = []
    original = subprocess.run

    def noted(command: Any, **options: Any) -> Any:
        commands.append(command)
        assert isinstance(command, list)
        assert not options.get("shell")
        assert options.get("timeout")
        return original(command, **options)

    monkeypatch.setattr(subprocess, "run", noted)
    monkeypatch.setattr(os, "system", None)
    run(caplog)
    assert any("-shared" in command for command in commands)


def work(seed: int) -> Tensor:
    torch.manual_seed(seed)
    cell, x = LeakyCell(8, 64), torch.randn(16, 30, 8)
    y, _ = scan(cell, x, engine="fused")
    y.sin().sum().backward()
    return torch.cat([parameter.grad.flatten() for parameter in cell.parameters()])


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@needs_fork
@ignores_forks
def test_a_forked_process_does_not_hang(two_threads: None) -> None:
    expected = work(0)
    assert waited_for(in_a_fork(lambda: torch.testing.assert_close(work(0), expected, rtol=1e-4, atol=1e-4))) == 0
    assert torch.equal(work(0), expected)  # and the parent goes on as before


@needs_fork
@ignores_forks
def test_a_forked_process_that_keeps_its_number_of_threads_does_not_hang(
    two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as no product of torch's takes part, which hangs by itself: inference, the input of few features."""
    monkeypatch.setattr("seqmodels.scan.fused.layout._SMALL_WORK", 0)
    cell, x = LeakyCell(2, 16), torch.randn(16, 30, 2)

    def infer() -> Tensor:
        torch.set_num_threads(2)
        with torch.no_grad():
            return scan(cell, x, engine="fused")[0]

    expected = infer()
    work(0)
    child = in_a_fork(lambda: torch.testing.assert_close(infer(), expected, rtol=1e-4, atol=1e-4))
    assert waited_for(child) == 0


class Embedded(Dataset[Tensor]):
    """Rows that each need a run of a cell."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Tensor:
        return work(index)


@needs_fork
@ignores_forks
def test_forked_data_workers_do_not_hang(two_threads: None) -> None:
    expected = [work(index) for index in range(4)]
    loader = DataLoader(Embedded(), batch_size=None, num_workers=2, multiprocessing_context="fork", timeout=20)
    for one, other in zip(loader, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


FIRST = """
import sys, time, torch
sys.path[:0] = {path!r}
from tests.scan.fused_cells import LeakyCell
from seqmodels.scan import scan
cell, x = LeakyCell(8, 64), torch.ones(4, 30, 8)
before = set(sys.modules)
start = time.perf_counter()
y, _ = scan(cell, x, engine="fused")
y.sum().backward()
print(time.perf_counter() - start, *(set(sys.modules) - before))
"""


def first_use() -> tuple[float, set[str]]:
    """Seconds, and the modules that it brings in."""
    program = FIRST.replace("{path!r}", repr(sys.path))
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    seconds, *modules = done.stdout.split()
    return float(seconds), set(modules)


@pytest.mark.slow
def test_the_first_use_is_quick() -> None:
    """After the imports: under 5 s, compiling included; under half a second once cached."""
    assert first_use()[0] < 5
    assert first_use()[0] < 0.5


def test_the_first_use_brings_in_no_compiler_of_torchs() -> None:
    _, modules = first_use()
    assert not modules & {"sympy", "torch._dynamo", "torch._inductor", "triton"}
