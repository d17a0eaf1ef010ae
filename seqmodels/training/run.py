"""A whole training run: build, fit, evaluate the best checkpoint, score the baselines, report."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from rich.console import Console

from seqmodels import checkpoint
from seqmodels.build import build_data, build_model, build_source, build_task, import_plugins, parameter_count
from seqmodels.data.module import SequenceDataModule
from seqmodels.inference import load
from seqmodels.training.checkpoint import AtomicCheckpointIO, Interrupted, LastCheckpoint, RunState, refuse_differences
from seqmodels.training.diagnostics import Diagnostics
from seqmodels.training.learner import Learner
from seqmodels.training.progress import RunProgress
from seqmodels.training.quiet import quieten
from seqmodels.training.report import print_results, write_json


def train(config: dict[str, Any], run_dir: Path, console: Console | None = None) -> dict[str, Any]:
    """Train as `config` says, into the folder `run_dir`.

    The folder then holds `config.yaml`, `metrics.json`, `checkpoints/best.ckpt` and `last.ckpt`,
    and TensorBoard's event files.

    Args:
        config: the resolved config, plain values only.
        run_dir: made if it does not exist.
        console: where progress and results are printed.

    Returns:
        What is in `metrics.json`; after Ctrl-C ``{"interrupted": True, "resume": command}``.

    Raises:
        ValueError: bad data, impossible settings, a checkpoint that does not fit.
    """
    console = console or Console()
    quieten()
    import_plugins(config["plugins"])
    pl.seed_everything(config["seed"], workers=True, verbose=False)
    source = build_source(config)
    if hasattr(source, "describe"):
        console.print(source.describe(), markup=False, highlight=False, soft_wrap=True)
    data = build_data(config, source)
    learner = build_learner(config, data)
    console.print(
        f"{config['name']}: {parameter_count(learner.model):,} parameters, {amount(data)}; run folder {run_dir}",
        highlight=False,
        soft_wrap=True,
    )
    stored = resume_path(config)
    if stored is not None:
        refuse_differences(stored, run_content(config, data))
    run_dir.mkdir(parents=True, exist_ok=True)
    write_config(config, run_dir / "config.yaml")
    trainer = make_trainer(config, run_dir, learner, data, console)
    began = time.monotonic()
    try:
        trainer.fit(learner, data, ckpt_path=stored, weights_only=True)
    except Interrupted:
        resume = f"seqmodels train resume={run_dir}"
        console.print(f"\nStopped at step {trainer.global_step}; everything is saved. Go on with:\n  {resume}")
        return {"interrupted": True, "resume": resume}
    seconds = time.monotonic() - began
    return report(config, run_dir, learner, data, seconds, trainer, console)


def amount(data: SequenceDataModule) -> str:
    """How much there is to train on, in words."""
    train = data.splits["train"]
    steps = f"{int(train.lengths.sum()):,} steps"
    return f"a stream of {steps}" if train.stream else f"{len(train):,} sequences of {steps} in all"


def report(
    config: dict[str, Any],
    run_dir: Path,
    learner: Learner,
    data: SequenceDataModule,
    seconds: float,
    trainer: pl.Trainer,
    console: Console,
) -> dict[str, Any]:
    """Evaluate the best checkpoint and the baselines, write metrics.json, print the table."""
    best = checkpoint.locate(run_dir, "best")
    learner.load_state_dict(checkpoint.read(best)["state_dict"])
    scores, verdicts = score(learner, data)
    metrics = {
        "task": config["task"]["name"],
        "parameters": parameter_count(learner.model),
        "seconds": round(seconds, 2),
        "steps": checkpoint.read(checkpoint.locate(run_dir, "last"))["global_step"],
        **scores,
    }
    write_json(metrics, run_dir / "metrics.json")
    log_hyperparameters(trainer, config, metrics)
    print_results(metrics, verdicts, console)
    console.print(
        f"\nResults: {run_dir / 'metrics.json'}\nWatch it: tensorboard --logdir {run_dir}",
        highlight=False,
        soft_wrap=True,
    )
    return metrics


def score(learner: Learner, data: SequenceDataModule) -> tuple[dict[str, Any], dict[str, str]]:
    """Metrics of the model and of the baselines on "val" and "test", and a verdict on each."""
    scores: dict[str, Any] = {"val": None, "test": None, "baseline": {}}
    verdicts: dict[str, str] = {}
    for split in ("val", "test"):
        if split in data.splits:
            scores[split] = evaluate_split(learner, data, split)
            scores["baseline"][split] = learner.task.baselines(data.splits["train"], data.splits[split])
            verdicts[split] = learner.task.verdict(scores[split], scores["baseline"][split])
    return scores, verdicts


def evaluate_split(learner: Learner, data: SequenceDataModule, split: str) -> dict[str, float]:
    """The task's metrics on one split, with a carried state of its own."""
    trainer = pl.Trainer(
        accelerator="auto",
        devices=1,
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


def build_learner(config: dict[str, Any], data: SequenceDataModule) -> Learner:
    """Model, task and optimizer for the given data."""
    task = build_task(config, data.spec)
    task.prepare(data.splits["train"])
    training = config["training"]
    return Learner(
        build_model(config, data.spec, task),
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
    """Lightning's Trainer with our callbacks, writing into the run folder."""
    folder = run_dir / "checkpoints"
    callbacks: list[pl.Callback] = [
        RunState(run_content(config, data)),
        LastCheckpoint(folder / "last.ckpt", config["checkpoint"]["every_n_steps"]),
    ]
    options = dict(config["trainer"])
    if options.pop("enable_progress_bar", True):
        callbacks.append(RunProgress(console))
    if "val" in data.splits:
        name, mode = learner.task.monitor
        monitor = f"val/{name}"
        callbacks.append(
            ModelCheckpoint(
                folder,
                "best",
                monitor=monitor,
                mode=mode,
                save_top_k=1,
                enable_version_counter=False,
                save_on_train_epoch_end=False,
            )
        )
        if config["early_stopping"]["patience"] is not None:
            callbacks.append(EarlyStopping(monitor, mode=mode, patience=config["early_stopping"]["patience"]))
    callbacks.append(Diagnostics(**config["diagnostics"]))
    if options["devices"] != 1 and options["strategy"] in ("auto", "ddp"):
        # Not by running the command again, which would do every run of a sweep in every process.
        options["strategy"] = "ddp_spawn"
    return pl.Trainer(
        **options,
        callbacks=callbacks,
        logger=TensorBoardLogger(run_dir, name=None, version="", default_hp_metric=False),
        plugins=[AtomicCheckpointIO()],
        use_distributed_sampler=False,
        enable_model_summary=False,
        enable_progress_bar=any(isinstance(c, RunProgress) for c in callbacks),
    )


def run_content(config: dict[str, Any], data: SequenceDataModule) -> dict[str, Any]:
    """What a checkpoint says of its run, in plain values."""
    return {"config": config, "spec": data.spec.to_plain(), "fingerprint": data.fingerprint}


def resume_path(config: dict[str, Any]) -> str | None:
    """The checkpoint to go on from."""
    return None if config["resume"] is None else str(checkpoint.locate(config["resume"], "last"))


def log_hyperparameters(trainer: pl.Trainer, config: dict[str, Any], metrics: dict[str, Any]) -> None:
    """Fill TensorBoard's hparams tab with the settings and the final, true metrics."""
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
    """The resolved config as YAML."""
    import yaml

    path.write_text(yaml.safe_dump(config, sort_keys=False))


def evaluate(
    run: Path, changes: dict[str, Any] | None = None, plugins: Iterable[str] = (), console: Console | None = None
) -> dict[str, Any]:
    """Score a run's best checkpoint again, on its own data or on other data of the same kind.

    Args:
        run: a run folder or checkpoint.
        changes: settings to change, by dotted name, such as ``{"data.path": "other.csv"}``.
        plugins: packages whose parts the model is made of.
        console: where the results are printed.

    Returns:
        "val" and "test" metrics, and the baselines of each.

    Raises:
        ValueError: a bad checkpoint or bad data.
    """
    quieten()
    console = console or Console()
    trained = load(run, plugins, changes=changes)
    data = build_data(trained.config)
    if data.spec != trained.spec:
        raise ValueError(
            f"{run} was trained on data of another kind: its classes, vocabulary, columns or scales differ"
        )
    trained.task.prepare(data.splits["train"])
    learner = Learner(trained.model, trained.task, window=trained.config["training"]["window"])
    metrics, verdicts = score(learner, data)
    print_results(metrics, verdicts, console)
    return metrics
