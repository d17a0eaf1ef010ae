"""Paths that are no plain files, archives that are traps and headers that lie: one message, at once, nothing opened.

What hangs or kills a process is tried in one of its own; the others in words that `told` checks.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import socket
import struct
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from seqmodels.data.files.numpy import Archive, map_array
from seqmodels.data.files.walk import MOST, files_below, files_that_fit
from tests.data.file_kinds import FORMATS, config
from tests.data.test_bad_input import look, put, told

SECONDS = 5.0


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def quickly(action: Any) -> str:
    """What is told, in the time that is allowed (of the processor, since others use it too)."""
    began = time.process_time()
    message = told(action)
    assert time.process_time() - began < SECONDS
    return message


def quickly_or_not(asked: dict[str, Any]) -> str | None:
    """What is told, as `quickly`; None for what can be read all the same."""
    try:
        look(asked)
    except ValueError:
        return quickly(lambda: look(asked))
    return None


def settings(kind: str, path: str, **options: Any) -> dict[str, Any]:
    return {"data": {**config(kind)["data"], "path": path, **options}}


def make(what: str, name: str) -> str:
    if what == "pipe":
        os.mkfifo(name)
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(name)
    elif what.startswith("/"):
        os.symlink(what, name)
    return name


SPECIAL = {
    "pipe": "a named pipe",
    "socket": "a socket",
    "/dev/zero": "a device",
    "/proc/self/mem": "what the system makes up",
    "/proc/kmsg": "what the system makes up",
}


@pytest.mark.parametrize("what", SPECIAL)
@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_no_file_is_never_opened(kind, what):
    make(what, FORMATS[kind].file)
    message = quickly(lambda: look(config(kind)))
    assert f"data.path: expected a file, got '{FORMATS[kind].file}', which is {SPECIAL[what]}" in message


@pytest.mark.parametrize("what", SPECIAL)
def test_nor_where_another_option_names_it(what):
    put("csv", FORMATS["csv"].rows)
    put("fasta", FORMATS["fasta"].rows)
    Path("lines.txt").write_text("a\nb\n" * 20)
    other = make(what, "other.csv")
    for option, asked in (
        ("val_path", settings("csv", "my.csv", val_path=other)),
        ("target_path", {"data": {"name": "pairs", "path": "lines.txt", "target_path": other}}),
        ("label", settings("fasta_labelled", "my.fa", label=other)),
        ("path", {"data": {"name": "audio", "path": other}}),
    ):
        assert re.match(rf"data\.(path|{option}): .*{SPECIAL[what]}", quickly(lambda asked=asked: look(asked)))
    os.rename(other, "X.npy")
    np.save("y.npy", np.arange(40))
    assert SPECIAL[what] in quickly(lambda: look({"data": {"name": "arrays", "path": "."}}))
    Path("list.csv").write_text("path,label\nX.npy,a\n")
    assert SPECIAL[what] in quickly(lambda: look({"data": {"name": "audio", "path": "list.csv"}}))


@pytest.mark.parametrize("kind", ["text", "fasta", "fasta_labelled"])
@pytest.mark.parametrize("path", ["/", "/**", "/**/*.txt", "/proc/**", "/proc/k*", "/proc/*/*", "/proc", "/sys/**"])
def test_a_pattern_of_everything_ends(kind, path):
    assert re.search("all files of this machine|what the system makes up", quickly(lambda: look(settings(kind, path))))


def test_links_in_a_circle_are_walked_once():
    Path("a/b").mkdir(parents=True)
    for name, to in (("a/up", ".."), ("a/b/a", "../../a"), ("self", "."), ("none", "none")):
        os.symlink(to, name)
    Path("a/b/x.txt").write_text("x")
    make("pipe", "a/p.txt")
    assert files_that_fit("**/*.txt") == files_that_fit("**/**") == [Path("a/b/x.txt")]
    assert files_below(Path(), lambda name: name.endswith(".txt")) == [Path("a/b/x.txt")]


def test_patterns_are_those_of_glob():
    import glob

    for name in ("a/b/1.txt", "a/2.txt", ".h/3.txt", "a/.4.txt", "5.md", "a/b/c/6.txt", "d[1]/7.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    for pattern in ("*", "*.md", "**/*.txt", "a/**", "**", "a/*/*.txt", "*/b/*.txt", "?/[0-9].txt", "**/b/**/*.txt",
                    ".*/*", "a/.*", "d[[]1]/*", "./a/*", f"{Path.cwd()}/**/*.txt"):  # fmt: skip
        expected = sorted({Path(name) for name in glob.glob(pattern, recursive=True) if Path(name).is_file()})
        assert files_that_fit(pattern) == expected, pattern


def test_a_folder_of_too_many_names_is_told(monkeypatch):
    monkeypatch.setattr("seqmodels.data.files.walk.MOST", 10)
    assert MOST > 10
    for number in range(11):
        Path(f"{number}.txt").touch()
    for path in (".", "*", "**/*"):
        assert "more than 10 names" in told(lambda path=path: look(settings("text", path)))


def test_data_sets_that_are_no_names():
    pytest.importorskip("datasets")
    make("pipe", "pipe")
    for name in ("", " ", "pipe", "/dev/zero", "/proc"):
        assert "expected the name of a data set or a folder" in quickly(
            lambda name=name: look(settings("csv", f"datasets:{name}"))
        )


def bomb(unit: bytes, size: int = 80_000_000) -> bytes:
    """Gzip of a unit said so many times that it has a size."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([packer.compress(unit * (size // len(unit))), packer.flush()])


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    return {name: bomb(unit) for name, unit in {"zeros": b"\0" * 1000, "rows": b"1,2,3,a\n" * 99}.items()}


@pytest.mark.parametrize("unit", ["zeros", "rows"])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_bomb_of_gzip_is_told_before_it_is_unpacked(bombs, kind, unit):
    put(kind, bombs[unit])
    message = quickly(lambda: look(config(kind)))
    assert "decompression bomb" in message or FORMATS[kind].file.endswith((".npz", ".parquet", ".feather"))


def test_what_packs_well_is_no_bomb(monkeypatch):
    monkeypatch.setattr("seqmodels.data.files.unpack.FREE", 1000)
    put("csv", gzip.compress(FORMATS["csv"].encode(FORMATS["csv"].rows * 20)))
    os.rename("my.csv", "my.csv.gz")
    assert look(settings("csv", "my.csv.gz"))["train"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_was_reserved_and_never_filled(kind):
    good = FORMATS[kind].encode(FORMATS[kind].rows)
    put(kind, good)
    with open(FORMATS[kind].file, "r+b") as file:
        file.truncate(1 << 40)
    assert "were never written" in quickly(lambda: look(config(kind)))


PACKED = {
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "gzip archive in a gzip": lambda good: gzip.compress(gzip.compress(good)),
}


@pytest.mark.parametrize("how", PACKED)
@pytest.mark.parametrize("kind", ["csv", "tsv", "series", "passages", "ts", "stroke_table"])
def test_another_kind_of_archive_is_called_by_its_name(kind, how):
    put(kind, PACKED[how](FORMATS[kind].encode(FORMATS[kind].rows)))
    assert f"got a{'n' * (how == 'xz')} {how} archive" in told(lambda: look(config(kind)))


def zipped(**members: bytes) -> None:
    with zipfile.ZipFile("my.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def saved(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(text: str | bytes, version: tuple[int, int] = (1, 0), data: bytes = bytes(9600)) -> bytes:
    head = (text if isinstance(text, bytes) else text.encode("latin-1")) + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(head))
    return b"\x93NUMPY" + bytes(version) + size + head + data


def says(descr: str = "'<f8'", shape: str = "(40, 10, 3)", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"


HEADERS = {
    "terabytes": header(says(shape="(1000000000000, 10, 3)")),
    "a product beyond 64 bits": header(says(shape="(4294967296, 4294967296, 3)")),
    "a number beyond 64 bits": header(says(shape=f"({'9' * 400},)")),
    "terabytes behind a zero": header(says(shape="(40, 0, 1000000000000000000)")),
    "negative": header(says(shape="(-40, 10, 3)")),
    "two negatives": header(says(shape="(-40, -10, 3)")),
    "truth for a length": header(says(shape="(True, 10, 3)")),
    "many axes": header(says(shape="(" + "1, " * 60 + ")")),
    "no literal": header("__import__('os').mkdir('pwned')"),
    "nested": header("(" * 5000),
    "signs": header("-" * 9000 + "1"),
    "a list as key": header("{[]: 1}"),
    "cut": header("{'descr': '<f8', "),
    "an escape": header(says(descr="'\\d'")),
    "long": header(says() + " " * 200_000, (2, 0)),
    "longer than it is": b"\x93NUMPY\x02\0\xff\xff\xff\xff{}",
    "version 9": header(says(), (9, 9)),
    "objects": header(says("'|O'", "(40,)"), data=b"\x80\x04cos\nmkdir\n(S'pwned'\ntR."),
    "objects inside": header(says("[('a', '|O')]", "(40,)")),
    "fields": header(says("[('a', '<f8'), ('b', '<f8', (2,))]", "(40, 10)")),
    "no such type": header(says("'<q9'")),
    "no text at all": header(says("'<U0'", "(40000000000,)")),
    "long text": header(says("'<U2147483647'", "(40,)")),
    "letters that there are not": header(says("'<U1'"), data=b"\xff" * 4800),
    "bytes missing": header(says(), data=bytes(9599)),
    "pickle": b"\x80\x04cos\nmkdir\n(S'pwned'\ntR.",
    "text": b"1,2,3\n",
    "empty": b"",
}


@pytest.mark.parametrize("fault", HEADERS)
def test_an_array_whose_header_lies(fault):
    good = {"X": saved(np.random.rand(40, 10, 3)), "y": saved(np.arange(40) % 2)}
    drawn = {"points": saved(np.ones((40, 3))), "lengths": saved(np.full(4, 10)), "labels": saved(np.arange(4))}
    Path("my.npy").write_bytes(HEADERS[fault])
    with pytest.raises(ValueError, match=r"\S"):
        map_array(Path("my.npy"))
    for name in ("X", "y", "lengths"):
        zipped(**{**good, name: HEADERS[fault]})
        assert f"my.npz, array '{name}'" in quickly(lambda: look(config("npz")))
        Path(f"{name}.npy").write_bytes(HEADERS[fault])
        for other in set(good) - {name}:
            Path(f"{other}.npy").write_bytes(good[other])
        assert f"array '{name}'" in quickly(lambda: look({"data": {"name": "arrays", "path": "."}}))
        Path(f"{name}.npy").unlink()
    for name in drawn:
        zipped(**{**drawn, name: HEADERS[fault]})
        assert "my.npz: expected a NumPy archive" in quickly(lambda: look(config("strokes")))
    assert not Path("pwned").exists()


TYPES = {"complex": np.ones((40, 5), complex), "dates": np.zeros((40, 5), "M8[s]"), "text": np.full((40, 5), "x"),
         "bytes": np.full((40, 5), b"x"), "one": np.array(3.0), "none": np.zeros((40, 0))}  # fmt: skip


@pytest.mark.parametrize("name", ["X", "y", "lengths", "points", "labels"])
@pytest.mark.parametrize("fault", TYPES)
def test_arrays_of_types_that_cannot_be(fault, name):
    kind = "npz" if name in ("X", "y") else "strokes"
    put(kind, FORMATS[kind].rows)
    members = dict(np.load("my.npz"))
    np.savez("my.npz", **{**members, name: TYPES[fault]})
    assert "my.npz" in quickly(lambda: look(config(kind)))


def test_groups_of_several_numbers_each():
    put("npz", FORMATS["npz"].rows)
    np.savez("my.npz", **np.load("my.npz"), groups=np.zeros((40, 2)))
    asked = {"data": {"name": "arrays", "path": "my.npz", "groups": "groups"}}
    assert "expected one entry for each of the 40 sequences, got 40, shape (40, 2)" in told(lambda: look(asked))


def changed(offset: int, value: int, size: int = 4) -> bytes:
    """An archive in whose list of contents a field of each member has another value."""
    put("npz", FORMATS["npz"].rows)
    with zipfile.ZipFile("packed.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in np.load("my.npz").items():
            archive.writestr(f"{name}.npy", saved(array))
    found = bytearray(Path("packed.npz").read_bytes())
    place = found.find(b"PK\1\2")
    while place >= 0:
        found[place + offset : place + offset + size] = value.to_bytes(size, "little")
        place = found.find(b"PK\1\2", place + 4)
    return bytes(found)


LISTS = {"claims little": (24, 10), "claims much": (24, 0xFFFFFFF0), "checksum": (16, 1), "method": (10, 77, 2),
         "lzma": (10, 14, 2), "bzip2": (10, 12, 2), "locked": (8, 1, 2), "elsewhere": (42, 0xFFFFF0)}  # fmt: skip


@pytest.mark.parametrize("fault", LISTS)
def test_an_archive_whose_list_lies(fault):
    Path("my.npz").write_bytes(changed(*LISTS[fault]))
    assert "my.npz" in quickly(lambda: look(config("npz")))


def test_a_bomb_of_numbers_and_an_archive_of_too_much(monkeypatch):
    np.savez_compressed("my.npz", X=np.zeros((10000, 1000)), y=np.arange(10000) % 2)
    assert "decompression bomb" in quickly(lambda: look(config("npz")))
    monkeypatch.setattr("seqmodels.data.files.numpy.MOST_LISTED", 50)
    with pytest.raises(ValueError, match="more files than"):
        Archive(Path("my.npz"))


def test_bombs_of_tables():
    many = pa.table({"x1": np.zeros(6_000_000), "label": pa.array(np.zeros(6_000_000, np.int8))})
    parquet.write_table(many, "my.parquet", compression="zstd")
    feather.write_feather(many, "my.feather", compression="zstd")
    for kind in ("parquet", "feather"):
        assert "decompression bomb" in quickly(lambda kind=kind: look(config(kind)))
