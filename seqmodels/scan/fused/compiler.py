"""Compilation of C text by the system's compiler, cached on disk by content.

Commands use no shell and no name from outside, and have a time limit. A cache entry is written to a temporary file and
renamed, so that several processes may build it at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch

from seqmodels.files.atomic import scratch
from seqmodels.files.own_folder import read_own
from seqmodels.scan.step_graph.code_folders import folders
from seqmodels.scan.step_graph.values import CannotFuseError

_log = logging.getLogger(__name__)
_FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math", "-w")
_DIGEST = 32
#: Time limit of a compiler in seconds.
TIME_LIMIT = 60.0


@functools.cache
def find() -> str | None:
    """Return the path of a C compiler: $CC, else cc, gcc or clang."""
    names = [os.environ.get("CC", ""), "cc", "gcc", "clang"]
    return next((path for path in map(shutil.which, filter(None, names)) if path), None)


def describe() -> str:
    """Return the compiler and its version in one line, or why there is none."""
    path = find()
    if path is None:
        return "no C compiler found (set CC, or install gcc or clang)"
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{path}: {error}"
    return f"{path} ({done.stdout.splitlines()[0] if done.stdout else 'version unknown'})"


def load(source: str) -> ctypes.CDLL:
    """Load the compiled code of a C text, from the cache or built now.

    Raises:
        CannotFuseError: no compiler, or it failed or took too long.
    """
    name = hashlib.sha256("\0".join((source, *_FLAGS, _machine())).encode()).hexdigest()[:32] + ".so"
    for folder in folders():
        if _is_whole(folder / name):
            return _open(folder / name)
        with contextlib.suppress(OSError):
            with scratch(folder, name) as building:
                os.replace(_build(source, building), folder / name)
            return _open(folder / name)
    raise CannotFuseError("no folder for compiled code that is yours alone can be written; set SEQMODELS_CACHE")


def _is_whole(path: Path) -> bool:
    """Return whether a cache entry exists and is intact: its last bytes are the digest of the others.

    Truncated code would crash the process when loaded; files that others can write are rejected.
    """
    content = read_own(path)
    if content is None:
        return False
    whole = hashlib.sha256(content[:-_DIGEST]).digest() == content[-_DIGEST:]
    if not whole:
        _log.warning("the cache entry %s is broken and is built again", path)
    return whole


def _open(path: Path) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(str(path))
        library.lanes.restype = ctypes.c_long
        library.forward, library.backward, library.single  # noqa: B018  are they there?
    except (OSError, AttributeError) as error:
        raise CannotFuseError(f"what the compiler made cannot be loaded: {error}") from error
    return library


def _build(source: str, folder: Path) -> Path:
    compiler = find()
    if compiler is None:
        raise CannotFuseError(describe())
    text, built = folder / "step.c", folder / "step.so"
    text.write_text(source)
    start = time.perf_counter()
    _say(f"seqmodels: compiling a recurrence by {Path(compiler).name}, once ...")
    command = [compiler, *_FLAGS, *_processor_flags(), str(text), "-o", str(built), *_openmp(), "-lm"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False, cwd=folder)
    except subprocess.TimeoutExpired as error:
        raise CannotFuseError(f"the compiler {compiler} took longer than {TIME_LIMIT:.0f} seconds") from error
    except OSError as error:
        raise CannotFuseError(f"the compiler {compiler} could not be started: {error}") from error
    if done.returncode or not built.exists():
        words = (done.stderr or done.stdout).strip().splitlines()
        raise CannotFuseError(
            f"the compiler {compiler} failed: {words[0] if words else f'exit code {done.returncode}'}"
        )
    content = built.read_bytes()
    built.write_bytes(content + hashlib.sha256(content).digest())
    built.chmod(0o700)
    _say(f"seqmodels: compiled in {time.perf_counter() - start:.1f} s")
    return built


def _say(words: str) -> None:
    """Print to a terminal, if there is one, else to the log."""
    if sys.stderr.isatty():
        print(words, file=sys.stderr)
    else:
        _log.info(words)


def _processor_flags() -> tuple[str, ...]:
    if platform.machine().lower() in ("x86_64", "amd64"):
        return ("-march=native", "-mprefer-vector-width=512")
    return ("-mcpu=native",)


def _openmp() -> list[str]:
    """Return linker options for torch's own OpenMP library, so that both share one thread pool."""
    found = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    return ["-fopenmp", *map(str, found[:1])]


@functools.cache
def _machine() -> str:
    """Return the processor and the compiler, on which compiled code depends besides its text."""
    processor = platform.processor() + platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line for line in lines if line.startswith(("flags", "Features"))), processor)
    return f"{describe()} {processor} {torch.__version__}"
