"""Files below a folder, or those that fit a pattern: plain ones only, by a walk that ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from seqmodels.data.files.find import FILE, FOLDER, SYSTEM, expanded, kind_of
from seqmodels.quoting import PATH, shown

# Names that are looked at in one walk.
MOST = 500_000
ANY = "**"  # any number of folders


def is_pattern(path: str | Path) -> bool:
    """Say whether a path has signs that stand for others, and is no name itself."""
    return _has_signs(path) and not kind_of(expanded(path))


def files_below(folder: Path, wanted: Callable[[str], bool]) -> list[Path]:
    """List the files of wanted names in a folder and below it, in order; links to folders are not followed."""
    found = _walk(str(folder), [ANY], below=True)
    return sorted(Path(path) for path in found if wanted(os.path.basename(path)))


def files_that_fit(pattern: str | Path) -> list[Path]:
    """List the files that fit a pattern, in order; links are followed, but into no folder twice."""
    parts = expanded(pattern).parts
    first = next(place for place, part in enumerate(parts) if _has_signs(part))
    found = _walk(os.path.join("", *parts[:first]), list(parts[first:]), below=False)
    return sorted(map(Path, dict.fromkeys(found)))


def _has_signs(path: str | Path) -> bool:
    return any(sign in str(path) for sign in "*?[")


def _walk(folder: str, parts: list[str], below: bool) -> Iterator[str]:
    """Yield plain files that fit the parts of a pattern; hidden ones and no links to folders with `below`."""
    waiting, seen, count, asked = [(folder, parts)], set[object](), 0, os.path.join(folder, *parts)
    while waiting:
        folder, (part, *rest) = waiting.pop()
        if part == ANY and rest:
            waiting.append((folder, rest))
        for entry in _new_entries(folder, (part, *rest), seen):
            count += 1
            if count > MOST or (part == ANY and os.path.abspath(folder) == os.sep):
                raise ValueError(
                    f"data.path: expected a place for data, got {shown(asked, PATH)}, below which are "
                    f"{'all files of this machine' if count <= MOST else f'more than {MOST:,} names'}; name a folder "
                    "or a pattern with less below it"
                )
            if not (fnmatch(entry.name, part) or part == ANY) or (
                not below and entry.name.startswith(".") and not part.startswith(".")
            ):
                continue
            kind = _kind_of(entry)
            if kind == FOLDER and (part == ANY or rest) and not (below and entry.is_symlink()):
                # Links last: what they lead to keeps its own name.
                waiting.insert(
                    0 if entry.is_symlink() else len(waiting), (entry.path, [part, *rest] if part == ANY else rest)
                )
            if kind == FILE and not rest:
                yield entry.path


def _kind_of(entry: os.DirEntry[str]) -> str:
    """Tell the kind as `kind_of` does, from the folder alone where it says so."""
    if entry.is_symlink():
        return kind_of(Path(entry.path))
    return FOLDER if entry.is_dir() else FILE if entry.is_file() else ""


def _new_entries(folder: str, parts: tuple[str, ...], seen: set[object]) -> Iterator[os.DirEntry[str]]:
    """Yield what is in a folder, unless it was looked at for the same parts, or may not be."""
    try:
        stat = os.stat(folder or os.curdir)
        if (place := (stat.st_dev, stat.st_ino, parts)) in seen:
            return
        seen.add(place)
        if kind_of(Path(folder)) == SYSTEM:
            raise ValueError(f"data.path: expected a place for data, got {shown(folder, PATH)}: {SYSTEM}")
        with os.scandir(folder or os.curdir) as entries:
            yield from entries
    except OSError:
        return
