"""Atomic writing of files and folders; remains of killed writers are removed later.

A file NAME is written as ``.NAME.RANDOM.tmp`` in the same folder, created exclusively and locked, so that others can
tell a file being written from one whose writer was killed.
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

# Length of the name in a temporary one: the system allows 255 bytes.
KEPT = 50
# Seconds after which a temporary file that is being written is certainly locked.
YOUNG = 2.0
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file that replaces `path` at the end; after an error `path` is unchanged.

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
        # Exclusive, so that a link planted by others is not followed.
        file = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        made, lock = True, _kept(file)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.filename in (None, temporary, str(temporary)):  # report the name that the user knows
            error.filename = str(path)
        raise
    finally:
        if made:
            temporary.unlink(missing_ok=True)
        if lock is not None:
            os.close(lock)


@contextlib.contextmanager
def scratch(folder: Path, name: str) -> Iterator[Path]:
    """Yield a temporary folder in `folder` to fill and rename; it is removed otherwise."""
    sweep(folder)
    temporary = _temporary(folder, name)
    temporary.mkdir(mode=0o700)
    lock = None
    try:
        with contextlib.suppress(OSError):  # not all systems open folders
            lock = _kept(os.open(temporary, os.O_RDONLY))
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove temporary files of killed writers in `folder`; files still being written stay.

    Args:
        folder: folder to search, without subfolders.
        name: name of the file that was written; None for any.
    """
    pattern = re.compile(rf"\.{'.+' if name is None else re.escape(name[:KEPT])}\.[0-9a-f]{{16}}\.tmp", re.DOTALL)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in [entry for entry in entries if pattern.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                _sweep(entry)


def _sweep(entry: os.DirEntry[str]) -> None:
    """Remove a temporary file or folder, unless it is locked or too new to be."""
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
    """Create a file of `size` bytes with its disk space allocated.

    Writing to a memory-mapped file on a full disk kills the process.

    Raises:
        OSError: the disk is full.
    """
    with path.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, max(1, size))
        except (OSError, AttributeError) as error:  # not on all systems and file systems
            if isinstance(error, OSError) and error.errno in FULL:
                error.filename = str(path)
                raise
            for start in range(0, size, 1 << 20):
                file.write(bytes(min(1 << 20, size - start)))


def _temporary(folder: Path, name: str) -> Path:
    return folder / f".{name[:KEPT]}.{secrets.token_hex(8)}.tmp"


def _kept(file: int) -> int | None:
    """Lock an open file for the life of this process; close it and return None if that fails.

    Systems without locks also require closing before renaming; nothing is swept there.
    """
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        os.close(file)
        return None
    return file
