"""Splits of examples: copies and groups together, classes in the same shares."""

from __future__ import annotations

import numpy as np

from seqmodels.data.columns.splits.sequences import joined
from seqmodels.data.columns.splits.shares import by_group, number, stratified_groups
from seqmodels.data.examples import Examples
from seqmodels.data.files.find import naming
from seqmodels.data.files.ragged import Ragged


def split_examples(
    examples: Examples, val_fraction: float, test_fraction: float, seed: int
) -> tuple[dict[str, np.ndarray], int]:
    """Split at random, and count copies of an earlier example.

    >>> parts, copies = split_examples(Examples("a.txt", ["a", "b", "a", "c"], ["x", "y", "x", "x"]), 0.0, 0.25, 0)
    >>> copies, sum(map(len, parts.values()))
    (1, 4)

    Raises:
        ValueError: too few examples for the splits.
    """
    owner, first = number(
        [one if isinstance(one, str) else np.ascontiguousarray(one).tobytes() for one in examples.inputs]
    )
    copies = len(examples) - len(first)
    if examples.groups is not None:
        owner = joined(number(examples.groups)[0], first[owner])
    shares = (val_fraction, test_fraction, seed)
    with naming(examples.path):
        if not examples.labelled or not examples.targets:
            return by_group(owner, *shares), copies
        names = [[one] if isinstance(one, str) else list(one) for one in examples.targets]
        codes = {name: i for i, name in enumerate(dict.fromkeys(name for own in names for name in own))}
        labels = Ragged.of([[codes[name] for name in own] for own in names], np.int64)
        return stratified_groups(owner, labels, *shares), copies
