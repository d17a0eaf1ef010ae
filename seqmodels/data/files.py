"""Reading a text file that a user names, with errors that say what is wrong with it."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqmodels.quoting import PATH, nearest, shown

SHIPPED = "shipped:"


def find_file(path: str | Path, option: str = "path") -> Path:
    """The file that `path`, the value of ``data.OPTION``, names; ``shipped:NAME`` comes with the package.

    Raises:
        ValueError: there is no such file.
    """
    if str(path).startswith(SHIPPED):
        from seqmodels.data.shipped import shipped

        return shipped(str(path)[len(SHIPPED) :])
    found = Path(path).expanduser()
    if found.is_dir():
        raise ValueError(f"data.{option}: expected a file, got the folder {shown(str(path), PATH)}; name a file in it")
    if not found.is_file():
        beside = (str(other) for other in found.parent.iterdir()) if found.parent.is_dir() else ()
        close = nearest(str(found), beside)
        hint = f"; did you mean {shown(close, PATH)}?" if close else f" (looked from {shown(str(Path.cwd()), PATH)})"
        raise ValueError(f"data.{option}: there is no file {shown(str(path), PATH)}{hint}")
    return found


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
    """The whole of a UTF-8 text file, gzipped or not, without a byte order mark; line ends as they are.

    Raises:
        ValueError: the file is missing, empty, binary, a broken gzip, or not UTF-8.
    """
    found = find_file(path)
    try:
        data = found.read_bytes()
    except OSError as error:
        raise ValueError(f"data.path: {shown(str(path), PATH)} cannot be read: {error.strerror}") from None
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: the gzip file is damaged or cut short ({error}); make or load it anew") from None
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise ValueError(f"{path}: expected text, got an empty file")
    if b"\0" in data[:65536] or data[:4] == b"PK\x03\x04":
        raise ValueError(
            f"{path}: expected a text file, got a binary one (or UTF-16); "
            "from a spreadsheet, save it as 'CSV UTF-8' and name that file"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: expected UTF-8 text, got the byte 0x{data[error.start]:02x}; "
            "save it anew as UTF-8 (in a spreadsheet 'CSV UTF-8', in an editor under 'Save as'), or convert it, from "
            f"Windows-1252 with: iconv -f cp1252 -t utf-8 {found.name} > utf8_{found.name}"
        ) from None
