"""The edit distance: against plain recursion, and as a metric."""

import functools
import random

import pytest

from seqmodels.tasks.metrics.edit_distance import edit_distance, error_rate


def by_recursion(a: str, b: str) -> int:
    @functools.lru_cache(None)
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        swapped = distance(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return min(distance(i - 1, j) + 1, distance(i, j - 1) + 1, swapped)

    return distance(len(a), len(b))


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_recursion_and_a_metric(seed):
    draw = random.Random(seed)
    a, b, c = ("".join(draw.choices("abc", k=draw.randrange(9))) for _ in range(3))
    assert edit_distance(a, b) == by_recursion(a, b) == edit_distance(list(b), list(a))
    assert edit_distance(a, a) == 0
    assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)
    assert abs(len(a) - len(b)) <= edit_distance(a, b) <= max(len(a), len(b))


def test_the_error_rate_counts_true_tokens():
    assert error_rate([[1, 2], [3]], [[1, 2], [3]]) == 0
    assert error_rate([[], [1, 1, 1]], [[1, 2], []]) == 2.5
    assert error_rate([[1]], [[]]) == 1
