"""Text files of any size, read in pieces, with errors that say what is wrong with them."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path

from seqmodels.data.files.find import FOLDER, expanded, find_file, kind_of
from seqmodels.data.files.unpack import read_bytes
from seqmodels.data.files.walk import files_below, files_that_fit, is_pattern
from seqmodels.quoting import PATH, listed, shown

SUFFIXES = (".txt", ".txt.gz")


def find_texts(path: str | Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """Find the files that `path` names: one, all in a folder and below it that end so, or those that fit a pattern."""
    if kind_of(expanded(path)) == FOLDER:
        if not (found := files_below(expanded(path), lambda name: name.endswith(suffixes))):
            raise ValueError(
                f"data.path: the folder {shown(str(path), PATH)} holds no {_named(suffixes)} file; "
                f"for other names give a pattern, such as '{path}/*.md'"
            )
        return found
    if is_pattern(path):
        if not (found := files_that_fit(path)):
            raise ValueError(
                f"data.path: no file fits the pattern {shown(str(path), PATH)} "
                f"(looked from {shown(str(Path.cwd()), PATH)})"
            )
        return found
    return [find_file(path)]


def _named(suffixes: tuple[str, ...]) -> str:
    plain = [suffix for suffix in suffixes if not suffix.endswith(".gz")]
    return " or ".join([", ".join(plain[:-1]), plain[-1]] if len(plain) > 1 else plain) + " (or .gz)"


def read_text(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    r"""Yield the text of a file in pieces, without a byte order mark and with line ends ``\n``.

    Raises:
        ValueError: an encoding that is not known, a binary file, or one in another encoding; the
            message names the line and the byte.
    """
    try:
        "a".encode(encoding)  # which codecs of bytes, such as zip, refuse
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise ValueError(f"data.encoding: Python knows no encoding {shown(encoding)} of text; utf-8 is usual") from None
    decoder = codecs.getincrementaldecoder("utf-8-sig" if name == "utf-8" else name)()
    reader = io.IncrementalNewlineDecoder(decoder, translate=True)
    may_hold_zeros = name.startswith(("utf-16", "utf-32"))
    line, offset = 1, 0
    for data in _with_end(read_bytes(path)):
        if not may_hold_zeros and b"\0" in data:
            if offset == 0 and data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise ValueError(
                    f"{path}: expected {encoding}, got UTF-16; set data.encoding=utf-16, or save the file as UTF-8"
                )
            raise ValueError(
                f"{path}: expected a text file, got a binary one (a zero byte at {offset + data.index(0)}); "
                "save it as plain text (data=text can model its bytes as they are: data.level=byte)"
            )
        try:
            text = reader.decode(data, final=not data)
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)
            byte = error.object[error.start]
            raise ValueError(
                f"{path}, line {line}: expected {encoding}, got the byte 0x{byte:02x}; "
                "set data.encoding to what the file is in (latin-1, cp1252, utf-16 …)"
            ) from None
        except UnicodeError as error:
            why = listed([str(error)])
            raise ValueError(f"{path}: expected {encoding}: {why}; set data.encoding to what it is in") from None
        line += text.count("\n")
        offset += len(data)
        yield text


def _with_end(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the parts, and an empty one to say that they are all."""
    yield from parts
    yield b""
