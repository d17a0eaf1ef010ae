"""`seqmodels transcribe`: tones as words, from training to transcripts."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.data.audio_parts import tone, write, write_manifest

PITCH = {"low": 400, "high": 1500}


def say(words: list[str]) -> np.ndarray:
    return np.concatenate([tone(PITCH[word], 0.08, seed=i) for i, word in enumerate(words)])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on 60 recordings of one to three tones."""
    from seqmodels.training.run import train
    from tests.training.runs import compose_config

    root = tmp_path_factory.mktemp("speech")
    rng, rows = np.random.default_rng(0), []
    for i in range(60):
        words = rng.choice(sorted(PITCH), rng.integers(1, 4)).tolist()
        write(root / "wav" / f"{i}.wav", say(words))
        rows.append({"path": f"wav/{i}.wav", "text": " ".join(words)})
    manifest = write_manifest(root, rows)
    overrides = ["data=audio", "data.level=word", f"data.path={manifest}", f"data.cache_dir={root / 'cache'}"]
    overrides += ["data.mel_bins=12", "data.deltas=0", "data.normalise=train", "model.hidden_sizes=[16]"]
    overrides += ["model.bidirectional=true", "optimizer.lr=0.02", "training.batch_size=16", "trainer.max_epochs=25"]
    overrides += ["diagnostics.enabled=false", "trainer.enable_progress_bar=false", "trainer.accelerator=cpu"]
    overrides += ["task=transcription", "model/head=ctc", "trainer.check_val_every_n_epoch=5"]
    metrics = train(compose_config(*overrides), root / "run")
    return root, metrics


def test_a_model_learns_what_the_tones_say(run):
    metrics = run[1]
    assert metrics["test"]["token_error_rate"] < 0.3
    assert metrics["test"]["beam_token_error_rate"] < 0.3
    assert "beam_exact" not in metrics["val"]
    baselines = {"most frequent sequence", "most frequent token", "equal cuts, nearest neighbour"}
    assert set(metrics["baseline"]["test"]) == baselines


def test_a_folder_a_file_and_a_table(run, seqmodels, tmp_path):
    root, _ = run
    new = tmp_path / "new"
    for name in ("low", "high"):
        write(new / f"{name}.wav", say([name]))
    code, out, _ = seqmodels("transcribe", str(root / "run"), str(new), "--beam", "4")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [set(row) for row in rows] == [{"file", "tokens", "text"}] * 2
    assert [Path(row["file"]).stem for row in rows] == ["high", "low"]
    one = json.loads(seqmodels("transcribe", str(root / "run"), str(new / "low.wav")).out)
    assert one == rows[1]
    output = tmp_path / "all.csv"
    assert seqmodels("transcribe", str(root / "run"), str(new), "--output", str(output)).code == 0
    with output.open() as file:
        assert [row["text"] for row in csv.DictReader(file)] == [row["text"] for row in rows]


def test_in_python(run, tmp_path):
    from seqmodels import load

    path = write(tmp_path / "a.wav", say(["low", "high"]))
    model = load(run[0] / "run")
    assert next(model.transcribe(path, beam=1))["file"] == str(path)
    with pytest.raises(ValueError, match="beam must be a whole number of at least 1, got 0"):
        model.transcribe(path, beam=0)


def test_what_cannot_be_transcribed(seqmodels, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments, words in (
        (["RUN", "none.wav"], "there is no file 'none.wav'"),
        ([], "name a recording, a folder of them or a manifest"),
        (["a", "b", "c"], "expected RUN and FILE, got a, b, c"),
        (["none.wav", "--beam", "0"], "--beam: must be a whole number of at least 1 and at most 10000, got 0"),
        (["none.wav", "--output", "a.txt"], "--output: must end in .csv or .jsonl, got a.txt"),
    ):
        code, _, err = seqmodels("transcribe", *arguments)
        assert code == 2
        assert words in " ".join(err.split())


def test_heads_and_tasks_that_do_not_go_together_are_told_so(seqmodels):
    code, _, err = seqmodels("show", "data=spoken_spelling", "task=transcription", "model/head=encoder_decoder")
    assert code == 2
    assert "aligns one with the steps of the input (CTC): choose model/head=ctc" in " ".join(err.split())
    code, _, err = seqmodels("show", "data=spoken_spelling", "task=sequence_generation", "model/head=ctc")
    assert "choose task=transcription, or model/head=encoder_decoder" in " ".join(err.split())
    code, _, err = seqmodels("show", "data=spoken_spelling", "task=transcription", "model/head=many_to_one")
    assert "choose model/head=ctc, or another task" in " ".join(err.split())
