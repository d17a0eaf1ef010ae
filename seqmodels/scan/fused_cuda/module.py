"""Import of generated text as a module from a file, where Triton reads the source of its kernels.

The file is in the cache of compiled code, named by its content, written to a temporary file and renamed. Triton keeps
its results in its own cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
from pathlib import Path
from types import ModuleType

from seqmodels.files.atomic import scratch
from seqmodels.files.own_folder import read_own
from seqmodels.scan.step_graph.code_folders import folders
from seqmodels.scan.step_graph.values import CannotFuseError


def load(text: str) -> ModuleType:
    """Import the module with this text.

    Raises:
        CannotFuseError: Triton is missing, or no folder can be written.
    """
    name = f"step_{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    for folder in folders():
        with contextlib.suppress(OSError):
            path = _written(folder, name, text)
            spec = importlib.util.spec_from_file_location(name, path)
            if spec is not None:
                module = importlib.util.module_from_spec(spec)
                try:
                    exec(compile(text, path, "exec"), module.__dict__)  # and not bytecode stored beside the file
                except ImportError as error:
                    raise CannotFuseError(f"Triton cannot be imported ({error}): pip install triton") from error
                return module
    raise CannotFuseError("no folder for generated code can be written; set SEQMODELS_CACHE to one")


def _written(folder: Path, name: str, text: str) -> Path:
    """Return the file with this text, written now if missing or damaged."""
    path = folder / f"{name}.py"
    if read_own(path) == text.encode():
        return path
    with scratch(folder, path.name) as building:
        fresh = building / "step.py"
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o600)
        os.replace(fresh, path)
    return path
