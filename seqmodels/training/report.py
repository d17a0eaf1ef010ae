"""What a run leaves for people: metrics.json and a table with the baselines beside the model."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.console import Console
from rich.table import Table

from seqmodels.atomic import replacing

if TYPE_CHECKING:
    import pytorch_lightning as pl


# Metrics that a terminal has room for side by side.
MOST_COLUMNS = 7


def write_text(text: str, path: Path) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as file:
        file.write_text(text, encoding="utf-8")


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write JSON whole or not at all; what is no finite number becomes null, which JSON has no other word for."""
    write_text(json.dumps(_finite(content), indent=2, allow_nan=False) + "\n", path)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def result_table(split: str, model: dict[str, float], baselines: dict[str, dict[str, float]]) -> Table:
    """The model and every baseline, one row each; one column each where there are many metrics."""
    names = list(model)
    # What is scored by other metrics, as on a split where nothing was written freely, has nothing to show.
    baselines = {row: values for row, values in baselines.items() if set(values) & set(names)}
    if len(names) > MOST_COLUMNS:
        return _on_its_side(split, {"this model": model, **baselines})
    table = Table(title=f"{split} split", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for row, values in [("this model", model), *baselines.items()]:
        cells = [f"{values[name]:.4g}" if name in values else "" for name in names]
        table.add_row(row, *cells, style="bold" if row == "this model" else "")
    return table


def _on_its_side(split: str, methods: dict[str, dict[str, float]]) -> Table:
    table = Table(title=f"{split} split", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("")
    for name in methods:
        table.add_column(name, justify="right")
    for name in methods["this model"]:
        cells = [f"{values[name]:.4g}" if name in values else "" for values in methods.values()]
        table.add_row(name.replace("_", " "), f"[bold]{cells[0]}[/bold]", *cells[1:])
    return table


def print_results(metrics: dict[str, Any], verdicts: dict[str, str], console: Console) -> None:
    """Print the table and the plain word for each split that was evaluated."""
    for split, verdict in verdicts.items():
        console.print()
        console.print(result_table(split, metrics[split], metrics["baseline"].get(split, {})))
        console.print(verdict, markup=False, highlight=False, soft_wrap=True)


def log_hyperparameters(trainer: pl.Trainer, config: dict[str, Any], metrics: dict[str, Any]) -> None:
    """Fill TensorBoard's hparams tab with the settings and the final, true metrics."""
    from pytorch_lightning.loggers import TensorBoardLogger

    logger = trainer.logger
    if not isinstance(logger, TensorBoardLogger):
        return
    final = {f"final/{s}/{k}": v for s in ("val", "test") for k, v in (metrics[s] or {}).items()}
    logger.log_hyperparams(flatten(config), final)
    logger.save()


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """A nested mapping as one level of dotted names, for TensorBoard."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        elif value is not None:
            flat[f"{prefix}{key}"] = value if isinstance(value, bool | int | float | str) else str(value)
    return flat


def write_config(config: dict[str, Any], path: Path) -> None:
    """The resolved config as YAML; that of the run's earlier leg is kept as `config_1.yaml`, and so on."""
    text = yaml.safe_dump(config, sort_keys=False)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        kept = (path.with_name(f"{path.stem}_{number}{path.suffix}") for number in itertools.count(1))
        write_text(path.read_text(encoding="utf-8"), next(one for one in kept if not one.exists()))
    write_text(text, path)
