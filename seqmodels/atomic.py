"""Files and folders that are written whole or not at all; what a kill leaves of them is swept later.

While it is written, a file NAME lies beside its place as ``.NAME.RANDOM.tmp``, made by its writer alone and locked,
so that others can tell a file that is being written from one whose writer was killed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

# Letters of a name that are repeated in a temporary one: the system allows 255 bytes.
KEPT = 50
# Seconds after which a temporary file has been locked, if somebody is writing it.
YOUNG = 2.0
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place at the end; after an error `path` is as it was.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "metrics.json") as file:
    ...         _ = file.write_text("{}")
    ...     sorted(os.listdir(folder))
    ['metrics.json']
    """
    sweep(path.parent, path.name)
    temporary = _temporary(path.parent, path.name)
    made, lock = False, None
    try:
        # Exclusively: a link that somebody else has put there is not followed.
        file = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        made, lock = True, _kept(file)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.filename in (None, temporary, str(temporary)):  # a name that the user knows
            error.filename = str(path)
        raise
    finally:
        if made:
            temporary.unlink(missing_ok=True)
        if lock is not None:
            os.close(lock)


@contextlib.contextmanager
def scratch(folder: Path, name: str) -> Iterator[Path]:
    """A folder in `folder` to be filled, and renamed or left to be removed at the end."""
    sweep(folder)
    temporary = _temporary(folder, name)
    temporary.mkdir(mode=0o700)
    lock = None
    try:
        with contextlib.suppress(OSError):  # not every system opens folders
            lock = _kept(os.open(temporary, os.O_RDONLY))
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove what writers of `folder` left that were killed; what is being written, by whomever, stays.

    Args:
        folder: to look in, not below.
        name: of what was being written; None for anything.
    """
    pattern = re.compile(rf"\.{'.+' if name is None else re.escape(name[:KEPT])}\.[0-9a-f]{{16}}\.tmp", re.DOTALL)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in [entry for entry in entries if pattern.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                _sweep(entry)


def _sweep(entry: os.DirEntry[str]) -> None:
    """Remove a temporary file or folder, unless somebody holds its lock or may not have come to it."""
    if time.time() - entry.stat(follow_symlinks=False).st_mtime < YOUNG:
        return
    if entry.is_symlink():
        return
    lock = _kept(os.open(entry.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)))
    if lock is None:
        return
    try:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    finally:
        os.close(lock)


def reserve(path: Path, size: int) -> None:
    """Make a file of so many bytes for all of which there is room.

    What is written through a memory map of a file without room kills the process.

    Raises:
        OSError: the disk is full.
    """
    with path.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, max(1, size))
        except (OSError, AttributeError) as error:  # not every file system and system has it
            if isinstance(error, OSError) and error.errno in FULL:
                error.filename = str(path)
                raise
            for start in range(0, size, 1 << 20):
                file.write(bytes(min(1 << 20, size - start)))


def _temporary(folder: Path, name: str) -> Path:
    return folder / f".{name[:KEPT]}.{secrets.token_hex(8)}.tmp"


def _kept(file: int) -> int | None:
    """The open file, locked for as long as this process lives; closed, and None, where it cannot be.

    Where there are no locks nothing is swept, and a file must be closed before it is renamed.
    """
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        os.close(file)
        return None
    return file
