"""From digits to words: a small encoder-decoder is trained in seconds, and used as one would use it."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from seqmodels.cli.main import main
from seqmodels.data.sources.pairs import PairsSource, sides_of
from seqmodels.inference import Model
from seqmodels.training.run import train
from tests.training.runs import compose_config

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SMALL = (
    "experiment=translation data.source_level=character data.target_level=word data.cache_dir=null "
    "model.embedding_size=24 model.hidden_sizes=[32] model.head.hidden_sizes=[48] model.input_dropout=0 "
    "model.head.embedding_size=24 model.head.dropout=0 model.head.max_steps=20 training.batch_size=32 "
    "optimizer.lr=0.01 trainer.max_epochs=5 trainer.accelerator=cpu trainer.enable_progress_bar=false "
    "diagnostics.enabled=false task.beam=3 task.label_smoothing=0"
)


def in_words(digits: str) -> str:
    return " ".join(WORDS[int(digit)] for digit in digits)


def write_pairs(folder: Path, count: int = 1200, seed: int = 0) -> Path:
    draw = random.Random(seed)
    numbers = ["".join(draw.choices("0123456789", k=draw.randint(1, 4))) for _ in range(count)]
    file = folder / "numbers.tsv"
    file.write_text("".join(f"{number}\t{in_words(number)}\n" for number in numbers))
    return file


def run_of(folder: Path, *overrides: str) -> tuple[Path, dict[str, Any]]:
    file = write_pairs(folder)
    config = compose_config(SMALL, f"data.path={file}", f"data.cache_dir={folder / 'cache'}", *overrides)
    metrics = train(config, folder / "run", Console(quiet=True))
    file.unlink()
    shutil.rmtree(folder / "cache")  # the checkpoint alone must do
    return folder / "run", metrics


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    return run_of(tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="module")
def subwords(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    levels = ("data.source_level=subword", "data.target_level=subword", "data.source_size=24", "data.target_size=60")
    return run_of(tmp_path_factory.mktemp("subwords"), *levels)


@pytest.mark.parametrize("kind", ["trained", "subwords"])
def test_it_learns_and_is_scored_beside_its_baselines(kind, request):
    _, metrics = request.getfixturevalue(kind)
    test, baselines = metrics["test"], metrics["baseline"]["test"]
    assert test["bleu"] > 60
    assert test["chrf"] > 60
    assert test["token_error_rate"] < 0.3
    assert {"token by token, in order", "word by word (IBM 1)"} <= set(baselines)
    assert {"bleu", "chrf", "token_error_rate", "sequence_accuracy"} <= set(baselines["word by word (IBM 1)"])
    assert "bleu" not in metrics["val"]  # written freely in the test alone


@pytest.mark.parametrize("kind", ["trained", "subwords"])
def test_translations_need_the_checkpoint_alone(kind, request):
    model = Model.load(request.getfixturevalue(kind)[0])
    numbers = [str(number) for number in range(300, 340)]
    made = model.translate(numbers)
    assert sum(a == in_words(b) for a, b in zip(made, numbers, strict=True)) > 25
    assert model.translate("307", beam=1) == model.translate(["307"], beam=1)[0]
    assert model.translate([]) == []
    assert model.generate("307", temperature=0) == model.translate("307", beam=1)
    # No row sees its neighbours.
    assert made[:3] == [model.translate(number) for number in numbers[:3]]


def test_a_beam_finds_likelier_sequences_and_a_penalty_longer_ones(trained):
    model = Model.load(trained[0])
    torch.manual_seed(0)
    for parameter in model.model.parameters():  # a model in doubt
        parameter.data.mul_(0.5)
    tokens = torch.randint(0, 10, (40, 4))
    head: Any = model.model.head
    with torch.no_grad():
        features, _ = model.model.features(tokens)
        found = {beam: head.beam(features, beam=beam) for beam in (1, 4)}
        lengths = [head.beam(features, beam=8, length_penalty=a).lengths.float().mean() for a in (0.0, 1.0, 3.0)]
    assert found[4].log_probability.mean() > found[1].log_probability.mean()
    assert lengths[0] <= lengths[1] <= lengths[2]
    assert lengths[2] > lengths[0]


def test_nothing_is_longer_than_the_ratio_allows(trained):
    model = Model.load(trained[0], changes={"task.max_length_ratio": 0.5})
    made = model.translate(["1234", "56", "7"])
    assert [len(text.split()) for text in made] == [2, 1, 1]


def test_files_are_translated_and_predicted_alike(trained, tmp_path, capsys):
    run, _ = trained
    file, output = tmp_path / "new.txt", tmp_path / "out.jsonl"
    file.write_text("12\n345\n")
    assert main(["translate", str(run), "--input", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == Model.load(run).translate(["12", "345"])
    assert main(["translate", str(run), "--input", str(file), "--output", str(output), "--beam", "1"]) == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(row["line"], row["source"]) for row in rows] == [(1, "12"), (2, "345")]
    assert [row["text"] for row in rows] == Model.load(run).translate(["12", "345"], beam=1)
    assert main(["predict", str(run), "--input", str(file)]) == 0
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == lines
    assert main(["translate", str(run), "--text", "12", "--length-penalty", "1"]) == 0
    assert capsys.readouterr().out.strip() == Model.load(run).translate("12", length_penalty=1.0)


FAULTS = [
    (["--text", "1", "--input", "x"], "either --text TEXT or --input FILE"),
    ([], "either --text TEXT or --input FILE"),
    (["--input", "no_such_file"], "there is no file 'no_such_file'"),
    (["--text", "1", "--beam", "0"], "--beam: must be"),
    (["--text", "1", "--length-penalty", "-1"], "--length-penalty: must be"),
    (["--text", "1", "--output", "a.txt"], r"\.csv or \.jsonl"),
    (["--text", " "], "text 1 is empty"),
    (["--text", "1", "--beam", "1", "--length-penalty", "1"], "read by a beam only"),
]


@pytest.mark.parametrize(("arguments", "words"), FAULTS)
def test_faults_are_told(trained, arguments, words, capsys):
    assert main(["translate", str(trained[0]), *arguments]) in (1, 2)
    told = " ".join(capsys.readouterr().err.split())
    assert words.replace("\\", "") in told


def test_unknown_letters_are_told(trained, caplog):
    assert Model.load(trained[0]).translate("1é")
    assert "lacks 'é'" in caplog.text


def test_where_it_looks_can_be_drawn(trained, tmp_path):
    model = Model.load(trained[0])
    file = tmp_path / "new.tsv"
    file.write_text("".join(f"{number}\t{in_words(number)}\n" for number in ("12", "3", "4567", "89")))
    from seqmodels.data.batches.collate import collate
    from seqmodels.data.batches.plan import make_plan

    data = PairsSource.open(str(file), model.spec, cache_dir=str(tmp_path))
    batch = collate(data, make_plan(data.lengths, 4)[0])
    figures = model.task.sample_plots(model.model, batch, torch.Generator())
    figures["attention"].savefig(tmp_path / "attention.png")
    assert [len(axes.get_xticklabels()) for axes in figures["attention"].axes[:4]] == [2, 1, 4, 2]
    texts = model.task.texts(model.model, batch, torch.Generator())["generated"].splitlines()
    assert texts[2].startswith("4567 -> ")
    assert sides_of(model.spec).target.level == "word"
    assert not model.task.sample_plots(model.model, batch._replace(lengths=0 * batch.lengths), torch.Generator())
