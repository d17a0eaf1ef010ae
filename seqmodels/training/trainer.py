"""Construction of the Learner, and of the Trainer with its callbacks, from a config."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from rich.console import Console

from seqmodels.build import build_model, build_task
from seqmodels.data.batches.module import SequenceDataModule
from seqmodels.environment import as_written
from seqmodels.training.callbacks.checkpoint import AtomicCheckpointIO, BestCheckpoint, RunState
from seqmodels.training.callbacks.event_log import RunLog
from seqmodels.training.callbacks.last_checkpoint import LastCheckpoint
from seqmodels.training.callbacks.progress import RunProgress
from seqmodels.training.diagnostics import Diagnostics
from seqmodels.training.learner import Learner, epoch_batches
from seqmodels.training.length import resolve_length
from seqmodels.training.processes import launchers
from seqmodels.training.processes.environments import Alone, Launched
from seqmodels.training.processes.fit import process_count
from seqmodels.training.skip import fit_skip


def build_learner(config: dict[str, Any], data: SequenceDataModule) -> Learner:
    """Build model, task and optimizer for the given data."""
    task = build_task(config, data.spec)
    task.prepare(data.splits["train"])
    training, model = config["training"], build_model(config, data.spec, task)
    if config["model"].get("skip_fit") == "ridge":  # older configs have none
        fit_skip(model, task, data.fitted, data.splits.get("val"))
    return Learner(
        model,
        task,
        optimizer=config["optimizer"],
        scheduler=config["scheduler"],
        window=training["window"],
        k2=training["k2"],
        scale_lr=training["random_window"],
    )


def make_trainer(
    config: dict[str, Any], run_dir: Path, learner: Learner, data: SequenceDataModule, console: Console
) -> pl.Trainer:
    """Build Lightning's Trainer with this package's callbacks, writing to the run folder."""
    batches = epoch_batches(data, config["trainer"]["limit_train_batches"])
    options = dict(resolve_length(config["trainer"], batches))
    # RunState after Diagnostics, which may log before a checkpoint.
    callbacks: list[pl.Callback] = [Diagnostics(**config["diagnostics"]), RunState(run_content(config, data))]
    if options.pop("enable_progress_bar", True):
        callbacks.append(RunProgress(console))
    if "val" in data.splits:
        callbacks += best_callbacks(config, run_dir, *learner.task.monitor)
    callbacks.append(LastCheckpoint(run_dir / "checkpoints" / "last.ckpt", config["checkpoint"]["every_n_steps"]))
    launched = launchers.found()
    options["strategy"] = strategy(options, launched)
    if options["deterministic"] is False and not torch.are_deterministic_algorithms_enabled():
        options["deterministic"] = None  # to say it again would load torch's compiler
    every = options["val_check_interval"]
    if isinstance(every, int) and options["check_val_every_n_epoch"] is not None:
        # Lightning refuses an interval longer than an epoch.
        options["val_check_interval"] = max(1, min(every, batches))
    return pl.Trainer(
        **options,
        callbacks=callbacks,
        logger=RunLog(run_dir),
        plugins=[AtomicCheckpointIO(), Alone() if launched is None else Launched(launched)],
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(c, RunProgress) for c in callbacks),
    )


def strategy(options: dict[str, Any], launched: launchers.Launch | None) -> str:
    """Return Lightning's strategy name for training in one or several processes.

    Raises:
        ValueError: settings that contradict the launcher of this process.
    """
    problems = [] if launched is None else launchers.contradictions(launched, options)
    if problems:
        raise ValueError("; ".join(problems))
    chosen: str = options["strategy"]
    if chosen not in ("auto", "ddp") or process_count(options) == 1:
        return chosen
    # Not by rerunning the command, which would do every run of a sweep in every process.
    return "ddp_spawn" if launched is None else "ddp"


def best_callbacks(config: dict[str, Any], run_dir: Path, name: str, mode: str) -> list[pl.Callback]:
    """Return the callbacks that follow the validation metric: best checkpoint, and early stopping if configured."""
    best = BestCheckpoint(
        run_dir / "checkpoints",
        "best",
        monitor=f"val/{name}",
        mode=mode,
        save_top_k=1,
        enable_version_counter=False,
        save_on_train_epoch_end=False,
    )
    patience = config["early_stopping"]["patience"]
    return [best] if patience is None else [best, EarlyStopping(f"val/{name}", mode=mode, patience=patience)]


def run_content(config: dict[str, Any], data: SequenceDataModule) -> dict[str, Any]:
    """Return a checkpoint's description of its run, in plain values."""
    return {"config": dict(as_written(config)), "spec": data.spec.to_plain(), "fingerprint": data.fingerprint}
