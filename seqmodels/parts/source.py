"""Modules of the package read as text: what a class is made of, without importing it."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = Path(__file__).parents[1]
#: The value of what cannot be told without importing: a tensor type, a call into torch.
UNKNOWN: Any = type("Unknown", (), {"__repr__": lambda self: "UNKNOWN"})()
# Modules that annotations and defaults are made of, and that cost nothing to import.
_IMPORTED = {"typing", "collections.abc", "math", "seqmodels.kinds"}


class ClassSource(NamedTuple):
    """A class as it is written: its module's source and its own node."""

    source: Source
    node: ast.ClassDef

    @property
    def name(self) -> str:
        """Return the class's name."""
        return self.node.name

    @property
    def doc(self) -> str:
        """Return the class's docstring, empty where it has none."""
        return ast.get_docstring(self.node) or ""

    def line(self) -> list[ClassSource]:
        """Return the class and its bases inside the package, nearest first."""
        found = [self]
        for base in self.node.bases:
            one = self.source.value(base)
            found += [other for other in one.line() if other not in found] if isinstance(one, ClassSource) else []
        return found

    def own_attributes(self) -> Iterator[tuple[str, Any]]:
        """Yield the attributes that the class's body assigns, as far as their values can be told."""
        for node in self.node.body:
            for name, expression in _assigned(node):
                value = self.source.value(expression)
                if isinstance(value, ClassSource):
                    value = value.fields() if value.is_record() else value.name
                if value is not UNKNOWN:
                    yield name, value

    def is_record(self) -> bool:
        """Return whether the class is a NamedTuple."""
        return any(isinstance(base, ast.Name) and base.id == "NamedTuple" for base in self.node.bases)

    def fields(self) -> tuple[str, ...]:
        """Return the names that the class's body annotates: the fields of a NamedTuple."""
        return tuple(
            node.target.id for node in self.node.body if isinstance(node, ast.AnnAssign) and hasattr(node.target, "id")
        )

    def constructor(self) -> ast.FunctionDef | None:
        """Return the `__init__` that the class's own body writes."""
        found = (node for node in self.node.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
        return next(found, None)


class Source(dict[str, Any]):
    """A module's names and their values, each worked out when it is asked for.

    Args:
        path: the module's file.
    """

    def __init__(self, path: Path) -> None:
        self.tree = _parsed(path.read_text(encoding="utf-8"))
        self._nodes: dict[str, ast.AST | tuple[str, str | None]] = {}
        for node in self.tree.body:
            self._nodes.update(_assigned(node))
            if isinstance(node, ast.ClassDef):
                self._nodes[node.name] = node
            elif isinstance(node, ast.ImportFrom) and node.module:
                self._nodes.update({alias.asname or alias.name: (node.module, alias.name) for alias in node.names})
            elif isinstance(node, ast.Import):
                self._nodes.update({alias.asname or alias.name: (alias.name, None) for alias in node.names})

    def __missing__(self, name: str) -> Any:
        node = self._nodes.get(name)
        if node is None:
            value = getattr(builtins, name, UNKNOWN)
        elif isinstance(node, tuple):
            value = _imported(*node)
        else:
            value = ClassSource(self, node) if isinstance(node, ast.ClassDef) else self.value(node)
        self[name] = value
        return value

    def value(self, node: ast.AST | None) -> Any:
        """Return the value of an expression in the module, or `UNKNOWN`."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self[node.id]
        try:
            # An annotation or a default of the package's own, which importing the module would evaluate as well.
            return eval(compile(ast.Expression(node), "<option>", "eval"), {"__builtins__": {}}, self)  # type: ignore[arg-type]
        except Exception:  # made of what is not known, so anything may go wrong
            return UNKNOWN

    def registered(self, kind: str) -> Iterator[tuple[str, ClassSource]]:
        """Yield name and class of each part of a kind that the module registers."""
        for node in self.tree.body:
            for call in node.decorator_list if isinstance(node, ast.ClassDef) else ():
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "register":
                    of, name = (self.value(argument) for argument in call.args)
                    if of == kind and isinstance(node, ast.ClassDef):
                        yield name, ClassSource(self, node)


@functools.cache
def source_of(module: str) -> Source | None:
    """Return the source of one of the package's modules; None where there is none."""
    base = PACKAGE.joinpath(*module.split(".")[1:])
    path = base.with_suffix(".py") if base.with_suffix(".py").is_file() else base / "__init__.py"
    return Source(path) if path.is_file() else None


def _parsed(text: str) -> ast.Module:
    """Parse a module without the bodies of its functions, which take most of the time and tell nothing here."""
    try:
        return ast.parse("\n".join(_outline(text)))
    except SyntaxError:  # a text inside a function that looks like code
        return ast.parse(text)


def _outline(text: str) -> Iterator[str]:
    """Yield a module's lines, each function's body as one `pass`; of signatures those of constructors only."""
    inside, signature = -1, False  # the indentation of the function whose lines these are
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if signature:
            yield line
            signature = not line.endswith(":")
            if not signature:
                yield " " * inside + "    pass"
            continue
        if inside >= 0 and (not line.strip() or indent > inside or (indent == inside and line[indent] == ")")):
            continue
        inside, code = -1, line[indent:]
        if code.startswith("@") and not code.startswith("@register"):
            continue
        if code.startswith(("def ", "async def ")):
            inside, signature = indent, code.startswith("def __init__") and not code.endswith(":")
            yield line if code.startswith("def __init__") else " " * indent + "pass"
            if code.startswith("def __init__") and not signature:
                yield " " * indent + "    pass"
        else:
            yield line


def _imported(module: str, name: str | None) -> Any:
    if module in _IMPORTED:
        found = importlib.import_module(module)
        return found if name is None else getattr(found, name)
    if module.partition(".")[0] != "seqmodels" or name is None:
        return UNKNOWN
    source = source_of(module)
    return UNKNOWN if source is None else source[name]


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
        pairs = zip(target.elts, value.elts) if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) else ()  # noqa: B905
        yield from ((one.id, of) for one, of in (*pairs, (target, value)) if isinstance(one, ast.Name))
    elif isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
        yield node.target.id, node.value
