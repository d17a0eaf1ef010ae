"""Splits: every item in one place, in the shares asked for, the same each time."""

import numpy as np
import pytest

from seqmodels.data.columns.splits.shares import by_group, by_position, by_ratio, stratified

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.choice(["a", "b", "c"], 1000, p=[0.7, 0.25, 0.05]).tolist()


def split(kind: str, val: float, test: float, seed: int = 0) -> dict[str, np.ndarray]:
    if kind == "stratified":
        return stratified(LABELS, val, test, seed)
    if kind == "by_group":
        return by_group([i // 3 for i in range(1000)], val, test, seed)
    return by_ratio(1000, val, test, seed)


@pytest.mark.parametrize("kind", ["stratified", "by_group", "by_ratio"])
@pytest.mark.parametrize(("val", "test"), [(0.1, 0.1), (0.2, 0.0), (0.0, 0.3), (0.0, 0.0)])
def test_every_item_is_in_one_split_of_the_right_size(kind, val, test):
    parts = split(kind, val, test)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(1000))
    shares = {"train": 1 - val - test, "val": val, "test": test}
    assert set(parts) == {name for name, share in shares.items() if share > 0}
    for name, items in parts.items():
        assert abs(len(items) - 1000 * shares[name]) <= 3


@pytest.mark.parametrize("kind", ["stratified", "by_group", "by_ratio"])
def test_the_seed_decides(kind):
    first, again, other = (split(kind, 0.1, 0.1, seed) for seed in (0, 0, 1))
    assert all((first[name] == again[name]).all() for name in first)
    assert not np.array_equal(first["test"], other["test"])


def test_stratified_keeps_the_shares_of_each_label():
    labels = np.array(LABELS)
    for items in stratified(LABELS, 0.1, 0.2).values():
        for label in "abc":
            assert abs((labels[items] == label).mean() - (labels == label).mean()) < 0.01


def test_stratified_puts_a_rare_label_everywhere_or_says_that_it_cannot():
    parts = stratified(["a"] * 50 + ["b"] * 3, 0.05, 0.05)
    assert all((items >= 50).sum() == 1 for items in parts.values())
    with pytest.raises(ValueError, match=r"class 'b' has 2 items, too few to be in train, val, test"):
        stratified(["a"] * 50 + ["b"] * 2, 0.05, 0.05)
    assert len(stratified(["a"] * 50 + ["b"] * 2, 0.0, 0.05)) == 2


def test_groups_stay_whole():
    groups = RANDOM.choice(list("abcdefghij"), 200).tolist()
    parts = by_group(groups, 0.2, 0.2)
    owners = [{groups[i] for i in items} for items in parts.values()]
    assert sum(map(len, owners)) == len(set().union(*owners)) == 10


def test_positions_follow_one_another():
    assert by_position(100, 0.1, 0.2) == {"train": slice(0, 70), "val": slice(70, 80), "test": slice(80, 100)}
    assert by_position(3, 0.01, 0.01) == {"train": slice(0, 1), "val": slice(1, 2), "test": slice(2, 3)}


@pytest.mark.parametrize(("val", "test"), [(-0.1, 0.1), (0.5, 0.5), (0.9, 0.2)])
def test_fractions_that_leave_nothing_are_refused(val, test):
    with pytest.raises(ValueError, match="add up to less than 1"):
        by_position(100, val, test)


def test_too_few_items_are_refused():
    with pytest.raises(ValueError, match=r"2 items are too few"):
        by_ratio(2, 0.1, 0.1)
