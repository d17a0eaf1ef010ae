"""Your own data: NumPy arrays and .ts archive files, one flag."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np

from seqmodels.data.batches.augmentation import Augmentation, Augmented
from seqmodels.data.columns.arrays_check import fit_steps, plain_targets, resolve_missing, resolve_target
from seqmodels.data.columns.shifted import LOOKED_AT, step_later
from seqmodels.data.columns.splits.arrays import split_arrays
from seqmodels.data.columns.splits.shares import shares_of
from seqmodels.data.columns.targets.labels import sort_labels
from seqmodels.data.encode.arrays import ArraySequences, label_names, targets_of
from seqmodels.data.numbers import fit_scale
from seqmodels.data.read.arrays import Arrays, Names, read_arrays
from seqmodels.data.read.ts import read_ts
from seqmodels.data.sources.base import DataSource
from seqmodels.dataset import SequenceDataset
from seqmodels.kinds import Count, Seed, Share, column, list_of, not_negative, whole
from seqmodels.quoting import listed
from seqmodels.registry import register
from seqmodels.spec import Spec

_log = logging.getLogger(__name__)


@register("data", "arrays")
class ArraysSource(DataSource):
    """Sequences of numbers in arrays, or in a .ts file of the UCR and UEA archives.

    ``x`` is ``(N, T, F)`` or ``(N, T)``; with ``lengths``, ``(N, T, F)`` with padding or ``(sum of T, F)`` end to
    end. ``y`` is a target for each sequence, or for each step. Images ``(N, H, W)`` or ``(N, H, W, C)`` are read row by
    row, column by column or pixel by pixel. Nothing is ever unpickled; .npy files are mapped into memory and never
    read as a whole.

    >>> source = ArraysSource("shipped:optdigits.npz", split="split")
    >>> source.describe()
    'shipped:optdigits.npz: 5,620 sequences of 8 steps, 8 features each, 10 classes'

    Args:
        path: a .npz archive, a folder of .npy or IDX files, one such file with others beside it, or a .ts file.
        test_path: another such file, all of it for test.
        x, y, lengths: names of the arrays; lengths need not be there.
        groups: name of an array of what must not be in two splits, such as a person.
        classes: name of an array of the classes' names, of which y holds the places.
        split: name of an array that says "train", "val" or "test" of each sequence.
        test_groups: the groups that are for test, such as [3, 5, 9].
        target_kind: "labels", "values" or "sets" (y is ``(N, V)`` of 0 and 1); None: from y's type.
        target_per: "sequence" or "step"; None: from y's shape.
        read_by: "rows" (the axis after the first is time), "columns" or "pixels".
        scale: by the training part: "features" each by its own mean and deviation, "all" by one for all, "none".
        missing: what becomes of NaN and infinite numbers: "error", "drop" their sequence, or "interpolate".
        copies: varied copies made of each training sequence; see `Augmentation` for these and the next.
        crop: steps cut out of each training sequence at random; None for all. Others are read whole.
        shift, rotate, shear, zoom: how far images move, in pixels, degrees, pixels a row and shares of their size.
        tilt: how far sensors of three axes are turned, in degrees; their axes want one scale: ``scale=all``.
        gain, noise: how much numbers change, as a share and in deviations.
        val_fraction, test_fraction: shares of validation and test, where they are not given.
        seed: what the random split and the copies depend on.

    """

    renamed: ClassVar = {"turn": "rotate", "slant": "shear"}

    def __init__(
        self,
        path: str,
        test_path: str | None = None,
        x: str = "X",
        y: str = "y",
        lengths: str = "lengths",
        groups: str | None = None,
        classes: str | None = None,
        split: str | None = None,
        test_groups: Annotated[Sequence[str], list_of(column, "[3, 5, 9]")] | None = None,
        target_kind: Literal["labels", "values", "sets"] | None = None,
        target_per: Literal["sequence", "step"] | None = None,
        read_by: Literal["rows", "columns", "pixels"] = "rows",
        scale: Literal["features", "all", "none"] = "features",
        missing: Literal["error", "drop", "interpolate"] = "error",
        copies: Annotated[int, whole(1, 1000)] = 1,
        crop: Count | None = None,
        shift: Annotated[float, not_negative] = 0.0,
        rotate: Annotated[float, not_negative] = 0.0,
        shear: Annotated[float, not_negative] = 0.0,
        zoom: Share = 0.0,
        tilt: Annotated[float, not_negative] = 0.0,
        gain: Share = 0.0,
        noise: Annotated[float, not_negative] = 0.0,
        val_fraction: Share = 0.1,
        test_fraction: Share = 0.1,
        seed: Seed = 0,
    ) -> None:
        self.path, self.test_path = str(path), test_path
        self.names = Names(x, y, lengths, groups, classes, split)
        self.test_groups = None if test_groups is None else [str(group) for group in test_groups]
        self.target_kind, self.target_per, self.read_by = target_kind, target_per, read_by
        self.scale, self.missing = scale, missing
        self.variation = Augmentation(copies, crop, shift, rotate, shear, zoom, tilt, gain, noise)
        self.shares = shares_of(val_fraction, test_fraction, seed)
        if test_groups is not None and test_path is not None:
            raise ValueError("data.test_groups and data.test_path both name what is for test: leave one out")
        self._read: tuple[Arrays, np.ndarray, list[str]] | None = None
        self._splits: dict[str, SequenceDataset] | None = None

    def _load(self) -> tuple[Arrays, np.ndarray, list[str]]:
        """Return all sequences, those to keep, and notes on the others; looked through once."""
        if self._read is None:
            arrays = _read(self.path, self.names, self.read_by, targets=True)
            arrays, notes = plain_targets(arrays, self.target_kind, self.target_per)
            kept, missing = resolve_missing(arrays, self.missing)
            self._read = arrays, kept, [*notes, *missing]
        return self._read

    def describe(self) -> str:
        arrays, _, _ = self._load()
        kind, per_step = resolve_target(arrays, self.target_kind, self.target_per)
        shortest, longest = int(arrays.lengths.min()), int(arrays.lengths.max())
        steps = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
        target = f"{len(np.unique(np.asarray(arrays.y)))} classes" if kind == "labels" else kind
        width = arrays.feature_count
        features = f"{width} feature{'s' if width > 1 else ''} each"
        return f"{self.path}: {len(arrays):,} sequences of {steps} steps, {features}, {target}{' per step' * per_step}"

    def splits(self) -> dict[str, SequenceDataset]:
        """Split the sequences, once; only those of training are augmented."""
        if self._splits is None:
            self._splits = self._make()
        return dict(self._splits)

    def _make(self) -> dict[str, SequenceDataset]:
        arrays, kept, missing = self._load()
        kind, per_step = resolve_target(arrays, self.target_kind, self.target_per)
        labels = label_names(np.asarray(arrays.y)) if kind == "labels" and not per_step else None
        parts, notes = split_arrays(
            arrays,
            kept,
            labels,
            self.test_groups,
            *self.shares,
            has_test=self.test_path is not None,
        )
        self.notes = [*missing, *notes, *_told(arrays, kind, per_step)]
        spec = self._spec(arrays, parts["train"], kind, per_step)
        found: dict[str, SequenceDataset] = {
            name: ArraySequences(spec, arrays, items, self.missing) for name, items in parts.items()
        }
        if self.variation.tilt and arrays.feature_count % 3:
            raise ValueError(
                f"data.tilt: turns sensors of three axes, and there are {arrays.feature_count} features: leave it at 0"
            )
        if self.variation.changes:
            found["train"] = Augmented(found["train"], self.variation, self._grid(arrays), self.shares[2])
        return found if self.test_path is None else {**found, "test": self.open(self.test_path, spec, True)}

    def _grid(self, arrays: Arrays) -> tuple[int, int, int] | None:
        """Return rows, columns and channels of an image as it is read."""
        if not self.variation.moves:
            return None
        if arrays.starts is not None or arrays.x.ndim < 3 or (arrays.lengths != arrays.lengths[0]).any():
            raise ValueError("data.shift, rotate, shear and zoom move images; x must be (images, rows, columns)")
        if self.variation.crop is not None:
            raise ValueError("data.crop: cuts sequences, and images are moved whole: leave out crop, or the movement")
        rows, columns = arrays.x.shape[1:3]
        shape = (columns, rows) if self.read_by == "columns" else (rows, columns)
        return (*shape, int(np.prod(arrays.x.shape[3:], dtype=np.int64)))

    def _spec(self, arrays: Arrays, train: np.ndarray, kind: str, per_step: bool) -> Spec:
        shift, scale = fit_steps(arrays, train, self.scale)
        how = {**vars(self.names), "read_by": self.read_by, "missing": self.missing, "per_step": per_step}
        spec = Spec(
            "features",
            arrays.feature_count,
            "labels",
            0,
            "step" if per_step else "sequence",
            input_shift=shift,
            input_scale=scale,
            encoder=how,
        )
        y = targets_of(arrays, train, per_step)
        if kind == "labels":
            classes = sort_labels({str(label) for label in label_names(np.unique(y))})
            if len(classes) < 2:
                raise ValueError(
                    f"{self.path}: expected two classes or more to tell apart in the training part, got only "
                    f"{classes[0]!r}; if y holds numbers to be predicted, say data.target_kind=values"
                )
            return replace(spec, target_size=len(classes), target_names=classes)
        y = y.reshape(len(y), -1)
        if kind == "sets":
            return replace(spec, targets="sets", target_size=y.shape[1])
        y_shift, y_scale = fit_scale(y)
        return replace(spec, targets="values", target_size=y.shape[1], shift=y_shift, scale=y_scale)

    @classmethod
    def open(cls, path: str, spec: Spec, targets: bool | None = None) -> SequenceDataset:
        """Open other arrays of the same names, or another .ts file, scaled as in training.

        Raises:
            ValueError: as `ArraysSource`, another number of features, or a class that training did not have.
        """
        options = dict(spec.encoder)
        read_by, missing, per_step = options.pop("read_by"), options.pop("missing"), options.pop("per_step")
        names = replace(Names(**options), groups=None, split=None)
        arrays = _read(path, names, read_by, targets)
        kept, _ = resolve_missing(arrays, missing)
        if arrays.feature_count != spec.input_size:
            raise ValueError(
                f"{path}: expected {spec.input_size} features per step as in training, got {arrays.feature_count}"
            )
        arrays, _ = plain_targets(arrays, spec.targets, "step" if per_step else "sequence")
        if targets is None and arrays.y is not None and spec.targets == "labels":
            arrays = _with_known_labels(arrays, spec)
        if arrays.y is not None:
            resolve_target(arrays, spec.targets, "step" if per_step else "sequence")
        dataset = ArraySequences(spec, arrays, kept, missing)
        lines = arrays.lines
        dataset.origins = [{"sequence": i} if lines is None else {"line": lines[i]} for i in kept.tolist()]
        return dataset


def _told(arrays: Arrays, kind: str, per_step: bool) -> list[str]:
    """Say that targets are the inputs a step later, where they are."""
    if not per_step or kind == "sets" or arrays.y is None:
        return []
    items = range(min(LOOKED_AT, len(arrays)))
    lengths = arrays.lengths.tolist()
    each = ((arrays.steps(i), arrays.target(i, 0, lengths[i], True)) for i in items)
    flat = ((steps, targets.reshape(len(targets), -1)[:, 0]) for steps, targets in each)
    said = step_later(flat, [f"feature {i}" for i in range(arrays.feature_count)])
    return [said] if said else []


def _with_known_labels(arrays: Arrays, spec: Spec) -> Arrays:
    """Return arrays without their labels, where training never saw some of them."""
    new = sorted({str(name) for name in label_names(np.unique(np.asarray(arrays.y)))} - set(spec.target_names))
    if not new:
        return arrays
    _log.warning("%s: labels that training never saw (%s): no target is used", arrays.path, listed(new, quoted=True))
    return replace(arrays, y=None)


def _read(path: str, names: Names, read_by: str, targets: bool | None) -> Arrays:
    if not path.endswith((".ts", ".ts.gz")):
        return read_arrays(path, names, read_by, targets)
    arrays = read_ts(path)
    if targets and arrays.y is None:
        raise ValueError(f"{path}: has no targets: its header says neither @classLabel true nor @targetLabel true")
    return arrays if targets is not False else replace(arrays, y=None)
