"""The data of one training run, as Lightning wants it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np
import pytorch_lightning as pl

from seqmodels.data.batches.loader import PlanLoader
from seqmodels.dataset import SequenceDataset, part_of
from seqmodels.spec import Spec

# How much of each split the fingerprint reads: places spread over its steps, and how many around each.
SAMPLED_PLACES, SAMPLED_STEPS = 256, 64
# Rows that a batch may have, however few the sequences are.
SPARE = 4096


class SequenceDataModule(pl.LightningDataModule):
    """Splits of a data set, and loaders for them that know which process they are in.

    >>> from seqmodels.data.dataset import ArrayDataset
    >>> spec = Spec("features", 1, "labels", 2, "sequence")
    >>> data = ArrayDataset(spec, [np.ones((t, 1)) for t in (3, 5, 2)], [0, 1, 1])
    >>> module = SequenceDataModule({"train": data}, batch_size=2)
    >>> len(module.train_dataloader()), module.val_dataloader()
    (2, [])

    Args:
        splits: "train", and "val" and "test" where there are such.
        batch_size: rows of a batch, over all processes.
        window: k1, steps of a window; None for whole sequences.
        random_window: whether the lengths of training windows are drawn, about `window`.
        workers: processes that read ahead, for each loader.
        seed: what the order of training depends on.

    Raises:
        ValueError: no "train" split, an unknown one, splits that differ in their spec, windows over
            sequences that have one target each, random ones over more than one stream, or fewer
            training steps than rows.
    """

    def __init__(
        self,
        splits: dict[str, SequenceDataset],
        batch_size: int,
        window: int | None = None,
        random_window: bool = False,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        _check(splits, batch_size, window)
        _check_random(splits, window, random_window)
        self.splits, self.whole = splits, splits
        self._most_fitted: int | None = None
        self.limits: list[str] = []
        self.batch_size, self.window, self.random_window = batch_size, window, random_window
        self.workers, self.seed = workers, seed
        self.spec: Spec = splits["train"].spec

    @property
    def fitted(self) -> SequenceDataset:
        """What simple methods are fitted to: the training split as it is in the files, or a part of it."""
        train = self.whole["train"].original or self.whole["train"]
        return train if self._most_fitted is None else part_of(train, self._most_fitted, self.batch_size)

    def limit(self, fitted: int, scored: int, names: Iterable[str]) -> None:
        """Limit what simple methods are fitted to, and the held-out splits; `limits` tells what shrinks.

        Args:
            fitted: about how many steps, evenly spread, simple methods are fitted to.
            scored: about how many are left of each of the splits.
            names: of the splits.
        """
        self._most_fitted = fitted
        limited = {name: part_of(self.whole[name], scored, self.batch_size) for name in names if name in self.whole}
        self.splits = {**self.whole, **limited}
        self.limits = [
            f"{name}: scored on {int(split.lengths.sum()):,} of its {int(self.whole[name].lengths.sum()):,} steps, "
            f"evenly spread, as the training is short; on all with trainer.limit_{name}_batches=1.0"
            for name, split in limited.items()
            if split is not self.whole[name]
        ]
        train, some = self.whole["train"].original or self.whole["train"], self.fitted
        if some is not train:
            used, every = int(some.lengths.sum()), int(train.lengths.sum())
            self.limits.append(f"baselines: fitted to {used:,} of the {every:,} steps of train, evenly spread")

    @property
    def fingerprint(self) -> str:
        """A hash of the spec, the lengths and a sample of the contents: other data, another fingerprint."""
        return self.fingerprint_by(self.spec.to_plain())

    def fingerprint_by(self, plain: dict[str, Any]) -> str:
        """Return the fingerprint that was written beside a stored spec, if these are the same data.

        An earlier version wrote the same spec in other words, and hashed those.
        """
        written = plain if Spec.from_plain(plain) == self.spec else self.spec.to_plain()
        digest = hashlib.sha256(json.dumps(written, sort_keys=True).encode())
        for name, split in sorted(self.whole.items()):
            digest.update(f"{name} {len(split)}".encode())
            digest.update(np.ascontiguousarray(split.lengths, dtype="<i8").data)
            for part in _sample(split):
                digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()[:16]

    def train_dataloader(self) -> PlanLoader:
        return self._loader("train", shuffle=True, random_window=self.random_window)

    def val_dataloader(self) -> PlanLoader | list[PlanLoader]:
        return self._loader("val") if "val" in self.splits else []

    def test_dataloader(self) -> PlanLoader | list[PlanLoader]:
        return self._loader("test") if "test" in self.splits else []

    def _loader(self, split: str, shuffle: bool = False, random_window: bool = False) -> PlanLoader:
        return PlanLoader(
            self.splits[split],
            self.batch_size,
            self.window,
            shuffle,
            random_window,
            self.seed,
            self.workers,
            rank=self.trainer.global_rank if self.trainer else 0,
            world=self.trainer.world_size if self.trainer else 1,
        )


def _sample(split: SequenceDataset) -> list[np.ndarray]:
    """Return inputs and targets at places spread evenly over all steps."""
    ends = np.cumsum(split.lengths)
    parts: list[np.ndarray] = []
    for place in np.linspace(0, ends[-1] - 1, SAMPLED_PLACES).astype(np.int64):
        sequence = int(np.searchsorted(ends, place, side="right"))
        length = int(split.lengths[sequence])
        start = max(0, int(place - ends[sequence]) + length - SAMPLED_STEPS // 2)
        parts += split.read(sequence, start, min(start + SAMPLED_STEPS, length))
    return parts


def _check(splits: dict[str, SequenceDataset], batch_size: int, window: int | None) -> None:
    if "train" not in splits or set(splits) - {"train", "val", "test"}:
        raise ValueError(f"splits must be 'train' and perhaps 'val' and 'test'; got {', '.join(splits) or 'none'}")
    train = splits["train"]
    for name, split in splits.items():
        if split.spec != train.spec:
            parts = [f.name for f in fields(Spec) if getattr(split.spec, f.name) != getattr(train.spec, f.name)]
            raise ValueError(f"the splits 'train' and {name!r} must have one spec; they differ in {', '.join(parts)}")
    if window is not None and train.spec.target_shape != "step":
        raise ValueError(
            f"window={window} cuts sequences, but here each has one target for the whole of it: "
            "set window=null, and limit how far back gradients go by k2"
        )
    if not train.stream and batch_size > max(len(train), SPARE):
        raise ValueError(
            f"training.batch_size={batch_size} is more than the {len(train):,} sequences to train on, and the rows "
            f"without one take memory too: choose at most {max(len(train), SPARE):,}"
        )
    if train.stream and int(train.lengths.sum()) < batch_size:
        raise ValueError(
            f"the training data has {int(train.lengths.sum())} steps, fewer than the {batch_size} rows of a batch: "
            "give more data or a smaller batch_size"
        )


def _check_random(splits: dict[str, SequenceDataset], window: int | None, random_window: bool) -> None:
    train = splits["train"]
    if random_window and (window is None or not train.stream or len(train) > 1):
        raise ValueError(
            "training.random_window needs training.window and one long stream, such as a text; got "
            f"window={window} and {len(train)} sequences: set training.random_window=false"
        )
