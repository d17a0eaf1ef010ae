"""The order of the house: imports point down, no rings, rooms of a size to be looked through at a glance.

The floors are those of the package's design: a module may import from its own floor and from those below, inside the
data floor from its own room and from those before it. An arrow is an arrow, inside a function and under
``TYPE_CHECKING`` too, and a module needs the rooms it is in. Heavy packages come in only where they may.
"""

from __future__ import annotations

import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import seqmodels
from tests.arrows import Import, arrows, imports_of

PACKAGE = Path(seqmodels.__file__).parent
# Files of a room, `__init__.py` not counted.
MOST_FILES = 15

FLOORS = {
    **dict.fromkeys(
        (
            "state",
            "batch",
            "spec",
            "dataset",
            "kinds",
            "parts",
            "registry",
            "files",
            "escaping",
            "quoting",
            "stopping",
        ),
        0,
    ),
    "cells": 1,
    "scan": 2,
    "layers": 3,
    **dict.fromkeys(("heads", "model"), 4),
    **dict.fromkeys(("tasks", "data"), 5),
    **dict.fromkeys(
        ("training", "benchmark", "build", "checkpoint", "environment", "yaml_file", "terminal", "inference"),
        6,
    ),
    **dict.fromkeys(("cli", "__main__", "__init__"), 7),
}
SIBLINGS = {"tasks", "data"}
LIGHTNING = {"lightning", "lightning_fabric", "pytorch_lightning"}
HYDRA = {"hydra", "omegaconf"}
OWN_LIBRARY = {"tasks/metrics": "torchmetrics", "tasks/plots": "matplotlib"}
PLAIN = {"torch", "typing_extensions"}
# Rooms of the data floor, from the lowest to the highest.
ROOMS = (
    *("files", "numbers", "number_text", "dataset", "examples", "read", "columns", "encode", "series"),
    *("profile", "quality", "batches", "sources"),
)
# Files that come with the package, found by `files`.
APART = {"__init__", "shipped"}


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
        return _wrong_inside(path, rest)
    return _wrong_outside(one, path, room, top)


def _wrong_inside(path: Path, target: list[str]) -> str | None:
    room = path.parts[0].removesuffix(".py")
    other = target[0] if target and target[0] in FLOORS else "__init__"  # or a name of the package itself
    if FLOORS[other] > FLOORS[room]:
        return f"points up, from floor {FLOORS[room]} ({room}) to floor {FLOORS[other]} ({other})"
    if room != other and {room, other} == SIBLINGS:
        return "tasks and data must not import each other"
    if room == other == "data" and len(path.parts) > 1 and len(target) > 1:
        return _wrong_in_data(path.parts[1].removesuffix(".py"), target[1])
    return None


def _wrong_in_data(room: str, other: str) -> str | None:
    for one in {room, other} - APART:
        if one not in ROOMS:
            return f"the room {one!r} has no place among those of data"
    if not APART & {room, other} and ROOMS.index(other) > ROOMS.index(room):
        return f"points up, from the room {room} to the room {other}"
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
    if OWN_LIBRARY.get(path.parent.as_posix()) == top:
        return None  # tasks bring these rooms in when they measure or draw
    if room == "dataset" and top == "numpy":
        return None  # what a data set hands over
    if FLOORS[room] <= 4 and top not in PLAIN:
        return "floors 0 to 4 need torch only"
    if FLOORS[room] == 5 and one.at_once and top not in PLAIN | {"numpy"} | LIGHTNING:
        return "import it inside the function that needs it"
    return None


def ring(root: Path) -> list[str]:
    """The modules of one ring, if there is any."""
    try:
        TopologicalSorter(arrows(root)).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def crowded(root: Path, most: int) -> set[str]:
    """Rooms of too many files."""
    rooms = {path.parent for path in root.rglob("*.py")}
    counts = {room: sum(path.name != "__init__.py" for path in room.glob("*.py")) for room in rooms}
    return {room.relative_to(root).as_posix() for room, count in counts.items() if count > most}


def test_imports_point_down() -> None:
    assert violations(PACKAGE) == []


def test_nothing_goes_round_in_a_ring() -> None:
    assert ring(PACKAGE) == []


def test_each_room_has_a_place() -> None:
    for root, known in ((PACKAGE, set(FLOORS)), (PACKAGE / "data", {*ROOMS, *APART})):
        rooms = {path.stem for path in root.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
        assert rooms == known


def test_rooms_are_small() -> None:
    assert crowded(PACKAGE, MOST_FILES) == set()


def test_much_is_read() -> None:
    read = [one for path in PACKAGE.rglob("*.py") for one in imports_of(path, PACKAGE)]
    assert len(read) >= 2000
    assert any(one.target.startswith("seqmodels.cells") for one in read)
    assert not all(one.at_once for one in read)
    assert sum(map(len, arrows(PACKAGE).values())) >= 1000


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
    ("tasks/metrics/bad.py", "import matplotlib", "import it inside the function"),
    ("tasks/bad.py", "class Late:\n    import pandas", "import it inside the function"),
    ("data/files/bad.py", "from seqmodels.data.read.table import A", "points up, from the room files to the room read"),
    ("data/files/bad.py", "def late():\n    from seqmodels.data.read import table", "points up"),
    ("data/files/bad.py", "if TYPE_CHECKING:\n    import seqmodels.data.read.table", "points up"),
    ("data/utils/bad.py", "from seqmodels.data.read import table", "'utils' has no place among those of data"),
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
    path.parent.mkdir(parents=True, exist_ok=True)
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


@pytest.mark.parametrize(
    "source",
    [
        "from seqmodels.scan.other import A",
        "def late():\n    from seqmodels.scan import other",
        "if TYPE_CHECKING:\n    import seqmodels.scan.other",
    ],
)
def test_a_ring_is_found(tmp_path: Path, source: str) -> None:
    write(tmp_path, "scan/bad.py", source)
    assert ring(tmp_path / "seqmodels") == []
    root = write(tmp_path, "scan/other.py", "from .bad import B")
    assert set(ring(root)) == {"seqmodels.scan.bad", "seqmodels.scan.other"}


def test_a_ring_through_a_room_is_found(tmp_path: Path) -> None:
    """Python imports `scan.a`, and with it `scan.a.x`, before `scan.a.z`."""
    sources = {"a/__init__": "from .x import A", "a/x": "from seqmodels.scan.b import y", "a/z": "", "b/__init__": ""}
    for name, source in {**sources, "b/y": "import seqmodels.scan.a.z"}.items():
        root = write(tmp_path, f"scan/{name}.py", source)
    assert set(ring(root)) == {f"seqmodels.scan.{name}" for name in ("a", "a.x", "b.y")}


def test_a_crowded_room_is_found(tmp_path: Path) -> None:
    for name in ("__init__", "a", "b"):
        root = write(tmp_path, f"cells/{name}.py", "")
    assert crowded(root, 1) == {"cells"}
    assert crowded(root, 2) == set()
