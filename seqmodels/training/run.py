"""Training runs: build, fit, evaluate the best checkpoint, score the baselines, report."""

import shlex
import signal
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
from rich.console import Console

from seqmodels import checkpoint, stopping
from seqmodels.build import build_data, build_evaluation, build_source, is_gone, parameter_count
from seqmodels.data.batches.module import SequenceDataModule
from seqmodels.data.sources.base import DataSource
from seqmodels.environment import hide, resolved
from seqmodels.files.atomic import sweep
from seqmodels.inference import load
from seqmodels.registry import import_plugins
from seqmodels.terminal import Screen
from seqmodels.training.callbacks.event_log import RunLog
from seqmodels.training.callbacks.last_checkpoint import Interrupted, go_on_with, where_saved
from seqmodels.training.evaluation import calibrate, score
from seqmodels.training.learner import Learner, total_updates
from seqmodels.training.length import limit_scoring
from seqmodels.training.lock import held
from seqmodels.training.machine import machine
from seqmodels.training.processes import launchers
from seqmodels.training.processes.fit import fit
from seqmodels.training.quiet import quieten
from seqmodels.training.report import print_results, say, write_config, write_json
from seqmodels.training.resume import bring_along, finished, planned, refuse_unlike, resume_path, scored
from seqmodels.training.trainer import build_learner, make_trainer, run_content

# Maximum number of printed notes on the data.
MOST_NOTES = 6


def train(
    config: dict[str, Any], run_dir: Path, console: Console | None = None, source: DataSource | None = None
) -> dict[str, Any]:
    """Train as configured, writing to the folder `run_dir`.

    The folder then holds `config.yaml`, `metrics.json`, `checkpoints/best.ckpt` and `last.ckpt`,
    and TensorBoard's event files.

    Args:
        config: plain values only; `${oc.env:NAME}` is read from the environment and stored unresolved.
        source: the data source where it is built already.

    Returns:
        The content of `metrics.json`.

    Raises:
        ValueError: bad data, impossible settings, a checkpoint that does not fit.
        Stopped: by a signal such as Ctrl-C; the message tells what is saved and how to resume.
    """
    stopping.at(partial(where_saved, run_dir, "at once; saved is step {step}"))
    launched = launchers.found()
    first = launched is None or launched.rank == 0
    console = (console or Screen(markup=False)) if first else Console(quiet=True)
    with held(run_dir) if first else nullcontext():
        return _train(config, run_dir, console, first, source)


def _train(
    config: dict[str, Any], run_dir: Path, console: Console, first: bool, source: DataSource | None
) -> dict[str, Any]:
    """Train; only the first of a launcher's processes writes and prints."""
    config = resolved(config, strict=True)
    tell = partial(say, console)
    _, data, learner, taken_for = assemble(config, tell, source)
    tell(f"{config['name']}: {parameter_count(learner.model):,} parameters, {amount(data)}; run folder {run_dir}")
    trainer = make_trainer(config, run_dir, learner, data, console)
    stored, over = resume_path(config), None
    if stored is not None:
        asked, content = total_updates(trainer, data), checkpoint.read(stored)
        now = {**run_content(config, data), "total_updates": asked}
        now["fingerprint"] = data.fingerprint_by(content[checkpoint.KEY]["spec"])
        learner.planned = planned(stored, content, now)
        over = finished(stored, content, asked, config["early_stopping"]["patience"])
        del content  # Lightning reads the checkpoint again
    if first:
        if stored is not None:
            bring_along(stored, run_dir / "checkpoints")
        for folder in (run_dir, run_dir / "checkpoints"):
            sweep(folder)
        if over is None or not (run_dir / "config.yaml").exists():
            write_config(config, run_dir / "config.yaml")
    if over is None:
        _fit(trainer, learner, data, stored, run_dir)
    else:
        tell(f"{stored} has nothing left to train: {over}")
        done = scored(run_dir)
        if done is not None:
            tell(f"Results: {run_dir / 'metrics.json'}")
            return done
    if not first:
        return {}
    stopping.at(f" after the training, which is saved, in its scoring. {go_on_with(run_dir)}")
    metrics = report(config, run_dir, learner, data, trainer, console, taken_for)
    stopping.at(f" when all was done: {run_dir / 'metrics.json'}")
    return metrics


def _fit(trainer: pl.Trainer, learner: Learner, data: SequenceDataModule, stored: str | None, run_dir: Path) -> None:
    try:
        fit(trainer, learner, data, stored)
    except Interrupted:
        stopping.at(partial(where_saved, run_dir, "at step {step}; everything is saved"))
        raise stopping.Stopped(stopping.asked() or signal.SIGTERM) from None


class Assembled(NamedTuple):
    """Source, data and learner of a training, and the sentence on how the data were interpreted."""

    source: DataSource
    data: SequenceDataModule
    learner: Learner
    taken_for: str


def assemble(config: dict[str, Any], say: Callable[[str], Any], source: DataSource | None = None) -> Assembled:
    """Read the data and build the model, like `train` before training.

    Args:
        say: called with the sentence on how the data were interpreted, before they are split, and with notes on
            what was dropped or changed.
        source: the data source where it is built already.

    Raises:
        ValueError: bad data, or impossible settings.
    """
    quieten()
    import_plugins(config["plugins"])
    refuse_unlike(config)
    pl.seed_everything(config["seed"], workers=True, verbose=False)
    source = source or build_source(config)
    taken_for = source.describe()
    say(taken_for)
    data = build_data(config, source)
    notes = [note for note in source.notes if note not in taken_for]
    for note in notes[:MOST_NOTES]:
        say(f"- {note}")
    if len(notes) > MOST_NOTES:
        say(f"- and {len(notes) - MOST_NOTES} more, which seqmodels data inspect lists")
    limit_scoring(config, data)
    for note in data.limits:
        say(f"- {note}")
    refuse_unwatched(config, data)
    return Assembled(source, data, build_learner(config, data), taken_for)


def amount(data: SequenceDataModule) -> str:
    """Describe the size of the training split."""
    train = data.splits["train"]
    steps = f"{int(train.lengths.sum()):,} steps"
    return f"a stream of {steps}" if train.stream else f"{len(train):,} sequences of {steps} in all"


def report(
    config: dict[str, Any],
    run_dir: Path,
    learner: Learner,
    data: SequenceDataModule,
    trainer: pl.Trainer,
    console: Console,
    taken_for: str = "",
) -> dict[str, Any]:
    """Evaluate the best checkpoint and the baselines, write metrics.json, and print the table."""
    last = checkpoint.read(checkpoint.locate(run_dir, "last"))
    say_if_early(last, learner, console)
    best = checkpoint.locate(run_dir, "best")
    learner.load_state_dict(checkpoint.read(best)["state_dict"])
    if learner.task.calibrates:
        calibrate(learner, data, best)
    scores, comparisons = score(learner, data, config["trainer"])
    metrics = {
        "task": config["task"]["name"],
        "parameters": parameter_count(learner.model),
        "seconds": round(last[checkpoint.KEY]["seconds"], 2),
        "steps": last["global_step"],
        **scores,
        "comparison": comparisons,
        "data": hide("; ".join([taken_for, *data.limits]), config),
        "machine": machine(),
    }
    write_json(metrics, run_dir / "metrics.json")
    if isinstance(trainer.logger, RunLog):
        trainer.logger.log_results(config, metrics)
    print_results(metrics, comparisons, console)
    results = run_dir / "metrics.json"
    say(console, f"\nResults: {results}\nWatch it: tensorboard --logdir {shlex.quote(str(run_dir))}")
    return metrics


def say_if_early(last: dict[str, Any], learner: Learner, console: Console) -> None:
    """Print a line if early stopping ended the run, as its state in the last checkpoint tells."""
    states = [state for key, state in last["callbacks"].items() if key.startswith("EarlyStopping")]
    name = learner.task.monitor[0]
    if states and states[0]["wait_count"] >= states[0]["patience"]:
        validations = f"{states[0]['patience']} validations" if states[0]["patience"] != 1 else "a validation"
        console.print(f"Stopped early at step {last['global_step']}: {validations} without a better {name}.")
    elif states and states[0]["stopped_epoch"]:
        console.print(f"Stopped early at step {last['global_step']}: {name} is no longer finite.")


def refuse_unwatched(config: dict[str, Any], data: SequenceDataModule) -> None:
    """Refuse settings that need a validation metric if there is none.

    Raises:
        ValueError: the setting and the remedy.
    """
    if "val" in data.splits and config["trainer"]["limit_val_batches"] != 0:
        return
    cure = "but there is no validation: give the data a val split (data.val_fraction=0.1)"
    if config["scheduler"]["name"] == "plateau":
        raise ValueError(f"scheduler=plateau follows the validation metric, {cure}, or choose scheduler=none")
    if config["early_stopping"]["patience"] is not None:
        raise ValueError(f"early_stopping.patience follows the validation metric, {cure}, or set it to null")
    if config["task"].get("conformal"):
        raise ValueError(f"task.conformal corrects the interval on the validation split, {cure}, or set it to false")


def evaluate(
    run: Path, changes: dict[str, Any] | None = None, plugins: Iterable[str] = (), console: Console | None = None
) -> dict[str, Any]:
    """Score a run's best checkpoint on its own data or on other data of the same kind.

    Args:
        changes: settings to change, by dotted name, such as ``{"data.path": "other.csv"}``.
        plugins: packages that register parts of the model.

    Returns:
        "val" and "test" metrics, and those of the baselines.

    Raises:
        ValueError: a bad checkpoint or bad data.
    """
    quieten()
    console = console or Screen(markup=False)
    changes = dict(changes or {})
    other = changes.pop("data.path", None)
    trained = load(run, plugins, changes=changes)
    data = build_evaluation(trained.config, trained.spec, other)
    known = other is None or not is_gone(trained.config)
    if known:
        trained.task.prepare(data.splits["train"])
    else:
        say(console, f"{trained.config['data']['path']}, the training data, is gone: no baselines")
    learner = Learner(trained.model, trained.task, window=trained.config["training"]["window"])
    metrics, comparisons = score(learner, data, trained.config["trainer"], baselines=known)
    print_results(metrics, comparisons, console)
    return metrics
