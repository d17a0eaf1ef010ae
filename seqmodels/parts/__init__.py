"""Parts by name, and their options: read from the source, so that nothing has to be imported to list or check them.

The one place of an option is its constructor's signature, and its line in the docstring:

    @register("data", "series")
    class SeriesSource(DataSource):
        \"\"\"...

        Args:
            gaps: missing time stamps: ...
        \"\"\"

        def __init__(self, path: str, gaps: Literal["allow", "error"] = "allow", horizon: Count = 1) -> None: ...

`seqmodels show`, the check of a config and the constructor itself take name, default, choices and range from there.
"""

import functools
import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from seqmodels.parts.options import MISSING, Option, make_option, meanings, reference
from seqmodels.parts.source import PACKAGE, ClassSource, source_of

__all__ = ["GIVEN", "KINDS", "MISSING", "Option", "Part", "check_options", "checking", "read_class", "shipped"]

# The kinds of part, and the package in which seqmodels keeps its own.
KINDS = {
    "cell": "seqmodels.cells",
    "head": "seqmodels.heads",
    "task": "seqmodels.tasks",
    "data": "seqmodels.data.sources",
}
# Arguments that the builder gives, from the data or from other settings.
GIVEN: dict[str, frozenset[str]] = {
    "cell": frozenset({"input_size", "hidden_size"}),
    "head": frozenset({"input_size", "output_size", "targets", "stop"}),
    "task": frozenset({"spec"}),
    "data": frozenset(),
}


class Part(NamedTuple):
    """A registered class, as its source tells it.

    Fields:
        kind: "cell", "head", "task" or "data".
        name: by which configs and checkpoints call it.
        module: where it is.
        cls: the class's name.
        summary: the first line of its docstring.
        options: of its constructor, by name, in order.
        attributes: class attributes with plain values, inherited ones too; a NamedTuple class is its fields.
        bases: names of its base classes, nearest first.
    """

    kind: str
    name: str
    module: str
    cls: str
    summary: str
    options: Mapping[str, Option]
    attributes: Mapping[str, Any]
    bases: tuple[str, ...]

    @property
    def renamed(self) -> Mapping[str, str]:
        """Return former names of options, which still work, and the present ones."""
        found: Mapping[str, str] = self.attributes.get("renamed", MappingProxyType({}))
        return found

    def defaults(self) -> dict[str, Any]:
        """Return the part's settings as a config holds them, its name first."""
        return {"name": self.name, **{name: option.default for name, option in self.options.items()}}


@functools.cache
def shipped(kind: str) -> dict[str, Part]:
    """Return the package's own parts of a kind, by name, sorted; none of them is imported.

    >>> shipped("head")["many_to_one"].options["pooling"].rule.words
    'one of last, ends, middle, mean, max, attention'
    """
    found = {}
    folder = PACKAGE.joinpath(*KINDS[kind].split(".")[1:])
    for path in folder.rglob("*.py"):
        if re.search(rf'^@register\("{kind}"', path.read_text(encoding="utf-8"), re.M):
            module = ".".join(("seqmodels", *path.relative_to(PACKAGE).with_suffix("").parts))
            source = source_of(module)
            for name, one in source.registered(kind) if source is not None else ():
                found[name] = _read_source(kind, name, module, one)
    return dict(sorted(found.items()))


def _read_source(kind: str, name: str, module: str, one: ClassSource) -> Part:
    line = one.line()
    attributes: dict[str, Any] = {}
    for cls in reversed(line):
        attributes.update(cls.own_attributes())
    options = {}
    for option, default, annotation in _arguments(line):
        if option not in GIVEN[kind]:
            options[option] = make_option(option, default, annotation, _meaning(option, line))
    bases = tuple(cls.name for cls in line[1:])
    return Part(kind, name, module, one.name, one.doc.partition("\n")[0], options, attributes, bases)


def _arguments(line: list[ClassSource]) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, default and annotation of each argument of the nearest constructor."""
    found = ((cls.source, init) for cls in line if (init := cls.constructor()) is not None)
    source, init = next(found, (None, None))
    if source is None or init is None:
        return
    arguments = [*init.args.posonlyargs, *init.args.args][1:]
    missing = [None] * (len(arguments) - len(init.args.defaults))
    defaults = [*missing, *init.args.defaults, *init.args.kw_defaults]
    for argument, default in zip([*arguments, *init.args.kwonlyargs], defaults, strict=True):
        value = MISSING if default is None else source.value(default)
        yield argument.arg, value, source.value(argument.annotation)


def _meaning(option: str, line: list[ClassSource]) -> str:
    """Return what the nearest docstring says of an option, or the one it refers to."""
    for cls in line:
        words = meanings(cls.doc).get(option)
        other = reference(words) if words else None
        if other is not None:
            module, _, name = other.rpartition(".")
            source = source_of(module) if module else cls.source
            found = source[name] if source is not None else None
            words = _meaning(option, found.line()) if isinstance(found, ClassSource) else words
        if words:
            return words
    return ""


def read_class(kind: str, name: str, cls: type) -> Part:
    """Return the same of a class that is imported: one of another package, or whose options are to be checked."""
    init = inspect.unwrap(cls.__init__)  # type: ignore[misc]
    options = {}
    for argument in list(inspect.signature(init).parameters.values())[1:]:
        if argument.name not in GIVEN[kind] and argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            default = MISSING if argument.default is argument.empty else argument.default
            words = next((found for c in cls.__mro__ if (found := meanings(_doc(c)).get(argument.name))), "")
            options[argument.name] = make_option(argument.name, default, _annotation(argument, init), words)
    attributes: dict[str, Any] = {}
    for base in reversed(cls.__mro__[:-1]):
        attributes.update({n: _as_plain(v) for n, v in vars(base).items() if not n.startswith("__")})
    bases = tuple(base.__name__ for base in cls.__mro__[1:-1])
    return Part(kind, name, cls.__module__, cls.__qualname__, _doc(cls).partition("\n")[0], options, attributes, bases)


def _doc(cls: type) -> str:
    return inspect.cleandoc(cls.__dict__.get("__doc__") or "")


def _as_plain(value: Any) -> Any:
    return getattr(value, "_fields", value.__name__) if isinstance(value, type) else value


def _annotation(argument: inspect.Parameter, init: Callable[..., Any]) -> Any:
    if not isinstance(argument.annotation, str):
        return argument.annotation
    try:
        return eval(argument.annotation, init.__globals__)
    except Exception:  # a name that only a type checker imports: what it allows is not known
        return Any


def check_options(part: Part, values: Mapping[str, Any]) -> None:
    """Refuse values that the annotations of a part's options do not allow.

    Raises:
        ValueError: the option, what it must be, and what came.
    """
    prefix = "data." if part.kind == "data" else ""
    for name, value in values.items():
        option = part.options.get(name)
        if option is not None and option.strict and option.rule is not None:
            option.rule.check(f"{prefix}{name}", value)


def checking(kind: str, name: str, cls: type) -> Callable[..., None]:
    """Return the class's constructor, which now checks its options by their annotations first."""
    init: Callable[..., None] = cls.__init__  # type: ignore[misc]
    own = functools.cache(lambda: read_class(kind, name, cls))
    order = list(inspect.signature(init).parameters)[1:]

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **options: Any) -> None:
        options = {renewed(own(), option): value for option, value in options.items()}
        check_options(own(), {**dict(zip(order, args, strict=False)), **options})
        init(self, *args, **options)

    return checked


_told: set[tuple[str, str, str]] = set()


def renewed(part: Part, option: str) -> str:
    """Return an option's present name; of a former one it is said once that it has another now."""
    if option in part.options or option not in part.renamed:
        return option
    new = part.renamed[option]
    if (part.kind, part.name, option) not in _told:
        _told.add((part.kind, part.name, option))
        where = sys.modules[part.module].__name__
        warnings.warn(f"{option!r} of {where}.{part.cls} is called {new!r} now", FutureWarning, stacklevel=3)
    return new
