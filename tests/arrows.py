"""Imports of a package, read from its source: those inside functions and under ``TYPE_CHECKING`` too."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


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


def arrows(root: Path) -> dict[str, set[str]]:
    """Of each module of a package, the modules of the package that it imports, and the rooms that these are in."""
    modules = {_name(path, root): path for path in sorted(root.rglob("*.py"))}
    found: dict[str, set[str]] = {}
    for own, path in modules.items():
        targets = (one.target for one in imports_of(path, root))
        others = {target if target in modules else target.rpartition(".")[0] for target in targets} & modules.keys()
        rooms = {room for other in others for room in _rooms(other) if not f"{own}.".startswith(f"{room}.")}
        found[own] = (others | rooms) - {own}
    return found


def _rooms(module: str) -> Iterator[str]:
    """The packages that Python imports before a module, but for the outermost."""
    above = module.split(".")[:-1]
    yield from (".".join(above[:end]) for end in range(2, len(above) + 1))


def _name(path: Path, root: Path) -> str:
    parts = (root.name, *path.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
