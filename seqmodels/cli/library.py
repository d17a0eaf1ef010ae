"""The config files that may be chosen: those of seqmodels, then those of the user's own folder.

Read as text only, so that listing them needs neither Hydra nor torch.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from seqmodels.cli.errors import ConfigError
from seqmodels.cli.shape import LARGEST

# Distinguishes our folder from any other that happens to be called "configs".
MARKER = ".seqmodels"
GLOBAL_PACKAGE = "# @package _global_"
# Groups whose files set what lies in all other groups.
WHOLE = {"experiment": "an experiment", "recipe": "a recipe"}


def config_folder() -> Path:
    """Where seqmodels keeps its own configs: in the installed package, else in the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "configs", package.parent / "configs"):
        if (folder / MARKER).is_file():
            return folder
    raise ConfigError(f"the configs of seqmodels are missing from {package}: install it again")


def describe(file: Path) -> str:
    """A config file in one line: its first comment that is not for Hydra."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @"):
            return line.lstrip("# ").rstrip()
    return ""


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.yaml") if path.is_file())


class Library:
    """All groups of config files, and the options in each.

    Args:
        extra: the user's own folder (``--config-dir``), or None.

    Raises:
        ConfigError: no such folder, or files in it that Hydra would ignore in silence.
    """

    def __init__(self, extra: Path | None = None) -> None:
        self.own = config_folder()
        self.extra = extra
        if extra is not None and not extra.is_dir():
            raise ConfigError(f"--config-dir: there is no folder {extra}")
        self._files = {f.relative_to(self.own).with_suffix("").as_posix(): f for f in _files(self.own)}
        self._shipped = frozenset(self._files)
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
            if file.stat().st_size > LARGEST:
                problems.append(f"{file}: is larger than a config can be, {LARGEST:,} bytes: keep it elsewhere")
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
        """All groups, such as "data" and "model/cell"; Hydra's own are left to Hydra."""
        groups = {name.rpartition("/")[0] for name in self._files}
        return {group for group in groups if group and group.split("/")[0] != "hydra"}

    def options(self, group: str) -> dict[str, Path]:
        """The options of one group, by name."""
        return {n.rpartition("/")[2]: f for n, f in self._files.items() if n.rpartition("/")[0] == group}

    def has(self, group: str, option: str) -> bool:
        """Whether a group has this option."""
        return f"{group}/{option}" in self._files

    def is_shipped(self, group: str, option: str) -> bool:
        """Whether an option is one of seqmodels' own."""
        return f"{group}/{option}" in self._shipped

    def meaning(self, group: str, option: str, setting: str) -> str:
        """What the comment beside a setting in an option's file says of it; empty where there is none."""
        file = self.options(group).get(option)
        text = "" if file is None else file.read_text(encoding="utf-8")
        found = re.search(rf"^{re.escape(setting)}:.*?\s#\s*(.+)$", text, re.M)
        return found[1].strip() if found else ""

    def read(self, group: str, option: str) -> dict[str, Any]:
        """One file's content as plain values, nothing composed."""
        return yaml.safe_load(self.options(group)[option].read_text(encoding="utf-8")) or {}
