"""A line on the terminal while something long is written."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

EVERY = 1.0  # seconds
CLEAR = "\r\033[K"


@contextlib.contextmanager
def showing_progress(what: str, folder: Path) -> Iterator[None]:
    """Show on a terminal how long something takes, and how much of it is written to a folder.

    Nothing is shown where the errors of the command go to a file.
    """
    if not sys.stderr.isatty():
        yield
        return
    over, start = threading.Event(), time.monotonic()

    def show() -> None:
        while not over.wait(EVERY):
            passed = f"{time.monotonic() - start:.0f} s, {_size(folder) / 1e6:,.0f} MB written"
            print(f"{CLEAR}{what}: {passed}", end="", file=sys.stderr, flush=True)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        print(CLEAR, end="", file=sys.stderr, flush=True)


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder; those that go meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total
