"""New sequences that are no file: arrays of numbers, or texts, encoded as those of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqmodels.data.columns.sequences import Reading, read_sequences
from seqmodels.data.dataset import ArrayDataset, no_targets
from seqmodels.data.encode.table import encode, reading_of, warn_of_unknown
from seqmodels.data.numbers import apply_scale
from seqmodels.data.read.table import Table
from seqmodels.dataset import SequenceDataset
from seqmodels.spec import Spec

# What errors call sequences that are in no file.
GIVEN = "the given sequences"


def open_given(sequences: Sequence[Any], spec: Spec) -> SequenceDataset:
    """Encode sequences as the model was trained on them, without targets.

    Args:
        sequences: texts, or arrays ``(T, F)`` of numbers in their own units; ``(T,)`` where a step is one number.
        spec: of the training data, from ``data=csv`` or ``data=arrays``.

    Raises:
        ValueError: none, another kind of sequences or number of features, numbers that are missing, or a model
            that reads something else than one sequence a row.
    """
    if len(sequences) == 0:
        raise ValueError(f"{GIVEN}: expected at least one, got none")
    if all(isinstance(one, str) for one in sequences):
        return _texts(list(sequences), spec)
    return ArrayDataset(
        spec, [_steps(one, i, spec) for i, one in enumerate(sequences)], no_targets(spec, map(len, sequences))
    )


def _texts(texts: list[str], spec: Spec) -> SequenceDataset:
    layout, how = reading_of(spec) if "layout" in spec.encoder else (None, Reading())
    if layout is None or layout.kind != "text" or layout.text is None:
        raise ValueError(f"{GIVEN}: got texts, and this model does not read a text a row: name a file of its own kind")
    table = Table(GIVEN, {layout.text: texts}, range(1, len(texts) + 1), unit="text")
    found = read_sequences(table, layout, how)
    warn_of_unknown(found, spec)
    dataset = encode(found, spec, targets=False)
    dataset.origins = None  # they have no lines
    return dataset


def _steps(one: Any, place: int, spec: Spec) -> np.ndarray:
    """Return a sequence of numbers ``(T, F)``, scaled."""
    how = spec.encoder
    of_table = how.get("layout", {}).get("kind") in ("wide", "long") and not how["differences"]
    of_arrays = how.get("read_by") == "rows"
    if spec.inputs != "features" or not (of_table or of_arrays):
        raise ValueError(f"{GIVEN}: this model does not read plain numbers: name a file of the kind it was trained on")
    steps = np.asarray(one, dtype=np.float64)
    steps = steps[:, None] if steps.ndim == 1 else steps
    if steps.ndim != 2 or steps.shape[1] != spec.input_size:
        raise ValueError(
            f"{GIVEN}, number {place}: expected (steps, {spec.input_size}) numbers as in training, got the shape "
            f"{np.shape(one)}"
        )
    if not np.isfinite(steps).all():
        raise ValueError(f"{GIVEN}, number {place}: has missing or infinite numbers: fill them in, or leave it out")
    return np.asarray(apply_scale(steps, spec.input_shift, spec.input_scale))
