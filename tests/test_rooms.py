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


def test_each_room_is_known() -> None:
    found = {
        path.stem for path in (PACKAGE / "data").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found == {*ROOMS, *APART}


def test_imports_point_down_inside_the_data_floor() -> None:
    assert len(list(arrows(PACKAGE))) > 200
    assert pointing_up(PACKAGE) == []
    assert ring(PACKAGE) == []


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
