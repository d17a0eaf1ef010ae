"""Callback that writes diagnostics of a training to TensorBoard."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger

from seqmodels import checkpoint
from seqmodels.batch import SequenceBatch
from seqmodels.training.diagnostics.board import Board
from seqmodels.training.diagnostics.budget import Budget
from seqmodels.training.diagnostics.cuts import Slice
from seqmodels.training.diagnostics.meter import Meter, total_norm


class Diagnostics(pl.Callback):
    """Write diagnostics of the training and the model to TensorBoard, without affecting either.

    Runs in the first process only. Weights, gradients, carried state, random state and the train
    or eval mode of every module are unchanged: a seed gives the same weights with and without it.
    A diagnostic that fails is skipped, with the reason once in the log and under
    `diagnostics/notes`; it never stops the training.

    | written | where | when |
    | --- | --- | --- |
    | loss, learning rate, gradient norm before clipping, speed | `train/` | every `log_every_n_steps` |
    | the model unrolled | `model/unrolled` | at the start |
    | gates and states, saturation | `gates/`, `state/` | every `every_n_steps` |
    | gradient norm against time lag | `gradient/` | same |
    | spectral radius | `spectral_radius/` | same |
    | effective memory | `memory/` | same |
    | the task's plots and texts | `plots/`, `texts/` | after a validation |

    A run too short for the lower rows writes them once, at its end.

    Args:
        enabled: whether to write rounds of diagnostics, and the plot of the model. The scalars
            under `train/` and the task's plots and texts are written either way.
        every_n_steps: updates between two rounds.
        log_every_n_steps: updates between two readings of loss and speed; None for the Trainer's.
        budget: share of the run's time to spend, half on rounds and half on the task's plots and
            texts; what exceeds it waits. None for no limit.
        rows: number of sequences of the newest batch to inspect.
        steps: number of time steps to inspect.
        lags: longest lag of the gradient curve.
        samples: number of losses averaged for the effective memory.

    Raises:
        ValueError: an option out of range.
    """

    def __init__(
        self,
        enabled: bool = True,
        every_n_steps: int = 500,
        log_every_n_steps: int | None = None,
        budget: float | None = 0.03,
        rows: int = 8,
        steps: int = 64,
        lags: int = 128,
        samples: int = 128,
    ) -> None:
        _check_counts(every_n_steps=every_n_steps, rows=rows, steps=steps, lags=lags, samples=samples)
        _check_counts(log_every_n_steps=1 if log_every_n_steps is None else log_every_n_steps)
        if budget is not None and not 0 < budget <= 1:
            raise ValueError(f"budget must be a share of the time, above 0 to 1, or null for no limit, got {budget!r}")
        self.enabled = enabled
        self.every_n_steps = every_n_steps
        self.log_every_n_steps = log_every_n_steps
        self.budget = budget
        self.slice = Slice(rows, steps, lags, samples)
        self._board: Board | None = None
        self._restored: dict[str, Any] | None = None
        self._start(0)

    def _start(self, update: int) -> None:
        """Reset budgets and counters for a training that starts or resumes at `update`."""
        share = None if self.budget is None else self.budget / 2
        self._round_budget, self._shown_budget = Budget(share, guess=0.5), Budget(share, guess=0.0)
        self._meter = Meter(update)
        self._first = self._logged = self._considered = update
        self._at_update: dict[str, Any] = {}
        self._any_round = self._undrawn = False
        self._noted: set[str] = set()
        self._to_show: SequenceBatch | None = None
        self._validation_began = 0.0

    # The Trainer's hooks, in the order of their calls.

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._start(trainer.global_step)
        self._board = _board(trainer, pl_module, self._noted)
        restored = self._restored
        if restored is not None:
            with checkpoint.damage(Path(str(trainer.ckpt_path))):
                self._restore(restored)
            self._restored = None
        else:
            self._undrawn = self.enabled

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: Any, optimizer: torch.optim.Optimizer) -> None:
        # The norm before clipping: Lightning clips after this hook.
        if self._board is not None and (trainer.global_step + 1) % self._log_every(trainer) == 0:
            groups = optimizer.param_groups
            gradients = [p.grad for group in groups for p in group["params"] if p.grad is not None]
            self._at_update = {"gradient_norm": total_norm(gradients), "learning_rate": groups[0]["lr"]}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: SequenceBatch, batch_idx: int
    ) -> None:
        if self._board is None:
            return
        update = trainer.global_step
        # Lightning has divided the loss by the number of accumulated batches.
        self._meter.add(batch, outputs["loss"] * trainer.accumulate_grad_batches)
        if self._undrawn:
            self._draw_model(self._board, pl_module)
        if update % self._log_every(trainer) == 0 and update != self._logged:
            self._log(trainer, pl_module)
        if self.enabled and update % self.every_n_steps == 0 and update != self._considered:
            self._considered = update
            if self._round_budget.affordable():
                self._round(trainer, pl_module)
            else:
                self._say_wait(update)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._validation_began = self._meter.clock()

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if self._board is not None and batch_idx == dataloader_idx == 0:
            self._to_show = batch

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if self._to_show is not None and self._shown_budget.affordable():
            self._show(trainer, pl_module)
        self._meter.pause(self._meter.clock() - self._validation_began)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._finish(trainer, pl_module)
        self._board = None

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: Any, stored: dict[str, Any]) -> None:
        # This may be the last checkpoint of a run that ends here, and events after it would be truncated.
        stops = trainer.should_stop and trainer.fit_loop._can_stop_early
        if stops or 0 < trainer.max_steps <= trainer.global_step:
            self._finish(trainer, pl_module)
        if trainer.is_global_zero:
            stored["callbacks"][self.state_key] = self._state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict

    # Implementation of the hooks.

    def _state(self) -> dict[str, Any]:
        return {
            "meter": self._meter.state(),
            "round": self._round_budget.state(),
            "shown": self._shown_budget.state(),
            "updates": [self._first, self._logged, self._considered],
            "any_round": self._any_round,
            "noted": sorted(self._noted),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        """Restore the state, so that the log equals that of an uninterrupted run."""
        self._meter.restore(state["meter"])
        self._round_budget.restore(state["round"])
        self._shown_budget.restore(state["shown"])
        self._first, self._logged, self._considered = state["updates"]
        self._any_round = state["any_round"]
        self._noted.update(state["noted"])

    def _finish(self, trainer: pl.Trainer, learner: Any) -> None:
        """Write what is still missing when a training ends."""
        if self._board is None:
            return
        if trainer.global_step != self._logged:
            self._log(trainer, learner)
        if self.enabled and not self._any_round:
            self._round(trainer, learner)
        if self._to_show is not None:
            self._show(trainer, learner)
        self._board.writer.flush()

    def _at(self, trainer: pl.Trainer) -> Board | None:
        """Return the board, set to the newest update."""
        if self._board is not None:
            self._board.update = trainer.global_step
        return self._board

    def _log_every(self, trainer: Any) -> int:
        return max(1, self.log_every_n_steps or trainer.log_every_n_steps)

    def _log(self, trainer: pl.Trainer, learner: Any) -> None:
        board = self._at(trainer)
        if board is None:
            return
        self._logged = trainer.global_step
        name = "tokens_per_second" if learner.task.spec.inputs == "tokens" else "time_steps_per_second"
        values = self._meter.read(trainer.global_step, name, trainer.world_size)
        for key, value in {**values, **self._at_update}.items():
            board.scalar(f"train/{key}", float(value))
        self._at_update = {}

    def _draw_model(self, board: Board, learner: Any) -> None:
        """Draw the model unrolled, after the first batch: nobody waits for a picture before the training begins."""
        from seqmodels.training.diagnostics.unrolled import unrolled_figure  # Matplotlib takes a while to load

        self._undrawn, board.update = False, self._first
        window, k2 = getattr(learner, "window", None), getattr(learner, "k2", None)
        with self._round_budget.spending(typical=False):
            board.attempt("model", lambda: board.figure("model/unrolled", unrolled_figure(learner.model, window, k2)))

    def _round(self, trainer: pl.Trainer, learner: Any) -> None:
        board = self._at(trainer)
        if board is None or learner.last_batch is None:
            return
        from seqmodels.training.diagnostics import writing

        self._any_round = True
        with self._round_budget.spending():
            writing.write_round(board, learner.model, learner.task, learner.last_batch, self.slice)
        board.scalar("diagnostics/seconds_per_round", self._round_budget.expected)
        self._meter.pause(self._round_budget.expected)

    def _say_wait(self, update: int) -> None:
        """Note once that rounds are less frequent than configured, and how frequent."""
        budget = self._round_budget
        per_update = (budget.elapsed() - budget.spent) / max(update - self._first, 1)
        rounds = round(budget.wait() / max(per_update, 1e-9))
        if self._board is not None and self.budget is not None and rounds > self.every_n_steps:
            self._board.note(
                "budget",
                f"a round takes {budget.expected:.1f} s, so to stay within {self.budget:.0%} of the time there is one "
                f"about every {rounds:,} updates instead of {self.every_n_steps:,} (diagnostics.budget=null for all)",
            )

    def _show(self, trainer: pl.Trainer, learner: Any) -> None:
        board, batch = self._at(trainer), self._to_show
        if board is None or batch is None:
            return
        from seqmodels.training.diagnostics import writing

        self._to_show = None
        metrics = getattr(learner, "metrics", {}).get("val")  # of the whole validation, for confusion matrices
        with self._shown_budget.spending():
            writing.write_shown(board, learner.model, learner.task, batch, metrics)


def _board(trainer: pl.Trainer, learner: Any, noted: set[str]) -> Board | None:
    """Return where to write; None outside the first process or without TensorBoard."""
    boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
    return Board(boards[0].experiment, learner.device, noted) if boards and trainer.is_global_zero else None


def _check_counts(**counts: int) -> None:
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
