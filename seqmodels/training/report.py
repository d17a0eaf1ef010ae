"""Reports of a run: metrics.json, config.yaml, and a table of the model and its baselines."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seqmodels.environment import as_written
from seqmodels.files.atomic import replacing

# Maximum metrics side by side in a terminal, and letters of the longest word in a baseline's name.
MOST_COLUMNS, LONGEST_WORD = 6, 11
# Metrics dropped first if there are more: rmse and crps are equivalent, and no baseline has a loss.
SPARED = ("mse", "loss", "wql")


def write_text(text: str, path: Path) -> None:
    """Write a text file atomically."""
    with replacing(path) as file:
        file.write_text(text, encoding="utf-8")


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write JSON atomically; non-finite numbers, which JSON lacks, become null."""
    write_text(json.dumps(_finite(content), indent=2, allow_nan=False) + "\n", path)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def result_table(split: str, model: dict[str, float], baselines: dict[str, dict[str, float]]) -> Table:
    """Tabulate the model and every baseline, one row each; transposed if there are still many metrics."""
    # Drop baselines scored by other metrics, as on a split without free generation.
    baselines = {row: values for row, values in baselines.items() if set(values) & set(model)}
    spared = SPARED[: max(0, len(model) - MOST_COLUMNS)]
    names, methods = [name for name in model if name not in spared], {"this model": model, **baselines}
    table = Table(title=f"{split} split", title_justify="left", show_edge=False, pad_edge=False)
    if len(names) > MOST_COLUMNS:
        return _on_its_side(table, list(model), methods)
    table.add_column("", min_width=LONGEST_WORD)
    for name in names:
        table.add_column(Text(name.replace("_", " ")), justify="right", no_wrap="_" not in name)
    for row, values in methods.items():
        cells = [_cell(values[name]) if name in values else "" for name in names]
        table.add_row(Text(row), *cells, style="bold" if row == "this model" else "")
    return table


def _on_its_side(table: Table, names: list[str], methods: dict[str, dict[str, float]]) -> Table:
    table.add_column("")
    for method in methods:
        table.add_column(Text(method), justify="right")
    for name in names:
        cells = [_cell(values[name]) if name in values else "" for values in methods.values()]
        table.add_row(Text(name.replace("_", " ")), Text(cells[0], style="bold"), *cells[1:])
    return table


def _cell(value: float) -> str:
    """Format a number with four digits, and no exponent where it would be longer.

    >>> _cell(0.123456), _cell(53661.2), _cell(1.5e9)
    ('0.1235', '53661', '1.5e+09')
    """
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e8 else f"{value:.4g}"


def say(console: Console, words: str) -> None:
    """Print words as they are, in lines of any length."""
    console.print(words, markup=False, highlight=False, soft_wrap=True)


def print_results(metrics: dict[str, Any], comparisons: dict[str, str], console: Console) -> None:
    """Print the table and the comparison in words for each evaluated split."""
    for split, comparison in comparisons.items():
        console.print()
        console.print(result_table(split, metrics[split], metrics["baseline"].get(split, {})))
        say(console, comparison)


def write_config(config: dict[str, Any], path: Path) -> None:
    """Write the resolved config as YAML; keep one from before a resume as `config_1.yaml`, and so on."""
    text = yaml.safe_dump(dict(as_written(config)), sort_keys=False)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        kept = (path.with_name(f"{path.stem}_{number}{path.suffix}") for number in itertools.count(1))
        write_text(path.read_text(encoding="utf-8"), next(one for one in kept if not one.exists()))
    write_text(text, path)
