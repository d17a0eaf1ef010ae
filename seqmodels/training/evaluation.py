"""Scoring a model and its baselines on the splits that are held out."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from seqmodels.data.module import SequenceDataModule
from seqmodels.training.learner import Learner


def score(learner: Learner, data: SequenceDataModule, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Metrics of the model and of the baselines on "val" and "test", and a verdict on each.

    Args:
        learner: the model and its task.
        data: the splits.
        options: the training's own settings of the Trainer.
    """
    scores: dict[str, Any] = {"val": None, "test": None, "baseline": {}}
    verdicts: dict[str, str] = {}
    for split in ("val", "test"):
        if split in data.splits and options[f"limit_{split}_batches"] != 0:
            scores[split] = evaluate_split(learner, data, split, options)
            scores["baseline"][split] = learner.task.baselines(data.splits["train"], data.splits[split])
            verdicts[split] = learner.task.verdict(scores[split], scores["baseline"][split])
    return scores, verdicts


def evaluate_split(learner: Learner, data: SequenceDataModule, split: str, options: dict[str, Any]) -> dict[str, float]:
    """The task's metrics on one split, with a carried state of its own."""
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
    )
    loader = data.val_dataloader() if split == "val" else data.test_dataloader()
    run = trainer.validate if split == "val" else trainer.test
    results = run(learner, dataloaders=loader, verbose=False)[0]
    return {name.removeprefix(f"{split}/"): float(value) for name, value in results.items()}
