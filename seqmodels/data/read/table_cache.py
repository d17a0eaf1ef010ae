"""What tells a table from another, a data set of the `datasets` library included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqmodels.data.files.cache import about, cached_folder
from seqmodels.data.files.cache import stamp as stamp_of_file
from seqmodels.data.read.hub import DATASETS, read_split

__all__ = ["about", "cached_folder", "stamp"]


def stamp(path: str) -> list[Any]:
    """Return what tells a file from another: its place, size and time of change; of a data set, those of its files."""
    if path.startswith(DATASETS):
        files = [Path(one["filename"]) for one in read_split(path).cache_files]
        return [path.partition("@")[2], *([str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files)]
    return stamp_of_file(path)
