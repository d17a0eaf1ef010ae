"""The Learner: a model and a task, trained by Lightning's automatic optimization.

It owns the carried state, one slot per stage. Clipping, accumulation, precision, schedules,
checkpoints and step limits belong to the Trainer.
"""

import math
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch import Tensor

from seqmodels.batch import SequenceBatch
from seqmodels.model import SequenceModel
from seqmodels.state import leaves
from seqmodels.tasks.base import Task
from seqmodels.training.optimizers import make_optimizer, make_scheduler
from seqmodels.training.truncation import Carried, run_sequences, run_window


def epoch_batches(data: Any, limit: int | float | None) -> int:
    """Return the number of batches in an epoch, as limited by ``trainer.limit_train_batches``."""
    batches = len(data.train_dataloader())
    return min(batches, limit) if isinstance(limit, int) else int(batches * (1.0 if limit is None else limit))


def total_updates(trainer: pl.Trainer, data: Any) -> int | None:
    """Return the number of updates in the whole training; None if unlimited.

    Lightning's `estimated_stepping_batches` sets up the loaders, and a loader set up before a
    checkpoint is restored never learns its position.
    """
    ends = [trainer.max_steps] if trainer.max_steps > 0 else []
    if data is not None and trainer.max_epochs is not None and trainer.max_epochs > 0:
        batches = epoch_batches(data, trainer.limit_train_batches)
        ends.append(math.ceil(batches / trainer.accumulate_grad_batches) * trainer.max_epochs)
    return min(ends) if ends else None


class NonFiniteError(ValueError):
    """A loss, a carried state or a weight became NaN or infinite; the training stopped."""


class Learner(pl.LightningModule):
    """Train `model` on `task`.

    Args:
        model: encoder, layers and head.
        task: loss, metrics, decoding.
        optimizer: `name` and options, see `seqmodels.training.optimizers`.
        scheduler: the same for the learning rate.
        window: k1, steps between updates; None for whole sequences.
        k2: steps the gradient reaches back; None for the window.
        scale_lr: whether to scale the learning rate by the window's length over k1 (for random
            window lengths; Merity et al. 2017, section 5).

    Raises:
        ValueError: a window with a model whose layers cannot carry a state, or whose head needs whole sequences.
    """

    def __init__(
        self,
        model: SequenceModel,
        task: Task,
        optimizer: dict[str, Any] | None = None,
        scheduler: dict[str, Any] | None = None,
        window: int | None = None,
        k2: int | None = None,
        scale_lr: bool = False,
    ) -> None:
        super().__init__()
        if (window is not None or k2 is not None) and not model.carries:
            raise ValueError(
                "a bidirectional model reads the future, so it cannot carry a state from window to window: "
                "set training.window=null and training.k2=null, or model.bidirectional=false"
            )
        if window is not None and model.head.whole:
            raise ValueError(
                f"window={window} cuts sequences, but {type(model.head).__name__} gives a probability to a whole one "
                "only: set training.window=null"
            )
        self.model = model
        self.task = task
        self.optimizer_options = dict(optimizer or {"name": "adam"})
        self.scheduler_options = dict(scheduler or {"name": "none"})
        self.window = window
        self.k2 = k2
        self.scale_lr = scale_lr
        self.carried = {stage: Carried() for stage in ("train", "val", "test")}
        self.last_batch: SequenceBatch | None = None
        self.last_loss: Tensor | None = None
        self.last_good: str | None = None
        self.planned: int | None = None  # updates in the schedule, if the training ends earlier
        self.total_updates: int | None = None
        self.metrics: dict[str, Any] = {}
        self._totals: dict[str, Tensor] = {}
        self._weight: Tensor | float = 1.0  # of the batch, and of those before it that belong to the same update
        self._accumulated: Tensor | float = 0.0

    def predict_batch(self, batch: SequenceBatch, stage: str, k2: int | None = None) -> Tensor:
        """Predict a batch, reading and updating the stage's carried state."""
        if self.window is None:
            return run_sequences(self.model, batch, k2)
        return run_window(self.model, batch, self.carried[stage], k2)

    def training_step(self, batch: SequenceBatch, batch_idx: int) -> Tensor:
        prediction = self.predict_batch(batch, "train", self.k2)
        total, count = self.task.loss(prediction, batch)
        self._weight = self._share(count)
        loss = total / self._weight
        self._refuse_non_finite(loss, prediction, batch.lengths)
        self.last_batch, self.last_loss = batch, loss.detach()
        return loss

    def on_before_zero_grad(self, optimizer: Any) -> None:
        self._accumulated = 0.0

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Weigh the batches that are accumulated for one update by their items, as if they were one batch."""
        several = self.trainer.accumulate_grad_batches
        if several > 1:
            before = self._accumulated
            self._accumulated = before + self._weight
            for parameter in self.parameters():
                if parameter.grad is not None:
                    parameter.grad.mul_(before / self._accumulated)
            loss = loss * (several * self._weight / self._accumulated)
        super().backward(loss, *args, **kwargs)

    def setup(self, stage: str) -> None:
        if stage == "fit":
            self.total_updates = self.planned or total_updates(self.trainer, getattr(self.trainer, "datamodule", None))

    def on_train_batch_start(self, batch: SequenceBatch, batch_idx: int) -> None:
        if batch_idx == 0:  # an epoch reassigns sequences to rows; a resumed one continues at a later batch
            self.carried["train"] = Carried()
        if self.total_updates is not None:
            self.model.head.set_progress(min(1.0, self.global_step / max(1, self.total_updates)))

    def _share(self, count: Tensor) -> Tensor:
        """Return the divisor that makes the mean of the losses over ranks the loss of the global batch."""
        if self.trainer.world_size > 1:
            count = count.detach().clone()
            dist.all_reduce(count)
            count = count / self.trainer.world_size
        return count.clamp(min=torch.finfo(count.dtype).tiny)

    def _refuse_non_finite(self, loss: Tensor, prediction: Tensor, lengths: Tensor) -> None:
        state = list(leaves(self.carried["train"].state or ()))
        # One flag for all, because reading a value waits for the device.
        if bool(torch.stack([torch.isfinite(value).all() for value in (loss, *state)]).all()):
            return
        rows, where = bad_rows(state), "the carried state"
        if not rows:
            rows, where = bad_rows([prediction[lengths > 0]]), "the loss"
            rows = (lengths > 0).nonzero().flatten()[rows].tolist()
        of_rows = f" of row {', '.join(map(str, rows))}" if rows else ""
        raise NonFiniteError(
            f"{where}{of_rows} is no longer finite at step {self.global_step}. "
            f"Last good checkpoint: {self.last_good or 'none yet'}. "
            "Try a lower optimizer.lr, or trainer.gradient_clip_val=1."
        )

    def configure_optimizers(self) -> Any:
        options = dict(self.optimizer_options)
        mixed = "mixed" in str(self.trainer.precision)
        optimizer = make_optimizer(self.parameters(), options.pop("name"), mixed, **options)
        options = dict(self.scheduler_options)
        name = options.pop("name")
        if name == "none":
            return optimizer
        scheduler = make_scheduler(optimizer, name, self.total_updates, self.task.monitor, **options)
        if name == "plateau":  # steps after a validation
            scheduler["frequency"] = self.trainer.check_val_every_n_epoch or 1
        return {"optimizer": optimizer, "lr_scheduler": scheduler}

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """Scale the learning rate by the window's length for this step only; the schedule does not see it."""
        if not (self.scale_lr and self.window):
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
            return
        before = [group["lr"] for group in optimizer.param_groups]

        def scaled_closure() -> Any:
            # The window of this step is known only after the closure has run.
            result = optimizer_closure()
            if self.last_batch is not None and self.window:
                for group, lr in zip(optimizer.param_groups, before, strict=True):
                    group["lr"] = lr * self.last_batch.inputs.shape[1] / self.window
            return result

        super().optimizer_step(epoch, batch_idx, optimizer, scaled_closure)
        for group, lr in zip(optimizer.param_groups, before, strict=True):
            group["lr"] = lr

    # Evaluation: the same path with its own carried state; totals over the whole stage.

    def on_validation_epoch_start(self) -> None:
        self._start_stage("val")

    def on_test_epoch_start(self) -> None:
        self._start_stage("test")

    def validation_step(self, batch: SequenceBatch, batch_idx: int) -> Tensor:
        return self._evaluate(batch, "val")

    def test_step(self, batch: SequenceBatch, batch_idx: int) -> Tensor:
        return self._evaluate(batch, "test")

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self._end_stage("val"), sync_dist=self.trainer.world_size > 1)

    def on_test_epoch_end(self) -> None:
        self.log_dict(self._end_stage("test"), sync_dist=self.trainer.world_size > 1)

    def _start_stage(self, stage: str) -> None:
        self.carried[stage] = Carried()
        self._totals = {"loss": torch.zeros(2, dtype=torch.float64, device="cpu")}
        self.metrics[stage] = self.task.metrics().to(self.device)

    def _evaluate(self, batch: SequenceBatch, stage: str) -> Tensor:
        prediction = self.predict_batch(batch, stage)
        total, count = self.task.loss(prediction, batch)
        self._totals["loss"] += torch.stack((total.detach(), count)).cpu().double()
        self.task.update(self.metrics[stage], prediction, batch)
        if stage == "test" or self.task.generates_in_validation:
            made = self.task.generate(self.model, batch)
            if made is not None:
                self.task.update_generated(self.metrics[stage], made, batch)
        return prediction

    def _end_stage(self, stage: str) -> dict[str, float]:
        totals = self._totals["loss"]
        if self.trainer.world_size > 1:
            totals = totals.to(self.device)
            dist.all_reduce(totals)
        values = {"loss": float(totals[0] / totals[1].clamp(min=1))}
        values.update({name: float(value) for name, value in self.metrics[stage].compute().items()})
        self.carried[stage] = Carried()
        return {f"{stage}/{name}": value for name, value in self.task.summary(values).items()}


def bad_rows(values: list[Tensor]) -> list[int]:
    """Return the rows in which any of the values, each ``(B, ...)``, is not finite."""
    rows: set[int] = set()
    for value in values:
        rows.update((~torch.isfinite(value).flatten(1).all(1)).nonzero().flatten().tolist())
    return sorted(rows)
