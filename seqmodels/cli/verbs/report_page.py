"""The page on a run, as Markdown. It names no folder and no machine, only what kind of machine."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqmodels.cli.config.compose import select
from seqmodels.cli.config.library import Library
from seqmodels.cli.config.settings import Plain, settings
from seqmodels.cli.prepare import prepare
from seqmodels.escaping import fenced, in_markdown

# Settings that say where and how a run was made, and not what it is.
LEFT_OUT = (
    *("run_dir", "resume", "plugins", "hydra.", "diagnostics.", "checkpoint.", "data.cache_dir"),
    *("trainer.enable_progress_bar", "trainer.accelerator", "trainer.log_every_n_steps"),
)
SHIPPED = "shipped:"
# Lines of a text that are shown.
MOST_LINES = 24


def markdown(config: Plain, metrics: Plain, shown: Any, library: Library, picture: str | None) -> str:
    """Return the page.

    Args:
        config: of the run.
        metrics: what is in its metrics.json.
        shown: its picture's name, and its texts.
        library: the config files.
        picture: the picture's file; None for none.
    """
    name = str(config["name"])
    parts = [f"# {in_markdown(name)}", *_shows(name, library)]
    if picture is not None:
        parts.append(f"![{in_markdown(shown.name)}]({picture})")
    parts += [_result(metrics, split) for split in ("test", "val") if metrics.get(split)][:1]
    parts.append("## The run\n\n" + _run(config, metrics, library))
    parts += [f"## {in_markdown(title.capitalize())}\n\n{_block(text)}" for title, text in shown.texts.items()]
    parts += [_own_data(config, library), _use(config)]
    return "\n\n".join(parts) + "\n"


def _shows(name: str, library: Library) -> Iterator[str]:
    if library.has("experiment", name):
        words = library.options("experiment")[name]
        yield words if words.endswith(".") else f"{words}."


def _result(metrics: Plain, split: str) -> str:
    """Return the model and its baselines as a table, and the comparison as it is."""
    model, baselines = metrics[split], metrics.get("baseline", {}).get(split, {})
    columns = list(model)
    lines = ["|  | " + " | ".join(in_markdown(column.replace("_", " ")) for column in columns) + " |"]
    lines.append("| --- |" + " ---: |" * len(columns))
    for row, values in [("**this model**", model), *baselines.items()]:
        cells = [f"{values[c]:.4g}" if values.get(c) is not None else "" for c in columns]
        lines.append(f"| {row if values is model else in_markdown(row)} | " + " | ".join(cells) + " |")
    words = {"test": "the test split", "val": "the validation split"}[split]
    comparison = (metrics.get("comparison") or metrics.get("verdict") or {}).get(split, "")
    return f"## Result on {words}\n\n" + "\n".join(lines) + f"\n\n{in_markdown(comparison)}"


def _run(config: Plain, metrics: Plain, library: Library) -> str:
    machine = metrics.get("machine", {})
    cores, threads = (f"{machine.get(k, '?')} {k[:-1] if machine.get(k) == 1 else k}" for k in ("cores", "threads"))
    on = machine.get("gpu") or f"{machine.get('processor', 'an unknown processor')}, {cores}, {threads}"
    lines = [
        _block(command(config, library), "sh"),
        f"- data: {in_markdown(_without_folders(str(metrics.get('data', '')), config))}",
        *(f"- origin and licence: {words}" for words in licences(config, library)),
        f"- training: {_duration(metrics['seconds'])}, {metrics['steps']:,} updates",
        f"- machine: {in_markdown(str(on))}; torch {in_markdown(str(machine.get('torch', '?')))}",
        f"- model: {metrics['parameters']:,} parameters",
    ]
    return lines[0] + "\n\n" + "\n".join(line for line in lines[1:] if not line.endswith(": "))


def command(config: Plain, library: Library) -> str:
    """Return the command that makes such a run: experiment, or parts and recipe, and what differs from it."""
    name = str(config["name"])
    if library.has("experiment", name):
        starts = [[f"experiment={name}"]]
    else:
        parts = [f"{group}={option}" for group, option in _parts(config) if library.has(group, option)]
        starts = [[*parts, *recipe] for recipe in ([], *([f"recipe={r}"] for r in library.options("recipe")))]
    written = [[*start, *_changed(config, start, library)] for start in starts]
    return " ".join(["seqmodels train", *min(written, key=len)])


def _parts(config: Plain) -> Iterator[tuple[str, str]]:
    for group in ("data", "task", "model/cell", "model/head", "optimizer", "scheduler"):
        part = select(config, group.replace("/", "."))
        yield group, str(part["name"]) if isinstance(part, dict) else ""


def _changed(config: Plain, start: list[str], library: Library) -> list[str]:
    """Return what differs from the config that some choices make."""
    before = dict(settings(prepare(library, start).config))
    return [
        f"{path}={_value(value, config)}"
        for path, value in settings(config)
        if path in before and before[path] != value and not path.startswith(LEFT_OUT)
    ]


def _value(value: Any, config: Plain) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value).replace(", ", ",") if isinstance(value, list | dict) else str(value)
    text = _without_folders(text, config)
    return text if re.fullmatch(r"[\w.,:+\-/\[\]]+", text) else shlex.quote(text)


def _without_folders(text: str, config: Plain) -> str:
    """Return a text in which the data's files are named without their folders.

    >>> _without_folders("texts/my names.csv: 12 names", {"data": {"path": "texts/my names.csv"}})
    'my names.csv: 12 names'
    """
    for value in config["data"].values():
        if isinstance(value, str) and "/" in value:
            text = text.replace(value, Path(value).name)
    return text


def licences(config: Plain, library: Library) -> list[str]:
    """Say where the data are from: of shipped files by their list, else by the experiment's ``# Data:``."""
    name = str(config["name"])
    text = library.text("experiment", name)
    said = re.findall(r"^# Data: (.*)$", text, re.MULTILINE)
    values = [str(value) for value in config["data"].values()]
    files = dict.fromkeys(re.findall(rf"{SHIPPED}([\w.]+\w)", " ".join([*values, *said])))
    found = [words for file in files if (words := _shipped(file))]
    return found + [words for words in said if SHIPPED not in words]


def _shipped(file: str) -> str | None:
    """Return one row of the list of shipped data, in words."""
    import seqmodels.data.shipped

    table = Path(seqmodels.data.shipped.__file__ or "").with_name("SOURCES.md").read_text(encoding="utf-8")
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and f"`{file}`" in cells[0]:
            return f"`{file}`: {cells[1]}; {cells[4]}; {cells[5]}"
    return None


def _duration(seconds: float) -> str:
    return f"{int(seconds // 60)} min {seconds % 60:.0f} s" if seconds >= 60 else f"{seconds:.1f} s"


def _own_data(config: Plain, library: Library) -> str:
    data, name = config["data"], str(config["name"])
    if "path" not in data:
        return "## With your own data\n\nSee what forms data may have: `seqmodels list data`."
    known = library.has("experiment", name)
    start = f"experiment={name}" if known else f"data={data['name']}"
    columns = "".join(f" data.{key}=COLUMN" for key in ("target", "label", "text") if data.get(key))
    form = _form(str(data["name"]), library)
    lines = f"seqmodels data inspect {start} data.path=FILE{columns}\nseqmodels train {start} data.path=FILE{columns}"
    return f"## With your own data\n\n{_block(lines, 'sh')}\n\nFILE: {form}."


def _form(source: str, library: Library) -> str:
    return library.meaning("data", source, "path").rstrip(".") or "as the training data are"


_PREDICT = ("seqmodels predict RUN --input FILE", 'print(list(model.predict("FILE")))')
_GENERATE = ("seqmodels generate RUN --prompt TEXT", 'print(model.generate("TEXT"))')
# How a model of a task is used: the command, and the line of Python.
_USES = {
    "language_modelling": _GENERATE,
    "sequence_generation": _GENERATE,
    "stroke_generation": ("seqmodels generate RUN --output strokes.png", 'model.draw("LABEL", count=16)'),
    "forecasting": ("seqmodels forecast RUN --input FILE --plot f.png", 'print(list(model.forecast("FILE")))'),
    "transcription": ("seqmodels transcribe RUN FILE", 'print(list(model.transcribe("FILE")))'),
    "pairs": ("seqmodels translate RUN --text TEXT", 'print(model.translate("TEXT"))'),
}


def _use(config: Plain) -> str:
    task, start = config["task"]["name"], 'import seqmodels\n\nmodel = seqmodels.Model.load("RUN")  # the run\'s folder'
    shell, python = _USES.get("pairs" if config["data"]["name"] == "pairs" else task, _PREDICT)
    lines = f"{start}\n{python}"
    return f"## Using the trained model\n\n{_block(shell, 'sh')}\n\n{_block(lines, 'python')}"


def _block(text: str, kind: str = "text") -> str:
    lines = text.splitlines()
    more = ["..."] if len(lines) > MOST_LINES else []
    return fenced("\n".join([*lines[:MOST_LINES], *more]), kind)
