"""Folders for generated code: the user's cache if it is safe, else one of the process."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from seqmodels.files.own_folder import make_own, user_cache

_log = logging.getLogger(__name__)


def cache_folder() -> Path | None:
    """Return the cache of compiled code: $SEQMODELS_CACHE, or ``seqmodels`` in the user's cache folder, if any."""
    if named := os.environ.get("SEQMODELS_CACHE"):
        return Path(named)
    return None if (cache := user_cache()) is None else cache / "seqmodels"


def folders() -> Iterator[Path]:
    """Yield the folders for compiled code: the cache if it is safe and writable, then `_own_folder`."""
    if (cache := cache_folder()) is not None:
        try:
            yield make_own(cache)
        except PermissionError as error:
            if error.errno is None:  # not from the system, whose errors only mean that it cannot be written
                _say_unsafe(str(error))
        except OSError:
            pass
    with contextlib.suppress(OSError):
        yield make_own(_own_folder())


@functools.cache
def _say_unsafe(reason: str) -> None:
    _log.warning(
        "%s: somebody else may have put code there, so nothing is taken from it, and code is compiled anew in each "
        "process. Remove it, or set SEQMODELS_CACHE to a folder that is yours alone",
        reason,
    )


@functools.cache
def _own_folder() -> Path:
    """Return a temporary folder of this process."""
    folder = tempfile.TemporaryDirectory(prefix="seqmodels-")
    atexit.register(folder.cleanup)
    return Path(folder.name)
