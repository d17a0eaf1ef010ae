"""A lock that lets one process at a time use a run folder."""

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
    """Lock a run folder, created if missing and removed if it stays empty, against other processes.

    The system releases the lock when the process ends, however it ends. On a file system without locks nothing is
    locked or refused.

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
    """Remove folders created for a run that never began, innermost first."""
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:  # never created, or named twice
            continue
        except OSError:  # not empty
            return


def make(folder: Path, anew: bool = False) -> None:
    """Create a run folder and its parents.

    Args:
        anew: whether to require that it does not exist.

    Raises:
        FileExistsError: it exists and must not.
        OSError: it cannot be created.
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
    """Open and lock the lock file, making sure that it still has its name."""
    try:
        import fcntl
    except ImportError:  # no POSIX locks on this system
        return os.open(path, os.O_RDWR | os.O_CREAT)
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        try:
            # Owned by the process and not inherited: workers that outlive it briefly keep nothing locked.
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
            with contextlib.suppress(OSError):  # on a full disk the holder is not named
                os.ftruncate(file, 0)
                os.pwrite(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
            return file
        os.close(file)


def _is_still(path: Path, file: int) -> bool:
    """Return whether the path still refers to the open file, which the last holder may have removed."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False
