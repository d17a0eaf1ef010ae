"""What may be chosen in each group: parts by their own source, and config files, ours and those of the user's folder.

Read as text only, so that listing them needs neither Hydra nor torch.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqmodels.cli.errors import ConfigError
from seqmodels.parts import Part, shipped
from seqmodels.registry import known
from seqmodels.yaml_file import MOST_BYTES, read_yaml

# Distinguishes our folder from any other that happens to be called "configs".
MARKER = ".seqmodels"
GLOBAL_PACKAGE = "# @package _global_"
# The groups that parts are chosen in, and the kind of each.
PART_GROUPS = {"model/cell": "cell", "model/head": "head", "task": "task", "data": "data"}
# Where parts have their settings; a head may have a cell of its own.
PLACES = {group.replace("/", "."): kind for group, kind in PART_GROUPS.items()} | {"model.head.cell": "cell"}
# Groups whose files set what lies in all other groups.
WHOLE = {"experiment": "an experiment", "recipe": "a recipe"}


def config_folder() -> Path:
    """Return where seqmodels keeps its own configs: in the installed package, else in the checkout."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / MARKER).is_file():
            return folder
    raise ConfigError(f"the configs of seqmodels are missing from {package}: install it again")


def describe(file: Path) -> str:
    """Return a config file in one line: its first comment that is not for Hydra."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @"):
            return line.lstrip("# ").rstrip()
    return ""


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.yaml") if path.is_file())


def paths(lines: list[str]) -> Iterator[tuple[str, str | None]]:
    """Yield each line of YAML with the dotted name of the setting on it; None for the rest of a value.

    >>> list(paths(["model:", "  cell:", "    name: gru"]))
    [('model:', 'model'), ('  cell:', 'model.cell'), ('    name: gru', 'model.cell.name')]
    """
    above: list[str] = []
    for line in lines:
        key = re.match(r"( *)(\w+):(?: |$)", line)
        if key is None:
            yield line, None
            continue
        above = [*above[: len(key[1]) // 2], key[2]]
        yield line, ".".join(above)


class Library:
    """All groups, and the options in each.

    Args:
        extra: the user's own folder (``--config-dir``), or None.

    Attributes:
        plugins: packages that the command names, whose parts are choices too.

    Raises:
        ConfigError: no such folder, or files in it that Hydra would ignore in silence.
    """

    def __init__(self, extra: Path | None = None) -> None:
        self.own = config_folder()
        self.plugins: list[str] = []
        self.extra = extra
        if extra is not None and not extra.is_dir():
            raise ConfigError(f"--config-dir: there is no folder {extra}")
        self._files = {f.relative_to(self.own).with_suffix("").as_posix(): f for f in _files(self.own)}
        own_parts = {f"{group}/{name}" for group, kind in PART_GROUPS.items() for name in shipped(kind)}
        self._shipped = frozenset({*self._files, *own_parts})
        if extra is not None:
            found = {f.relative_to(extra).with_suffix("").as_posix(): f for f in _files(extra)}
            self._refuse(found)
            self._files.update(found)

    def _refuse(self, found: dict[str, Path]) -> None:
        problems = [
            f"{file}: the {name}.yaml of seqmodels comes first: give yours another name"
            for name, file in found.items()
            if name in self._shipped
        ]
        for name, file in found.items():
            if file.stat().st_size > MOST_BYTES:
                problems.append(f"{file}: is larger than a config can be, {MOST_BYTES:,} bytes: keep it elsewhere")
                continue
            try:
                first = file.read_text(encoding="utf-8").lstrip().split("\n", 1)[0]
            except UnicodeDecodeError:
                problems.append(f"{file}: expected a config as UTF-8 text: save it anew, or keep it elsewhere")
                continue
            kind = name.partition("/")[0]
            if kind in WHOLE and first.rstrip() != GLOBAL_PACKAGE:
                problems.append(f"{file}: the first line of {WHOLE[kind]} must be: {GLOBAL_PACKAGE}")
        if problems:
            raise ConfigError(*problems)

    def groups(self) -> set[str]:
        """Return all groups, such as "data" and "model/cell"; Hydra's own are left to Hydra."""
        groups = {name.rpartition("/")[0] for name in self._files} | set(PART_GROUPS)
        return {group for group in groups if group and group.split("/")[0] != "hydra"}

    def options(self, group: str) -> dict[str, str]:
        """Return the options of one group by name, each with a line that says what it is."""
        files = {n.rpartition("/")[2]: f for n, f in self._files.items() if n.rpartition("/")[0] == group}
        parts = {name: part.summary.rstrip(".") for name, part in self.parts(group).items()}
        return dict(sorted({**parts, **{name: describe(file) for name, file in files.items()}}.items()))

    def parts(self, group: str) -> dict[str, Part]:
        """Return the parts that are chosen in a group, by name: ours, and those of the packages named as plugins."""
        if group not in PART_GROUPS:
            return {}
        own, inside = shipped(PART_GROUPS[group]), tuple(f"{name}." for name in self.plugins)
        foreign = known(PART_GROUPS[group]).items() if inside else ()
        return own | {name: part for name, part in foreign if f"{part.module}.".startswith(inside)}

    def part(self, group: str, name: Any) -> Part | None:
        """Return a part by its name; None where none that is known has it."""
        return self.parts(group).get(name) if isinstance(name, str) else None

    def has(self, group: str, option: str) -> bool:
        """Return whether a group has this option."""
        return f"{group}/{option}" in self._files or option in self.parts(group)

    def has_file(self, group: str, option: str) -> bool:
        """Return whether an option is a file, and not a part as its source has it."""
        return f"{group}/{option}" in self._files

    def is_shipped(self, group: str, option: str) -> bool:
        """Return whether an option is one of seqmodels' own."""
        return f"{group}/{option}" in self._shipped

    def meaning(self, group: str, option: str, setting: str) -> str:
        """Return what is said of a setting: of a part's in its docstring, else in the comment beside it in the file."""
        part = self.part(group, self.read(group, option).get("name")) if self.has(group, option) else None
        if part is not None and setting in part.options:
            return part.options[setting].meaning
        for line, path in paths(self.text(group, option).splitlines()):
            if path == setting:
                return line.partition(" #")[2].strip()
        return ""

    def text(self, group: str, option: str) -> str:
        """Return an option's file as it is written; empty where it has none."""
        file = self._files.get(f"{group}/{option}".strip("/"))
        return "" if file is None else file.read_text(encoding="utf-8")

    def read(self, group: str, option: str) -> dict[str, Any]:
        """Return an option's settings as plain values: a part's defaults; of a file also those of what it builds on."""
        file = self._files.get(f"{group}/{option}".strip("/"))
        if file is None:
            part = self.part(group, option)
            return {} if part is None else part.defaults()
        content = read_yaml(file)
        if not isinstance(content, dict):
            return {}  # composing says what is wrong with it
        if group not in PART_GROUPS:
            return content
        below = content.pop("defaults", [])
        merged: dict[str, Any] = {}
        for name in below if isinstance(below, list) else []:
            if isinstance(name, str) and name not in ("_self_", option) and self.has(group, name):
                merged.update(self.read(group, name))
        return {**merged, **content}
