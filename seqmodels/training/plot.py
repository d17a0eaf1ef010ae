"""A plot and texts of a trained run, made by its task on a held-out split."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure

from seqmodels.batch import SequenceBatch
from seqmodels.build import build_evaluation
from seqmodels.inference import load
from seqmodels.tasks.plots.style import plain
from seqmodels.training.learner import Learner
from seqmodels.training.quiet import quieten

# Maximum number of batches behind a plot of the whole split.
MOST_BATCHES = 500


class Shown(NamedTuple):
    """A plot with its name, and texts by name; empty if the task has none."""

    figure: Figure | None
    name: str
    texts: dict[str, str]


def plot(run: Path, plugins: Iterable[str] = ()) -> Shown:
    """Return the run's first plot, of free generations if there are any, else of predictions, and its texts.

    Raises:
        ValueError: a bad checkpoint, or missing data.
    """
    quieten()
    trained = load(run, plugins)
    model, task = trained.model, trained.task
    data = build_evaluation(trained.config, trained.spec)
    task.prepare(data.splits["train"])
    name = next((split for split in ("test", "val") if split in data.splits), "train")
    loader: Any = data.test_dataloader() if name == "test" else data.val_dataloader() or data.train_dataloader()
    learner = Learner(model, task, window=trained.config["training"]["window"])
    metrics = task.metrics()
    first: tuple[torch.Tensor, SequenceBatch] | None = None
    with torch.no_grad():
        for number, batch in enumerate(loader):
            prediction = learner.predict_batch(batch, "test")
            first = first or (prediction, batch)
            task.update(metrics, prediction, batch)
            if task.generates_in_validation and (made := task.generate(model, batch)) is not None:
                task.update_generated(metrics, made, batch)
            if number + 1 >= MOST_BATCHES:
                break
        if first is None:
            return Shown(None, "", {})
        metrics.compute()
        generator = torch.Generator().manual_seed(0)
        figures = {**task.sample_plots(model, first[1], generator), **task.plots(first[0], first[1], metrics)}
        texts = task.texts(model, first[1], generator)
    title = next(iter(figures), "")
    return Shown(plain(figures[title]) if title else None, title, texts)
