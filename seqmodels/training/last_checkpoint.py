"""When `last.ckpt` is written, and how a run stops."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn

from seqmodels.training.checkpoint import own_learner


class Interrupted(Exception):
    """The user asked to stop; everything is saved."""


class LastCheckpoint(Checkpoint):
    """Writes `last.ckpt` every so many updates and at the end, and stops in good order.

    Ctrl-C (or SIGTERM) is answered at the end of the update: the checkpoint is written, then
    `Interrupted` is raised. A second Ctrl-C stops at once.

    Where validation or the end of the epoch follows an update, the checkpoint is written after
    those: Lightning would leave out on resume what was still due. (A `Checkpoint`, so that
    Lightning calls it after the callbacks whose state it writes.)

    Args:
        path: where `last.ckpt` goes.
        every_n_steps: updates between two checkpoints.
    """

    def __init__(self, path: Path, every_n_steps: int) -> None:
        if every_n_steps < 1:
            raise ValueError(f"checkpoint.every_n_steps must be at least 1, got {every_n_steps}")
        self.path = path
        self.every_n_steps = every_n_steps
        self._saved_at = 0
        self._stop = False
        self._presses = 0
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._saved_at = trainer.global_step
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        # With several processes one Ctrl-C comes as SIGINT from the terminal and as SIGTERM from the first.
        self._stop = True
        self._presses += number == signal.SIGINT
        if self._presses > 1:
            raise KeyboardInterrupt

    def on_exception(self, trainer: pl.Trainer, learner: pl.LightningModule, exception: BaseException) -> None:
        self._restore_handlers()

    def teardown(self, trainer: pl.Trainer, learner: pl.LightningModule, stage: str) -> None:
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        while self._handlers:
            number, handler = self._handlers.popitem()
            signal.signal(number, handler)

    # Where a checkpoint can be written: after an update, after validation, before a new epoch, at the end.

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

    def on_train_epoch_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        # The schedules of the epoch before have moved by now. What Lightning does after this hook,
        # it would not do in an epoch that is resumed.
        loop = trainer.fit_loop.epoch_loop
        if trainer.global_step != self._saved_at and not loop.restarting:
            loop.batch_progress.reset_on_run()
            loop.scheduler_progress.reset_on_run()
            loop.automatic_optimization.optim_progress.reset_on_run()
            loop.val_loop.batch_progress.total.reset()
            self._save_if_due(trainer)

    def on_train_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        # Lightning counts an epoch that `max_steps` or `max_time` cut short as a whole one: written here,
        # the checkpoint would leave out the rest of it on resume. It was written after the last update.
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch or self._saved_at != trainer.global_step:
            self._save(trainer)
        if self._stopping(trainer):
            raise Interrupted

    def _stopping(self, trainer: pl.Trainer) -> bool:
        """Whether any of the processes was asked to stop."""
        if trainer.world_size == 1:
            return self._stop
        return bool(trainer.strategy.reduce_boolean_decision(self._stop, all=False))

    def _save_if_due(self, trainer: pl.Trainer) -> None:
        stop = self._stopping(trainer)
        ends = trainer.should_stop or 0 < trainer.max_steps <= trainer.global_step
        if stop or ends or trainer.global_step - self._saved_at >= self.every_n_steps:
            self._save(trainer)
        if stop:
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
