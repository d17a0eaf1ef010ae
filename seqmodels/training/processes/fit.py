"""Fitting in one process or several: their number, stopping them, and the errors they raise."""

import multiprocessing
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.process import BaseProcess
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.strategies.launchers import _SubprocessScriptLauncher
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from seqmodels import stopping
from seqmodels.training.callbacks.last_checkpoint import Interrupted
from seqmodels.training.learner import NonFiniteError

LOST_WORKER = (
    "a process that reads data ahead (training.workers) ended before its time, as it does where shared memory "
    "(/dev/shm) or memory is full; set training.workers=0, or make more room, in a container with --shm-size"
)


def process_count(options: dict[str, Any]) -> int:
    """Return the number of processes for the Trainer's `devices` and `accelerator` on this machine.

    >>> process_count({"devices": [0], "accelerator": "gpu"}), process_count({"devices": "auto", "accelerator": "cpu"})
    (1, 1)
    """
    devices = options["devices"]
    if isinstance(devices, list):
        return len(devices)
    if devices == "auto":
        return max(1, torch.cuda.device_count()) if options["accelerator"] in ("auto", "gpu", "cuda") else 1
    return int(devices)


def fit(trainer: pl.Trainer, learner: pl.LightningModule, data: pl.LightningDataModule, stored: str | None) -> None:
    """Train in the Trainer's number of processes, and raise errors as a single process would.

    Raises:
        Interrupted: a signal asked to stop; everything is saved.
        Stopped: the signal could not be handled cleanly; the last checkpoint is older.
        OSError: a data worker died, for example because shared memory is full.
    """
    try:
        with _passing_on_signals() if _makes_processes(trainer) else nullcontext():
            trainer.fit(learner, data, ckpt_path=stored, weights_only=True)
        _part(trainer)
    except ProcessRaisedException as error:
        raise original(error) from error
    except ProcessExitedException:
        stopping.check()
        raise
    except RuntimeError as error:
        if "DataLoader worker" in str(error):
            stopping.check()
            raise OSError(LOST_WORKER) from error
        raise
    except SystemExit as error:  # Lightning converts KeyboardInterrupt to it
        raise KeyboardInterrupt from error
    stopping.check()


def _makes_processes(trainer: pl.Trainer) -> bool:
    """Return whether the training runs in children of this process."""
    launcher = trainer.strategy.launcher
    return launcher is not None and not isinstance(launcher, _SubprocessScriptLauncher)


def _part(trainer: pl.Trainer) -> None:
    """Leave the process group: after the training only a launcher's first process continues."""
    if dist.is_available() and dist.is_initialized():
        trainer.strategy.barrier()
        dist.destroy_process_group()


@contextmanager
def _passing_on_signals() -> Iterator[None]:
    """Forward stop signals to the training processes and wait for them, instead of stopping this one."""
    start, others = torch.multiprocessing.start_processes, set(multiprocessing.active_children())

    def out_of_reach(*arguments: Any, **options: Any) -> Any:
        with stopping.starting(spare=(signal.SIGTERM,)):
            return start(*arguments, **options)

    def own() -> set[BaseProcess]:
        return set(multiprocessing.active_children()) - others  # never end the caller's children

    def pass_on() -> None:
        for process in own():
            process.terminate()  # SIGTERM: a training saves and stops

    torch.multiprocessing.start_processes = out_of_reach
    release = stopping.hold(pass_on)
    try:
        yield
    finally:
        torch.multiprocessing.start_processes = start
        release()
        for process in own():
            process.kill()


def original(error: Exception) -> Exception:
    """Reconstruct the exception of a training process from its traceback.

    >>> original(RuntimeError("-- Process 1 ...\\nTraceback ...\\n  File ...\\nValueError: too few rows"))
    ValueError('too few rows')
    """
    found = list(re.finditer(r"^(?:\w+\.)*(\w*(?:Error|Exception|Interrupted))(?:: |$)", str(error), re.MULTILINE))
    if not found:
        return error
    name, words = found[-1].group(1), str(error)[found[-1].end() :].strip()
    if name in ("Interrupted", "NonFiniteError", "ValueError", "OSError"):
        kinds = {"Interrupted": Interrupted, "NonFiniteError": NonFiniteError, "ValueError": ValueError}
        return kinds.get(name, OSError)(words)
    return RuntimeError(f"{name}: {words}")
