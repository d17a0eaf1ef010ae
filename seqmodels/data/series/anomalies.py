"""Anomalies injected into a series, to measure by how many of them are found.

N rows of one series, D the usual change from one row to the next (standard deviation, of the training part).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

KINDS = ("spike", "level_shift", "drift", "flat_line", "changed_season")
# How large a break is, in D, and for how many rows it lasts: the least and the most of each, drawn evenly.
SIZES = {"spike": (5, 10), "level_shift": (4, 8), "drift": (15, 25), "flat_line": (0, 0), "changed_season": (1, 1)}
ROWS = {"spike": (1, 2), "level_shift": (24, 72), "drift": (48, 96), "flat_line": (24, 72), "changed_season": (48, 96)}
# A break begins in the first part of its share of the rows, and is over soon, so that all is well before the next.
LATEST_START, LONGEST = 0.4, 0.5
LEAST_SHARE = 10


class Anomaly(NamedTuple):
    """One injected anomaly: its kind, its rows from `start` to before `stop`, and its size in D."""

    kind: str
    start: int
    stop: int
    size: float


def inject(
    values: np.ndarray, rows: np.ndarray, count: int, usual: float, period: int | None, seed: int
) -> tuple[np.ndarray, list[Anomaly]]:
    """Inject `count` anomalies of all kinds, in turn, evenly spread over neighbouring rows of ``(N,)`` values.

    - spike: one or two values far off;
    - level_shift: all values higher, or lower, by the same amount;
    - drift: further and further off;
    - flat_line: the value stays what it was;
    - changed_season: it swings three times as far around its level (the mean over a season, or 48 rows).

    >>> values, breaks = inject(np.arange(500.0), np.arange(100, 500), 5, 1.0, None, seed=0)
    >>> [one.kind for one in breaks], bool((values[:100] == np.arange(100)).all())
    (['spike', 'level_shift', 'drift', 'flat_line', 'changed_season'], True)

    Raises:
        ValueError: too few rows for `count` anomalies.
    """
    random, planted, breaks = np.random.default_rng(seed), values.copy(), []
    share = len(rows) // max(1, count)
    if count and share < LEAST_SHARE:
        raise ValueError(
            f"data.injected={count}: the test part has {len(rows)} rows, and each break needs {LEAST_SHARE} of them: "
            f"plant at most {len(rows) // LEAST_SHARE}, or raise data.test_fraction"
        )
    for i in range(count):
        kind = KINDS[i % len(KINDS)]
        start = int(rows[i * share + 1 + random.integers(int(share * LATEST_START))])
        stop = start + min(int(random.integers(ROWS[kind][0], ROWS[kind][1] + 1)), int(share * LONGEST))
        size = float(random.uniform(*SIZES[kind])) * (1 if random.random() < 0.5 else -1)
        planted[start:stop] = _broken(values, kind, start, stop, size * usual, period or 48)
        breaks.append(Anomaly(kind, start, stop, size))
    return planted, breaks


def _broken(values: np.ndarray, kind: str, start: int, stop: int, size: float, period: int) -> np.ndarray:
    own = values[start:stop]
    if kind == "drift":
        return own + size * np.arange(1, len(own) + 1) / len(own)
    if kind == "flat_line":
        return np.full(len(own), values[start - 1])
    if kind == "changed_season":
        level = np.array(
            [np.nanmean(values[max(0, row - period // 2) : row + period // 2 + 1]) for row in range(start, stop)]
        )
        return level + 3 * (own - level)
    return own + size


def to_plain(breaks: list[Anomaly], times: list[str]) -> list[dict[str, Any]]:
    """Return kinds and places of anomalies as plain values; `times` are those of the rows they start in."""
    return [{**one._asdict(), "time": time} for one, time in zip(breaks, times, strict=True)]
