"""Decisions while a sequence comes in are those on what has come in."""

import json

import numpy as np
import pytest
import torch
from rich.console import Console

from seqmodels.cli.main import main
from seqmodels.inference import load
from seqmodels.training.run import train
from tests.training.runs import compose_config

SMALL = (
    "model.hidden_sizes=[5,4] training.batch_size=8 trainer.max_steps=3 trainer.accelerator=cpu data=arrays "
    "trainer.enable_progress_bar=false diagnostics.enabled=false task=classification model/head=many_to_one"
)


def make_run(folder, *overrides):
    random = np.random.default_rng(0)
    lengths = random.integers(1, 12, 40)
    x = random.normal(size=(lengths.sum(), 3))
    np.savez(folder / "my.npz", X=x, y=np.arange(40) % 3, lengths=lengths)
    np.savez(folder / "new.npz", X=x, lengths=lengths)
    config = compose_config(SMALL, f"data.path={folder / 'my.npz'}", *overrides)
    train(config, folder / "run", Console(quiet=True))
    return folder / "run", lengths


@pytest.mark.parametrize(("cell", "pooling"), [("gru", "last"), ("gru", "attention"), ("lru", "mean"), ("lru", "max")])
def test_the_last_decision_is_that_on_the_whole_sequence(tmp_path, cell, pooling):
    run, lengths = make_run(tmp_path, f"model/cell={cell}", f"model.head.pooling={pooling}")
    model = load(run)
    whole = list(model.predict(tmp_path / "new.npz"))
    early = list(model.predict(tmp_path / "new.npz", every=4))
    assert len(early) == sum(-(-lengths // 4))
    ends = [row for row in early if row["steps"] == lengths[row["sequence"]]]
    assert [row["sequence"] for row in ends] == list(range(40))
    data = model.open(tmp_path / "new.npz")
    for row, end in zip(whole, ends, strict=True):
        assert row["probabilities"] == pytest.approx(end["probabilities"], abs=1e-5)
    for row in early:
        inputs = torch.from_numpy(data.read(row["sequence"], 0, row["steps"])[0]).unsqueeze(0)
        with torch.no_grad():
            expected = model.model(inputs)[0].softmax(-1)[0].tolist()
        assert list(row["probabilities"].values()) == pytest.approx(expected, abs=1e-5)


def test_models_that_read_backwards_cannot(tmp_path):
    run, _ = make_run(tmp_path, "model.bidirectional=true")
    with pytest.raises(ValueError, match=r"set|model\.bidirectional=false"):
        next(load(run).predict(tmp_path / "new.npz", every=2))
    with pytest.raises(ValueError, match="every must be at least 1"):
        next(load(run).predict(tmp_path / "new.npz", every=0))


def test_from_the_command_line(tmp_path, capsys):
    run, lengths = make_run(tmp_path)
    assert main(["predict", str(run), "--input", str(tmp_path / "new.npz"), "--every", "5"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == sum(-(-lengths // 5))
    assert main(["predict", str(run), "--input", str(tmp_path / "new.npz"), "--every", "0"]) == 2
    assert "--every" in capsys.readouterr().err
