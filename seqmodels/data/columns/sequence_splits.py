"""Which sequences of a table are in which split."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from seqmodels.data.columns.sequences import Sequences
from seqmodels.data.columns.splits import by_group, stratified, stratified_groups
from seqmodels.data.columns.targets import label_lists, refuse_change, refuse_one_class
from seqmodels.data.files.find import naming
from seqmodels.quoting import listed, shown

# What people call the splits.
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# Above this share of all sequences, those that copies and groups hold together are parted by groups alone.
LARGEST_SHARE = 0.5


def split_sequences(
    sequences: Sequences, val_fraction: float, test_fraction: float, seed: int
) -> tuple[dict[str, np.ndarray], int]:
    """Which sequences are in which split, and how many are copies of an earlier one.

    Copies stay together: one in training and one in test would reward learning by heart. So do the
    members of a group, where a column tells groups. Classes have the same shares in all splits, as
    nearly as that allows.

    Raises:
        ValueError: there is one class only, or a class has too few different sequences.
    """
    refuse_one_class(sequences)
    with naming(sequences.table.path):
        return _at_random(sequences, val_fraction, test_fraction, seed)


def _at_random(
    sequences: Sequences, val_fraction: float, test_fraction: float, seed: int
) -> tuple[dict[str, np.ndarray], int]:
    layout = sequences.layout
    labelled = layout.target_kind != "values"
    keys = [_content(x) for x in sequences.inputs]
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    copies, owner = len(keys) - len(first), np.array([first[key] for key in keys])
    if layout.group is not None:
        owner = _joined(sequences.cells(layout.group), owner)
    if not labelled:
        return by_group(owner.tolist(), val_fraction, test_fraction, seed), copies
    if layout.group is not None or layout.target_kind == "sets" or layout.target_per == "step":
        labels = [[label for labels in steps for label in labels] for steps in label_lists(sequences)]
        return stratified_groups(owner.tolist(), labels, val_fraction, test_fraction, seed), copies
    cells = sequences.cells(layout.target)
    leaders = np.unique(owner)
    parts = stratified([cells[i] for i in leaders], val_fraction, test_fraction, seed)
    return {name: np.flatnonzero(np.isin(owner, leaders[part])) for name, part in parts.items()}, copies


def _content(steps: Any) -> Hashable:
    return tuple(steps) if isinstance(steps, list) else (len(steps), steps.tobytes())


def _joined(groups: Sequence[Hashable], originals: np.ndarray) -> np.ndarray:
    """Of each sequence the number of what must stay together: its group, and the groups that have copies of it."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    code = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    member = np.array([code[group] for group in groups])
    links = coo_array((np.ones(len(member)), (member, member[originals])), shape=(len(code), len(code)))
    together = connected_components(links, directed=False)[1][member]
    return together if np.bincount(together).max() <= LARGEST_SHARE * len(together) else member


def given_splits(sequences: Sequences, column: str, whole: bool = True) -> dict[str, np.ndarray]:
    """The sequences of each split that a column names.

    Args:
        sequences: to be split.
        column: with the names.
        whole: whether these are all sequences, so that some must be for training.

    Raises:
        ValueError: a cell names no split, the rows of a sequence name different ones, or none is for training.
    """
    table, layout = sequences.table, sequences.layout
    if layout.kind == "long":
        refuse_change(sequences, column, "a sequence is in one split")
    found: dict[str, list[int]] = {}
    for i, (rows, cell) in enumerate(zip(sequences.rows, sequences.cells(column), strict=True)):
        name = SPLIT_WORDS.get(cell.strip().lower())
        if name is None:
            raise ValueError(
                f"{table.place(int(rows[0]), column)}: expected the name of a split, got {shown(cell)}; "
                "write train, val (or validation, dev) or test"
            )
        found.setdefault(name, []).append(i)
    if whole and "train" not in found:
        raise ValueError(f"{table.path}, column {shown(column)}: expected train in some rows, got {listed(found)} only")
    return {name: np.array(items) for name, items in found.items()}
