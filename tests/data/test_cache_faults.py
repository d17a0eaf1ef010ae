"""What is kept of data on disk: a full disk, no folder at all, and what kills leave, in words and without a trace."""

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from seqmodels.data.files import arrays
from seqmodels.data.sources.tables.table import CSVSource
from seqmodels.data.sources.text import TextSource
from tests.full_disk import room


@pytest.fixture
def shops(tmp_path: Path) -> CSVSource:
    """Series that lie mixed, in a table that does not fit in memory."""
    days = [str(np.datetime64("2024-01-01") + i) for i in range(600)]
    lines = [f"{day},{shop},{i % 7}.{i % 10}" for i, day in enumerate(days) for shop in "ab"]
    (tmp_path / "shops.csv").write_text("\n".join(["day,shop,sales", *lines, ""]))
    options = {"target": "sales", "series": "shop", "time": "day", "history": 9, "horizon": 3}
    return CSVSource(str(tmp_path / "shops.csv"), cache_dir=str(tmp_path / "cache"), memory_limit=0, **options)


@pytest.fixture
def text(tmp_path: Path) -> TextSource:
    (tmp_path / "a.txt").write_text("to be or not to be " * 500)
    return TextSource(str(tmp_path / "a.txt"), cache_dir=str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", ["shops", "text"])
@pytest.mark.parametrize("size", [0, 100, 3000])
def test_a_full_disk_is_said_and_leaves_nothing_half_made(
    kind: str, size: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = request.getfixturevalue(kind)
    with room(size), pytest.raises(ValueError, match=r"cannot be written to .*cache \(File too large\); make room"):
        source.splits()
    assert list((tmp_path / "cache").iterdir()) == []
    assert set(source.splits()) >= {"train", "val"}  # as soon as there is room


def test_a_map_without_room_is_refused_before_it_is_written_to(
    shops: CSVSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is only found out while the map is written, the process is killed."""

    def full(path: Path, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(arrays, "reserve", full)
    with pytest.raises(ValueError, match=r"cannot be written to .*cache \(No space left on device\); make room"):
        shops.splits()


def test_what_a_kill_left_in_the_cache_is_swept_by_the_next_run(text: TextSource, tmp_path: Path) -> None:
    left = tmp_path / "cache" / f".some-key.{'0' * 16}.tmp"
    left.mkdir(parents=True)
    (left / "tokens.bin").write_text("half")
    os.utime(left, (0, 0))
    text.splits()
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert not left.exists()


@pytest.mark.parametrize("home", [None, "/dev/null/x"])
def test_without_a_home_that_can_be_written_data_are_encoded_all_the_same(
    home: str | None, text: TextSource, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def nowhere() -> Path:
        if home is None:
            raise RuntimeError("Could not determine home directory.")
        return Path(home)

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    text.cache_dir = None
    assert set(text.splits()) >= {"train", "val"}
    assert len(caplog.messages) == 1
    assert "data.cache_dir sets another folder" in caplog.text


def test_without_any_folder_that_can_be_written_it_is_said_so(
    text: TextSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "mkdtemp", nowhere)
    text.cache_dir = "/dev/null/cache"
    with pytest.raises(ValueError, match=r"the cache folder /dev/null/cache cannot be written .* set data.cache_dir"):
        text.splits()
