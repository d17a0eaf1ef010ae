"""Folders of the cache."""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
from pathlib import Path

from seqmodels.own_folder import make_own, user_cache

_log = logging.getLogger(__name__)


def cache_folder(cache_dir: str | None) -> Path:
    """A folder that can be written to: the one named, the user's cache, or else one that goes with this process."""
    return _writable(Path(cache_dir).expanduser() if cache_dir else _default_cache())


def _default_cache() -> Path:
    """In the user's cache, if nobody else can have put anything there; else a folder that goes with this process."""
    cache = user_cache()
    if cache is None:
        return _passing("cache folder of the user", "there is no home")
    try:
        return make_own(cache / "seqmodels" / "tokens")
    except OSError as error:
        return _passing(f"cache folder {cache / 'seqmodels' / 'tokens'}", str(error.strerror or error))


def _writable(cache: Path) -> Path:
    """`cache`, or, where one cannot write there, a folder that goes when this process ends."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            return cache
    except OSError as error:
        return _passing(f"cache folder {cache}", str(error.strerror or error))


def _passing(cache: str, reason: str) -> Path:
    """A folder in the place of a cache, that goes when this process ends.

    Raises:
        ValueError: there is no room for that either.
    """
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
