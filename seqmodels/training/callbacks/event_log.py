"""TensorBoard log of a run: flushed with every checkpoint, truncated to it on resume, never fatal."""

import io
import itertools
import logging
import os
import shutil
import socket
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.writer import FileWriter

from seqmodels.environment import as_written
from seqmodels.files.atomic import replacing

PREFIX = "events.out.tfevents."

_log = logging.getLogger(__name__)
_numbers = itertools.count()
_said: set[Path] = set()


class RunLog(TensorBoardLogger):
    """TensorBoard logger that writes into the run folder itself."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name=None, version="", default_hp_metric=False)
        self.folder = folder
        self._purge_step: int | None = None

    @property
    @rank_zero_experiment
    def experiment(self) -> SummaryWriter:
        """The writer; its file is created on the first write."""
        if self._experiment is None:
            self._experiment = _Summaries(str(self.folder), purge_step=self._purge_step)
            self._purge_step = None
        return self._experiment

    def save(self) -> None:
        """Flush the log to disk; the settings are in config.yaml."""
        self.experiment.flush()

    def log_results(self, config: dict[str, Any], metrics: dict[str, Any]) -> None:
        """Fill the hparams tab with the settings and the final metrics."""
        final = {f"final/{s}/{k}": v for s in ("val", "test") for k, v in (metrics[s] or {}).items()}
        self.log_hyperparams(flatten(as_written(config)), final)
        self.save()

    def mark(self) -> dict[str, int]:
        """Return the event files and their sizes, to which `cut_back` truncates."""
        self.save()
        return {name: file.stat().st_size for name, file in _event_files(self.folder).items()}

    def cut_back(self, marks: Mapping[str, int] | None, source: Path, step: int) -> None:
        """Truncate the log to the moment a checkpoint was written; later events will be logged again.

        Args:
            marks: the checkpoint's result of `mark`; None (older checkpoints) leaves the log unchanged.
            source: the run folder of the checkpoint; the log is copied if it is another folder.
            step: the checkpoint's number of updates; an open TensorBoard purges later events.
        """
        self._purge_step = step + 1
        if marks is None:
            return
        found, here = _event_files(source), source.resolve() == self.folder.resolve()
        for name, file in _event_files(self.folder).items():
            if not (here and name in marks):
                file.unlink()
        # Never use a name in a checkpoint as a path: the checkpoint may be untrusted.
        kept = {name: min(int(marks[name]), file.stat().st_size) for name, file in found.items() if name in marks}
        for name, size in kept.items():
            if here:
                os.truncate(found[name], size)
            else:
                _copy(found[name], self.folder / name, size)
        if kept != dict(marks):
            _log.warning("%s: the TensorBoard log up to step %d is not whole any more; it goes on all the same",
                         source, step)  # fmt: skip


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten a nested mapping to dotted names."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        elif value is not None:
            flat[f"{prefix}{key}"] = value if isinstance(value, bool | int | float | str) else str(value)
    return flat


def _event_files(folder: Path) -> dict[str, Path]:
    files = (file for file in sorted(folder.glob(f"{PREFIX}*")) if file.is_file() and not file.is_symlink())
    return {file.name: file for file in files}


def _copy(source: Path, target: Path, size: int) -> None:
    """Copy the first `size` bytes of a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as copy:
        shutil.copyfile(source, copy)
        os.truncate(copy, size)


class EventLog:
    """Write every event immediately and completely: a kill loses none, and a full disk leaves no partial event.

    torch's writer buffers for up to two minutes, in a thread that dies on a full disk. A failure to write is
    logged once and the training continues.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: int | None = None
        self._size = 0

    def get_logdir(self) -> str:
        return str(self.folder)

    def add_event(self, event: Event) -> None:
        with self._saying():
            if self._file is None:
                self._file = self._open()
            if not self._size:
                self._append(self._file, Event(wall_time=time.time(), file_version="brain.Event:2"))
            self._append(self._file, event)

    def _open(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder in alphabetical order.
        name = f"{PREFIX}{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        file = os.open(self.folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o666)
        self._close = weakref.finalize(self, os.close, file)
        return file

    def _append(self, file: int, event: Event) -> None:
        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        rest = record.getbuffer()
        try:
            while rest:
                rest = rest[os.write(file, rest) :]
        except OSError:
            os.ftruncate(file, self._size)
            raise
        self._size += record.tell()

    @contextmanager
    def _saying(self) -> Iterator[None]:
        """Log an OSError instead of raising it, once per run."""
        try:
            yield
        except OSError as error:
            if self.folder not in _said:
                _said.add(self.folder)
                reason = error.strerror or error
                _log.warning("the TensorBoard log in %s cannot be written (%s); the training goes on without",
                             self.folder, reason)  # fmt: skip

    def flush(self) -> None:
        if self._file is not None:
            with self._saying():
                os.fsync(self._file)

    def close(self) -> None:
        if self._file is not None:
            self._close()
            self._file, self._size = None, 0


class _FileWriter(FileWriter):
    def __init__(self, log_dir: str) -> None:
        self.event_writer: Any = EventLog(Path(log_dir))


class _Summaries(SummaryWriter):
    file_writer: Any
    all_writers: Any

    def _get_file_writer(self) -> Any:
        if self.file_writer is None:
            self.file_writer = _FileWriter(self.log_dir)
            self.all_writers = {self.log_dir: self.file_writer}
            if self.purge_step is not None:
                start = SessionLog(status=SessionLog.START)
                self.file_writer.add_event(Event(step=self.purge_step, session_log=start))
                self.purge_step = None
        return self.file_writer
