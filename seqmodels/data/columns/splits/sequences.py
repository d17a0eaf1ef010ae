"""Splits of the sequences of a table."""

from __future__ import annotations

import numpy as np

from seqmodels.data.columns.sequences import Sequences
from seqmodels.data.columns.splits.near import LARGEST_SHARE, Together, owners
from seqmodels.data.columns.splits.shares import NAMES, by_group, number, stratified, stratified_groups
from seqmodels.data.columns.targets.encoded import refuse_change, refuse_one_class, used_rows
from seqmodels.data.columns.targets.labels import Labels
from seqmodels.data.dataset import SPLIT_WORDS
from seqmodels.data.files.find import naming
from seqmodels.data.files.ragged import Ragged
from seqmodels.quoting import listed, shown


def split_sequences(
    sequences: Sequences, val_fraction: float, test_fraction: float, seed: int, together: Together = "copies"
) -> tuple[dict[str, np.ndarray], int, int]:
    """Split sequences, and count those that are copies, and near copies, of an earlier one.

    Copies stay together: one in training and one in test would reward learning by heart. So do the
    members of a group, where a column tells groups. Classes have the same shares in all splits, as
    nearly as that allows.

    Raises:
        ValueError: there is one class only, or a class has too few different sequences.
    """
    refuse_one_class(sequences)
    with naming(sequences.table.path):
        owner, copies, near = owners(sequences.inputs.digests(), sequences.inputs, together)
        return _at_random(sequences, owner, (val_fraction, test_fraction, seed)), copies, near


def _at_random(sequences: Sequences, owner: np.ndarray, shares: tuple[float, float, int]) -> dict[str, np.ndarray]:
    layout = sequences.layout
    if layout.group is not None:
        owner = joined(sequences.codes(layout.group)[0], owner)
    if layout.target_kind == "values":
        return by_group(owner, *shares)
    several = layout.target_kind == "sets" or layout.more_targets
    if layout.group is not None or several or layout.target_per == "step":
        return stratified_groups(owner, _labels(sequences), *shares)
    codes, names = sequences.codes(layout.target)
    leaders = np.unique(owner)
    parts = stratified(codes[leaders], *shares, names, amounts=True)
    place = np.searchsorted(leaders, owner)
    return {name: np.flatnonzero(np.isin(place, part)) for name, part in parts.items()}


def _labels(sequences: Sequences) -> Ragged:
    labels, rows = Labels(sequences.table, sequences.layout), used_rows(sequences)
    found, counts = [np.zeros(0, np.int64)], np.zeros(len(sequences), np.int64)
    for part in rows.parts():
        numbers, place = labels.holding(rows.flat(part))
        owner = np.repeat(np.arange(part.stop - part.start), rows.lengths[part])[place]
        counts[part] = np.bincount(owner, minlength=part.stop - part.start)
        found.append(numbers)
    return Ragged.packed(np.concatenate(found), counts)


def joined(groups: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Group what must stay together: a group, and the groups that have copies of its sequences."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    member = number(groups)[0]
    count = int(member.max()) + 1
    links = coo_array((np.ones(len(member)), (member, member[originals])), shape=(count, count))
    together = connected_components(links, directed=False)[1][member]
    return together if np.bincount(together).max() <= LARGEST_SHARE * len(together) else member  # else by groups alone


def given_splits(sequences: Sequences, column: str) -> dict[str, np.ndarray]:
    """Return the sequences of each split that a column names.

    Raises:
        ValueError: a cell names no split, the rows of a sequence name different ones, or none is for training.
    """
    table = sequences.table
    if sequences.layout.kind == "long":
        refuse_change(sequences, column, "a sequence is in one split")
    codes, cells = sequences.codes(column)
    split = {word: NAMES.index(name) for word, name in SPLIT_WORDS.items()}
    part = np.array([split.get(cell.strip().lower(), -1) for cell in cells])[codes]
    wrong = np.flatnonzero(part < 0)
    if len(wrong):
        row = int(sequences.rows.first[wrong[0]])
        raise ValueError(
            f"{table.place(row, column)}: expected the name of a split, got {shown(cells[codes[wrong[0]]])}; "
            "write train, val (or validation, dev) or test"
        )
    found = {name: items for i, name in enumerate(NAMES) if len(items := np.flatnonzero(part == i))}
    if "train" not in found:
        raise ValueError(f"{table.path}, column {shown(column)}: expected train in some rows, got {listed(found)} only")
    return found
