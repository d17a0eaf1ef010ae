"""Folders of the cache, and what is kept in them for the next run."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqmodels.data.files.arrays import Space
from seqmodels.data.files.find import find_file
from seqmodels.data.files.progress import showing_progress
from seqmodels.files.atomic import scratch
from seqmodels.files.own_folder import make_own, user_cache

FORMAT = 4  # to be raised when what is stored changes
ABOUT = "about.json"

_log = logging.getLogger(__name__)


def cache_folder(cache_dir: str | None) -> Path:
    """Return a folder that can be written to: the one named, the user's cache, or one of this process."""
    return writable(cache_place(cache_dir))


def cache_place(cache_dir: str | None) -> Path:
    """Return the folder named, or the user's cache, whether or not it can be written to."""
    return Path(cache_dir).expanduser() if cache_dir else _default_cache()


def _default_cache() -> Path:
    """Return the user's cache, if nobody else can have put anything there; else a folder of this process."""
    cache = user_cache()
    if cache is None:
        return _passing("cache folder of the user", "there is no home")
    try:
        return make_own(cache / "seqmodels" / "tokens")
    except OSError as error:
        return _passing(f"cache folder {cache / 'seqmodels' / 'tokens'}", str(error.strerror or error))


def writable(cache: Path) -> Path:
    """Return `cache`, or, where one cannot write there, a folder that goes when this process ends."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            return cache
    except OSError as error:
        return _passing(f"cache folder {cache}", str(error.strerror or error))


def _passing(cache: str, reason: str) -> Path:
    """Return a folder in the place of a cache, that goes when this process ends."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="seqmodels-"))
    except OSError as error:
        raise ValueError(
            f"the data cannot be encoded: the {cache} cannot be written ({reason}), and a temporary one neither "
            f"({error.strerror or error}); set data.cache_dir to a folder with room"
        ) from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _log.warning(
        "the %s cannot be written (%s): the text is encoded anew in each run, now in %s; "
        "data.cache_dir sets another folder",
        cache,
        reason,
        folder,
    )
    return folder


class PassingFolder:
    """A folder in the cache that goes when the last that refers to this goes, or with the process."""

    def __init__(self, cache_dir: str | None = None) -> None:
        stack = contextlib.ExitStack()
        self.path = stack.enter_context(scratch(cache_folder(cache_dir), "arrays"))
        weakref.finalize(self, stack.close)

    def space(self, memory_limit: int) -> Space:
        """Return room for arrays in the folder, which stays as long as one of them does."""
        return Space(self.path, memory_limit, self)


def cached_folder(
    cache_dir: str | None, path: str, asked: Any, write: Callable[[Path], dict[str, Any]], what: str = "sequences"
) -> Path:
    """Return the folder that holds what was asked for, from the cache or written now, whole or not at all.

    Args:
        cache_dir: where folders are kept; None for the user's cache.
        path: of the table, to be named.
        asked: plain values on which the contents depend.
        write: fills an empty folder, and returns plain values that `about` gives back.
        what: is written, in words.

    Raises:
        ValueError: it cannot be written, as when the disk is full.
    """
    cache = cache_folder(cache_dir)
    key = hashlib.blake2b(json.dumps([FORMAT, asked], sort_keys=True).encode(), digest_size=16).hexdigest()
    final = cache / f"table-{key}"
    if _is_whole(final):
        return final
    _log.warning(
        "%s: too large to be read at once: writing its %s to %s, to be kept for the next run", path, what, final
    )

    def build(folder: Path) -> None:
        (folder / ABOUT).write_text(json.dumps(write(folder)), encoding="utf-8")

    fill(final, build, _is_whole, f"the {what} of {path}")
    return final


def fill(final: Path, build: Callable[[Path], Any], is_whole: Callable[[Path], bool], what: str) -> None:
    """Make a folder of the cache, whole or not at all.

    Args:
        final: the folder; what is damaged there goes.
        build: fills an empty folder.
        is_whole: whether a folder is, as another process may have made it.
        what: is written, in words.

    Raises:
        ValueError: it cannot be written, as when the disk is full.
    """
    shutil.rmtree(final, ignore_errors=True)
    try:
        with scratch(final.parent, final.name) as folder, showing_progress(what, folder):
            build(folder)
            if not is_whole(final):
                os.replace(folder, final)
    except OSError as error:
        if not is_whole(final):
            raise ValueError(
                f"{what} cannot be written to {final.parent} ({error.strerror or error}); make room there or set "
                "data.cache_dir to another folder"
            ) from None


def _is_whole(folder: Path) -> bool:
    try:
        return isinstance(about(folder), dict)
    except (OSError, ValueError, RecursionError):
        return False


def about(folder: Path) -> dict[str, Any]:
    """Return the plain values that were stored with a folder."""
    found: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    return found


def stamp(path: str) -> list[Any]:
    """Return what tells a file from another: its place, size and time of change."""
    found = find_file(path)
    stat = found.stat()
    return [str(found.resolve()), stat.st_size, stat.st_mtime_ns]
