"""Callback that writes `last.ckpt` and stops a run on a signal."""

import multiprocessing
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn

from seqmodels import checkpoint, stopping
from seqmodels.training.callbacks.checkpoint import own_learner


class Interrupted(Exception):
    """A signal asked to stop; everything is saved."""


class LastCheckpoint(Checkpoint):
    """Write `last.ckpt` every `every_n_steps` updates and at the end, and stop cleanly on a signal.

    A signal is handled at the end of the update, or of a validation batch: the checkpoint is written, then
    `Interrupted` is raised. A second Ctrl-C stops at once.

    If validation or the end of the epoch follows an update, the checkpoint is written after them, because
    Lightning would skip them on resume. A checkpoint written inside a validation holds the state before it,
    and a resumed run starts with that validation. (A `Checkpoint`, so that Lightning calls it after the
    callbacks whose state it writes.)
    """

    def __init__(self, path: Path, every_n_steps: int) -> None:
        if every_n_steps < 1:
            raise ValueError(f"checkpoint.every_n_steps must be at least 1, got {every_n_steps}")
        self.path = path
        self.every_n_steps = every_n_steps
        self._saved_at = 0
        self._more_steps = 0
        self._validates = False
        self._release: Callable[[], None] = _nothing

    def setup(self, trainer: pl.Trainer, learner: pl.LightningModule, stage: str) -> None:
        # Lightning's SIGTERM handler leaves an epoch in the middle.
        trainer._signal_connector.register_signal_handlers = _nothing  # type: ignore[method-assign]
        if multiprocessing.parent_process() is not None:
            stopping.started()

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._saved_at = trainer.global_step
        self._release = stopping.hold()

    def on_exception(self, trainer: pl.Trainer, learner: pl.LightningModule, exception: BaseException) -> None:
        if isinstance(exception, stopping.Stopped) and self._validates and trainer.world_size == 1:
            self._save_before_validation(trainer)
        self._release()

    def teardown(self, trainer: pl.Trainer, learner: pl.LightningModule, stage: str) -> None:
        self._release()

    # A checkpoint can be written after an update, after validation, before a new epoch, and at the end.

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loop = trainer.fit_loop.epoch_loop
        if not (loop._should_accumulate() or loop.batch_progress.is_last_batch or _validation_follows(trainer)):
            self._save_if_due(trainer)

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        loop = trainer.fit_loop.epoch_loop
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        if not (loop._should_accumulate() or loop.batch_progress.is_last_batch):
            self._save_if_due(trainer)

    def on_load_checkpoint(self, trainer: pl.Trainer, learner: pl.LightningModule, stored: dict[str, Any]) -> None:
        # Lightning would end without a validation that is due after the last update.
        validation = stored["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]["total"]
        if validation["started"] > validation["completed"] and 0 < trainer.max_steps <= stored["global_step"]:
            self._more_steps = stored["global_step"] + 1 - trainer.max_steps
            trainer.fit_loop.epoch_loop.max_steps += self._more_steps

    def on_validation_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            trainer.fit_loop.epoch_loop.val_loop.batch_progress.total.reset_on_restart()
            trainer.fit_loop.epoch_loop.max_steps -= self._more_steps
            self._more_steps = 0
            self._validates = True
            trainer.fit_loop._restarting = False  # else a schedule that follows the validation misses this one

    def on_validation_epoch_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._validates = False  # other callbacks read its result from here on

    def on_validation_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int, *which: Any
    ) -> None:
        if trainer.state.fn != TrainerFn.FITTING or not self._stopping(trainer):
            return
        if self._validates:
            self._save_before_validation(trainer)
        self._interrupt()

    def on_train_epoch_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        # The schedules of the previous epoch have stepped by now. Lightning would skip what follows this hook
        # in a resumed epoch.
        loop = trainer.fit_loop.epoch_loop
        if trainer.global_step != self._saved_at and not loop.restarting:
            loop.batch_progress.reset_on_run()
            loop.scheduler_progress.reset_on_run()
            loop.automatic_optimization.optim_progress.reset_on_run()
            loop.val_loop.batch_progress.total.reset()
            self._save_if_due(trainer)

    def on_train_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        # Lightning counts an epoch cut short by `max_steps` or `max_time` as complete: a checkpoint written here
        # would skip the rest of it on resume. It was written after the last update.
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch or self._saved_at != trainer.global_step:
            self._save(trainer)
        if self._stopping(trainer):
            self._interrupt()

    def _save_before_validation(self, trainer: pl.Trainer) -> None:
        # Set the progress of a validation aborted in its first batch, so that Lightning restarts it.
        self._validates = False
        progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
        before = progress.total.completed - progress.current.completed
        progress.reset()
        progress.total.increment_by(before)
        progress.increment_ready()
        progress.increment_started()
        self._save(trainer)

    def _stopping(self, trainer: pl.Trainer) -> bool:
        """Return whether any of the processes was asked to stop."""
        stop = stopping.asked() is not None
        return stop if trainer.world_size == 1 else bool(trainer.strategy.reduce_boolean_decision(stop, all=False))

    def _save_if_due(self, trainer: pl.Trainer) -> None:
        stop = self._stopping(trainer)
        ends = trainer.should_stop or 0 < trainer.max_steps <= trainer.global_step
        if stop or ends or trainer.global_step - self._saved_at >= self.every_n_steps:
            self._save(trainer)
        if stop:
            self._interrupt()

    def _interrupt(self) -> NoReturn:
        stopping.end_children()
        raise Interrupted

    def _save(self, trainer: pl.Trainer) -> None:
        self._saved_at = trainer.global_step
        trainer.save_checkpoint(self.path)
        own_learner(trainer.lightning_module).last_good = str(self.path)


def _validation_follows(trainer: pl.Trainer) -> bool:
    every, loop = trainer.val_check_batch, trainer.fit_loop.epoch_loop
    if not loop._should_check_val_epoch() or every is None or every == float("inf"):
        return False
    done = loop.total_batch_idx if trainer.check_val_every_n_epoch is None else loop.batch_idx
    return (done + 1) % int(every) == 0


def _nothing() -> None:
    """Do nothing."""


def where_saved(folder: Path, stopped: str) -> str:
    """Say where a training was stopped, what is saved, and the command to resume it.

    Args:
        stopped: words with `{step}` for the update of `last.ckpt`.
    """
    last = folder / "checkpoints" / "last.ckpt"
    if not last.is_file():
        return stopping.NOTHING_YET
    return f" {stopped.format(step=checkpoint.read(last)['global_step'])}. {go_on_with(folder)}"


def go_on_with(folder: Path) -> str:
    """Return the command that resumes a run."""
    return f"Go on with: seqmodels train resume={shlex.quote(str(folder))}"
