"""Run the command in this process, and read what it prints."""

import pytest

from seqmodels.cli.main import main
from tests.cli.command import Result


@pytest.fixture
def seqmodels(capsys, tmp_path, monkeypatch):
    """The command, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEQMODELS_DEBUG", raising=False)

    def run(*arguments: str) -> Result:
        code = main(list(arguments))
        return Result(code, *capsys.readouterr())

    return run
