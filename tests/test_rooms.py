"""Rooms of the data floor: imports point down inside it too, and nothing goes round in a ring."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.test_floors import PACKAGE, imports_of, write

# From the lowest to the highest; a module may import from its own and from those before it.
ROOMS = (
    *("files", "numbers", "number_text", "dataset", "read", "columns", "encode", "series"),
    *("profile", "quality", "batches", "sources"),
)
# Files that come with the package, found by `files`.
APART = {"__init__", "shipped"}
# A folder holds at most so many modules.
MODULES = 15
# Folders that hold more, to be divided.
FULL = {"sources", "encode"}


def arrows(root: Path) -> Iterator[tuple[str, str]]:
    """Every import from one module of the data floor to another, those inside functions and for types too."""
    modules = {".".join(("seqmodels", *path.relative_to(root).with_suffix("").parts)) for path in root.rglob("*.py")}
    for path in sorted((root / "data").rglob("*.py")):
        own = ".".join((root.name, *path.relative_to(root).with_suffix("").parts))
        for one in imports_of(path, root):
            target = one.target if one.target in modules else one.target.rpartition(".")[0]
            if target.startswith("seqmodels.data.") and target in modules and target != own:
                yield own, target


def room(module: str) -> str:
    return module.split(".")[2]


def pointing_up(root: Path) -> list[str]:
    return [
        f"{own} imports {other}"
        for own, other in arrows(root)
        if not APART & {room(own), room(other)} and ROOMS.index(room(other)) > ROOMS.index(room(own))
    ]


def ring(root: Path) -> list[str]:
    """The modules of one ring, if there is any."""
    graph: dict[str, set[str]] = {}
    for own, other in arrows(root):
        graph.setdefault(own, set()).add(other)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def crowded(root: Path) -> set[str]:
    """The folders of the data floor that hold more modules than they may."""
    counts: dict[str, int] = {}
    for path in (root / "data").rglob("*.py"):
        if path.stem != "__init__":
            folder = path.parent.relative_to(root / "data").as_posix()
            counts[folder] = counts.get(folder, 0) + 1
    return {folder for folder, count in counts.items() if count > MODULES}


def test_each_room_is_known() -> None:
    found = {
        path.stem for path in (PACKAGE / "data").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found == {*ROOMS, *APART}


def test_imports_point_down_inside_the_data_floor() -> None:
    assert len(list(arrows(PACKAGE))) > 200
    assert pointing_up(PACKAGE) == []
    assert ring(PACKAGE) == []


def test_no_folder_is_crowded() -> None:
    assert crowded(PACKAGE) <= FULL


def test_a_crowded_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "data" / "read" / "more").mkdir(parents=True)
    for number in range(MODULES):
        (tmp_path / "data" / "read" / f"reader_{number}.py").touch()
        (tmp_path / "data" / "read" / "more" / f"reader_{number}.py").touch()
    (tmp_path / "data" / "read" / "__init__.py").touch()
    assert crowded(tmp_path) == set()
    (tmp_path / "data" / "read" / "more" / "one_more.py").touch()
    assert crowded(tmp_path) == {"read/more"}


@pytest.mark.parametrize(
    "source",
    [
        "from seqmodels.data.read.other import A",
        "def late():\n    from seqmodels.data.read import other",
        "if TYPE_CHECKING:\n    import seqmodels.data.read.other",
    ],
)
def test_an_arrow_up_and_a_ring_are_found(tmp_path: Path, source: str) -> None:
    root = write(tmp_path, "data/files/bad.py", source)
    (root / "data" / "read").mkdir()
    (root / "data" / "read" / "other.py").write_text("from seqmodels.data.files.bad import B")
    assert pointing_up(root) == ["seqmodels.data.files.bad imports seqmodels.data.read.other"]
    assert set(ring(root)) == {"seqmodels.data.files.bad", "seqmodels.data.read.other"}
