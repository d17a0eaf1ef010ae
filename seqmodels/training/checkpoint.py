"""What a training checkpoint adds to Lightning's, when it is written, and how a run stops.

Bit-exact resume needs, beside weights, optimizer and loop counters: the carried state, the
windows that k2 still reaches, the position in the data (the loader's own state), and the random
state. With several processes each holds its own rows; the checkpoint holds them all.
"""

from __future__ import annotations

import functools
import random
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from lightning_fabric.plugins.io import TorchCheckpointIO

from seqmodels import checkpoint
from seqmodels.state import State, leaves, map_state
from seqmodels.training.learner import Learner, NonFiniteError
from seqmodels.training.quiet import quieten
from seqmodels.training.truncation import Carried, PastWindow, fresh_state


class Interrupted(Exception):
    """The user asked to stop; everything is saved."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's reading and writing of checkpoints, through `seqmodels.checkpoint`."""

    def save_checkpoint(self, checkpoint_: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        checkpoint.save(checkpoint_, path)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        # Lightning's own temporary files, by which its processes hand over weights, pass here too.
        return checkpoint.read(path, own=False)


class RunState(pl.Callback):
    """Puts config, data, carried state and random state into every checkpoint, and back.

    Args:
        content: plain values to store: "config", "spec", "fingerprint".
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self._random: list[dict[str, Any]] | None = None

    def setup(self, trainer: pl.Trainer, learner: pl.LightningModule, stage: str) -> None:
        quieten()  # here too, for the processes that Lightning starts

    def on_save_checkpoint(self, trainer: pl.Trainer, learner: pl.LightningModule, stored: dict[str, Any]) -> None:
        stored[checkpoint.KEY] = {
            **self.content,
            "carried": _gather(_pack(_learner(learner).carried["train"])),
            "random": _gather(random_state()),
            "world_size": trainer.world_size,
        }

    def on_load_checkpoint(self, trainer: pl.Trainer, learner: pl.LightningModule, stored: dict[str, Any]) -> None:
        own = stored[checkpoint.KEY]
        if own["world_size"] != trainer.world_size:
            raise ValueError(
                f"this checkpoint is of a run with {own['world_size']} processes, and cannot be resumed with "
                f"{trainer.world_size}: set trainer.devices={own['world_size']}"
            )
        _learner(learner).carried["train"] = _unpack(own["carried"][trainer.global_rank], _learner(learner))
        self._random = own["random"]

    def on_train_batch_start(
        self, trainer: pl.Trainer, learner: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # As late as possible: setting up a training draws random numbers too.
        if self._random is not None:
            set_random_state(self._random[trainer.global_rank])
            self._random = None


class LastCheckpoint(pl.Callback):
    """Writes `last.ckpt` every so many updates and at the end, and stops in good order.

    Ctrl-C (or SIGTERM) is answered at the end of the update: the checkpoint is written, then
    `Interrupted` is raised. A second Ctrl-C stops at once.

    A checkpoint is never written at an update after which validation is due: Lightning would
    leave that validation out on resume. It is then written one update later.

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
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._saved_at = trainer.global_step
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True

    def teardown(self, trainer: pl.Trainer, learner: pl.LightningModule, stage: str) -> None:
        while self._handlers:
            number, handler = self._handlers.popitem()
            signal.signal(number, handler)

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        stop = self._stop
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        due = trainer.global_step - self._saved_at >= self.every_n_steps
        if not (due or stop) or _at_a_border(trainer):
            return
        self.save(trainer, learner)
        if stop:
            raise Interrupted

    def on_train_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self.save(trainer, learner)

    def save(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        """Write `last.ckpt`, unless the weights are no longer finite."""
        if not all(bool(torch.isfinite(p).all()) for p in learner.parameters()):
            raise NonFiniteError(
                f"a weight is no longer finite after step {trainer.global_step}; the last good checkpoint is kept: "
                f"{self.path if self.path.exists() else 'none yet'}. Try a lower optimizer.lr, or "
                "trainer.gradient_clip_val=1."
            )
        self._saved_at = trainer.global_step
        trainer.save_checkpoint(self.path)
        _learner(learner).last_good = str(self.path)


def _at_a_border(trainer: pl.Trainer) -> bool:
    """Whether validation or the end of the epoch follows this update, or updates are being gathered."""
    loop = trainer.fit_loop.epoch_loop
    if loop._should_accumulate() or loop.batch_progress.is_last_batch:
        return True
    every = trainer.val_check_batch
    if not trainer.enable_validation or every is None or every == float("inf"):
        return False
    done = loop.total_batch_idx if trainer.check_val_every_n_epoch is None else loop.batch_idx
    return (done + 1) % int(every) == 0


def refuse_differences(path: str, now: dict[str, Any]) -> None:
    """Refuse to go on from a checkpoint of another model, other data or another cut of the data.

    Args:
        path: the checkpoint.
        now: "config" and "fingerprint" of the run that wants to go on.

    Raises:
        ValueError: what differs, in words.
    """
    stored = checkpoint.read(path)[checkpoint.KEY]
    old, new = stored["config"], now["config"]
    names = [("seed",), *(("training", key) for key in ("batch_size", "window", "random_window", "k2"))]
    names += [(part, key) for part in ("model", "task") for key in sorted({*old[part], *new[part]})]
    differences = []
    for name in names:
        before, after = (functools.reduce(lambda c, key: c.get(key, {}), name, config) for config in (old, new))
        if before != after:
            differences.append(f"{'.'.join(name)} was {before!r}, is {after!r}")
    if stored["fingerprint"] != now["fingerprint"]:
        differences.append("the data are others (another file, other options, or the file has changed)")
    if differences:
        raise ValueError(f"{path} cannot be resumed with these settings, which differ: " + "; ".join(differences))


def random_state() -> dict[str, Any]:
    """The state of Python's, NumPy's and torch's generators, as tensors and plain values."""
    _, keys, position, has_gauss, gauss = np.random.get_state()
    state = {
        "python": random.getstate(),
        "numpy": (torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), float(gauss)),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """The inverse of `random_state`."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    keys, *rest = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def _gather(value: Any) -> list[Any]:
    """The value of every process, in order of rank."""
    if not (dist.is_available() and dist.is_initialized()):
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def _pack(carried: Carried) -> dict[str, Any]:
    """A carried state as lists of tensors: a NamedTuple's class could not be read back safely."""

    def flat(state: State) -> list[torch.Tensor]:
        return [leaf.detach().cpu() for leaf in leaves(state)]

    past = [{"state": flat(p.state), "window": [t.cpu() for t in p[1:]]} for p in carried.past]
    return {"state": None if carried.state is None else flat(carried.state), "past": past}


def _unpack(packed: dict[str, Any], learner: Learner) -> Carried:
    def restore(tensors: list[torch.Tensor]) -> State:
        parts = iter(tensors)
        like = fresh_state(learner.model, 1)
        return map_state(lambda leaf: next(parts).to(leaf.device), like)

    past = [PastWindow(restore(p["state"]), *(t.to(learner.device) for t in p["window"])) for p in packed["past"]]
    return Carried(None if packed["state"] is None else restore(packed["state"]), past)


def _learner(module: pl.LightningModule) -> Learner:
    """These callbacks read the Learner's carried state: they serve no other module."""
    if not isinstance(module, Learner):
        raise TypeError(f"expected a Learner, got {type(module).__name__}")
    return module
