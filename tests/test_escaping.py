"""What comes from data is shown as it is, and does nothing where it is shown."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from seqmodels.cli.output import as_json
from seqmodels.cli.screen import report
from seqmodels.cli.verbs.report_page import markdown
from seqmodels.escaping import fenced, in_cell, in_markdown, on_screen
from seqmodels.inference.writing import write_predictions
from seqmodels.tasks.plots.confusion import confusion_figure
from seqmodels.tasks.plots.style import plain
from seqmodels.terminal import Screen
from seqmodels.training import backtest
from seqmodels.training.diagnostics.board import Board
from seqmodels.training.diagnostics.style import figure_pixels
from seqmodels.training.report import print_results

HOSTILE = (
    "[/red]", "[bold]", "[link=http://x]y[/link]", "\x1b[31mred\x1b]0;title", "\x9b2J", "\u202egpj", "$\\frac$",
    "$x$y$", "```", "````\n# no", "![x](http://x/y.png)", "<img src=x onerror=alert(1)>", "a|b", "\r![x](http://x)",
    "=1+1", "\x00", "a\nb", "\\", "`", "\ud800", "x" * 5000,
)  # fmt: skip
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")
every = pytest.mark.parametrize("words", HOSTILE, ids=lambda words: ascii(words)[:20])


@every
def test_on_a_terminal_nothing_is_obeyed(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    report("title", [words])
    report("title", [words, words])
    metrics = {"val": {"loss": 1.0, words: 0.5}, "baseline": {"val": {f"always {words}": {"loss": 2.0}}}}
    wide = {"val": {f"m{i}": 1.0 for i in range(9)}, "baseline": {"val": {words: {"m1": 2.0}}}}
    for console in (Screen(width=500), Screen(width=60, force_terminal=True, color_system=None)):
        print_results(metrics, {"val": words}, console)
        print_results(wide, {"val": words}, console)
        backtest._print(
            [{"fold": 1, "method": "model", "mae": 1.0}, {"fold": 1, "method": words, "mae": 2.0}], "mae", 1, console
        )
    out, err = capsys.readouterr()
    assert not ACTING.search(out + err)
    shown = on_screen(words).split("\n")[0].strip()[:30]
    assert "\r" in words or shown in err


@every
def test_as_json_it_is_the_same_and_nothing_is_obeyed(words: str) -> None:
    line = as_json({"label": words})
    assert json.loads(line) == {"label": words}
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", line)


@every
def test_a_page_keeps_its_form(words: str) -> None:
    lines = fenced(words).split("\n")
    assert lines[-1] == lines[0].removesuffix("text")
    assert set(lines[-1]) == {"`"}
    assert not any(line.startswith(lines[-1]) for line in lines[1:-1])
    inline = in_markdown(words)
    assert "\n" not in inline
    assert not re.search(r"(?<!\\)(?:\\\\)*[`\[\]<|]", inline)


@every
def test_a_report_with_hostile_data(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqmodels.cli.config.library import Library
    from seqmodels.cli.verbs import report_page
    from seqmodels.training.plot import Shown

    monkeypatch.setattr(report_page, "command", lambda config, library: "seqmodels train")
    config = {"name": "run", "data": {"name": "csv", "path": "a.csv"}, "task": {"name": "classification"}}
    metrics = {
        "test": {"accuracy": 1.0}, "baseline": {"test": {words: {"accuracy": 0.5}}}, "comparison": {"test": words},
        "data": words, "seconds": 1.0, "steps": 1, "parameters": 1, "machine": {"processor": words, "torch": words},
    }  # fmt: skip
    page = markdown(config, metrics, Shown(None, "", {"sample": words}), Library(), None)
    blocks = re.sub(r"^(`{3,})\w*\n(?:.*\n)*?\1$", "", page, flags=re.MULTILINE)
    assert "```" not in blocks
    assert not re.search(r"(?<!\\)(!\[|<img|\[/)", blocks)


@every
def test_tensorboard_shows_it_as_code(words: str) -> None:
    texts: list[str] = []

    class Writer:
        def add_text(self, tag: str, text: str, step: int) -> None:
            texts.append(text)

    Board(Writer(), None).text("texts/sample", words)  # type: ignore[arg-type]
    assert all(line.startswith("    ") for line in re.split("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", texts[0]))


@every
@pytest.mark.filterwarnings("ignore:.*Glyph")
def test_a_picture_is_drawn(words: str) -> None:
    if len(words) > 100 or "\ud800" in words or "\x00" in words:
        pytest.skip("no font has it, or no picture is as wide")
    figure = plain(confusion_figure(torch.tensor([[3, 1], [0, 4]]), [words, "b"]))
    assert figure_pixels(figure).size
    shown = [text for text in figure.axes[0].get_xticklabels() if text.get_text() == words]
    assert [text.get_parse_math() for text in shown] == [False]


FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "'=1", "''@x")
PLAIN = ("a", "a=b", "'tis", "", "-1.5", "+3e2", "1-2", "[1]", "-inf", 3, -2.5, None, True)


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_in_a_cell_is_text_and_can_be_read_back(cell: str) -> None:
    assert in_cell(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", PLAIN)
def test_other_cells_stay(cell: Any) -> None:
    assert in_cell(cell) == cell


def test_predictions_hold_no_formulas(tmp_path: Path) -> None:
    rows = [{"=name": cell, "probabilities": {cell: -0.5}, "list": [cell]} for cell in FORMULAS[:1]]
    write_predictions(rows, tmp_path / "p.csv")
    write_predictions(rows, tmp_path / "p.jsonl")
    read = list(csv.reader(io.StringIO((tmp_path / "p.csv").read_text())))
    assert not [cell for row in read for cell in row if cell[:1] in ("=", "+", "@")]
    assert read[1][1] == "-0.5"
    assert json.loads((tmp_path / "p.jsonl").read_text()) == rows[0]
