"""Reading a text file that a user names, with errors that say what is wrong with it."""

from __future__ import annotations

import codecs
import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from seqmodels.data.files.unpack import is_gzip, looks_like, read_bytes, refuse_traps
from seqmodels.quoting import PATH, nearest, shown

SHIPPED = "shipped:"
# What a path may be; what is neither is never opened, since a pipe or a device may have no end.
FILE, FOLDER, SYSTEM = "a file", "a folder", "what the system makes up itself (/proc, /sys), and no data"
OTHERS = {stat.S_ISFIFO: "a named pipe", stat.S_ISSOCK: "a socket", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device"}
# Bytes of a text that is read at once, when it is unpacked.
MOST_UNPACKED = 100_000_000


def expanded(path: str | Path) -> Path:
    """Return the path, ``~`` being the user's own folder; as it is where nobody has such a one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def is_missing(path: str) -> bool:
    """Say whether a path of the user's names a file or folder that is not there.

    >>> is_missing("no such file.csv"), is_missing("shipped:sunspots.csv"), is_missing("datasets:some/name")
    (True, False, False)
    """
    elsewhere = path.startswith((SHIPPED, "datasets:")) or any(sign in path for sign in "*?[")
    return not elsewhere and kind_of(expanded(path)) == ""


def kind_of(path: Path) -> str:
    """Return what is there: `FILE`, `FOLDER`, other things in words, or "" for nothing. Nothing is opened.

    >>> kind_of(Path("/dev/null")), kind_of(Path("no such file"))
    ('a device', '')
    """
    try:
        found = path.stat()
    except PermissionError:
        return "what may not be looked at"
    except (OSError, ValueError, RuntimeError):  # none, a name too long or with a zero byte, links in a circle
        return ""
    if found.st_dev in _made_up() or os.path.abspath(path).startswith("/sys/"):
        return SYSTEM
    if stat.S_ISDIR(found.st_mode):
        return FOLDER
    return next((words for is_so, words in OTHERS.items() if is_so(found.st_mode)), FILE)


@cache
def _made_up() -> frozenset[int]:
    """Return the file systems that show what the system is doing, as files without an end among others."""
    return frozenset(os.stat(root).st_dev for root in ("/proc", "/sys") if os.path.ismount(root))


def find_file(path: str | Path, option: str = "path") -> Path:
    """Find the plain file that `path`, the value of ``data.OPTION``, names; ``shipped:NAME`` is in the package.

    Raises:
        ValueError: there is no such file, or it is no plain one.
    """
    if str(path).startswith(SHIPPED):
        from seqmodels.data.shipped import shipped

        return shipped(str(path)[len(SHIPPED) :])
    return plain_file(path, f"data.{option}")


def plain_file(path: str | Path, asked: str) -> Path:
    """Find the plain file that `path`, the value of the option `asked`, names; as `find_file`."""
    found = expanded(path)
    kind = kind_of(found)
    if kind == FILE:
        with suppress(OSError):  # whoever reads it says so
            refuse_traps(found)
        return found
    if kind == FOLDER:
        raise ValueError(f"{asked}: expected a file, got the folder {shown(str(path), PATH)}; name a file in it")
    if kind:
        raise ValueError(
            f"{asked}: expected a file, got {shown(str(path), PATH)}, which is {kind}; put the data into a file, and "
            "name that"
        )
    raise ValueError(f"{asked}: there is no file {shown(str(path), PATH)}{_meant(found)}")


def _meant(missing: Path) -> str:
    """Return the name nearest to a missing one, or from where it was looked for, in words."""
    close = None
    if kind_of(missing.parent) == FOLDER:
        with suppress(OSError), os.scandir(missing.parent) as beside:
            close = nearest(str(missing), (os.path.normpath(entry.path) for entry in beside))
    return f"; did you mean {shown(close, PATH)}?" if close else f" (looked from {shown(str(Path.cwd()), PATH)})"


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Put a file's name before what is said to be wrong by those who do not know the file.

    >>> with naming("names.csv"):
    ...     raise ValueError("2 items are too few")
    Traceback (most recent call last):
    ValueError: names.csv: 2 items are too few
    """
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_text(path: str | Path) -> str:
    """Read a UTF-8 text file, gzipped or not, without a byte order mark; line ends as they are.

    Raises:
        ValueError: as `text_pieces`, or it is too large when unpacked.
    """
    return "".join(text_pieces(path, MOST_UNPACKED))


def text_pieces(path: str | Path, most: int | None = None) -> Iterator[str]:
    """Yield a UTF-8 text file in pieces, gzipped or not, without a byte order mark; line ends as they are.

    Args:
        path: of the file.
        most: bytes that may come of a packed one; None for any number that is no bomb.

    Raises:
        ValueError: the file is missing, empty, binary, a broken gzip, too large when unpacked, or not UTF-8.
    """
    found = find_file(path)
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines, is_empty, at_start = 1, True, True
    for part in itertools.chain(_text_only(path, found, most), [b""]):
        try:
            text = decoder.decode(part, final=not part)
        except UnicodeDecodeError as error:
            line = lines + error.object.count(b"\n", 0, error.start)
            raise ValueError(
                f"{path}, line {line}: expected UTF-8 text, got the byte 0x{error.object[error.start]:02x}; "
                "save it anew as UTF-8 (in a spreadsheet 'CSV UTF-8', in an editor under 'Save as'), or convert it, "
                f"from Windows-1252 with: iconv -f cp1252 -t utf-8 {found.name} > utf8_{found.name}"
            ) from None
        if at_start and text:
            text, at_start = text.removeprefix("\ufeff"), False
        lines, is_empty = lines + text.count("\n"), is_empty and not text.strip()
        yield text
    if is_empty:
        raise ValueError(f"{path}: expected text, got an empty file")


def _text_only(path: str | Path, found: Path, most: int | None) -> Iterator[bytes]:
    """Yield a file in pieces, as long as they may be text, and not too many where they are unpacked."""
    packed, lines, size = most is not None and is_gzip(found), 1, 0
    for part in read_bytes(found):
        kind = looks_like(part) if not size else None
        if kind or b"\0" in part:
            line = lines if kind else lines + part.count(b"\n", 0, part.index(0))
            raise ValueError(
                f"{path}, line {line}: expected a text file, got {kind or 'a binary one (or UTF-16)'}; "
                "from a spreadsheet, save it as 'CSV UTF-8' and name that file"
            )
        lines, size = lines + part.count(b"\n"), size + len(part)
        if packed and most is not None and size > most:
            raise ValueError(
                f"{path}: unpacks to more than {most:,} bytes, too many to be read at once from gzip; unpack "
                f"it with gunzip -k {found.name}, and name the file that makes"
            )
        yield part
