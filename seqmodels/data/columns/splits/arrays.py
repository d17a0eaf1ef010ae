"""Splits of arrays: given, by group, or at random without leaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqmodels.data.columns.arrays_check import digests
from seqmodels.data.columns.splits.shares import NAMES, by_group, by_ratio, stratified
from seqmodels.data.dataset import SPLIT_WORDS
from seqmodels.data.files.find import naming
from seqmodels.data.read.arrays import Arrays


def split_arrays(
    arrays: Arrays,
    kept: np.ndarray,
    labels: np.ndarray | None,
    test_groups: Sequence[str] | None,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    has_test: bool = False,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Split sequences, and note what was kept together.

    What says most decides: the `split` array; named test groups; whole groups at random; else items at random,
    copies of one sequence together, each class in the same shares everywhere. Where the test split is named, the
    rest is shared out between training and validation by `val_fraction` alone, in the same way.

    Raises:
        ValueError: an unknown split or group, a split without a sequence, or too few sequences.
    """
    named = given_splits(arrays) if arrays.split is not None else {}
    if test_groups is not None:
        named["test"] = _of_groups(arrays, test_groups)
    named = {name: np.intersect1d(items, kept) for name, items in named.items()}
    if has_test or len(named.get("test", ())):
        test_fraction = 0.0
    if "val" in named:
        val_fraction = 0.0
    held = np.concatenate([named[name] for name in ("val", "test") if name in named] or [np.empty(0, np.int64)])
    rest = np.setdiff1d(kept, held)
    if len(rest) == 0:
        raise ValueError(f"{arrays.path}: no sequence is left to train on: all are in validation or test")
    parts, notes = _share_out(arrays, rest, labels, val_fraction, test_fraction, seed)
    parts = {**parts, **{name: items for name, items in named.items() if name != "train"}}
    return {name: parts[name] for name in NAMES if name in parts}, notes


def given_splits(arrays: Arrays) -> dict[str, np.ndarray]:
    """Return the splits that the `split` array names: in words, or 0, 1, 2 for train, val and test."""
    split = np.asarray(arrays.split)
    words = [NAMES[int(s)] if split.dtype.kind in "iu" and 0 <= s < len(NAMES) else str(s).lower() for s in split]
    wrong = next((i for i, word in enumerate(words) if word not in SPLIT_WORDS), None)
    if wrong is not None:
        raise ValueError(f"{arrays.place(wrong)}: data.split must say train, val or test, got {words[wrong]!r}")
    found = np.array([SPLIT_WORDS[word] for word in words])
    if not (found == "train").any():
        raise ValueError(f"{arrays.path}: data.split gives no sequence to train on")
    return {name: np.flatnonzero(found == name) for name in NAMES if (found == name).any()}


def _of_groups(arrays: Arrays, wanted: Sequence[str]) -> np.ndarray:
    if arrays.groups is None:
        raise ValueError("data.test_groups: needs the groups' array: name it with data.groups=NAME")
    groups = np.asarray(arrays.groups).astype(str)
    known = np.unique(groups)
    missing = [name for name in map(str, wanted) if name not in known]
    if missing:
        raise ValueError(
            f"data.test_groups: {arrays.path} has no group {', '.join(missing)}; its groups: {', '.join(known[:40])}"
        )
    return np.flatnonzero(np.isin(groups, [str(name) for name in wanted]))


def _share_out(
    arrays: Arrays, items: np.ndarray, labels: np.ndarray | None, val: float, test: float, seed: int
) -> tuple[dict[str, np.ndarray], list[str]]:
    if arrays.groups is not None:
        with naming(arrays.path):
            parts = by_group(np.asarray(arrays.groups)[items].astype(str).tolist(), val, test, seed)
        return {name: items[part] for name, part in parts.items()}, []
    first: dict[bytes, int] = {}
    known = digests(arrays)
    owner = np.array([first.setdefault(known[i], n) for n, i in enumerate(items.tolist())])
    leaders = np.unique(owner)
    with naming(arrays.path):
        if labels is None:
            parts = by_ratio(len(leaders), val, test, seed)
        else:
            parts = stratified(labels[items[leaders]].tolist(), val, test, seed, amounts=True)
    copies = len(items) - len(leaders)
    notes = [f"{copies} of {len(items)} sequences are copies of others, and in the same split"] if copies else []
    return {name: items[np.isin(owner, leaders[part])] for name, part in parts.items()}, notes
