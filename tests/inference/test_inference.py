"""A trained run, used: load, predict, generate, evaluate on another file; tiny models of each kind."""

from __future__ import annotations

import csv
import inspect
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import seqmodels
from seqmodels import checkpoint
from seqmodels.build import build_evaluation
from seqmodels.cli.compose import compose, jobs
from seqmodels.cli.library import Library
from seqmodels.inference import Model, load, write_predictions
from seqmodels.training.run import train

WORDS = ["to", "be", "or", "not", "that", "is", "the", "question", "whether", "nobler"]
SMALL = (
    "model.hidden_sizes=[6]",
    "model.embedding_size=4",
    "training.batch_size=8",
    "trainer.max_steps=4",
    "trainer.accelerator=cpu",
    "trainer.enable_progress_bar=false",
    "diagnostics.enabled=false",
)
CHANGES: dict[str, dict[str, Any]] = {
    "a group is missing": {"model": None},
    "a setting is missing": {"model.hidden_sizes": None},
    "a group is a number": {"model.head": 3},
    "no task": {"task": None},
}


def trained_run(folder: Path, *overrides: str) -> Path:
    library = Library()
    found, problems = jobs(library, [*SMALL, *overrides])
    assert not problems
    train(compose(library, found[0]).config, folder / "run", Console(quiet=True))
    return folder / "run"


def text(folder: Path, level: str) -> Path:
    generator = random.Random(0)
    file = folder / "text.txt"
    file.write_text(" ".join(generator.choice(WORDS) for _ in range(800)))
    return trained_run(
        folder,
        f"data.path={file}",
        f"data.level={level}",
        f"data.cache_dir={folder / 'cache'}",
        "training.window=20",
        "task.ngram_orders=[1]",
    )


@pytest.fixture(scope="module")
def characters(tmp_path_factory) -> Path:
    return text(tmp_path_factory.mktemp("characters"), "character")


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Path:
    return text(tmp_path_factory.mktemp("words"), "word")


def write_table(file: Path, header: list[str], rows: list[list[Any]]) -> Path:
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([header, *rows])
    return file


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> Path:
    """Tells rising from falling rows of four numbers."""
    folder = tmp_path_factory.mktemp("classifier")
    generator = random.Random(0)
    rows = []
    for number in range(80):
        values = sorted((round(generator.random(), 3) for _ in range(4)), reverse=number % 2 == 0)
        rows.append([*values, "falling" if number % 2 == 0 else "rising"])
    file = write_table(folder / "rows.csv", ["x1", "x2", "x3", "x4", "kind"], rows)
    return trained_run(
        folder, "data=csv", f"data.path={file}", "data.target=kind", "task=classification", "model/head=many_to_one"
    )


@pytest.fixture(scope="module")
def generator(tmp_path_factory) -> Path:
    """From a language to a name."""
    folder = tmp_path_factory.mktemp("generator")
    draw = random.Random(0)
    rows = []
    for number in range(90):
        language, letters = [("Latin", "aeiou"), ("Greek", "xyz"), ("Norse", "rgk")][number % 3]
        rows.append([language, "".join(draw.choice(letters) for _ in range(draw.randint(5, 9)))])
    file = write_table(folder / "names.csv", ["language", "name"], rows)
    return trained_run(
        folder,
        "data=text_from_label",
        f"data.path={file}",
        "data.label=language",
        "data.text=name",
        "task=sequence_generation",
        "model/head=one_to_many",
        "model.head.hidden_sizes=[6]",
        "model.head.max_steps=12",
    )


def test_a_text_goes_on_from_its_prompt(characters):
    trained = load(characters)
    made = trained.generate("to be", length=30, seed=1)
    assert made.startswith("to be")
    assert len(made) == 35
    assert made == trained.generate("to be", length=30, seed=1)
    assert made != trained.generate("to be", length=30, seed=2)
    assert len(trained.generate(length=7)) == 7


def test_temperature_zero_is_greedy_whatever_else_is_said(characters):
    trained = load(characters)
    greedy = trained.generate("to be", length=20, temperature=None)
    assert trained.generate("to be", length=20, temperature=0, top_k=3, top_p=0.5, seed=1) == greedy


def test_words_are_joined_as_one_writes_them(words):
    trained = load(words)
    made = trained.generate("to be", length=5, seed=1)
    assert made.startswith("to be ")
    assert not set(made.split()) - {*WORDS, "<unk>"}
    assert trained.generate(length=3, seed=1).split()


def test_refused_prompts_and_options(characters, classifier):
    trained = load(characters)
    with pytest.raises(ValueError, match="1 character \\('é'\\) that the vocabulary"):
        trained.generate("é")
    with pytest.raises(ValueError, match="length must be at least 1"):
        trained.generate("to", length=0)
    with pytest.raises(ValueError, match="beam"):
        trained.generate("to", beam=2)
    with pytest.raises(ValueError, match="predicts labels, not tokens"):
        load(classifier).generate("to")


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
        assert [row["line"] for row in csv.DictReader(opened)] == ["2", "3", "4"]
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


def test_a_generator_names_its_inputs(generator):
    trained = load(generator)
    assert trained.generate("Greek", seed=1, length=5) == trained.generate("Greek", seed=1, length=5)
    assert isinstance(trained.generate("Greek", beam=2, length=5), str)
    with pytest.raises(ValueError, match=r"one of Greek, Latin, Norse, got ''"):
        trained.generate()
    with pytest.raises(ValueError, match=r"did you mean Latin\?\), got 'Lattin'"):
        trained.generate("Lattin")


def test_a_label_never_seen_in_training(generator, tmp_path):
    file = write_table(tmp_path / "new.csv", ["language"], [["Latin"], ["Welsh"]])
    with pytest.raises(ValueError, match="'Welsh' was never seen in training"):
        list(load(generator).predict(file))


def rewrite(run: Path, folder: Path, change) -> Path:
    """A copy of a run's checkpoint with its content changed."""
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    change(content)
    file = folder / "changed.ckpt"
    torch.save(content, file)
    return file


def test_code_in_a_checkpoint_is_refused(classifier, tmp_path):
    def change(content):
        content[checkpoint.KEY]["config"]["model"]["cell"]["_target_"] = "os.system"

    with pytest.raises(ValueError, match=r"asks to run code \(_target_: 'os\.system'\): refused"):
        load(rewrite(classifier, tmp_path, change))


def test_plugins_must_be_named(classifier, tmp_path, monkeypatch):
    (tmp_path / "some_plugin.py").write_text("IMPORTED = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = rewrite(
        classifier, tmp_path, lambda content: content[checkpoint.KEY]["config"].update(plugins=["some_plugin"])
    )
    with pytest.raises(ValueError, match=r"load it with plugins=\['some_plugin'\]"):
        load(file)
    assert "some_plugin" not in sys.modules
    load(file, plugins=["some_plugin"])
    assert "some_plugin" in sys.modules


@pytest.mark.parametrize("case", CHANGES)
def test_a_damaged_config_is_told_in_words(classifier, tmp_path, case):
    def change(content):
        for name, value in CHANGES[case].items():
            *groups, last = name.split(".")
            holder = content[checkpoint.KEY]["config"]
            for group in groups:
                holder = holder[group]
            if value is None:
                del holder[last]
            else:
                holder[last] = value

    with pytest.raises(ValueError, match=r"changed\.ckpt is damaged or of another version"):
        load(rewrite(classifier, tmp_path, change))


@pytest.mark.parametrize("key", ["config", "spec"])
def test_a_checkpoint_without_its_config_or_spec(classifier, tmp_path, key):
    with pytest.raises(ValueError, match=f"lacks '?{key}"):
        load(rewrite(classifier, tmp_path, lambda content: content[checkpoint.KEY].pop(key)))


def test_weights_that_do_not_fit(classifier):
    with pytest.raises(ValueError, match="do not fit the model"):
        load(classifier, changes={"model.hidden_sizes": [7]})


def test_neither_lightning_nor_hydra_is_imported(characters, classifier, tmp_path):
    file = write_table(tmp_path / "new.csv", ["x1", "x2", "x3", "x4"], [[0.1, 0.2, 0.3, 0.4]])
    program = f"""
import sys
sys.path.insert(0, {str(Path(seqmodels.__file__).parents[1])!r})
import seqmodels
print(seqmodels.load({str(characters)!r}).generate("to", length=3, seed=1))
print(len(list(seqmodels.load({str(classifier)!r}).predict({str(file)!r}))))
heavy = ("lightning", "pytorch_lightning", "hydra", "omegaconf", "torchmetrics", "tensorboard")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["1", "[]"]


def test_the_command_has_the_same_defaults(monkeypatch, characters):
    from seqmodels.cli import runs

    asked: dict[str, Any] = {}
    monkeypatch.setattr(Model, "generate", lambda self, **options: asked.update(options) or "")
    assert runs.generate([str(characters)]) == 0
    monkeypatch.undo()
    parameters = inspect.signature(Model.generate).parameters
    assert asked == {name: p.default for name, p in parameters.items() if name != "self"}
