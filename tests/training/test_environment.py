"""What stands in the environment is read at use, and stored nowhere but by its name."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from seqmodels import checkpoint
from seqmodels.cli.config.compose import compose
from seqmodels.cli.config.library import Library
from seqmodels.cli.main import main
from seqmodels.environment import as_written, hide, resolved
from seqmodels.inference import load

SECRET = "tok3n-that-nobody-may-read"
NAMED = "${oc.env:MY_TOKEN}"


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command of a training that has the secret in a name, a path and a path made from the name."""
    monkeypatch.setenv("MY_TOKEN", SECRET)
    monkeypatch.setenv("MY_WIDTH", "3")
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{SECRET}.csv").write_text("x1,x2,kind\n" + "".join(f"{i},2,a\n-{i},1,b\n" for i in range(1, 41)))
    return [
        "train", "data=csv", "data.path='${name}.csv'", "data.target=kind", "data.layout=wide", f"name='{NAMED}'",
        "scheduler=none", "model.hidden_sizes=['${oc.decode:${oc.env:MY_WIDTH}}']", "run_dir=run",
        "trainer.max_steps=2",
        "trainer.accelerator=cpu", "trainer.enable_progress_bar=false", "diagnostics.enabled=false",
    ]  # fmt: skip


def test_a_run_names_it_only(secret: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(secret) == 0, capsys.readouterr().err
    written = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert len(written) >= 5
    assert [path.name for path in written if SECRET.encode() in path.read_bytes()] == []
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (config["name"], config["data"]["path"]) == (NAMED, f"{NAMED}.csv")
    assert load(tmp_path / "run").config["data"]["path"] == f"{SECRET}.csv"
    assert main(["evaluate", "run"]) == 0
    assert main(["train", "resume=run", "trainer.max_steps=4"]) == 0, capsys.readouterr().err
    assert [
        path.name for path in (tmp_path / "run").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()
    ] == []
    assert checkpoint.read(tmp_path / "run" / "checkpoints" / "last.ckpt")["global_step"] == 4


def test_a_variable_that_is_not_set(secret: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_TOKEN")
    assert main(secret) == 2


def test_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "a")
    monkeypatch.delenv("MY_OTHER", raising=False)
    config: dict[str, Any] = {
        "a": ["x${oc.env:MY_TOKEN}y", 1], "b": {"c": "${oc.env:MY_OTHER,z}", "d": "${oc.env:MY_OTHER}"},
        "e": "${oc.decode:${oc.env:MY_OTHER,[1, 2]}}", "f": "${other}",
    }  # fmt: skip
    made = resolved(config)
    assert made == {"a": ["xay", 1], "b": {"c": "z", "d": "${oc.env:MY_OTHER}"}, "e": [1, 2], "f": "${other}"}
    assert as_written(made) == as_written(resolved(made)) == config
    assert hide("file xay", made) == "file x${oc.env:MY_TOKEN}y"
    with pytest.raises(ValueError, match="MY_OTHER"):
        resolved(config, strict=True)


def test_composed_settings_are_written_resolved_but_for_these(secret: list[str]) -> None:
    made = compose(Library(), ["name='${oc.env:MY_TOKEN}'", "training.batch_size='${training.k2}'", "training.k2=7"])
    assert made.config["name"] == SECRET
    assert made.written["name"] == NAMED
    assert made.written["training"]["batch_size"] == 7
