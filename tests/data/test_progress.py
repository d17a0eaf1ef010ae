"""The line on the terminal while a large file is read for the first time."""

import io
import sys
import time

import numpy as np

from seqmodels.data.files import progress
from seqmodels.data.files.cache import cached_folder


class Terminal(io.StringIO):
    def isatty(self):
        return True


def written(folder, monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "EVERY", 0.01)

    def write(place):
        np.save(place / "a.npy", np.zeros(500_000))
        time.sleep(0.2)
        return {}

    cached_folder(str(folder), "my.csv", ["a"], write, "columns")
    return stream.getvalue()


def test_a_terminal_shows_time_and_size_and_is_left_clean(tmp_path, monkeypatch):
    shown = written(tmp_path, monkeypatch, Terminal()).split("\r\033[K")
    assert "the columns of my.csv: 0 s, 4 MB written" in shown
    assert shown[-1] == ""


def test_a_file_gets_no_such_line(tmp_path, monkeypatch):
    assert "\033" not in written(tmp_path, monkeypatch, io.StringIO())
