"""`seqmodels report`: a page on a run, with its picture, its result and how to use it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seqmodels.cli.arguments import Parser
from seqmodels.cli.config.library import Library
from seqmodels.cli.config.saved import run_folder, saved_config
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.screen import console
from seqmodels.cli.trained import read_run
from seqmodels.files.atomic import replacing


def report(arguments: list[str]) -> int:
    """Write a run's page and picture."""
    parser = Parser()
    parser.target("output", ".md", default=Path("report.md"))
    flags, run, changes, plugins = read_run(parser, arguments)
    parser.check(flags, *(f"{name}: a page is on the run as it is: leave it out" for name in changes))
    written = write_page(run, flags.output, Library(), plugins)
    console(stderr=True).print(f"written: {', '.join(map(str, written))}")
    return 0


def write_page(run: Path, page: Path, library: Library, plugins: Iterable[str] = ()) -> list[Path]:
    """Write a page on a run, and beside it its picture where the task has one.

    Args:
        run: a run folder or a checkpoint in it.
        page: the file to write, ending in .md.
        library: the config files, which say what an experiment shows.
        plugins: packages whose parts the model is made of.

    Returns:
        The files written.

    Raises:
        ConfigError: a run that did not end.
        ValueError: a damaged run, or data that are not there any more.
    """
    from seqmodels.cli.verbs.report_page import markdown
    from seqmodels.training.plot import plot
    from seqmodels.training.report import write_text

    folder = run_folder(run, "RUN")
    config, metrics = saved_config(folder), _metrics(folder)
    shown = plot(run, plugins)
    written = [page]
    if shown.figure is not None:
        written.append(page.with_suffix(".png"))
        with replacing(written[-1]) as file:
            shown.figure.savefig(file, format="png", dpi=110, facecolor="white")
    write_text(markdown(config, metrics, shown, library, written[-1].name if shown.figure else None), page)
    return written


def _metrics(folder: Path) -> dict[str, Any]:
    file = folder / "metrics.json"
    if not file.is_file():
        raise ConfigError(f"{folder} has no {file.name}: it did not end; go on with: seqmodels train resume={folder}")
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not _are_metrics(found):
        raise ConfigError(
            f"{file} is damaged, or not the metrics of a run: remove it, and have it made anew with: "
            f"seqmodels train resume={folder}"
        )
    metrics: dict[str, Any] = found
    return metrics


def _are_metrics(found: Any) -> bool:
    """Return whether a JSON file has the shape in which a training writes its metrics."""
    if not isinstance(found, dict) or not all(map(_is_number, map(found.get, ("seconds", "steps", "parameters")))):
        return False
    named = (found.get(name) for name in ("val", "test", "machine", "baseline", "comparison", "verdict"))
    parts = [{} if part is None else part for part in named]  # null is a split that there is none of
    if not all(isinstance(part, dict) for part in parts):
        return False
    val, test, _, baselines, comparisons, former = parts  # "verdict" is what older runs call the comparison
    if not all(isinstance(split, dict) for split in baselines.values()):
        return False
    rows = [val, test, *(row for split in baselines.values() for row in split.values())]
    return all(isinstance(words, str) for words in (*comparisons.values(), *former.values())) and all(
        isinstance(row, dict) and all(value is None or _is_number(value) for value in row.values()) for row in rows
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
