"""Batches of a plan, in order, from where one left off."""

from __future__ import annotations

import multiprocessing.queues
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from seqmodels.batch import SequenceBatch
from seqmodels.data.batches.collate import collate
from seqmodels.data.batches.plan import Plan, make_plan
from seqmodels.dataset import SequenceDataset
from seqmodels.stopping import follow_parent, starting

# How workers are started. Forking would copy this process's threads' locks, held for ever in the copy;
# workers of a fork server outlive a process that is killed, because the server is their parent.
START = "spawn"


class PlanLoader:
    """The batches of a data set: sized, and resumable at any batch with any number of workers.

    Epoch e always has the batches of plan (seed, e). Each pass over the loader is the next epoch,
    unless `set_epoch` or `load_state_dict` says otherwise. The state counts batches that were
    handed out, not those that workers have prepared.

    >>> from seqmodels.spec import Spec
    >>> from seqmodels.data.dataset import ArrayDataset
    >>> spec = Spec("features", 1, "labels", 2, "sequence")
    >>> data = ArrayDataset(spec, [np.ones((t, 1)) for t in (3, 5, 2)], [np.array(1)] * 3)
    >>> loader = PlanLoader(data, batch_size=2)
    >>> [batch.lengths.tolist() for batch in loader], loader.state_dict()
    ([[3, 5], [2, 0]], {'epoch': 0, 'position': 2})

    Args:
        sequences: the data.
        batch_size: rows of a batch, over all processes.
        window, shuffle, random_window, seed: as for `make_plan`.
        workers: processes that read ahead; 0 reads in this one.
        rank, world: which of how many processes this is. Each gets its own rows of every batch.

    Raises:
        ValueError: `batch_size` cannot be shared out evenly over `world`, or what `make_plan` refuses.
    """

    def __init__(
        self,
        sequences: SequenceDataset,
        batch_size: int,
        window: int | None = None,
        shuffle: bool = False,
        random_window: bool = False,
        seed: int = 0,
        workers: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if workers < 0:
            raise ValueError(f"workers must be at least 0, got {workers!r}")
        if batch_size % world:
            raise ValueError(
                f"batch_size must be a multiple of the number of processes, so that each gets as many rows; "
                f"got batch_size={batch_size} over {world} processes"
            )
        self.sequences = sequences
        self.batch_size, self.window, self.shuffle, self.random_window = batch_size, window, shuffle, random_window
        self.seed, self.workers = seed, workers
        share = batch_size // world
        self.own_rows = slice(rank * share, (rank + 1) * share)
        self._next_epoch = self._start = 0
        self._epoch, self._position = 0, 0
        self._plan = self._make_plan(0)
        # Where Lightning looks for whom to tell the epoch.
        self.batch_sampler = SimpleNamespace(sampler=self)

    def _make_plan(self, epoch: int) -> Plan:
        return make_plan(
            self.sequences.lengths,
            self.batch_size,
            self.window,
            self.sequences.stream,
            self.shuffle,
            self.random_window,
            self.seed,
            epoch,
        )

    def __len__(self) -> int:
        """Count the batches of an epoch: the same in each."""
        return len(self._plan)

    def __iter__(self) -> Iterator[SequenceBatch]:
        # A generator: nothing of this is done before the first batch is asked for, and so an epoch
        # that is set between `iter` and `next`, as Lightning does, still counts.
        self._epoch, self._position = self._next_epoch, self._start
        self._next_epoch, self._start = self._epoch + 1, 0
        self._plan = self._make_plan(self._epoch)
        for batch in self._batches(_Batches(self.sequences, self._plan, self._position, self.own_rows)):
            self._position += 1
            yield batch

    def _batches(self, batches: _Batches) -> Iterator[SequenceBatch]:
        if self.workers == 0:
            return (batches[i] for i in range(len(batches)))
        options: Any = {"num_workers": self.workers, "multiprocessing_context": START, "worker_init_fn": _begin_worker}
        loader = DataLoader(batches, batch_size=None, **options)
        with starting():
            return iter(loader)

    def set_epoch(self, epoch: int) -> None:
        """Make `epoch` the next one. It begins at its first batch, unless a loaded state was in the middle of it."""
        if epoch != self._next_epoch:
            self._next_epoch, self._start = epoch, 0

    def state_dict(self) -> dict[str, int]:
        """Return how far the current epoch is: what `load_state_dict` goes on from."""
        return {"epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batch at which `state` was taken."""
        self._epoch, self._position = state["epoch"], state["position"]
        self._next_epoch, self._start = self._epoch, self._position


def _begin_worker(number: int) -> None:
    """Let a worker end with the process that it reads for, which alone answers signals.

    One that cannot hand over a batch, as where /dev/shm is full, ends too: it would be waited for for ever.
    """
    follow_parent(deaf=True)
    queue: Any = multiprocessing.queues.Queue
    queue._on_queue_feeder_error = staticmethod(lambda error, batch: os._exit(1))


class _Batches(Dataset):
    """The rest of a plan, as something a torch DataLoader can index."""

    def __init__(self, sequences: SequenceDataset, plan: Plan, start: int, rows: slice) -> None:
        self.sequences, self.plan, self.start, self.rows = sequences, plan, start, rows

    def __len__(self) -> int:
        return len(self.plan) - self.start

    def __getitem__(self, index: int) -> SequenceBatch:
        rows: np.ndarray = self.plan[self.start + index][self.rows]
        return collate(self.sequences, rows)
