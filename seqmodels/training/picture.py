"""What a trained run is best shown by: its task's own picture and words, on the split that is held out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from seqmodels.batch import SequenceBatch
from seqmodels.build import build_evaluation
from seqmodels.inference import load
from seqmodels.tasks.plots.style import plain
from seqmodels.training.learner import Learner
from seqmodels.training.quiet import quieten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Batches that a picture of the whole split is made from, at most.
MOST_BATCHES = 500


class Shown(NamedTuple):
    """A picture and its name, and texts by name; what a task has none of is empty."""

    figure: Figure | None
    name: str
    texts: dict[str, str]


def picture(run: Path, plugins: Iterable[str] = ()) -> Shown:
    """The first of a run's pictures, of what it makes freely or else of what it predicts, and its texts.

    Args:
        run: a run folder or checkpoint.
        plugins: packages whose parts the model is made of.

    Raises:
        ValueError: a bad checkpoint, or data that are not there any more.
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
