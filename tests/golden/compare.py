"""Compare an answer with a frozen one, and say in words what differs."""

import math
from collections.abc import Iterator
from typing import Any

MOST = 12


def in_words(head: str, found: list[str]) -> str:
    """The differences under a heading, a line each; of many the first only."""
    return "\n  ".join([f"{head}:", *found[:MOST], *[f"and {len(found) - MOST} more"] * (len(found) > MOST)])


def differences(expected: Any, got: Any, place: str = "", close: float = 1e-6) -> Iterator[str]:
    """Yield each key whose value differs, with both values; of a list the first item that does.

    Args:
        expected, got: plain values, as JSON gives them.
        place: the key under which they are.
        close: how far numbers with a point may be from each other, relative to them; in what is scaled to about 1
            (the splits, predictions) also in itself.
    """
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in [*expected, *(key for key in got if key not in expected)]:
            inner = f"{place}.{key}" if place else key
            if key in got and key in expected:
                yield from differences(expected[key], got[key], inner, close)
            else:
                one, other = (repr(part[key])[:200] if key in part else "nothing" for part in (expected, got))
                yield f"{inner}: expected {one}, got {other}"
    elif isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            yield f"{place}: expected {len(expected)} items, got {len(got)}: {str(got)[:200]}"
            return
        pairs = enumerate(zip(expected, got, strict=True))
        wrong = [found for i, pair in pairs if (found := list(differences(*pair, f"{place}[{i}]", close)))]
        if wrong:
            yield from wrong[0][:-1]
            count = f" ({len(wrong)} of {len(got)} items differ)"
            yield wrong[0][-1] + count * (not wrong[0][-1].endswith("items differ)"))
    elif not _same(expected, got, place, close):
        yield f"{place}: expected {expected!r}, got {got!r}"


def _same(expected: Any, got: Any, place: str, close: float) -> bool:
    if isinstance(expected, float) and isinstance(got, float):
        alike = math.isclose(expected, got, rel_tol=close, abs_tol=1e-12 if place.startswith("spec.") else close)
        return alike or (math.isnan(expected) and math.isnan(got))
    return type(expected) is type(got) and expected == got
