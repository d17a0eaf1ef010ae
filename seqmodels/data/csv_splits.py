"""Which sequences of a table are in which split."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from seqmodels.data.csv_sequences import Sequences
from seqmodels.data.csv_targets import refuse_one_class
from seqmodels.data.splits import by_group, stratified


def split_sequences(
    sequences: Sequences, val_fraction: float, test_fraction: float, seed: int
) -> tuple[dict[str, np.ndarray], int]:
    """Which sequences are in which split, and how many are copies of an earlier one.

    Copies stay together: one in training and one in test would reward learning by heart. With a
    `group` column, whole groups stay together instead. Classes have the same shares in all splits.

    Raises:
        ValueError: there is one class only, or a class has too few different sequences.
    """
    layout = sequences.layout
    labelled = layout.target_kind == "labels"
    if labelled:
        refuse_one_class(sequences)
    if layout.group is not None:
        return by_group(sequences.cells(layout.group), val_fraction, test_fraction, seed), 0
    keys = [_content(x) for x in sequences.inputs]
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    copies = len(keys) - len(first)
    if not (labelled and layout.target_per == "sequence"):
        return by_group(keys, val_fraction, test_fraction, seed), copies
    labels = sequences.cells(layout.target)
    leaders = sorted(first.values())
    parts = stratified([labels[i] for i in leaders], val_fraction, test_fraction, seed)
    owner = np.array([first[key] for key in keys])
    return {name: np.flatnonzero(np.isin(owner, np.array(leaders)[part])) for name, part in parts.items()}, copies


def _content(steps: Any) -> Hashable:
    return tuple(steps) if isinstance(steps, list) else (len(steps), steps.tobytes())
