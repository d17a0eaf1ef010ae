"""Predictions on new files, as rows and as files; a run scored on another file."""

import csv
import json
from pathlib import Path

import pytest
import torch

from seqmodels.build import build_evaluation
from seqmodels.inference import load, write_predictions
from seqmodels.training.run import evaluate
from tests.inference.small_runs import write_table


def test_what_follows_each_window_of_a_text_and_its_last_token(characters, tmp_path):
    """The file's last character is read too: what is foretold comes after it."""
    trained = load(characters)
    file = tmp_path / "new.txt"
    file.write_text("to be or not to be")
    (only,) = trained.predict(file)
    tokens = trained.encode("to be or not to be").unsqueeze(0)
    with torch.inference_mode():
        expected = trained.model(tokens)[0][0, -1].softmax(-1).max()
    assert max(only["next"].values()) == pytest.approx(float(expected), abs=1e-6)


def test_a_text_of_one_character_can_be_predicted_but_not_scored(characters, tmp_path):
    trained = load(characters)
    (tmp_path / "t.txt").write_text("t")
    assert len(list(trained.predict(tmp_path / "t.txt"))) == 1
    with pytest.raises(ValueError, match="at least 2 character"):
        build_evaluation(trained.config, trained.spec, tmp_path / "t.txt")


def test_characters_outside_the_vocabulary_in_a_file(characters, tmp_path):
    (tmp_path / "new.txt").write_text("to bé")
    with pytest.raises(ValueError, match="'é'"):
        list(load(characters).predict(tmp_path / "new.txt"))


def test_predictions_of_classes_carry_their_line(classifier, tmp_path):
    rows = [[0.1, 0.2, 0.3, 0.4], [0.9, 0.5, 0.2, 0.1], [0.3, 0.3, 0.4, 0.9]]
    file = write_table(tmp_path / "new.csv", ["x1", "x2", "x3", "x4"], rows)
    found = list(load(classifier).predict(file, batch_size=2))
    assert [row["line"] for row in found] == [2, 3, 4]
    assert {row["label"] for row in found} <= {"rising", "falling"}


def test_predictions_in_files(classifier, tmp_path):
    file = write_table(tmp_path / "new.csv", ["x1", "x2", "x3", "x4"], [[0.1, 0.2, 0.3, 0.4]] * 3)
    trained = load(classifier)
    assert write_predictions(trained.predict(file), tmp_path / "out.csv") == 3
    with (tmp_path / "out.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert [row["line"] for row in rows] == ["2", "3", "4"]
    for row, whole in zip(rows, trained.predict(file), strict=True):  # a column for each class
        shares = {name: float(row[f"probabilities.{name}"]) for name in ("falling", "rising")}
        assert (row["label"], shares) == (whole["label"], pytest.approx(whole["probabilities"]))
    assert write_predictions(trained.predict(file), tmp_path / "out.jsonl") == 3
    assert len([json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]) == 3
    with pytest.raises(ValueError, match=r"\.csv or \.jsonl"):
        write_predictions([], tmp_path / "out.txt")
    with pytest.raises(ValueError, match="there is no folder"):
        write_predictions([], tmp_path / "missing" / "out.csv")


def test_a_failed_prediction_leaves_no_file(classifier, tmp_path):
    file = write_table(tmp_path / "new.csv", ["x1", "x2", "x3", "x4"], [[0.1, "?", 0.3, 0.4]])
    with pytest.raises(ValueError, match="line 2"):
        write_predictions(load(classifier).predict(file), tmp_path / "out.csv")
    assert [f.name for f in tmp_path.iterdir()] == ["new.csv"]


def test_another_file_is_scored_with_the_runs_own_scales(classifier, tmp_path):
    trained = load(classifier)
    rows = [[100.0, 200.0, 300.0, 400.0, "rising"], [4.0, 3.0, 2.0, 1.0, "falling"]]
    other = write_table(tmp_path / "other.csv", ["x1", "x2", "x3", "x4", "kind"], rows)
    data = build_evaluation(trained.config, trained.spec, other)
    assert list(data.splits) == ["train", "test"]
    assert data.spec == trained.spec
    inputs, target = data.splits["test"].read(0, 0, 4)
    assert inputs[0, 0] * trained.spec.input_scale[0] + trained.spec.input_shift[0] == pytest.approx(100)
    assert trained.spec.target_names[int(target)] == "rising"
    assert set(build_evaluation(trained.config, trained.spec).splits) == {"train", "val", "test"}


def test_a_file_is_scored_where_the_training_file_is_gone(classifier, tmp_path, capsys):
    rows = [[i, i + 1, i + 2, i + 3, "rising"] for i in range(6)] + [[9 - i, 5, 3, 1, "falling"] for i in range(4)]
    other = write_table(tmp_path / "other.csv", ["x1", "x2", "x3", "x4", "kind"], rows)
    full = evaluate(classifier, {"data.path": str(other)})
    gone = Path(load(classifier).config["data"]["path"])
    away = gone.rename(gone.with_suffix(".away"))
    try:
        found = evaluate(classifier, {"data.path": str(other)})
        assert f"{gone}, the training data, is gone: no baselines" in capsys.readouterr().out.replace("\n", " ")
        assert found["test"] == full["test"]
        assert found["baseline"] == {"test": {}}
        with pytest.raises(ValueError, match="there is no"):
            evaluate(classifier)
    finally:
        away.rename(gone)


def test_other_files_that_cannot_be_scored(classifier, tmp_path):
    trained = load(classifier)
    unseen = write_table(tmp_path / "unseen.csv", ["x1", "x2", "x3", "x4", "kind"], [[1, 2, 3, 4, "level"]])
    with pytest.raises(ValueError, match="'level' was never seen in training"):
        build_evaluation(trained.config, trained.spec, unseen)
    bare = write_table(tmp_path / "bare.csv", ["x1", "x2", "x3", "x4"], [[1, 2, 3, 4]])
    with pytest.raises(ValueError, match="kind"):
        build_evaluation(trained.config, trained.spec, bare)
    changed = {**trained.config, "data": {**trained.config["data"], "seed": 5}}
    with pytest.raises(ValueError, match="data of another kind"):
        build_evaluation(changed, trained.spec)


def test_a_generator_unrolls_to_its_stop_token(generator, tmp_path):
    trained = load(generator)
    file = write_table(tmp_path / "new.csv", ["language"], [["Latin"], ["Greek"]])
    found = list(trained.predict(file))
    assert [row["line"] for row in found] == [2, 3]
    expected = [trained.generate(language, length=12, temperature=0) for language in ("Latin", "Greek")]
    assert [row["text"] for row in found] == expected


def test_a_label_never_seen_in_training(generator, tmp_path):
    file = write_table(tmp_path / "new.csv", ["language"], [["Latin"], ["Welsh"]])
    with pytest.raises(ValueError, match="'Welsh' was never seen in training"):
        list(load(generator).predict(file))
