"""`seqmodels report` and the pages of the experiments, from runs that hardly trained."""

import importlib.util
import json
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

from seqmodels.cli.config.library import Library
from seqmodels.cli.main import main
from seqmodels.cli.prepare import prepare
from seqmodels.cli.verbs.report_page import command, licences

SMALL = [
    *("trainer.max_steps=2", "trainer.accelerator=cpu", "trainer.enable_progress_bar=false"),
    *("diagnostics.enabled=false", "model.hidden_sizes=[4]"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An experiment's run."""
    folder = tmp_path_factory.mktemp("experiment") / "run"
    assert main(["train", "experiment=pen_digits", "training.batch_size=512", *SMALL, f"run_dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A run of somebody's own data, which has words and no picture."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my book.txt").write_text("to be or not to be, that is the question\n" * 60)
    settings = ["data=text", f"data.path='{folder}/my book.txt'", f"data.cache_dir={folder}/cache"]
    assert main(["train", *settings, *SMALL, f"run_dir={folder}/run", "name=mine"]) == 0
    return folder / "run"


def test_the_page_of_an_experiment(seqmodels, run):
    result = seqmodels("report", str(run), "--output", "page.md")
    assert (result.code, result.out, result.err) == (0, "", "written: page.md, page.png\n")
    page, metrics = Path("page.md").read_text(), json.loads((run / "metrics.json").read_text())
    assert page.startswith("# pen_digits\n\n")
    assert "![confusion matrix](page.png)" in page
    assert Path("page.png").read_bytes()[:4] == b"\x89PNG"
    for row, values in {"**this model**": metrics["test"], **metrics["baseline"]["test"]}.items():
        assert re.search(rf"^\| {re.escape(row)} \|.* {values['accuracy']:.4g} \|", page, re.MULTILINE)
    assert f"\n\n{metrics['comparison']['test']}\n" in page
    assert "seqmodels train experiment=pen_digits" in page
    assert "training.batch_size=512" in page
    assert "CC BY 4.0" in page
    assert metrics["machine"]["torch"] in page
    assert "data inspect experiment=pen_digits data.path=FILE" in page
    assert "model.predict(" in page


def test_the_page_of_a_run_of_ones_own(seqmodels, own):
    assert seqmodels("report", str(own), "--output", "mine.md").code == 0
    page = Path("mine.md").read_text()
    assert page.startswith("# mine\n\n## Result on the validation split")
    assert "model.generate(" in page
    for secret in (str(own.parent), os.uname().nodename):
        assert secret not in page, "a page names no folder and no machine"
    assert "my book.txt" in page


def test_a_run_that_did_not_end(seqmodels, run):
    Path("half/checkpoints").mkdir(parents=True)
    Path("half/config.yaml").write_text((run / "config.yaml").read_text())
    result = seqmodels("report", "half")
    assert (result.code, result.out) == (2, "")
    assert "half has no metrics.json: it did not end; go on with: seqmodels train resume=half" in result.err
    assert not list(Path().glob("*.md"))
    for flags, words in ((["--output", "page.html"], "must end in .md"), (["--output", "no/page.md"], "make it first")):
        assert words in seqmodels("report", str(run), *flags).err


def test_the_command_makes_the_same_config(run):
    saved = yaml.safe_load((run / "config.yaml").read_text())
    words = shlex.split(command(saved, Library()))
    assert words[:3] == ["seqmodels", "train", "experiment=pen_digits"]
    again = prepare(Library(), words[2:]).config
    for part in ("data", "task", "model", "optimizer", "scheduler", "training"):
        assert again[part] == saved[part], part


@pytest.mark.parametrize(
    "chosen",
    ["data=pen_digits optimizer=sgd", "data=letters_to_sounds model.head.attention=additive", "data.level=word"],
)
def test_the_command_of_a_run_without_an_experiment_makes_the_same_config(chosen):
    saved = prepare(Library(), [f"++{word}" if "." in word else word for word in chosen.split()]).config
    words = shlex.split(command(saved, Library()))
    assert len(words) < 20  # the recipe, and not all its settings
    overrides = [f"++{word}" if "." in word.partition("=")[0] else word for word in words[2:]]
    again = prepare(Library(), overrides)
    assert again.problems == []
    for part in ("data", "task", "model", "optimizer", "scheduler", "training", "trainer"):
        assert again.config[part] == saved[part], part


def test_every_experiment_says_where_its_data_are_from():
    library, without = Library(), []
    for name in library.options("experiment"):
        config = prepare(library, [f"experiment={name}"]).config
        if config["data"]["name"] not in ("adding", "copying", "reversal", "running_sum"):
            without += [] if licences(config, library) else [name]
    assert without == [], "no shipped file, and no line '# Data: ...' in the experiment's file"


def test_the_list_of_pages(seqmodels, run, monkeypatch):
    spec = importlib.util.spec_from_file_location("pages", Path(__file__).parents[2] / "scripts/experiment_pages.py")
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    monkeypatch.setattr("sys.argv", ["pages", str(run), "--folder", "pages"])
    pages.main()
    index, metrics = Path("pages/README.md").read_text(), json.loads((run / "metrics.json").read_text())
    assert "[pen_digits](pen_digits.md)" in index
    assert metrics["comparison"]["test"] in index
    assert np.all([Path("pages", name).is_file() for name in ("pen_digits.md", "pen_digits.png")])
