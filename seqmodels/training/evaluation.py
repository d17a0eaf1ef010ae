"""Evaluation of a model and its baselines on the held-out splits."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities import move_data_to_device

from seqmodels import checkpoint
from seqmodels.data.batches.module import SequenceDataModule
from seqmodels.dataset import SequenceDataset, first_steps, some_sequences
from seqmodels.model import evaluating
from seqmodels.training.learner import Learner
from seqmodels.training.processes.environments import Alone
from seqmodels.training.truncation import Carried

# Maximum number of held-out sequences that baselines are scored on, and of steps with a forecast at each.
MOST_SCORED, MOST_FORECASTS = 1 << 16, 1 << 18

_log = logging.getLogger(__name__)


def score(
    learner: Learner, data: SequenceDataModule, options: dict[str, Any], baselines: bool = True
) -> tuple[dict[str, Any], dict[str, str]]:
    """Score the model and the baselines on "val" and "test", and compare them in words.

    Args:
        baselines: whether there is a training split to fit them on.
    """
    train = data.fitted
    scores: dict[str, Any] = {"val": None, "test": None, "baseline": {}}
    comparisons: dict[str, str] = {}
    for split in ("val", "test"):
        if split in data.splits and options[f"limit_{split}_batches"] != 0:
            scores[split] = evaluate_split(learner, data, split, options)
            found = learner.task.baselines(train, _some(data.splits[split], split)) if baselines else {}
            scores["baseline"][split] = found
            comparisons[split] = learner.task.compare(scores[split], scores["baseline"][split])
    return scores, comparisons


def _some(held: SequenceDataset, split: str) -> SequenceDataset:
    """Return the part of a split to score baselines on: all, or a subset of very many sequences or steps."""
    steps, own = int(np.sum(held.lengths)), len(held)
    if held.spec.target_shape == "step" and held.spec.targets == "values" and steps > MOST_FORECASTS >= own:
        _log.warning("baselines are scored on the first %d of the %d %s steps", MOST_FORECASTS, steps, split)
        return first_steps(held, MOST_FORECASTS // own)
    if own <= MOST_SCORED:
        return held
    _log.warning("baselines are scored on %d of the %d %s sequences, evenly spread", MOST_SCORED, own, split)
    return some_sequences(held, MOST_SCORED)


def calibrate(learner: Learner, data: SequenceDataModule, path: Path) -> None:
    """Calibrate the task on predictions of the validation split, and store its state in the checkpoint."""
    device = next(learner.model.parameters()).device
    learner.carried["val"] = Carried()
    with torch.no_grad(), evaluating(learner.model):
        batches = (move_data_to_device(batch, device) for batch in data.val_dataloader())
        learner.task.calibrate((learner.predict_batch(batch, "val"), batch) for batch in batches)
    learner.carried["val"] = Carried()
    stored = checkpoint.read(path)
    stored[checkpoint.KEY]["task"] = learner.task.state()
    checkpoint.save(stored, path)


def evaluate_split(learner: Learner, data: SequenceDataModule, split: str, options: dict[str, Any]) -> dict[str, float]:
    """Compute the task's metrics on one split, with its own carried state."""
    devices, limit = options["devices"], f"limit_{split}_batches"
    settings = {name: options[name] for name in ("accelerator", "precision", limit)}
    trainer = pl.Trainer(
        **settings,
        devices=devices[:1] if isinstance(devices, list) else 1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        plugins=[Alone()],
    )
    loader = data.val_dataloader() if split == "val" else data.test_dataloader()
    run = trainer.validate if split == "val" else trainer.test
    results = run(learner, dataloaders=loader, verbose=False)[0]
    return {name.removeprefix(f"{split}/"): float(value) for name, value in results.items()}
