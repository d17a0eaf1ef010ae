"""Checkpoint files: written whole or not at all, read without running anything, refused in words."""

import errno
import os
import pickle
from pathlib import Path

import pytest
import torch

from seqmodels import checkpoint

CONTENT = {"state_dict": {"w": torch.ones(3)}, checkpoint.KEY: {"config": {"name": "a"}, "spec": {"inputs": "tokens"}}}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    checkpoint.save(CONTENT, tmp_path / "new" / "last.ckpt")
    assert torch.equal(checkpoint.read(tmp_path / "new" / "last.ckpt")["state_dict"]["w"], torch.ones(3))
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("PytorchStreamWriter")]
)
def test_a_full_disk_leaves_the_previous_checkpoint(error: Exception, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "last.ckpt"
    checkpoint.save(CONTENT, path)
    before = path.read_bytes()

    def half(content, file) -> None:
        file.write(b"half of it")
        raise error

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match=r"could not write .*; the previous one is kept\. Is the disk full\?"):
        checkpoint.save(CONTENT, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
    with pytest.raises(OSError, match="there is none before it"):
        checkpoint.save(CONTENT, tmp_path / "first.ckpt")


class Bomb:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_not_run(zipped: bool, tmp_path: Path) -> None:
    path, made = tmp_path / "bad.ckpt", tmp_path / "made"
    if zipped:
        torch.save({**CONTENT, "extra": Bomb(made)}, path)
    else:
        path.write_bytes(pickle.dumps({**CONTENT, "state_dict": {}, "extra": Bomb(made)}))
    with pytest.raises(ValueError, match=r"refused|damaged"):
        checkpoint.read(path)
    assert not made.exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kept", [0, 1, 10, 100, 0.3, 0.9, -1])
def test_a_file_that_is_cut_short(kept: float, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    checkpoint.save(CONTENT, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if 0 < kept < 1 else int(kept)])
    with pytest.raises(ValueError, match="is damaged"):
        checkpoint.read(path)


@pytest.mark.filterwarnings("ignore")
def test_any_bytes_are_refused_as_a_value_error(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    generator = torch.Generator().manual_seed(0)
    starts = [b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x02}q\x00", b"\x80\x02cos\nsystem\n", b"l" * 40, b"ustar"]
    for start in starts * 15:
        noise = torch.randint(0, 256, (200,), generator=generator, dtype=torch.uint8)
        path.write_bytes(start + bytes(noise.tolist()))
        with pytest.raises(ValueError, match=r"last\.ckpt"):
            checkpoint.read(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "was not written by seqmodels"),
        ({"state_dict": {}}, "was not written by seqmodels"),
        ({"state_dict": {}, checkpoint.KEY: {"config": {}}}, "lacks spec"),
        ({checkpoint.KEY: {"config": {}, "spec": {}}}, "lacks state_dict"),
        ({checkpoint.KEY: 3}, "lacks config, spec, state_dict"),
    ],
)
def test_another_programs_checkpoint(content: object, words: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=words):
        checkpoint.read(tmp_path / "other.ckpt")


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no checkpoint"):
        checkpoint.read(tmp_path / "none.ckpt")
    with pytest.raises(ValueError, match=r"no checkpoint in .*: expected .*best\.ckpt"):
        checkpoint.locate(tmp_path)


def test_which_checkpoint_of_a_run_is_found(tmp_path: Path) -> None:
    checkpoint.save(CONTENT, tmp_path / "checkpoints" / "last.ckpt")
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert checkpoint.locate(tmp_path, "best") == checkpoint.locate(tmp_path / "checkpoints") == last
    assert checkpoint.locate(last, "best") == last
