"""What was made of a table larger than memory, kept in a folder of the cache for the next run."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqmodels.atomic import scratch
from seqmodels.data.files.cache import cache_folder
from seqmodels.data.files.find import find_file
from seqmodels.data.read.hub import DATASETS, read_split

FORMAT = 2  # to be raised when what is stored changes
ABOUT = "about.json"

_log = logging.getLogger(__name__)


def cached_folder(
    cache_dir: str | None, path: str, asked: Any, write: Callable[[Path], dict[str, Any]], what: str = "sequences"
) -> Path:
    """The folder that holds what was asked for, from the cache or written now, whole or not at all.

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
    shutil.rmtree(final, ignore_errors=True)
    _log.warning(
        "%s: too large to be read at once: writing its %s to %s, to be kept for the next run", path, what, final
    )
    try:
        with scratch(cache, final.name) as folder:
            (folder / ABOUT).write_text(json.dumps(write(folder)), encoding="utf-8")
            if not _is_whole(final):  # another process may have been first
                os.replace(folder, final)
    except OSError as error:
        raise ValueError(
            f"the {what} of {path} cannot be written to {cache} ({error.strerror or error}); make room there "
            "or set data.cache_dir to another folder"
        ) from None
    return final


def _is_whole(folder: Path) -> bool:
    try:
        return isinstance(about(folder), dict)
    except (OSError, ValueError, RecursionError):
        return False


def about(folder: Path) -> dict[str, Any]:
    """The plain values that were stored with a folder."""
    found: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    return found


def stamp(path: str) -> list[Any]:
    """What tells a file from another: its place, size and time of change; of a data set, those of its files."""
    if path.startswith(DATASETS):
        files = [Path(one["filename"]) for one in read_split(path).cache_files]
        return [path.partition("@")[2], *([str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files)]
    found = find_file(path)
    stat = found.stat()
    return [str(found.resolve()), stat.st_size, stat.st_mtime_ns]
