"""Disks and shared memory that are full, and what kills leave: in words, and without a trace."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from seqmodels import checkpoint
from seqmodels.training.processes.fit import fit
from tests.full_disk import room
from tests.training.test_run import adding, run


@pytest.mark.parametrize("size", [0, 100, 5000, 39_000])
def test_a_full_disk_is_named_as_the_system_names_it(size: int, tmp_path: Path) -> None:
    with room(size), pytest.raises(OSError, match=r"could not write .*last\.ckpt \(File too large\); there is none"):
        checkpoint.save({"w": torch.zeros(10_000)}, tmp_path / "last.ckpt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1000, 10_000])
def test_a_training_on_a_full_disk_ends_in_words(size: int, tmp_path: Path) -> None:
    with room(size), pytest.raises(OSError, match=r"File too large") as caught:
        run(adding("trainer.max_epochs=1"), tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert not [file for file in tmp_path.rglob("*") if file.name.endswith(".tmp")]


def test_what_kills_left_in_the_run_folder_is_swept_at_the_next_start(tmp_path: Path) -> None:
    config = adding("trainer.max_epochs=1")
    run(config, tmp_path)
    left = [tmp_path / f".metrics.json.{'0' * 16}.tmp", tmp_path / "checkpoints" / f".best.ckpt.{'a' * 16}.tmp"]
    for file in left:
        file.write_text("half")
        os.utime(file, (0, 0))
    run({**config, "resume": str(tmp_path)}, tmp_path)
    assert not any(file.exists() for file in left)


@pytest.mark.parametrize("how", ["is killed by signal: Bus error. It is possible ...", "(s) 7) exited unexpectedly"])
def test_a_worker_that_the_system_ended_is_said(how: str) -> None:
    def lose(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"DataLoader worker (pid 7) {how}")

    trainer: Any = SimpleNamespace(strategy=SimpleNamespace(launcher=None), fit=lose)
    with pytest.raises(OSError, match=r"/dev/shm.*training\.workers=0"):
        fit(trainer, None, None, None)  # type: ignore[arg-type]


def test_a_full_disk_for_metrics_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text

    def full(self: Path, text: str, **options: Any) -> int:
        if "metrics.json" in self.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        run(adding("trainer.max_epochs=1"), tmp_path)
    assert caught.value.filename == str(tmp_path / "metrics.json")
