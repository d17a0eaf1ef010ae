"""Tiny runs to use, and tables for them."""

import csv
from pathlib import Path
from typing import Any

from rich.console import Console

from seqmodels.training.run import train
from tests.training.runs import compose_config

WORDS = ["to", "be", "or", "not", "that", "is", "the", "question", "whether", "nobler"]
SMALL = (
    "model.hidden_sizes=[6] model.embedding_size=4 training.batch_size=8 trainer.max_steps=4 trainer.accelerator=cpu "
    "trainer.enable_progress_bar=false diagnostics.enabled=false "
)


def trained_run(folder: Path, line: str, *overrides: str) -> Path:
    train(compose_config(SMALL + line, *overrides), folder / "run", Console(quiet=True))
    return folder / "run"


def write_table(file: Path, header: list[str], rows: list[list[Any]]) -> Path:
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([header, *rows])
    return file
