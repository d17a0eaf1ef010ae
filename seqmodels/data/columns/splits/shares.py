"""Splits by shares: training, validation and test.

Every function returns "train", and "val" and "test" where their fraction is above 0. The same
arguments give the same split on every machine.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from seqmodels.data.files.ragged import Ragged
from seqmodels.quoting import shown

NAMES = ("train", "val", "test")
AMOUNTS = "; if the numbers are amounts, say data.target_kind=values"
# Numbers of groups times labels, above which chance alone makes the shares as wanted.
MOST_COUNTS = 2_000_000


def check_fractions(val_fraction: float, test_fraction: float) -> None:
    """Refuse fractions that leave nothing to train on.

    Raises:
        ValueError: a fraction is negative, or they add up to 1 or more.
    """
    if val_fraction < 0 or test_fraction < 0 or val_fraction + test_fraction >= 1:
        raise ValueError(
            "data.val_fraction and data.test_fraction must be 0 or more and add up to less than 1, "
            f"got {val_fraction} and {test_fraction}"
        )


def shares_of(val_fraction: float, test_fraction: float, seed: int) -> tuple[float, float, int]:
    """Return what a random split depends on, as its functions take it.

    Raises:
        ValueError: as `check_fractions`.
    """
    check_fractions(val_fraction, test_fraction)
    return val_fraction, test_fraction, seed


def by_position(count: int, val_fraction: float = 0.1, test_fraction: float = 0.1) -> dict[str, slice]:
    """Split in order: the first items for training, the next for validation, the last for test.

    >>> by_position(10, 0.2, 0.1)
    {'train': slice(0, 7, None), 'val': slice(7, 9, None), 'test': slice(9, 10, None)}
    """
    counts = _counts(count, val_fraction, test_fraction)
    edges = np.cumsum([0, *counts]).tolist()
    return {name: slice(a, b) for name, a, b in zip(NAMES, edges, edges[1:], strict=False) if b > a or name == "train"}


def by_ratio(count: int, val_fraction: float = 0.1, test_fraction: float = 0.1, seed: int = 0) -> dict[str, np.ndarray]:
    """Split at random; indices sorted.

    >>> {name: len(items) for name, items in by_ratio(10).items()}
    {'train': 8, 'val': 1, 'test': 1}
    """
    order = np.random.default_rng(seed).permutation(count)
    return {name: np.sort(order[part]) for name, part in by_position(count, val_fraction, test_fraction).items()}


def by_group(
    groups: Sequence[Hashable] | np.ndarray, val_fraction: float = 0.1, test_fraction: float = 0.1, seed: int = 0
) -> dict[str, np.ndarray]:
    """Split whole groups at random, so that no group (a writer, a patient) is in two splits; indices sorted.

    >>> by_group(["a", "a", "b", "c", "b"], 0.0, 0.4)
    {'train': array([0, 1, 3]), 'test': array([2, 4])}
    """
    owner, names = number(groups)
    parts = by_ratio(len(names), val_fraction, test_fraction, seed)
    return _items_of(owner, len(names), parts)


def number(names: Sequence[Hashable] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Enumerate names in order of appearance: int64 ``(N,)``, and the place where each first appears.

    >>> number(["b", "a", "b"])
    (array([0, 1, 0]), array([0, 1]))
    >>> number(np.array([7, 3, 7]))
    (array([0, 1, 0]), array([0, 1]))
    """
    if not isinstance(names, np.ndarray):
        code = {name: i for i, name in enumerate(dict.fromkeys(names))}
        names = np.fromiter((code[name] for name in names), np.int64, len(names))
    _, first, place = np.unique(names, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[place], first[order]


def is_number(label: str) -> bool:
    """Say whether a label is a number.

    >>> is_number("5"), is_number("five")
    (True, False)
    """
    try:
        float(label)
    except ValueError:
        return False
    return True


def _items_of(owner: np.ndarray, count: int, parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = {}
    for name, members in parts.items():
        chosen = np.zeros(count, bool)
        chosen[members] = True
        found[name] = np.flatnonzero(chosen[owner])
    return found


def stratified(
    labels: Sequence[Any] | np.ndarray,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
    names: Sequence[str] | None = None,
    amounts: bool = False,
) -> dict[str, np.ndarray]:
    """Split at random, each label in the same shares everywhere; indices sorted.

    >>> parts = stratified(["a"] * 20 + ["b"] * 10)
    >>> [int((items < 20).sum()) for items in parts.values()]
    [16, 2, 2]

    Raises:
        ValueError: a label has fewer items than there are splits.
    """
    check_fractions(val_fraction, test_fraction)
    owner, first = number(labels)
    wanted = [name for name, share in zip(NAMES, (1, val_fraction, test_fraction), strict=True) if share > 0]
    generator = np.random.default_rng(seed)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    order = np.argsort(owner, kind="stable")
    for place, own in zip(first.tolist(), np.split(order, np.cumsum(np.bincount(owner))[:-1]), strict=True):
        items = generator.permutation(own)
        if len(items) < len(wanted):
            label = labels[place] if names is None else names[labels[place]]
            raise ValueError(
                f"the class {shown(str(label))} has {_items(len(items))}, too few to be in {', '.join(wanted)} "
                "(copies count once): add others, leave the class out, or set data.val_fraction or data.test_fraction "
                f"to 0{AMOUNTS if amounts and is_number(str(label)) else ''}"
            )
        cuts = np.cumsum(_counts(len(items), val_fraction, test_fraction))[:-1]
        for name, part in zip(NAMES, np.split(items, cuts), strict=True):
            if name in parts:
                parts[name].append(part)
    return {name: np.sort(np.concatenate(part)) for name, part in parts.items()}


def stratified_groups(
    groups: Sequence[Hashable] | np.ndarray,
    labels: Ragged,
    val_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Split whole groups, items and labels as near to the wanted shares as they allow; indices sorted.

    Group by group, the largest first, to where it brings the counts n of items and of each label
    closest to those wanted, w: the split in which the sum of (n - w)^2 / w falls most.

    >>> parts = stratified_groups("aabbccddee", Ragged.of([[0]] * 6 + [[1]] * 4), 0.0, 0.4)
    >>> {name: len(items) for name, items in parts.items()}
    {'train': 6, 'test': 4}

    Raises:
        ValueError: fewer groups than splits.
    """
    owner, members = number(groups)
    label, item = number(labels.flat())[0], np.repeat(np.arange(len(labels)), labels.lengths)
    count = int(label.max(initial=-1)) + 1
    if len(members) * (count + 1) > MOST_COUNTS:  # chance alone is fair then
        return by_group(owner, val_fraction, test_fraction, seed)
    _counts(len(members), val_fraction, test_fraction)
    counts = np.zeros((len(members), count + 1))
    counts[:, -1] = np.bincount(owner)
    counts[:, :count] = np.bincount(owner[item] * count + label, minlength=len(members) * count).reshape(-1, count)
    shares = {"train": 1 - val_fraction - test_fraction, "val": val_fraction, "test": test_fraction}
    wanted = {name: share for name, share in shares.items() if share > 0}
    part = _deal(counts, np.array(list(wanted.values())), np.random.default_rng(seed))
    return {name: np.flatnonzero(part[owner] == i) for i, name in enumerate(wanted)}


def _deal(counts: np.ndarray, shares: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Assign groups with ``(U, K)`` labels to parts with ``(P,)`` shares; return each group's part ``(U,)``."""
    wanted = shares[:, None] * counts.sum(axis=0)
    missing, weights = wanted.copy(), 1 / np.maximum(wanted, 1e-9)
    part = np.full(len(counts), -1)
    order = generator.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    empty = set(range(len(shares)))
    for left, group in zip(range(len(order), 0, -1), order.tolist(), strict=True):
        own = counts[group]
        cost = ((own - 2 * missing) * own * weights).sum(axis=1)
        # The last groups go to the parts that have none.
        best = min(empty, key=cost.__getitem__) if left <= len(empty) else int(cost.argmin())
        empty.discard(best)
        part[group] = best
        missing[best] -= own
    return part


def _counts(count: int, val_fraction: float, test_fraction: float) -> list[int]:
    """Count the items of train, val and test: at least one wherever the fraction is above 0."""
    check_fractions(val_fraction, test_fraction)
    val, test = (max(1, round(count * share)) if share else 0 for share in (val_fraction, test_fraction))
    if count - val - test < 1:
        raise ValueError(
            f"{_items(count)} {'is' if count == 1 else 'are'} too few to be split into training, {val} for validation "
            f"and {test} for test: give more data, or set data.val_fraction or data.test_fraction to 0"
        )
    return [count - val - test, val, test]


def _items(count: int) -> str:
    return f"{count} item" if count == 1 else f"{count} items"
