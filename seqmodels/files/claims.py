"""Validation of checkpoint files before loading: declared sizes must match the bytes in the file.

torch's reading without code (`weights_only`) trusts declared sizes: a storage may be declared larger than its bytes,
an archive may unpack to more than memory holds, one opcode may ask for a buffer of any length.
"""

from __future__ import annotations

import math
import pickletools
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, NamedTuple

# Largest nesting depth; our checkpoints have twelve levels.
DEEPEST = 64
# Bytes per number by storage type.
WIDTHS = {
    f"torch {name}Storage": width
    for width, kinds in {
        1: ("Bool", "Byte", "Char"),
        2: ("Half", "BFloat16", "Short"),
        4: ("Float", "Int"),
        8: ("Double", "Long", "ComplexFloat"),
        16: ("ComplexDouble",),
    }.items()
    for name in kinds
}
REBUILD = "torch._utils _rebuild_tensor_v2"
# Other callables allowed, whose results are no larger than their arguments.
HARMLESS = {"collections OrderedDict", "torch._utils _rebuild_parameter", "torch Size", "__builtin__ set"}


class _Name(NamedTuple):
    """Name in a module."""

    of: str


class _Made(NamedTuple):
    """Container or tensor, known only by the number of its bytes."""

    room: int = 0


_MARK = object()


def check_file(path: Path) -> None:
    """Reject a checkpoint file that declares more than it contains.

    Raises:
        ValueError: a false declaration, or not a checkpoint.
        UnpicklingError: contents other than tensors and plain values.
    """
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or len({*names}) < len(names):
            raise ValueError("its parts are packed or named twice")
        promised = sum(entry.file_size for entry in entries)
        if promised > size:
            raise ValueError(f"its parts promise {promised:,} bytes, and it has {size:,}")
        (pickled,) = (name for name in names if name.partition("/")[2] == "data.pkl")
        top = pickled.partition("/")[0]
        rooms = {entry.filename.removeprefix(f"{top}/data/"): entry.file_size for entry in entries}
        _check_pickle(archive.read(pickled), rooms)


def _check_pickle(content: bytes, rooms: dict[str, int]) -> None:
    """Run the opcodes of a pickle, without loading it, on a stack with the sizes of results."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    value: Any
    for word, value, _ in pickletools.genops(content):
        name = word.name
        if name in _PUSHED:
            stack.append(value)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[value] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[value])
        elif name == "GLOBAL":
            if value not in WIDTHS and value not in HARMLESS and value != REBUILD:
                raise UnpicklingError(f"it asks for {value.replace(' ', '.')[:80]}")
            stack.append(_Name(value))
        elif name in _CHANGES:
            _CHANGES[name](stack, rooms)
        elif name not in ("PROTO", "STOP"):
            raise UnpicklingError(f"it has the word {name}")


def _tuple(stack: list[Any], rooms: dict[str, int]) -> None:
    start = _last_mark(stack)
    stack[start:] = [tuple(stack[start + 1 :])]


def _tuple_of(length: int) -> Callable[[list[Any], dict[str, int]], None]:
    def make(stack: list[Any], rooms: dict[str, int]) -> None:
        stack[-length:] = [tuple(stack[-length:])]

    return make


def _to_mark(stack: list[Any], rooms: dict[str, int]) -> None:
    del stack[_last_mark(stack) :]


def _last_mark(stack: list[Any]) -> int:
    return next(place for place in range(len(stack) - 1, -1, -1) if stack[place] is _MARK)


def _drop(count: int) -> Callable[[list[Any], dict[str, int]], None]:
    def drop(stack: list[Any], rooms: dict[str, int]) -> None:
        del stack[-count:]

    return drop


def _storage(stack: list[Any], rooms: dict[str, int]) -> None:
    kind, number, key, _, count = stack.pop()
    width = WIDTHS[number.of]
    if kind != "storage" or count * width != rooms[key]:
        raise ValueError(f"a storage promises {count * width:,} bytes, and has {rooms[key]:,}")
    stack.append(_Made(rooms[key]))


def _call(stack: list[Any], rooms: dict[str, int]) -> None:
    given, function = stack.pop(), stack.pop()
    if function.of == REBUILD:
        storage, _, shape, *_ = given
        # A number takes at least one byte; expanded tensors may not exceed their bytes.
        if math.prod(shape) > max(1, storage.room):
            raise ValueError(f"a tensor of {'x'.join(map(str, shape))[:80]} stands on {storage.room:,} bytes")
    elif function.of not in HARMLESS:
        raise UnpicklingError(f"it calls {function.of.replace(' ', '.')}")
    stack.append(_Made())


_PUSHED = {"BININT", "BININT1", "BININT2", "BINFLOAT", "LONG1", "BINUNICODE", "SHORT_BINSTRING"}
_CONSTANTS = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "MARK": _MARK,
    **dict.fromkeys(("EMPTY_DICT", "EMPTY_LIST", "EMPTY_SET"), _Made()),
}
_CHANGES = {
    "TUPLE": _tuple,
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "APPEND": _drop(1),
    "BUILD": _drop(1),
    "SETITEM": _drop(2),
    "APPENDS": _to_mark,
    "SETITEMS": _to_mark,
    "BINPERSID": _storage,
    "REDUCE": _call,
}


def check_values(content: Any, most: int) -> None:
    """Reject values that are nested too deeply or cyclically, or more than `most` in number.

    >>> check_values({"a": [1, 2]}, 10)

    Raises:
        ValueError: invalid values.
    """
    count = 0
    way: list[Iterator[Any]] = [iter((content,))]
    while way:
        value = next(way[-1], _MARK)
        if value is _MARK:
            way.pop()
            continue
        count += 1
        if isinstance(value, dict):
            way.append(iter((*value, *value.values())))
        elif isinstance(value, list | tuple | set):
            way.append(iter(value))
        if len(way) > DEEPEST:
            raise ValueError(f"its values are nested in more than {DEEPEST} groups, or in themselves")
        if count > most:
            raise ValueError(f"its values are more than {most:,}, however few were written")


def refuse_code(config: Any, path: str) -> None:
    """Reject a config that names Python objects to call, which ours never do."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            if str(key).startswith("_") and str(key).endswith("_"):
                raise ValueError(f"the config in {path} asks to run code ({key}: {value!r}): refused")
            refuse_code(value, path)
    elif isinstance(config, list | tuple):
        for value in config:
            refuse_code(value, path)
