"""Imports point down only, and heavy packages come in only where they may.

The floors are those of the package's design: a module may import from its own floor and from
those below. What is read is every import in the source, those inside functions and under
``TYPE_CHECKING`` too, for an arrow is an arrow.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import seqmodels

PACKAGE = Path(seqmodels.__file__).parent

FLOORS = {
    **dict.fromkeys(
        (
            "state",
            "batch",
            "kinds",
            "parts",
            "registry",
            "atomic",
            "own_folder",
            "escaping",
            "quoting",
            "stopping",
            "watch",
        ),
        0,
    ),
    "cells": 1,
    "scan": 2,
    "layers": 3,
    **dict.fromkeys(("heads", "encoders", "model"), 4),
    **dict.fromkeys(("tasks", "data"), 5),
    **dict.fromkeys(
        ("training", "benchmark", "build", "checkpoint", "claims", "environment", "yaml_file", "terminal", "inference"),
        6,
    ),
    **dict.fromkeys(("cli", "__main__", "__init__"), 7),
}
SIBLINGS = {"tasks", "data"}
LIGHTNING = {"lightning", "lightning_fabric", "pytorch_lightning"}
HYDRA = {"hydra", "omegaconf"}
PLAIN = {"torch", "typing_extensions"}


class Import(NamedTuple):
    """One import: where, of what, and whether it is run when its module is."""

    path: Path
    line: int
    target: str
    at_once: bool


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Every import of a file, each with its target spelt in full: ``seqmodels.cells.base``."""
    package = (root.name, *path.relative_to(root).parent.parts)
    yield from _walk(ast.parse(path.read_text(encoding="utf-8")), path, package, at_once=True)


def _walk(node: ast.AST, path: Path, package: tuple[str, ...], at_once: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(path, child.lineno, alias.name, at_once)
        elif isinstance(child, ast.ImportFrom):
            above = package[: len(package) - child.level + 1] if child.level else ()
            base = ".".join([*above, *([child.module] if child.module else [])])
            for alias in child.names:
                yield Import(path, child.lineno, f"{base}.{alias.name}", at_once)
        else:
            later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _types_only(child)
            yield from _walk(child, path, package, at_once and not later)


def _types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def violations(root: Path) -> list[str]:
    """Every broken rule of the tree, in words."""
    found = []
    for path in sorted(root.rglob("*.py")):
        for one in imports_of(path, root):
            reason = _wrong(one, path.relative_to(root), root.name)
            if reason:
                found.append(f"{path.relative_to(root)}:{one.line}: {one.target}: {reason}")
    return found


def _wrong(one: Import, path: Path, package: str) -> str | None:
    room = path.parts[0].removesuffix(".py")
    if room not in FLOORS:
        return f"the room {room!r} has no floor"
    top, *rest = one.target.split(".")
    if top == package:
        return _wrong_inside(room, rest[0] if rest else "__init__")
    return _wrong_outside(one, path, room, top)


def _wrong_inside(room: str, other: str) -> str | None:
    other = other if other in FLOORS else "__init__"  # a name of the package itself, such as __version__
    if FLOORS[other] > FLOORS[room]:
        return f"points up, from floor {FLOORS[room]} ({room}) to floor {FLOORS[other]} ({other})"
    if room != other and {room, other} == SIBLINGS:
        return "tasks and data must not import each other"
    return None


def _wrong_outside(one: Import, path: Path, room: str, top: str) -> str | None:
    if top in sys.stdlib_module_names or room in ("cli", "__main__", "__init__"):
        return None
    if top in HYDRA:
        return "only cli may import Hydra"
    if top in LIGHTNING and room != "training" and path.as_posix() != "data/batches/module.py":
        return "only training and data/batches/module.py may import Lightning"
    if top == "triton" and path.parts[0] == "scan" and path.stem.endswith("_triton"):
        return None  # files of kernels, brought in where Triton is installed and there is a GPU
    if path.parent.as_posix() == "tasks/metrics" and top == "torchmetrics":
        return None  # metrics of our own; the registry leaves the folder out, and functions bring them in
    if FLOORS[room] <= 4 and top not in PLAIN:
        return "floors 0 to 4 need torch only"
    if FLOORS[room] == 5 and one.at_once and top not in PLAIN | {"numpy"} | LIGHTNING:
        return "import it inside the function that needs it"
    return None


def test_imports_point_down() -> None:
    assert violations(PACKAGE) == []


def test_much_is_read() -> None:
    read = [one for path in PACKAGE.rglob("*.py") for one in imports_of(path, PACKAGE)]
    assert len(read) >= 200
    assert any(one.target.startswith("seqmodels.cells") for one in read)
    assert not all(one.at_once for one in read)


BROKEN = [
    ("cells/bad.py", "from seqmodels.scan import scan", "points up, from floor 1 (cells) to floor 2 (scan)"),
    ("cells/bad.py", "import seqmodels.layers.stack", "points up"),
    ("cells/bad.py", "from seqmodels import layers", "points up"),
    ("cells/bad.py", "from seqmodels import LSTM", "points up, from floor 1 (cells) to floor 7 (__init__)"),
    ("cells/bad.py", "from ..layers import Stack", "points up"),
    ("cells/bad.py", "from .. import layers", "points up"),
    ("state.py", "def late():\n    from seqmodels.cells import Cell", "points up"),
    ("state.py", "if TYPE_CHECKING:\n    from seqmodels.cells import Cell", "points up"),
    ("build.py", "import seqmodels.cli.main", "points up"),
    ("tasks/bad.py", "from seqmodels.data.dataset import SequenceDataset", "must not import each other"),
    ("data/bad.py", "def late():\n    import seqmodels.tasks", "must not import each other"),
    ("data/bad.py", "import pytorch_lightning as pl", "only training and data/batches/module.py may import Lightning"),
    ("tasks/bad.py", "def late():\n    import lightning", "may import Lightning"),
    ("heads/bad.py", "from lightning.pytorch import Trainer", "may import Lightning"),
    ("training/bad.py", "from omegaconf import OmegaConf", "only cli may import Hydra"),
    ("layers/bad.py", "def late():\n    import pandas", "floors 0 to 4 need torch only"),
    ("scan/bad.py", "import triton", "floors 0 to 4 need torch only"),
    ("tasks/bad.py", "import sklearn.linear_model", "import it inside the function"),
    ("tasks/bad.py", "class Late:\n    import pandas", "import it inside the function"),
    ("utils/bad.py", "import torch", "the room 'utils' has no floor"),
]
SOUND = [
    ("layers/good.py", "from seqmodels.cells import Cell\nfrom .stack import Stack\nimport torch.nn"),
    ("scan/good_triton.py", "import triton.language as tl"),
    ("data/batches/module.py", "import pytorch_lightning as pl\nimport numpy as np"),
    ("tasks/good.py", "def late():\n    import pandas\n    from sklearn import svm"),
    ("tasks/good.py", "if TYPE_CHECKING:\n    from torchmetrics import MetricCollection"),
    (
        "training/good.py",
        "import lightning\nfrom seqmodels import checkpoint\nfrom seqmodels.data.batches.plan import Plan",
    ),
    ("cli/good.py", "import hydra\nfrom seqmodels import __version__"),
]


def write(root: Path, name: str, source: str) -> Path:
    path = root / "seqmodels" / name
    path.parent.mkdir(parents=True)
    path.write_text(source)
    return root / "seqmodels"


@pytest.mark.parametrize(("name", "source", "reason"), BROKEN)
def test_a_wrong_import_is_found(tmp_path: Path, name: str, source: str, reason: str) -> None:
    found = violations(write(tmp_path, name, source))
    assert len(found) == 1
    assert name in found[0]
    assert reason in found[0]


@pytest.mark.parametrize(("name", "source"), SOUND)
def test_a_right_import_is_not(tmp_path: Path, name: str, source: str) -> None:
    assert violations(write(tmp_path, name, source)) == []
