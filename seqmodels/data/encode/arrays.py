"""Sequences of arrays as a model sees them: scaled and encoded when they are read."""

from __future__ import annotations

import numpy as np

from seqmodels.data.columns.arrays_check import fill
from seqmodels.data.numbers import apply_scale
from seqmodels.data.read.arrays import Arrays
from seqmodels.dataset import SequenceDataset
from seqmodels.spec import Spec

# Classes that a message lists, at most.
SHOWN = 12


def label_names(y: np.ndarray) -> np.ndarray:
    """Write labels as text: 3 and 3.0 are both "3".

    >>> label_names(np.array([3.0, 1.0])).tolist()
    ['3', '1']
    """
    if y.dtype.kind != "f":
        return y.astype(str)
    return np.array([f"{value:.12g}" for value in y.ravel().tolist()]).reshape(y.shape)


def targets_of(arrays: Arrays, items: np.ndarray, per_step: bool) -> np.ndarray:
    """Return the targets of some sequences as the file has them, ``(n,)`` or ``(n, V)``."""
    if not per_step:
        return np.asarray(arrays.y)[items]
    return np.concatenate([arrays.target(i, 0, int(arrays.lengths[i]), True) for i in items.tolist()])


class ArraySequences(SequenceDataset):
    """Some of the sequences of arrays.

    Args:
        spec: scales and classes.
        arrays: all sequences.
        items: which of them.
        missing: "interpolate" to fill what is missing as it is read.

    Raises:
        ValueError: a label is none of the spec's.
    """

    def __init__(self, spec: Spec, arrays: Arrays, items: np.ndarray, missing: str = "error") -> None:
        self.spec, self.arrays, self.items, self.fills = spec, arrays, items, missing == "interpolate"
        self.lengths = arrays.lengths[items]
        self.per_step = spec.target_shape == "step"
        self._code = {name: code for code, name in enumerate(spec.target_names)}
        if arrays.groups is not None:
            self.groups = np.asarray(arrays.groups)[items].astype(str).tolist()
        if arrays.y is not None and spec.targets == "labels":
            self._refuse_unknown()

    def read(self, index: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        item = int(self.items[index])
        steps = fill(self.arrays.steps(item))[start:stop] if self.fills else self.arrays.steps(item, start, stop)
        if self.spec.input_shift:
            steps = apply_scale(steps, self.spec.input_shift, self.spec.input_scale)
        return steps.astype(np.float32), self._target(item, start, stop)

    def _target(self, item: int, start: int, stop: int) -> np.ndarray:
        labelled = self.spec.targets == "labels"
        if self.arrays.y is None:
            shape = (stop - start,) if self.per_step else ()
            return np.zeros(shape if labelled else (*shape, self.spec.target_size))
        raw = self.arrays.target(item, start, stop, self.per_step)
        if labelled:
            names, place = np.unique(label_names(raw), return_inverse=True)
            return np.array([self._code[str(name)] for name in names])[place].reshape(raw.shape)
        values = np.asarray(raw, dtype=np.float64).reshape(*raw.shape[: int(self.per_step)], self.spec.target_size)
        return apply_scale(values, self.spec.shift, self.spec.scale) if self.spec.shift else values.astype(np.float32)

    def _refuse_unknown(self) -> None:
        for item in self.items.tolist():
            raw = self.arrays.target(item, 0, int(self.arrays.lengths[item]), self.per_step)
            unknown = next((name for name in np.unique(label_names(raw)) if str(name) not in self._code), None)
            if unknown is not None:
                known = ", ".join(self.spec.target_names[:SHOWN]) + (" ..." if len(self._code) > SHOWN else "")
                raise ValueError(
                    f"{self.arrays.place(item)}: the label {str(unknown)!r} was never seen in training, which had: "
                    f"{known}; mend it, leave the sequence out, or train with examples of it"
                )
