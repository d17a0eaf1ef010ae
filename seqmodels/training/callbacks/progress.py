"""Progress bar with loss and speed; plain lines if the output is not a terminal."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from seqmodels.terminal import Screen
from seqmodels.training.learner import Learner
from seqmodels.training.report import say


class RunProgress(ProgressBar):
    """Progress bar on one line: epoch, bar, loss, newest validation metric, updates per second, time left.

    Args:
        line_every: seconds between two lines if the console is not a terminal.
    """

    def __init__(self, console: Console | None = None, line_every: float = 15.0) -> None:
        super().__init__()
        self.console = console or Screen(markup=False)
        self.line_every = line_every
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._began = self._shown = 0.0
        self._first_step = 0
        self._total: int | None = None
        self._enabled = True

    def __getstate__(self) -> dict[str, Any]:
        # A console holds locks, which cannot be pickled: another process makes its own.
        return {**self.__dict__, "console": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, console=Screen(markup=False))

    def disable(self) -> None:
        self._enabled = False

    def enable(self) -> None:
        self._enabled = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._began = self._shown = time.monotonic()
        self._first_step = trainer.global_step
        self._total = pl_module.total_updates if isinstance(pl_module, Learner) else None
        if self._enabled and self.console.is_terminal:
            self._bar = Progress(
                TextColumn("epoch {task.fields[epoch]}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TextColumn("{task.fields[values]}"),
                TimeRemainingColumn(),
                console=self.console,
                refresh_per_second=4,
            )
            self._task = self._bar.add_task("train", total=self._total, epoch=self._epoch(trainer), values="")
            self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # Reading the loss waits for the device, so limit it to a few times a second.
        now = time.monotonic()
        if not self._enabled or now - self._shown < (0.3 if self._bar else self.line_every):
            return
        self._shown = now
        values = self._values(trainer, pl_module, now)
        if self._bar:
            self._bar.update(self._task, completed=trainer.global_step, epoch=self._epoch(trainer), values=values)
        else:
            of = f"/{self._total}" if self._total else ""
            self.console.print(
                f"epoch {self._epoch(trainer)}  step {trainer.global_step}{of}  {values}", soft_wrap=True
            )

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self._enabled or trainer.sanity_checking or trainer.state.fn != "fit":
            return
        found = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val/")}
        shown = "  ".join(f"{name} {value:.4g}" for name, value in found.items())
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        console = self._bar.console if self._bar else self.console
        say(console, f"[{minutes:02d}:{seconds:02d}] step {trainer.global_step}: {shown}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._close(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._close(trainer)

    def _close(self, trainer: pl.Trainer) -> None:
        if self._bar:
            self._bar.update(self._task, completed=trainer.global_step)
            self._bar.stop()
            self._bar = None

    def _epoch(self, trainer: pl.Trainer) -> str:
        last = trainer.max_epochs
        return f"{trainer.current_epoch + 1}/{last}" if last and last > 0 else str(trainer.current_epoch + 1)

    def _values(self, trainer: pl.Trainer, learner: pl.LightningModule, now: float) -> str:
        speed = (trainer.global_step - self._first_step) / max(now - self._began, 1e-9)
        loss = learner.last_loss if isinstance(learner, Learner) else None
        parts = [] if loss is None else [f"loss {float(loss):.4f}"]
        return "  ".join([*parts, f"{speed:.1f} steps/s"])
