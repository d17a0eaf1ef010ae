"""Folders and files that only the user can write, for trusted contents such as compiled code."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

MOST_LINKS = 40  # the limit of Linux


def user_cache() -> Path | None:
    """Return the user's cache folder: $XDG_CACHE_HOME, if absolute as its standard requires, or ``~/.cache``."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():
        return named
    with contextlib.suppress(RuntimeError):  # no home folder
        if (home := Path.home()).is_absolute():
            return home / ".cache"
    return None


def make_own(folder: Path) -> Path:
    """Create a folder for the user alone, whatever the umask, and check that nobody else can write to it.

    Returns:
        The absolute path without links.

    Raises:
        OSError: it cannot be created.
        PermissionError: others can write to it or replace it.
    """
    folder = Path.cwd() / folder
    for path in reversed((folder, *folder.parents)):
        if not path.exists():
            path.mkdir(mode=0o700, exist_ok=True)
    reason = shared(folder)
    if reason is not None:
        raise PermissionError(reason)
    return folder.resolve()


def read_own(file: Path) -> bytes | None:
    """Read a file that only the user can have written; return None if there is none."""
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    found = os.fstat(handle)
    own = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
    if not own or not stat.S_ISREG(found.st_mode):
        os.close(handle)
        return None
    with open(handle, "rb") as opened:
        return opened.read()


def shared(folder: Path) -> str | None:
    """Return why others can write to an existing folder, or None if only the user can."""
    if not hasattr(os, "getuid"):
        return None
    if folder.is_symlink():
        return f"{folder} is a link"
    # The owner of the root folder is trusted: in a container that is not always user 0.
    trusted = {os.getuid(), 0, os.stat("/").st_uid}
    for path in _way(folder):
        found = path.lstat()
        is_end = path == folder
        if found.st_uid not in ({os.getuid()} if is_end else trusted):
            return f"{path} belongs to another user"
        sticky = found.st_mode & stat.S_ISVTX and not is_end  # others can add files, but not remove them
        if found.st_mode & 0o022 and not sticky and not stat.S_ISLNK(found.st_mode):
            return f"others can write to {path} (mode {stat.S_IMODE(found.st_mode):04o})"
    return None


def _way(path: Path) -> Iterator[Path]:
    """Yield all folders and links on the way to an absolute path, and the path itself."""
    here, parts, links = Path(path.anchor), list(path.parts[:0:-1]), 0
    yield here
    while parts:
        part = parts.pop()
        if part == "..":
            here = here.parent
            continue
        step = here / part
        yield step
        if not step.is_symlink():
            here = step
        elif (links := links + 1) > MOST_LINKS:
            raise OSError(f"{path}: too many links")
        else:
            target = Path(os.readlink(step))
            here = Path(target.anchor) if target.is_absolute() else here
            parts += target.parts[: 0 if target.is_absolute() else None : -1]
