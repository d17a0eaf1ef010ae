"""Benchmark results as tables, Markdown and JSON."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from seqmodels.benchmark.probes import Figure
from seqmodels.benchmark.run import Row, Settings
from seqmodels.benchmark.targets import TargetResult, mean_ratio
from seqmodels.scan.fused.compiler import describe
from seqmodels.training.machine import processor

LEGEND = (
    "times: medians; ratio: torch's time / seqmodels', median and quartiles over the rounds; "
    "loop: a plain Python loop (in mode step: the cell's uncompiled step); "
    "peak: FLOP/s relative to one large matrix product"
)


class Table(NamedTuple):
    """A title, column names, and rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        lines = [self.columns, ("---",) + ("---:",) * (len(self.columns) - 1), *self.rows]
        return f"## {self.title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


class Outcome(NamedTuple):
    """All results of a run: one list of rows or figures per comparison."""

    machine: dict[str, Any]
    found: list[list[Row] | list[Figure]]
    results: list[TargetResult]

    @property
    def rows(self) -> list[Row]:
        return [one for found in self.found for one in found if isinstance(one, Row)]

    @property
    def figures(self) -> list[Figure]:
        return [one for found in self.found for one in found if isinstance(one, Figure)]


def machine(settings: Settings, peak: float, **more: str) -> dict[str, Any]:
    """Describe the machine and versions; `more` adds "command" and "seqmodels", the package's version."""
    return {
        **more,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes"),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(settings.device) if settings.device != "cpu" else "cpu",
        "dtype": settings.dtype,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "compiler": describe(),
        "peak_gflops": peak / 1e9,
    }


def in_words(machine: dict[str, Any]) -> str:
    """Describe the machine in one paragraph."""
    device = "" if machine["device"] == "cpu" else f", {machine['device']}"
    return (
        f"{machine['processor']}, {machine['cores']} cores{device}; {machine['threads']} threads, {machine['dtype']}; "
        f"one large product {machine['peak_gflops']:.0f} GFLOP/s; torch {machine['torch']}, seqmodels "
        f"{machine['seqmodels']}, {machine['compiler']}; {machine['date']}"
    )


def table(found: Sequence[Row] | Sequence[Figure]) -> Table:
    """Tabulate the results of one comparison."""
    rows = [one for one in found if isinstance(one, Row)]
    figures = [one for one in found if isinstance(one, Figure)]
    if figures:
        return _figures_table(figures)
    columns = ("T×B×F×H", "engine", "seqmodels", "torch", "loop", "ratio", "quartiles", "peak")
    lines: list[tuple[str, ...]] = [_line(row) for row in rows]
    if len(rows) > 1:
        lines.append(("geometric mean", "", "", "", "", f"{mean_ratio(rows):.2f}", "", ""))
    return Table(f"{rows[0].cell}, {rows[0].mode}, against nn.{rows[0].peer}", columns, lines)


def _line(row: Row) -> tuple[str, ...]:
    ours, theirs, loop = (row.times.get(name) for name in ("seqmodels", "torch", "loop"))
    times = [duration(spread.median) if spread else "-" for spread in (ours, theirs, loop)]
    quartiles = f"{row.ratio.low:.2f}–{row.ratio.high:.2f}"
    share = "-" if row.share is None else f"{row.share:.0%}"
    return str(row.shape), row.engine, *times, f"{row.ratio.median:.2f}", quartiles, share


def duration(seconds: float) -> str:
    """Format seconds with three digits.

    >>> duration(0.0015), duration(0.123), duration(1.234), duration(4.81e-5)
    ('1.50 ms', '123 ms', '1.23 s', '48.1 µs')
    """
    unit, scale = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e3)) if seconds * s >= 1), ("µs", 1e6))
    number = seconds * scale
    return (f"{number:#.3g}".rstrip(".") if number < 999.5 else f"{number:.0f}") + f" {unit}"


_WORDS = {
    "first": "first use, compiling included",
    "cached": "first use, cached",
    "memory": "peak of a training step",
    "tbptt": "peak of a long text, in windows",
    "mean": "geometric mean",
    "least": "least ratio",
    "share": "share of peak",
}
_AGAINST = {"memory": "torch", "tbptt": "short text"}


def _figures_table(figures: Sequence[Figure]) -> Table:
    title = f"{figures[0].cell}, in fresh processes"
    if figures[0].other is None:
        lines: list[tuple[str, ...]] = [(_WORDS[one.name], duration(one.value)) for one in figures]
        return Table(title, (str(figures[0].shape), "seqmodels"), lines)
    return Table(title, (str(figures[0].shape), "seqmodels", "against", "ratio"), [_against(one) for one in figures])


def _against(one: Figure) -> tuple[str, ...]:
    ratio = "-" if one.ratio is None else f"{one.ratio:.2f}"
    return _WORDS[one.name], f"{one.value:.1f} MiB", f"{_AGAINST[one.name]} {one.other:.1f} MiB", ratio


def targets_table(results: Sequence[TargetResult]) -> Table:
    """Tabulate targets and measured values."""
    return Table("targets", ("what", "value", "must", "aim", "status"), [_target_line(one) for one in results])


def _target_line(one: TargetResult) -> tuple[str, ...]:
    target = one.target
    sign = "≤" if target.at_most else "≥"
    bounds = ("" if value is None else f"{sign} {value:.3g}" for value in (target.must, target.aim))
    mode = "" if target.at_most else f"{target.mode}, "
    where = "" if target.shape is None else f" at {target.shape}"
    return f"{target.cell}: {mode}{_WORDS[target.figure]}{where}", f"{one.value:.3g}", *bounds, one.status


def as_markdown(outcome: Outcome) -> str:
    """Format the machine, the legend and all tables as Markdown."""
    tables = [table(found) for found in outcome.found] + [targets_table(outcome.results)] * bool(outcome.results)
    opening = f"# Benchmark\n\nMade by `{outcome.machine['command']}`.\n\n{in_words(outcome.machine)}\n"
    return "\n".join([opening, f"{LEGEND}\n", *(one.markdown() for one in tables)])


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Convert all results to plain values; times in seconds, memory in MiB."""
    means = [
        {"cell": rows[0].cell, "mode": rows[0].mode, "ratio": mean_ratio(rows)}
        for rows in ([row for row in found if isinstance(row, Row)] for found in outcome.found)
        if rows
    ]
    parts = {"rows": outcome.rows, "means": means, "figures": outcome.figures, "targets": outcome.results}
    return {"machine": outcome.machine, **{name: _plain(part) for name, part in parts.items()}}


def _plain(value: Any) -> Any:
    """Convert NamedTuples to dicts, recursively."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: _plain(item) for key, item in value._asdict().items()}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
