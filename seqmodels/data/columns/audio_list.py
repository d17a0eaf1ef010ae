"""Recordings, and what is known of each: its class or its text, its speaker, its split."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqmodels.data.columns.splits.shares import NAMES
from seqmodels.data.dataset import SPLIT_WORDS
from seqmodels.data.files.find import FILE, FOLDER, expanded, find_file, kind_of
from seqmodels.data.files.walk import files_below
from seqmodels.data.read.audio import SUFFIXES
from seqmodels.data.read.open import read_table
from seqmodels.data.read.table import Table
from seqmodels.quoting import PATH, shown

MANIFESTS = (".csv", ".tsv")
# Files that a message names, at most.
NAMED = 3


@dataclass(frozen=True)
class Recording:
    """A file and what is known of it.

    Fields:
        path: of the file.
        label: its class; None where it has none.
        text: what is said in it; None where nobody says.
        group: who speaks, or what else must not be in two splits.
        split: "train", "val" or "test" where that is given.
        place: where in the manifest it is named, for messages.
    """

    path: Path
    label: str | None = None
    text: str | None = None
    group: str | None = None
    split: str | None = None
    place: str = ""

    @property
    def where(self) -> str:
        """The file, and where it is named."""
        return f"{self.path} ({self.place})" if self.place else str(self.path)


def find_recordings(path: str, pattern: str | None = None, known: bool = True) -> list[Recording]:
    """List the recordings of a folder, of a manifest, or a single one.

    Args:
        path: a folder with a folder for each class (and in it, perhaps, one for each speaker), or first
            with folders train, val and test; a folder with files whose names tell, a manifest, or an audio file.
        pattern: a regular expression that the names without suffix match, with the named groups
            ``label`` or ``text``, and perhaps ``speaker``.
        known: whether class or text must be known; if not, they are taken where they are there.

    Raises:
        ValueError: nothing there, or nothing known of what is there.
    """
    root = expanded(path)
    if kind_of(root) == FOLDER:
        return _of_folder(root, pattern, known)
    find_file(root)
    if root.suffix.lower() in MANIFESTS:
        return _of_manifest(root, known)
    if pattern is not None and root.suffix.lower() in SUFFIXES:
        return [_match(root, re.compile(_checked(pattern)), known)]
    if known:
        raise ValueError(
            f"data.path: expected a folder or a manifest ({' or '.join(MANIFESTS)}), got the file {path!r}"
        )
    return [Recording(root)]


def _of_folder(root: Path, pattern: str | None, known: bool) -> list[Recording]:
    files = files_below(root, lambda name: os.path.splitext(name)[1].lower() in SUFFIXES)
    if not files:
        raise ValueError(f"data.path: the folder {str(root)!r} holds no audio files ({', '.join(SUFFIXES)})")
    if pattern is not None:
        expression = re.compile(_checked(pattern))
        return [_match(file, expression, known) for file in files]
    parts = [file.relative_to(root).parts for file in files]
    loose = [file for file, names in zip(files, parts, strict=True) if len(names) == 1]
    if loose and known:
        raise ValueError(
            f"{_some(loose)} lie(s) in {str(root)!r} itself: put each class in a folder of its own, set data.pattern "
            r"to a regular expression such as '(?P<label>\d)_(?P<speaker>\w+)_\d+' for their names, or name a manifest "
            "with the columns path and label or text"
        )
    given = all(names[0].lower() in SPLIT_WORDS and len(names) > 2 for names in parts)
    return [_by_folders(file, names, given) for file, names in zip(files, parts, strict=True)]


def _by_folders(file: Path, names: Sequence[str], given: bool) -> Recording:
    split = SPLIT_WORDS[names[0].lower()] if given else None
    folders = names[1:-1] if given else names[:-1]
    return Recording(
        file,
        folders[0] if folders else None,
        group=folders[1] if len(folders) > 1 else None,
        split=split,
    )


def _checked(pattern: str) -> str:
    try:
        groups = set(re.compile(pattern).groupindex)
    except re.error as error:
        raise ValueError(f"data.pattern: {pattern!r} is no regular expression: {error}") from None
    if not groups & {"label", "text"} or groups - {"label", "text", "speaker"}:
        raise ValueError(
            f"data.pattern: needs the named group (?P<label>...) or (?P<text>...), and may have (?P<speaker>...), "
            f"got {', '.join(sorted(groups)) or 'none'} in {pattern!r}"
        )
    return pattern


def _match(file: Path, expression: re.Pattern[str], known: bool) -> Recording:
    found = expression.fullmatch(file.stem)
    if found is None:
        if known:
            raise ValueError(
                f"{file}: the name {file.stem!r} does not match data.pattern={expression.pattern!r}; write one for "
                "your names, or set data.pattern=null where each class has a folder of its own"
            )
        return Recording(file)
    named = found.groupdict()
    return Recording(file, named.get("label"), named.get("text"), named.get("speaker"))


def _of_manifest(path: Path, known: bool) -> list[Recording]:
    table = read_table(str(path))
    paths = table.cells("path", "path")
    label, text = (table.columns.get(name) for name in ("label", "text"))
    if known and (label is None) == (text is None):
        raise ValueError(
            f"{path}: expected a column label (classes) or a column text (what is said), and one of them only; "
            f"its columns: {', '.join(table.columns)}"
        )
    group, split = (table.columns.get(name) for name in ("speaker", "split"))
    found = []
    for row, name in enumerate(paths):
        file = path.parent / expanded(name)  # an absolute one stays as it is
        if not name.strip() or (kind := kind_of(file)) != FILE:
            other = f"expected a recording, got {kind}, {shown(name, PATH)}" if name.strip() and kind else ""
            missing = f"there is no file {shown(name, PATH)} (looked from {shown(str(path.parent), PATH)})"
            raise ValueError(f"{table.place(row, 'path')}: {other or missing}")
        cells = {
            name: None if column is None else column[row].strip()
            for name, column in (("label", label), ("text", text), ("group", group), ("split", split))
        }
        _check_row(table, row, known, **cells)
        found.append(Recording(file, place=table.place(row), **cells))
    return found


def _check_row(
    table: Table, row: int, known: bool, label: str | None, text: str | None, group: str | None, split: str | None
) -> None:
    if known and label == "":
        raise ValueError(f"{table.place(row, 'label')}: the label is empty; fill it in, or remove the row")
    if known and text == "":
        raise ValueError(f"{table.place(row, 'text')}: the text is empty; remove the row")
    if group == "":
        raise ValueError(f"{table.place(row, 'speaker')}: the speaker is empty; name one, or remove the column")
    if split is not None and split not in NAMES:
        raise ValueError(f"{table.place(row, 'split')}: expected {', '.join(NAMES)}, got {split!r}")


def _some(files: Sequence[Path]) -> str:
    listed = ", ".join(file.name for file in files[:NAMED])
    return listed if len(files) <= NAMED else f"{listed} and {len(files) - NAMED} more"
