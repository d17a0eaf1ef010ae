"""Files as bytes, unpacked where they are gzip, but never to many times their size: such a file is a trap."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from seqmodels.quoting import PATH, listed, shown

CHUNK = 1 << 20  # bytes read at once
# Bytes that any packed file may hold, and beyond them how many times its size: data seldom packs better.
FREE, RATIO = 1 << 25, 500
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
IN_ZIP = (".csv", ".tsv", ".txt")
PACKED = 5  # of text, what gzip makes one of
# First bytes of files that are packed in other ways, or hold no text.
MAGIC = {
    b"BZh": "a bzip2 archive", b"\xfd7zXZ\0": "an xz archive", b"PK\x03\x04": "a zip archive (or a spreadsheet)",
    b"\x28\xb5\x2f\xfd": "a zstd archive", b"7z\xbc\xaf": "a 7z archive", GZIP: "a gzip archive in a gzip archive",
    b"PAR1": "a Parquet file", b"ARROW1": "an Arrow file", b"\x93NUMPY": "a NumPy array", b"%PDF": "a PDF",
    b"\x89HDF": "an HDF5 file", b"SQLite format 3": "a data base", b"RIFF": "a recording",
}  # fmt: skip


def refuse_bomb(path: str | Path, packed: int, unpacked: int, cure: str) -> None:
    """Refuse what unpacks to far more bytes than data do, with a cure."""
    if unpacked > max(FREE, RATIO * packed):
        raise ValueError(
            f"{path}: {packed:,} bytes unpack to {unpacked:,} or more, as of a decompression bomb; expected at most "
            f"{RATIO} times as many: {cure}"
        )


def looks_like(start: bytes) -> str | None:
    """Say what kind of file begins so and holds no text; None for text.

    >>> looks_like(b"BZh91AY"), looks_like(b"a,b")
    ('a bzip2 archive', None)
    """
    return next((words for magic, words in MAGIC.items() if start.startswith(magic)), None)


class Unpacking(gzip.GzipFile):
    """A gzip file to be read, which ends with an error once it has given too much."""

    def __init__(self, path: Path) -> None:
        self.path, self.given = path, 0
        self.packed: BinaryIO = path.open("rb")
        super().__init__(fileobj=self.packed, mode="rb")

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(CHUNK if size is None or size < 0 else size)
        self.given += len(data)
        refuse_bomb(self.path, self.packed.tell(), self.given, f"unpack it with gunzip -k {self.path.name}")
        return data

    def close(self) -> None:
        super().close()
        self.packed.close()


def refuse_traps(path: Path) -> None:
    """Refuse a file that is far smaller than it says: one with holes, or a gzip bomb. Each is looked at once."""
    stat = path.stat()
    _refuse_traps(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(4096)
def _refuse_traps(path: Path, size: int, changed: int) -> None:
    _refuse_holes(path)
    if is_gzip(path) and size * RATIO > FREE:
        with (
            contextlib.suppress(OSError, EOFError, zlib.error),
            Unpacking(path) as file,
        ):  # whoever reads it says what is wrong
            while file.given <= FREE and file.read(CHUNK):
                pass


def _refuse_holes(path: Path) -> None:
    """Refuse a file that is all but empty and says to be large, such as one that was reserved and never filled."""
    stat = path.stat()
    if stat.st_size > max(FREE, RATIO * 512 * stat.st_blocks) and hasattr(os, "SEEK_HOLE"):
        with path.open("rb") as file:  # file systems that do not know say that there is no hole
            whole = os.lseek(file.fileno(), 0, os.SEEK_HOLE) == stat.st_size
        if not whole:
            raise ValueError(
                f"{path}: says to have {stat.st_size:,} bytes, of which {512 * stat.st_blocks:,} are there and the "
                "others were never written; copy or make it anew"
            )


def open_bytes(path: Path) -> BinaryIO | gzip.GzipFile | ZippedText:
    """Open a file from its beginning, unpacking what is gzip, and the one text in a .zip."""
    refuse_traps(path)
    if is_zip(path):
        return ZippedText(path)
    return Unpacking(path) if is_gzip(path) else path.open("rb")


class ZippedText(io.BufferedIOBase):
    """The one text in a zip archive, to be read, which ends with an error once it has given too much.

    Raises:
        ValueError: the archive holds none or several, is damaged or locked.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.given, self.packed = path, 0, path.stat().st_size
        try:
            self.archive = zipfile.ZipFile(path)
            self.text = self.archive.open(text_in_zip(path, self.archive))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"{path}: the zip archive cannot be read ({error}); make or load it anew") from None

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        try:
            data = self.text.read(CHUNK if size is None or size < 0 else size)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
            raise ValueError(f"{self.path}: the zip archive cannot be read ({error}); make or load it anew") from None
        self.given += len(data)
        refuse_bomb(self.path, self.packed, self.given, f"unpack it with unzip {self.path.name}")
        return data

    def close(self) -> None:
        super().close()
        self.text.close()
        self.archive.close()


def text_in_zip(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the one text in an archive; refuse none, or more than one."""
    found = [own for own in archive.infolist() if own.filename.lower().endswith(IN_ZIP) and _is_own(own.filename)]
    if len(found) != 1:
        names = listed([own.filename for own in found]) if found else "none"
        raise ValueError(
            f"{path}: expected an archive with one table in it ({', '.join(IN_ZIP)}), got {names}; unpack it, and name "
            "the file that is meant"
        )
    return found[0]


def _is_own(name: str) -> bool:
    """Say whether a file is meant, and not what some systems put beside it."""
    return not name.startswith("__MACOSX/") and not name.rpartition("/")[2].startswith(".")


def is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIP


def is_packed(path: Path) -> bool:
    """Say whether a file is unpacked where it is read."""
    return is_gzip(path) or is_zip(path)


def is_zip(path: Path) -> bool:
    """Say whether a file is a zip archive by its name and its first bytes."""
    if path.suffix.lower() != ".zip":
        return False
    with path.open("rb") as file:
        return file.read(4) == ZIP


def unpacked_bytes(path: Path) -> int:
    """Return about how many bytes a file has when it is unpacked."""
    size = path.stat().st_size
    if is_zip(path):
        with contextlib.suppress(zipfile.BadZipFile, ValueError, NotImplementedError), zipfile.ZipFile(path) as archive:
            return max(size, text_in_zip(path, archive).file_size)
    if not is_gzip(path):
        return size
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return max(size * PACKED, int.from_bytes(file.read(), "little"))


def read_bytes(path: Path) -> Iterator[bytes]:
    """Yield the contents of a file, unpacked where it is gzip, in pieces.

    Raises:
        ValueError: it cannot be read, or the gzip is damaged or holds far too much.
    """
    try:
        with open_bytes(path) as file:
            while data := file.read(CHUNK):
                yield data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: the gzip file is damaged or cut short ({error}); make or load it anew") from None
    except OSError as error:
        raise ValueError(f"data.path: {shown(str(path), PATH)} cannot be read: {error.strerror}") from None
