"""The data files that come with the package; SOURCES.md beside this file says where each is from."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def shipped(name: str) -> Path:
    """Return the path of a data file that comes with the package.

    >>> shipped("shakespeare.txt.gz").name
    'shakespeare.txt.gz'

    Raises:
        ValueError: no such file is shipped; the message lists those that are.
    """
    path = FOLDER / name
    if not path.is_file():
        known = sorted(p.name for p in FOLDER.iterdir() if p.is_file() and p.suffix not in {".py", ".md"})
        raise ValueError(f"no data file {name!r} comes with the package. Known: {', '.join(known)}")
    return path
