"""One process at a time works in a run's folder."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

NAME = "run.lock"
_held: set[Path] = set()


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a run's folder, made if need be and removed if nothing comes into it, from all other processes.

    The system takes the lock back when the process ends, however it ends. Where a file system has no locks, nothing is
    kept, and nothing refused.

    Raises:
        ValueError: another process holds it.
    """
    own = folder.resolve()
    if own in _held:
        yield
        return
    absent = [one for one in (folder, *folder.parents) if not one.exists()]
    make(folder)
    file = _locked(folder / NAME)
    _held.add(own)
    try:
        yield
    finally:
        _held.remove(own)
        with contextlib.suppress(OSError):
            os.unlink(folder / NAME)
        os.close(file)
        remove_empty(absent)


def remove_empty(folders: list[Path]) -> None:
    """Remove folders that were made for a run that never began, the innermost first."""
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:  # it was never made, or is named twice
            continue
        except OSError:  # it holds something
            return


def make(folder: Path, anew: bool = False) -> None:
    """Make the folder of a run, and those that it lies in.

    Args:
        folder: of the run.
        anew: whether it must not be there yet.

    Raises:
        FileExistsError: it is there, and must not be.
        OSError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=not anew)
    except FileExistsError:
        if anew:
            raise
        raise OSError(f"run_dir: {folder} is a file: set run_dir to a folder") from None
    except OSError as error:
        words = f"the folder of the run cannot be made ({error.strerror}: {error.filename})"
        raise OSError(f"{words}; set run_dir to one that can") from error


def _locked(path: Path) -> int:
    """The lock's file, open, locked, and still the one of that name."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return os.open(path, os.O_RDWR | os.O_CREAT)
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        try:
            # Of the process, and not inherited: workers that outlive it for a moment keep nothing locked.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                holder = os.read(file, 200).decode(errors="replace").strip()
                os.close(file)
                raise ValueError(
                    f"run_dir: {path.parent} is being used by {holder or 'another process'}: "
                    "wait until that ends, or stop it, or choose another run_dir"
                ) from None
        if _is_still(path, file):
            with contextlib.suppress(OSError):  # a full disk: then others hear less
                os.ftruncate(file, 0)
                os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
            return file
        os.close(file)


def _is_still(path: Path, file: int) -> bool:
    """Whether the name still stands for the open file, which the last holder may have removed meanwhile."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False
