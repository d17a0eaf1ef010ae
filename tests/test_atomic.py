"""A file is written whole or not at all, and nothing is left beside it."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import seqmodels
from seqmodels.files.atomic import replacing, reserve, scratch, sweep
from tests.full_disk import room


@pytest.mark.parametrize("before", [None, "old"])
def test_a_file_takes_the_place_of_the_one_before_at_the_end(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "out.csv"
    if before is not None:
        path.write_text(before)
    with replacing(path) as file:
        file.write_text("new")
        assert (path.read_text() if path.exists() else None) == before
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [None, "old"])
def test_after_an_error_all_is_as_it_was(tmp_path: Path, before: str | None, error: type[BaseException]) -> None:
    path = tmp_path / "out.csv"
    if before is not None:
        path.write_text(before)

    def write_half() -> None:
        with replacing(path) as file:
            file.write_text("half")
            raise error("stopped")

    with pytest.raises(error):
        write_half()
    assert [one.read_text() for one in tmp_path.iterdir()] == ([] if before is None else [before])


def left(folder: Path, name: str = "last.ckpt", age: float = 60, is_folder: bool = False) -> Path:
    """What a writer that was killed leaves."""
    file = folder / f".{name}.0123456789abcdef.tmp"
    if is_folder:
        file.mkdir()
        (file / "half").write_text("half")
    else:
        file.write_text("half")
    os.utime(file, (time.time() - age,) * 2)
    return file


def test_what_kills_leave_is_swept_and_nothing_else(tmp_path: Path) -> None:
    left(tmp_path)
    left(tmp_path, "key", is_folder=True)
    others = [left(tmp_path, "young", age=0), tmp_path / ".vimrc.tmp", tmp_path / ".last.ckpt.123", tmp_path / "x.tmp"]
    for file in others[1:]:
        file.write_text("")
    sweep(tmp_path)
    sweep(tmp_path / "missing")
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_what_another_process_is_writing_is_not_swept(tmp_path: Path) -> None:
    with replacing(tmp_path / "last.ckpt") as file, scratch(tmp_path, "key") as folder:
        file.write_text("new")
        for one in (file, folder):
            os.utime(one, (0, 0))
        look = f"from pathlib import Path; from seqmodels.files.atomic import sweep; sweep(Path({str(tmp_path)!r}))"
        subprocess.run([sys.executable, "-c", look], check=True, timeout=60)
        assert sorted(tmp_path.iterdir()) == sorted([file, folder])
    assert [one.name for one in tmp_path.iterdir()] == ["last.ckpt"]


def test_the_next_writer_sweeps_what_is_left_of_its_own_file_only(tmp_path: Path) -> None:
    left(tmp_path, "a.csv")
    other = left(tmp_path, "b.csv")
    with replacing(tmp_path / "a.csv") as file:
        file.write_text("new")
    assert sorted(tmp_path.iterdir()) == [other, tmp_path / "a.csv"]


@pytest.mark.parametrize("way", [lambda path: replacing(path), lambda path: scratch(path.parent, path.name)])
def test_a_temporary_file_is_nowhere_that_can_be_foretold_and_follows_no_link(way: Any, tmp_path: Path) -> None:
    names = []
    for _ in range(2):
        with way(tmp_path / ("long" * 60)) as temporary:
            names.append(temporary.name)
            assert temporary.parent == tmp_path
            assert not temporary.is_symlink()
    assert len(set(names)) == 2
    assert all(len(name) < 100 for name in names)


def test_a_planted_link_is_not_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqmodels.files.atomic.secrets.token_hex", lambda count: "0" * 2 * count)
    (tmp_path / f".out.csv.{'0' * 16}.tmp").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError), replacing(tmp_path / "out.csv"):
        pass
    assert not (tmp_path / "victim").exists()
    assert [one.is_symlink() for one in tmp_path.iterdir()] == [True]


def test_a_full_disk_is_named_with_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with room(100):
        with pytest.raises(OSError, match=re.escape(f"File too large: '{tmp_path}/out.csv'")):
            write(tmp_path / "out.csv", 1000)
        with pytest.raises(OSError, match="File too large"):
            reserve(tmp_path / "map", 1000)


def write(path: Path, size: int) -> None:
    with replacing(path) as file:
        file.write_bytes(bytes(size))


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
@pytest.mark.parametrize("supported", [True, False])
def test_what_is_reserved_is_there(size: int, supported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not supported:
        monkeypatch.delattr(os, "posix_fallocate")
    reserve(tmp_path / "map", size)
    file = (tmp_path / "map").stat()
    assert file.st_size in (size, 1)
    assert file.st_blocks * 512 >= size


def test_no_file_is_mapped_to_be_written_that_was_not_reserved() -> None:
    """A map of a file without room kills the process by SIGBUS."""
    package = Path(seqmodels.__file__).parent
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        writable = re.findall(r"""(?:memmap|from_file|mmap)\([^()\n]*(?:\([^()]*\)[^()\n]*)*["'](r\+|w\+)["']""", text)
        assert not writable or "reserve(" in text, path
        assert "w+" not in writable, path


def test_where_there_are_no_locks_files_are_still_whole_and_nothing_is_swept(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    left = tmp_path / f".a.json.{'0' * 16}.tmp"
    left.write_text("half")
    os.utime(left, (0, 0))
    with replacing(tmp_path / "a.json") as file:
        file.write_text("{}")
    with scratch(tmp_path, "folder") as folder:
        (folder / "b").write_text("b")
    assert sorted(path.name for path in tmp_path.iterdir()) == [left.name, "a.json"]
