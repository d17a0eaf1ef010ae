"""`seqmodels benchmark`: speed and memory against torch's own layers and a plain loop, side by side."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from seqmodels import __version__
from seqmodels.benchmark.shapes import MODES, SHAPES, TIMED, Shape, parse_shape
from seqmodels.cli.arguments import Parser
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.screen import console
from seqmodels.kinds import whole
from seqmodels.quoting import suggest

if TYPE_CHECKING:
    from seqmodels.benchmark.report import Outcome, Table
    from seqmodels.benchmark.run import Settings

DTYPES = ("float32", "float64", "bfloat16", "float16")


def benchmark(arguments: list[str]) -> int:
    """Measure, print each table as soon as it is known, and write the files that were asked for."""
    flags = _read(arguments)
    settings, cells = _settings(flags), _cells(flags)
    outcome = _measure(flags, settings, cells, command=shlex.join(["seqmodels", "benchmark", *arguments]))
    if flags.targets:
        _judge(outcome, settings.device)
    from seqmodels.benchmark.report import as_json, as_markdown
    from seqmodels.training.report import write_text

    if flags.json:
        write_text(json.dumps(as_json(outcome), indent=1, ensure_ascii=False) + "\n", flags.json)
    if flags.markdown:
        write_text(as_markdown(outcome), flags.markdown)
    return 0


def _measure(flags: argparse.Namespace, settings: Settings, cells: list[str], command: str) -> Outcome:
    from seqmodels.benchmark import report
    from seqmodels.benchmark.plan import measure, plan
    from seqmodels.benchmark.run import peak_of_products

    peak = peak_of_products(settings)
    outcome = report.Outcome(report.machine(settings, peak, command=command, seqmodels=__version__), [], [])
    console().print(f"{report.in_words(outcome.machine)}\n\n{report.LEGEND}", style="dim", soft_wrap=False)
    for one in plan(cells, flags.modes, flags.shapes, settings.device):
        with console(stderr=True).status(f"{one.cell}, {one.mode}"):
            outcome.found.append(measure(one, settings, peak))
        _print(report.table(outcome.found[-1]))
    return outcome


def _judge(outcome: Outcome, device: str) -> None:
    from seqmodels.benchmark import targets
    from seqmodels.benchmark.report import targets_table

    known = targets.ON_CPU if device == "cpu" else targets.ON_CUDA
    outcome.results.extend(targets.judge(known, outcome.rows, outcome.figures))
    _print(targets_table(outcome.results))


def _print(table: Table) -> None:
    from rich.table import Table as RichTable

    shown = RichTable(title=f"\n{table.title}", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if number else "left", header_style="dim", no_wrap=True)
    for row in table.rows:
        shown.add_row(*row)
    console().print(shown, soft_wrap=False)


def _read(arguments: list[str]) -> argparse.Namespace:
    """Read the flags, and check them as far as that can be done without torch.

    Raises:
        ConfigError: all that is wrong with them.
    """
    parser = Parser()
    for flag in ("--cells", "--modes", "--shapes"):
        parser.add_argument(flag, type=lambda text: [word for word in text.split(",") if word])
    parser.add_argument("--cell", action="append", default=[])
    parser.number("repeats", whole(1))
    parser.number("threads", whole(1))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype")
    for flag in ("--quick", "--no-loop", "--targets"):
        parser.add_argument(flag, action="store_true")
    parser.target("json")
    parser.target("markdown")
    flags, rest = parser.overrides(arguments)
    shapes, problems = _parse_shapes(flags)
    words = [f"{word}: benchmark has flags only, such as --cells lstm" for word in rest]
    parser.check(flags, *words, *problems, *_wrong(flags))
    if flags.quick:
        shapes, flags.modes = shapes or [SHAPES["tiny"]], flags.modes or TIMED
    flags.shapes = shapes
    return flags


def _parse_shapes(flags: argparse.Namespace) -> tuple[list[Shape], list[str]]:
    shapes, problems = [], []
    for text in flags.shapes or []:
        try:
            shapes.append(parse_shape(text))
        except ValueError as error:
            problems.append(f"--shapes: {error}")
    return shapes, problems


def _wrong(flags: argparse.Namespace) -> Iterator[str]:
    for mode in flags.modes or []:
        if mode not in MODES:
            yield f"--modes: there is no {mode!r}{suggest(mode, MODES) or ';'} choose from: {', '.join(MODES)}"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", flags.device):
        yield f"--device: must be cpu, cuda, or cuda:N, got {flags.device}"
    if flags.dtype not in (None, *DTYPES):
        yield f"--dtype: must be one of {', '.join(DTYPES)}, got {flags.dtype}"


def _settings(flags: argparse.Namespace) -> Settings:
    """Return what all comparisons share.

    Raises:
        ConfigError: a device that is not there.
    """
    import torch

    from seqmodels.benchmark.run import Settings

    on_cuda = flags.device != "cpu"
    number = int(flags.device.partition(":")[2] or 0)
    if on_cuda and number >= torch.cuda.device_count():
        raise ConfigError(f"--device: there is no {flags.device} here; torch sees {torch.cuda.device_count()}")
    settings = Settings(
        device=f"cuda:{number}" if on_cuda else "cpu",
        dtype=flags.dtype or ("bfloat16" if on_cuda else "float32"),
        repeats=flags.repeats or (2 if flags.quick else Settings().repeats),
        threads=flags.threads,
        loop=not flags.no_loop,
    )
    settings.apply()
    return settings


def _cells(flags: argparse.Namespace) -> list[str]:
    """Return the cells to compare, each of which can be found.

    Raises:
        ConfigError: those that cannot.
    """
    from seqmodels.benchmark.cases import find
    from seqmodels.benchmark.plan import CELLS

    cells = [*(flags.cells or ([] if flags.cell else CELLS)), *flags.cell]
    problems = []
    for name in cells:
        try:
            find(name)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError(*problems)
    return cells
