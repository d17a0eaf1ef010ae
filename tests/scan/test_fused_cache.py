"""The cache of compiled code: what somebody else may have put there is not opened."""

import hashlib
import logging
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seqmodels.files.own_folder import make_own, read_own, user_cache
from seqmodels.scan import scan
from seqmodels.scan.fused import compiler, kernel
from seqmodels.scan.step_graph import code_folders
from tests.scan.fused_cells import LeakyCell

STRANGER = 54321
is_root = os.getuid() == 0
pytestmark = pytest.mark.skipif(compiler.find() is None, reason="no C compiler")
#: Leaves a file when it is loaded.
HOSTILE = """#include <stdio.h>
__attribute__((constructor)) static void ran(void) { fclose(fopen("%s", "w")); }
long lanes(void) { return 1; }
void forward(void) {} void backward(void) {} void single(void) {}
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_kernels", {})
    monkeypatch.setattr("seqmodels.scan.dispatch._reported", set())
    for remembered in (compiler.find, compiler._machine, code_folders._say_unsafe):
        remembered.cache_clear()


def run() -> Tensor:
    torch.manual_seed(0)
    kernel._kernels.clear()
    return scan(LeakyCell(3, 5), torch.randn(3, 4, 3), engine="fused")[0]


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes, Path]:
    """The name that the code of `run` has in a cache, a hostile library in its place, and what that leaves."""
    folder = tmp_path_factory.mktemp("entry")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQMODELS_CACHE", str(folder / "cache"))
        run()
    (found,) = (folder / "cache").glob("*.so")
    (folder / "hostile.c").write_text(HOSTILE % (folder / "ran"))
    command = [str(compiler.find()), "-shared", "-fPIC", "-w", "hostile.c", "-o", "hostile.so"]
    subprocess.run(command, cwd=folder, check=True)
    content = (folder / "hostile.so").read_bytes()
    return found.name, content + hashlib.sha256(content).digest(), folder / "ran"


def of_mode(mode: int) -> Callable[[Path], Path]:
    def change(folder: Path) -> Path:
        folder.chmod(mode)
        return folder

    return change


def of_a_stranger(folder: Path) -> Path:
    os.chown(folder, STRANGER, STRANGER)
    return folder


def by_a_link(folder: Path) -> Path:
    link = folder.with_name("link")
    link.symlink_to(folder)
    return link


def by_a_strangers_link(folder: Path) -> Path:
    link = folder.parent.with_name("link")
    link.symlink_to(folder.parent)
    os.lchown(link, STRANGER, STRANGER)
    return link / folder.name


def below_an_open_folder(folder: Path) -> Path:
    folder.parent.chmod(0o777)
    return folder


def by_a_link_to_below_an_open_folder(folder: Path) -> Path:
    below_an_open_folder(folder)
    link = folder.parent.with_name("link")
    link.symlink_to(folder.parent)
    return link / folder.name


def below_a_strangers_folder(folder: Path) -> Path:
    os.chown(folder.parent, STRANGER, STRANGER)
    return folder


def file_of_a_stranger(folder: Path) -> Path:
    for file in folder.iterdir():
        os.chown(file, STRANGER, STRANGER)
    return folder


def file_for_all(folder: Path) -> Path:
    for file in folder.iterdir():
        file.chmod(0o666)
    return folder


def file_by_a_link(folder: Path) -> Path:
    for file in list(folder.iterdir()):
        file.rename(folder.parent / file.name)
        file.symlink_to(folder.parent / file.name)
    return folder


as_root = pytest.mark.skipif(not is_root, reason="only root can give files away")
OF_FOLDERS = {
    "0777": of_mode(0o777),
    "sticky": of_mode(0o1777),
    "0775": of_mode(0o775),
    "0757": of_mode(0o757),
    "a link": by_a_link,
    "below an open folder": below_an_open_folder,
    "a link to below an open folder": by_a_link_to_below_an_open_folder,
}
OF_STRANGERS = {"theirs": of_a_stranger, "their link": by_a_strangers_link, "below theirs": below_a_strangers_folder}
OF_FILES = {"for all": file_for_all, "a link": file_by_a_link}


@pytest.mark.parametrize(
    ("way", "said"),
    [
        *(pytest.param(way, 1, id=name) for name, way in OF_FOLDERS.items()),
        *(pytest.param(way, 1, id=name, marks=as_root) for name, way in OF_STRANGERS.items()),
        *(pytest.param(way, 0, id=f"file: {name}") for name, way in OF_FILES.items()),
        pytest.param(file_of_a_stranger, 0, id="file: theirs", marks=as_root),
    ],
)
def test_code_that_others_may_have_put_there_is_not_loaded(
    way: Callable[[Path], Path],
    said: int,
    entry: tuple[str, bytes, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name, content, ran = entry
    folder = tmp_path / "home" / "cache"
    folder.mkdir(parents=True, mode=0o700)
    (folder / name).write_bytes(content)
    monkeypatch.setenv("SEQMODELS_CACHE", str(way(folder)))
    with caplog.at_level(logging.WARNING):
        outputs = [run(), run()]
    assert not ran.exists()
    assert all(torch.isfinite(one).all() for one in outputs)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == said, messages
    assert all("somebody else may have put code there" in words for words in messages)


def test_such_code_would_run(entry: tuple[str, bytes, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is wrong with the folder, or the tests above would prove nothing."""
    name, content, ran = entry
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "cache" / name).write_bytes(content)
    (tmp_path / "cache" / name).chmod(0o600)
    compiler._open(tmp_path / "cache" / name)
    assert ran.exists()
    ran.unlink()


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_the_cache_is_its_owners_alone_whatever_the_umask(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQMODELS_CACHE", str(tmp_path / "a" / "b" / "cache"))
    before = os.umask(umask)
    try:
        run()
        (file,) = (tmp_path / "a" / "b" / "cache").iterdir()
        made = file.stat()
        run()
    finally:
        os.umask(before)
    assert file.stat() == made  # and is used again
    assert not made.st_mode & 0o077
    for folder in list(file.parents)[:3]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_link_of_ones_own_above_the_cache_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o700)
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    assert make_own(tmp_path / "home" / ".." / "home" / "cache") == (tmp_path / "disk" / "cache").resolve()


def test_links_without_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="a"):
        make_own(tmp_path / "a" / "cache")


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert read_own(tmp_path / "fifo") is read_own(tmp_path) is read_own(tmp_path / "nothing") is None


def test_a_relative_xdg_cache_home_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("cache", "./cache", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert user_cache() == tmp_path / ".cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert user_cache() == tmp_path / "other"
