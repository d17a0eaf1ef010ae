"""Training state in checkpoints beyond Lightning's, and selection of the best weights.

Bit-exact resume needs, besides weights, optimizer and loop counters: the carried state, the
windows that k2 still reaches, the position in the data (the loader's own state), and the random
state. With several processes each holds its own rows; the checkpoint holds all of them.
"""

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from lightning_fabric.plugins.io import TorchCheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.trainer.states import TrainerFn

from seqmodels import checkpoint
from seqmodels.state import State, leaves, map_state
from seqmodels.training.callbacks.event_log import RunLog
from seqmodels.training.learner import Learner, NonFiniteError
from seqmodels.training.quiet import quieten
from seqmodels.training.truncation import Carried, PastWindow, fresh_state


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoint IO for Lightning through `seqmodels.checkpoint`."""

    def save_checkpoint(self, checkpoint_: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        checkpoint.save(checkpoint_, path)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        # Lightning's temporary files, which pass weights between its processes, are read here too.
        return checkpoint.read(path, own=False)


class RunState(pl.Callback):
    """Save and restore config, data, carried state, random state, time used and log position with every checkpoint.

    Args:
        content: plain values to store: "config", "spec", "fingerprint".
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self._random: list[dict[str, Any]] | None = None  # of every process, to restore
        self._before_validation: dict[str, Any] | None = None
        self._seconds = 0.0  # of the run before it was resumed
        self._began = time.monotonic()

    def setup(self, trainer: pl.Trainer, learner: pl.LightningModule, stage: str) -> None:
        quieten()  # again, in the processes that Lightning starts

    def on_train_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._began = time.monotonic()

    def on_save_checkpoint(self, trainer: pl.Trainer, learner: pl.LightningModule, stored: dict[str, Any]) -> None:
        own = own_learner(learner)
        if not bool(torch.stack([torch.isfinite(p).all() for p in own.parameters()]).all()):
            raise NonFiniteError(
                f"a weight is no longer finite after step {trainer.global_step}; the last good checkpoint is kept: "
                f"{own.last_good or 'none yet'}. Try a lower optimizer.lr, or trainer.gradient_clip_val=1."
            )
        stored[checkpoint.KEY] = {
            **self.content,
            "carried": _gather(_pack(own.carried["train"])),
            "random": _gather(self._before_validation or random_state()),
            "world_size": trainer.world_size,
            "total_updates": own.total_updates,
            "seconds": self._seconds + time.monotonic() - self._began,
            "log": trainer.logger.mark() if isinstance(trainer.logger, RunLog) and trainer.is_global_zero else {},
        }

    def on_load_checkpoint(self, trainer: pl.Trainer, learner: pl.LightningModule, stored: dict[str, Any]) -> None:
        own = stored[checkpoint.KEY]
        if own["world_size"] != trainer.world_size:
            raise ValueError(
                f"this checkpoint is of a run with {own['world_size']} processes, and cannot be resumed with "
                f"{trainer.world_size}: set trainer.devices={own['world_size']}"
            )
        own_learner(learner).carried["train"] = _unpack(own["carried"][trainer.global_rank], own_learner(learner))
        own_learner(learner).last_good = str(trainer.ckpt_path)
        self._random = own["random"]
        self._seconds = own["seconds"]
        _follow_folder(trainer, stored["callbacks"])
        if isinstance(trainer.logger, RunLog) and trainer.is_global_zero:
            folder = Path(str(trainer.ckpt_path)).parent
            source = folder.parent if folder.name == "checkpoints" else folder
            with checkpoint.damage(Path(str(trainer.ckpt_path))):
                trainer.logger.cut_back(own.get("log"), source, stored["global_step"])

    # A checkpoint written when stopped inside a validation holds the state before it.

    def on_validation_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            if self._random is not None:
                set_random_state(self._random[trainer.global_rank])
                _name_validations(trainer, validating=True)
            self._before_validation = random_state()

    def on_validation_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        if self._before_validation is not None and self._random is not None:
            self._random[trainer.global_rank] = random_state()
        self._before_validation = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, learner: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # As late as possible: the set-up of training draws random numbers too, and the batches' device
        # is not known earlier.
        if self._random is not None:
            set_random_state(self._random[trainer.global_rank])
            own_learner(learner).carried["train"] = own_learner(learner).carried["train"].to(batch.inputs.device)
            self._random = None
            _name_validations(trainer, validating=False)


def _name_validations(trainer: pl.Trainer, validating: bool) -> None:
    """Make Lightning log a validation under the same step as without a resume, which shifts it by one."""
    loop = trainer.fit_loop.epoch_loop
    loop._batches_that_stepped = trainer.global_step - (validating and not loop._should_accumulate())


def _follow_folder(trainer: pl.Trainer, states: dict[str, Any]) -> None:
    """Update the absolute paths in ModelCheckpoint's state for a run folder that was moved."""
    folders = {c.state_key: c.dirpath for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint)}
    for key in folders.keys() & states.keys():
        state, folder = states[key], str(folders[key])

        def moved(path: str, folder: str = folder) -> str:
            # Lightning deletes the previous best file, so it must be a checkpoint whatever name was stored.
            name = Path(path).name if path.endswith(".ckpt") else "best.ckpt"
            return str(Path(folder) / name) if path else path

        for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
            state[name] = moved(state[name])
        state["best_k_models"] = {moved(path): score for path, score in state["best_k_models"].items()}
        state["dirpath"] = folder


class BestCheckpoint(ModelCheckpoint):
    """Keep the weights of the best validation; of ties, the latest.

    A small validation split has few distinct scores, and the first of the best is often barely trained.
    """

    def check_monitor_top_k(self, trainer: pl.Trainer, current: torch.Tensor | None = None) -> bool:
        """Return whether these weights replace the kept ones."""
        alike = current is not None and self.best_model_score is not None and bool(current == self.best_model_score)
        return super().check_monitor_top_k(trainer, current) or trainer.strategy.reduce_boolean_decision(alike)


def random_state() -> dict[str, Any]:
    """Return the state of Python's, NumPy's and torch's random generators, as tensors and plain values."""
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
    """Restore a state returned by `random_state`."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    keys, *rest = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def _gather(value: Any) -> list[Any]:
    """Gather the value of every process, in order of rank."""
    if not (dist.is_available() and dist.is_initialized()):
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def _pack(carried: Carried) -> dict[str, Any]:
    """Convert a carried state to lists of tensors, since a NamedTuple's class cannot be loaded safely."""

    def flat(state: State) -> list[torch.Tensor]:
        return [leaf.detach().cpu().contiguous() for leaf in leaves(state)]

    past = [{"state": flat(p.state), "window": [t.cpu() for t in p[1:]]} for p in carried.past]
    return {"state": None if carried.state is None else flat(carried.state), "past": past}


def _unpack(packed: dict[str, Any], learner: Learner) -> Carried:
    def restore(tensors: list[torch.Tensor]) -> State:
        parts = iter(tensors)
        like = fresh_state(learner.model, 1)
        return map_state(lambda _: next(parts), like)

    past = [PastWindow(restore(p["state"]), *p["window"]) for p in packed["past"]]
    return Carried(None if packed["state"] is None else restore(packed["state"]), past)


def own_learner(module: pl.LightningModule) -> Learner:
    """Return the module as a Learner, whose carried state these callbacks need."""
    if not isinstance(module, Learner):
        raise TypeError(f"expected a Learner, got {type(module).__name__}")
    return module
