"""`seqmodels data inspect`: the faults that `train` finds, and what is in good data."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from seqmodels import stopping
from seqmodels.cli.config.library import Library

SMALL = [
    "model.hidden_sizes=[4]",
    "trainer.max_steps=1",
    "trainer.accelerator=cpu",
    "trainer.enable_progress_bar=false",
]
TABLE = ["data=csv", "data.path=my.csv", "data.target=label"]
CSV = [*TABLE, "data.layout=wide"]
TEXT = ["data=text", "data.path=my.txt", "data.cache_dir=cache"]


def rows(count: int = 40, classes: str = "ab") -> list[str]:
    return [f"{i},{i * i % 17},{classes[i % len(classes)]}" for i in range(count)]


def table(*lines: str, header: str = "x1,x2,label") -> bytes:
    return ("\n".join([header, *lines]) + "\n").encode()


FAULTS: dict[str, tuple[str, bytes, list[str]]] = {
    "empty": ("my.csv", b"", CSV),
    "a header only": ("my.csv", table(), CSV),
    "no header": ("my.csv", table(*rows(), header="1,2,3"), CSV),
    "binary": ("my.csv", b"\0\1\2" * 99, CSV),
    "another encoding": ("my.csv", table(*rows(), "1,2,\u00e9").replace("\u00e9".encode(), b"\xe9"), CSV),
    "a cell too many": ("my.csv", table(*rows(), "1,2,3,a"), CSV),
    "text among numbers": ("my.csv", table(*rows(), "one,2,a"), CSV),
    "not a number": ("my.csv", table(*rows(), "nan,2,a"), CSV),
    "infinite": ("my.csv", table(*rows(), "inf,2,a"), CSV),
    "no label": ("my.csv", table(*rows(), "1,2,"), CSV),
    "one class": ("my.csv", table(*rows(classes="a")), CSV),
    "a rare class": ("my.csv", table(*rows(), "1,2,c"), CSV),
    "no such column": ("my.csv", table(*rows(), header="x1,x2,lable"), CSV),
    "too few rows": ("my.csv", table(*rows(2)), CSV),
    "cut short": ("my.csv", gzip.compress(table(*rows(400)))[:-20], CSV),
    "unsorted and twice": (
        "my.csv", table(*(f"2024-01-0{i},{i}" for i in (3, 1, 1)), header="day,label"), [*TABLE, "data.layout=series"]
    ),
    "fewer rows than the horizon": (
        "my.csv", table(*(f"{i},{i % 7}" for i in range(9)), header="t,label"),
        [*TABLE, "data.layout=series", "data.time=t", "data.horizon=12"],
    ),
    "no file": ("other.csv", b"x", CSV),
    "no path": ("my.csv", b"x", ["data=csv", "data.target=label"]),
    "a wrong setting": ("my.csv", table(*rows()), [*CSV, "data.val_fraction=2", "data.tagret=label"]),
    "a task for other data": ("my.csv", table(*rows()), [*CSV, "task=tagging", "model/head=many_to_many"]),
    "no validation to follow": ("my.csv", table(*rows()), [*CSV, "data.val_fraction=0", "scheduler=plateau"]),
    "a short text": ("my.txt", b"abc", TEXT),
    "an empty text": ("my.txt", b"", TEXT),
    "a text in another encoding": ("my.txt", "Bücher, ".encode("latin-1") * 99, TEXT),
    "a binary text": ("my.txt", b"ab\0c" * 99, TEXT),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_those_of_train(seqmodels, name):
    file, content, settings = FAULTS[name]
    Path(file).write_bytes(content)
    seen = seqmodels("data", "inspect", *settings, *SMALL)
    trained = seqmodels("train", *settings, *SMALL, "run_dir=run")
    assert trained.code in (1, 2), "the file was meant to be refused"
    assert "Known:" not in trained.err, "this is of the program, not of the file"
    assert (seen.code, seen.err.replace("seqmodels data:", "seqmodels train:")) == (trained.code, trained.err)
    left = {str(path) for path in Path().rglob("*")} - {"cache"}
    assert left == {file}, "nothing is left behind, no empty folder either"


def test_an_interrupted_beginning_leaves_nothing_behind(seqmodels, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    Path("my.csv").write_bytes(table(*rows()))
    monkeypatch.setattr("seqmodels.training.run.assemble", interrupted)
    result = seqmodels("train", *CSV, *SMALL)
    assert (result.code, result.err) == (130, f"seqmodels train: stopped by SIGINT{stopping.NOTHING_YET}\n")
    assert [path.name for path in Path().iterdir()] == ["my.csv"]


def test_what_is_left_out_is_said_by_train_too(seqmodels):
    Path("my.csv").write_bytes(table(*rows(), *rows()[:3], "1,,a"))
    settings = [*CSV, "data.missing=drop", *SMALL, "diagnostics.enabled=false"]
    notes = json.loads(seqmodels("data", "inspect", *settings, "--json").out)["notes"]
    assert [note.split()[0] for note in notes] == ["1", "3"], "a row left out, and copies"
    result = seqmodels("train", *settings, "run_dir=run")
    assert result.code == 0
    assert [line[2:] for line in result.out.splitlines() if line.startswith("- ")] == notes


EXPERIMENTS = Library().options("experiment")


@pytest.mark.parametrize("name", [n for n in EXPERIMENTS if "data.path" in Library().text("experiment", n)])
def test_an_experiment_on_data_of_your_own_says_what_it_needs(seqmodels, name):
    for verb in (["train"], ["data", "inspect"]):
        result = seqmodels(*verb, f"experiment={name}")
        assert (result.code, result.out) == (2, "")
        assert f"seqmodels {verb[0]}: data.path: needs a value: data.path=... (" in result.err
    for content in (None, b"%PDF-1.7 \xff\0" * 99):
        if content:
            Path("my.pdf").write_bytes(content)
        result = seqmodels("data", "inspect", f"experiment={name}", "data.path=my.pdf")
        assert (result.code, result.err.count("\n")) == (1, 1)
        assert "my.pdf" in result.err


@pytest.mark.parametrize("seed", range(2))
def test_counts_are_those_of_the_file(seqmodels, seed):
    generator = np.random.default_rng(seed)
    labels = generator.choice(["one", "two", "three"], size=300, p=[0.5, 0.3, 0.2])
    values = generator.normal(5, 2, size=(300, 6)).round(3)
    lines = [",".join([*map(str, row), label]) for row, label in zip(values, labels, strict=True)]
    Path("my.csv").write_bytes(table(*lines, lines[0], header="x1,y1,x2,y2,x3,y3,label"))
    result = seqmodels("data", "inspect", *CSV, *SMALL, "--json")
    assert result.code == 0
    found = json.loads(result.out)
    splits = found["splits"]
    assert sum(split["sequences"] for split in splits.values()) == 301
    for label in ("one", "two", "three"):
        total = sum(split["classes"][label] for split in splits.values())
        assert total == (labels == label).sum() + (labels[0] == label)
    every = np.concatenate([values, values[:1]])
    parts = [(split["sequences"], split["features"]["x"]["mean"]) for split in splits.values()]
    assert np.isclose(sum(n * mean for n, mean in parts) / 301, every[:, ::2].mean(), atol=1e-5)
    assert min(split["features"]["y"]["min"] for split in splits.values()) == pytest.approx(
        every[:, 1::2].min(), abs=1e-4
    )
    assert splits["val"]["also in train"] == splits["test"]["also in train"] == 0
    assert (found["task"], found["head"]) == ("classification", "many_to_one")
    assert found["updates per epoch"] == -(-splits["train"]["sequences"] // 32)
    assert found["batch"]["inputs"] == [32, 3, 2]
    assert any("copies" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("settings", "updates"),
    [
        (["trainer.accumulate_grad_batches=1"], 7),
        (["trainer.accumulate_grad_batches=2"], 4),
        (["trainer.limit_train_batches=3"], 3),
        (["trainer.limit_train_batches=3", "trainer.accumulate_grad_batches=2"], 2),
    ],
)
def test_updates_are_those_of_the_trainer(seqmodels, settings, updates):
    """Of 28 rows in batches of 4; the last batch of an epoch is an update, also where batches are gathered."""
    Path("my.csv").write_bytes(table(*(f"{i},{i + 1},{'ab'[i % 2]}" for i in range(28))))
    rest = ["data.val_fraction=0", "data.test_fraction=0", "training.batch_size=4"]
    result = seqmodels("data", "inspect", *CSV, *rest, *settings, "--json")
    assert json.loads(result.out)["updates per epoch"] == updates


@pytest.mark.parametrize("settings", [[*CSV], ["experiment=surname_generation"], ["experiment=sunspots"]])
def test_it_fits_a_terminal_and_leaves_nothing_behind(seqmodels, settings):
    Path("my.csv").write_bytes(table(*rows(400, "abcdefghijklmnopqrstuvwxyz")))
    result = seqmodels("data", "inspect", *settings, *SMALL)
    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= 80
    assert "sequences" in result.out
    assert sorted(path.name for path in Path().iterdir()) == ["my.csv"]


def test_what_looks_wrong_is_said(seqmodels):
    lines = [f"{i},7,{'rare' if i % 20 == 0 else 'usual'}" for i in range(200)]
    Path("my.csv").write_bytes(table(*lines))
    out = seqmodels("data", "inspect", *CSV, *SMALL).out
    for words in ("are 'usual' (95 %)", "few in train of the class 'rare' (8)", "val has 20 sequences only"):
        assert words in re.sub(r"\s+", " ", out)


def test_a_wrong_word(seqmodels):
    result = seqmodels("data", "inspekt")
    assert (result.code, result.out) == (2, "")
    assert "did you mean 'inspect'" in result.err
    assert "data inspect" in seqmodels("data", "--help").out
