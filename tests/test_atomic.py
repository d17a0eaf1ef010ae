"""A file is written whole or not at all, and nothing is left beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqmodels.atomic import replacing


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
