"""Edit distance between sequences of tokens."""

from collections.abc import Hashable, Sequence


def edit_distance(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Return the minimum number of insertions, deletions and substitutions from `a` to `b`.

        d(i, 0) = i,  d(0, j) = j
        d(i, j) = min(d(i-1, j) + 1,  d(i, j-1) + 1,  d(i-1, j-1) + [a_i != b_j])

    Source: Levenshtein 1966; Wagner & Fischer 1974, "The string-to-string correction problem".

    >>> edit_distance("kitten", "sitting"), edit_distance([1, 2, 3], []), edit_distance([], [])
    (3, 3, 0)
    """
    if len(a) < len(b):
        a, b = b, a
    row = list(range(len(b) + 1))
    for i, token in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (token != other))
    return row[-1]


def error_rate(made: Sequence[Sequence[Hashable]], truth: Sequence[Sequence[Hashable]]) -> float:
    """Return the edits over all pairs of sequences per true token: 0 is perfect, above 1 is possible.

    >>> error_rate(["ab", "c"], ["ab", "de"])
    0.5
    """
    edits = sum(edit_distance(a, b) for a, b in zip(made, truth, strict=True))
    return edits / max(1, sum(map(len, truth)))
