"""Anomaly scores from forecast errors, their threshold, and counts of detected anomalies.

n steps of a sequence, W spans of steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

TINY = 1e-12


@dataclass(frozen=True)
class Detector:
    """Anomaly score: sums of recent forecast errors relative to those of clean data.

    Errors are summed over the last w steps: a short span detects jumps, a long one slow drifts. Their absolute
    values are too, because errors that are too small are also anomalous (a stuck sensor). Both are compared
    with the value that only a share r of clean steps exceeds:

        score_t = max over w of  | sum of e | / q_w,  and for w > 1 of  p_w / sum of | e |

    with q_w the (1 - r)-quantile of | sum of e | and p_w the r-quantile of the sum of | e |, both over the
    last w steps. The threshold is the (1 - r)-quantile of the score.

    >>> clean = [np.random.default_rng(0).normal(size=2000)]
    >>> detector = Detector.fit(clean, (1, 16), rate=0.001)
    >>> drifting = np.random.default_rng(1).normal(size=64) + 1.5 * (np.arange(64) > 32)
    >>> flags = detector.score(drifting) > detector.threshold
    >>> bool(flags[:32].any()), bool(flags[33:].any())
    (False, True)

    Source: the moving-sum test of Chu, Hornik & Kuan 1995, "MOSUM tests for parameter constancy", section 2.

    Fields:
        spans: w, in steps.
        high: ``(W,)``, q_w.
        low: ``(W,)``, p_w.
        threshold: steps with a higher score are flagged.
    """

    spans: tuple[int, ...]
    high: tuple[float, ...]
    low: tuple[float, ...]
    threshold: float

    @classmethod
    def fit(cls, errors: Sequence[np.ndarray], spans: Sequence[int], rate: float) -> Detector:
        """Fit to the errors of clean sequences.

        Args:
            errors: ``(n,)`` of each sequence.
            rate: r, share of clean steps that may be flagged.

        Raises:
            ValueError: no errors.
        """
        if not sum(map(len, errors)):
            raise ValueError("a threshold needs clean data to calibrate it with, got none: raise data.val_fraction")
        sums = np.concatenate([np.abs(span_sums(one, spans)) for one in errors])
        sizes = np.concatenate([_full(span_sums(np.abs(one), spans), spans) for one in errors])
        high = np.maximum(np.quantile(sums, 1 - rate, axis=0), TINY)
        low = np.quantile(sizes, rate, axis=0)
        found = cls(tuple(spans), tuple(high.tolist()), tuple(np.where(np.isfinite(low), low, 0.0).tolist()), 0.0)
        score = np.concatenate([found.score(one) for one in errors])
        return replace(found, threshold=float(np.quantile(score, 1 - rate)))

    def score(self, errors: np.ndarray) -> np.ndarray:
        """Return the scores ``(n,)`` of the errors ``(n,)`` of one sequence."""
        large = np.abs(span_sums(errors, self.spans)) / np.array(self.high)
        sizes = _full(span_sums(np.abs(errors), self.spans), self.spans)
        small = np.where(np.array(self.spans) > 1, np.array(self.low) / np.maximum(sizes, TINY), 0.0)
        found: np.ndarray = np.concatenate([large, small], axis=1).max(1, initial=0.0)
        return found

    def to_plain(self) -> dict[str, Any]:
        """Return a dict of plain values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Detector:
        """Restore a detector from `to_plain`."""
        return cls(tuple(plain["spans"]), tuple(plain["high"]), tuple(plain["low"]), plain["threshold"])


def _full(sums: np.ndarray, spans: Sequence[int]) -> np.ndarray:
    """Set sums over incomplete spans to infinity, so that they are never too small."""
    return np.where(np.arange(1, len(sums) + 1)[:, None] >= np.array(spans), sums, np.inf)


def span_sums(errors: np.ndarray, spans: Sequence[int]) -> np.ndarray:
    """Return the sums ``(n, W)`` of the last w errors at each step; of fewer near the start.

    >>> span_sums(np.array([1.0, 2.0, 3.0]), (1, 2)).tolist()
    [[1.0, 1.0], [2.0, 3.0], [3.0, 5.0]]
    """
    total = np.concatenate([[0.0], np.cumsum(errors, dtype=np.float64)])
    end = np.arange(1, len(errors) + 1)
    return np.stack([total[end] - total[np.maximum(end - span, 0)] for span in spans], axis=1)


@dataclass
class Counts:
    """Counts of detected anomalies and alarms over sequences.

    Attributes:
        delays: for each kind, the steps until each anomaly was flagged; None for one never flagged.
        alarms, true_alarms: number of runs of flags, and of those that touch an anomaly.
        clean, false_steps: number of clean steps, and of those that were flagged.
    """

    delays: dict[int, list[int | None]]
    alarms: int = 0
    true_alarms: int = 0
    clean: int = 0
    false_steps: int = 0

    def add(self, flags: np.ndarray, kinds: np.ndarray, aftermath: int) -> None:
        """Count one sequence.

        Flags up to `aftermath` steps after an anomaly are ignored: the return to normal is a change too.
        """
        inside, after = kinds > 0, np.zeros(len(kinds), dtype=bool)
        for start, stop in runs(kinds):
            found = np.flatnonzero(flags[start:stop])
            self.delays.setdefault(int(kinds[start]), []).append(int(found[0]) if len(found) else None)
            after[stop : stop + aftermath] = True
        after &= ~inside
        counted = flags & ~after
        for start, stop in runs(counted.astype(int)):
            self.alarms += 1
            self.true_alarms += bool(inside[start:stop].any())
        clean = ~inside & ~after
        self.clean += int(clean.sum())
        self.false_steps += int((flags & clean).sum())

    def summary(self, names: Sequence[str]) -> dict[str, float]:
        """Return precision of alarms, recall of anomalies, F1, mean delay in steps, share of clean steps flagged.

        >>> counts = Counts({})
        >>> counts.add(np.array([0, 0, 1, 1, 0, 0]) > 0, np.array([0, 1, 1, 1, 0, 0]), aftermath=1)
        >>> counts.summary(["spike"])
        {'false_alarms': 0.0, 'precision': 1.0, 'recall': 1.0, 'f1': 1.0, 'delay': 1.0, 'recall_spike': 1.0}

        Args:
            names: names of the kinds, from 1 on. Without anomalies only false_alarms is returned.
        """
        found = {"false_alarms": self.false_steps / max(1, self.clean)}
        every = [delay for delays in self.delays.values() for delay in delays]
        if not every:
            return found
        seen = [delay for delay in every if delay is not None]
        precision, recall = self.true_alarms / max(1, self.alarms), len(seen) / len(every)
        found |= {"precision": precision, "recall": recall}
        found["f1"] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        found["delay"] = float(np.mean(seen)) if seen else float("nan")
        for kind, delays in sorted(self.delays.items()):
            found[f"recall_{names[kind - 1]}"] = sum(delay is not None for delay in delays) / len(delays)
        return found


def runs(kinds: np.ndarray) -> list[tuple[int, int]]:
    """Return start and stop (exclusive) of each run of equal nonzero kinds.

    >>> runs(np.array([0, 2, 2, 1, 0, 1]))
    [(1, 3), (3, 4), (5, 6)]
    """
    edges = np.flatnonzero(np.diff(kinds, prepend=0, append=0))
    return [(int(a), int(b)) for a, b in pairwise(edges) if kinds[a]]
