"""Rolling-origin evaluation: train a new model for each fold and score it on the steps that follow.

Source: Tashman 2000, "Out-of-sample tests of forecasting accuracy: an analysis and review", section 3.
"""

import csv
import io
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seqmodels.escaping import in_cell
from seqmodels.stopping import Stopped, at
from seqmodels.training.report import write_text
from seqmodels.training.run import train
from seqmodels.yaml_file import read_yaml

MODEL = "model"


def backtest(
    config: dict[str, Any], folder: Path, folds: int, sliding: int | None, console: Console
) -> list[dict[str, Any]]:
    """Train and score every fold, and write `backtest.csv`.

    A fold with results in its folder is not run again.

    Args:
        config: see `seqmodels.training.run.train`; ``data.fold`` and ``data.train_steps`` are set here.
        sliding: length of a sliding training window in time steps; None for all earlier steps.

    Returns:
        One row per fold and method.

    Raises:
        ValueError: see `train`; a folder that holds another backtest.
        Stopped: by a signal; finished folds are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    changes = {} if sliding is None else {"train_steps": sliding}
    results = []
    for fold in range(1, folds + 1):
        own = {**config, "data": {**config["data"], **changes, "fold": f"{fold}/{folds}"}}
        place = folder / f"fold_{fold}_of_{folds}"
        done = _finished(place, own)
        console.print(f"\nfold {fold} of {folds}{': done before' if done else ''}", style="bold")
        try:
            results.append(done or train(own, place, console))
        except Stopped:
            at(f" in fold {fold} of {folds}; those before are kept. The same command with run_dir={folder} goes on")
            raise
    rows = [row for fold, metrics in enumerate(results, 1) for row in _rows(fold, metrics)]
    monitor = _monitor(config, results[0])
    write_text(_as_csv(rows), folder / "backtest.csv")
    _print(rows, monitor, folds, console)
    console.print(Text(comparison(rows, monitor)))
    console.print(Text(f"\nAll numbers: {folder / 'backtest.csv'}"))
    return rows


def _finished(place: Path, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the results of a fold that was run before with the same settings."""
    if not (place / "metrics.json").is_file():
        return None
    try:
        saved = read_yaml(place / "config.yaml")
        found: Any = json.loads((place / "metrics.json").read_text(encoding="utf-8"))
        rows = _rows(1, found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None  # damaged: the fold is run again
    if saved != json.loads(json.dumps(config)):
        raise ValueError(f"{place} holds a fold of a backtest with other settings: choose another run_dir")
    finished: dict[str, Any] = found
    return finished if rows else None


def _rows(fold: int, metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the test metrics of the model and the baselines, one row per method."""
    methods = {MODEL: metrics["test"], **metrics["baseline"]["test"]}
    return [{"fold": fold, "method": name, **values} for name, values in methods.items()]


def _monitor(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Return the metric to compare folds by: the first available error measure of a forecast."""
    return next((name for name in ("crps", "mae", "rmse") if name in metrics["test"]), "loss")


def mean_and_spread(rows: Sequence[Mapping[str, Any]], metric: str) -> dict[str, tuple[float, float]]:
    """Return each method's mean and standard deviation over the folds (0 for one fold).

    >>> rows = [{"method": "model", "mae": 1.0}, {"method": "model", "mae": 3.0}]
    >>> mean_and_spread(rows, "mae")
    {'model': (2.0, 1.4142135623730951)}
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        value = row.get(metric)
        if value is not None and math.isfinite(value):
            values.setdefault(row["method"], []).append(value)
    return {
        name: (statistics.fmean(each), statistics.stdev(each) if len(each) > 1 else 0.0)
        for name, each in values.items()
    }


def comparison(rows: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Say whether the model beats each baseline, and in how many folds.

    >>> rows = [{"fold": 1, "method": "model", "mae": 2.0}, {"fold": 1, "method": "no change", "mae": 1.0}]
    >>> print(comparison(rows, "mae"))
    Mean mae over 1 fold: 2 (model).
      It does NOT beat no change (1); it was better in 0 of 1.
    """
    found = mean_and_spread(rows, metric)
    by_fold = {(row["fold"], row["method"]): row.get(metric) for row in rows}
    folds = sorted({row["fold"] for row in rows})
    own = found[MODEL][0]
    lines = [f"Mean {metric} over {len(folds)} fold{'s' if len(folds) > 1 else ''}: {own:.4g} (model)."]
    for name, (mean, _) in sorted(found.items(), key=lambda item: item[1][0]):
        if name == MODEL:
            continue
        wins = sum((by_fold[fold, MODEL] or 0) < (by_fold.get((fold, name)) or math.inf) for fold in folds)
        word = "beats" if own < mean else "does NOT beat"
        lines.append(f"  It {word} {name} ({mean:.4g}); it was better in {wins} of {len(folds)}.")
    return "\n".join(lines)


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: in_cell(value) for name, value in row.items()} for row in rows)
    return file.getvalue()


def _print(rows: Sequence[Mapping[str, Any]], metric: str, folds: int, console: Console) -> None:
    title = f"test {metric} of each fold, from the first to the last (lower is better)"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, collapse_padding=True)
    table.add_column("", no_wrap=True)
    for fold in range(1, folds + 1):
        table.add_column(str(fold), justify="right")
    for name in ("mean", "spread"):
        table.add_column(name, justify="right")
    by_fold = {(row["fold"], row["method"]): row.get(metric) for row in rows}
    found = mean_and_spread(rows, metric)
    for name, (mean, spread) in sorted(found.items(), key=lambda item: item[1][0]):
        cells = [by_fold.get((fold, name)) for fold in range(1, folds + 1)]
        shown = ["-" if cell is None else f"{cell:.3g}" for cell in cells]
        table.add_row(Text(name), *shown, f"{mean:.3g}", f"{spread:.2g}", style="bold" if name == MODEL else "")
    console.print(table)
