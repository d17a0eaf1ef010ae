"""Coding regions by codon composition in a sliding window, in each of the three frames.

T letters of a record; a hexamer is six letters, two codons.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from seqmodels.dataset import SequenceDataset
from seqmodels.tasks.baselines.reading import sequences

RUN = 6
# Candidate window widths in letters.
WIDTHS = (45, 90, 150, 210, 300)


class CodonWindows:
    """Log-odds of in-frame coding hexamers against non-coding ones, summed over a window.

        s_f(t) = sum over the hexamers in frame f around t of log P(hexamer | coding, in frame) / P(hexamer | other)
        letter t is coding where the largest of s_0, s_1, s_2 is above a threshold

    Frequencies, window width and threshold (the best F1 of coding letters) are fitted to the training
    split, with the frame counted from each record's first coding letter on.

    Sources: Staden & McLachlan 1982, "Codon preference and its use in identifying protein coding regions";
    Fickett & Tung 1992, "Assessment of protein coding measures", who find in-frame hexamers the best measure.

    Args:
        size: alphabet size, including the last letter, unknown.
        members: coding tags: one, or three by the letter's position in its codon.
        other: tag of non-coding letters.
        unit: factor of the newest letter in inputs that join several letters.
    """

    def __init__(self, size: int, members: Sequence[int], other: int, unit: int = 1) -> None:
        self.size, self.members, self.other, self.unit = size, list(members), other, unit
        self.odds = np.zeros(size**RUN)
        self.width, self.threshold = WIDTHS[0], 0.0

    def fit(self, train: SequenceDataset) -> CodonWindows:
        """Count the hexamers, then choose width and threshold; return self."""
        coding, other = np.ones((2, self.size**RUN))
        for inputs, tags in sequences(train):
            inside = np.isin(tags, self.members)
            if len(inside) < RUN:
                continue
            runs, whole = self._runs(inputs), sliding_window_view(inside, RUN)
            in_frame = (np.cumsum(inside) - inside)[: len(runs)] % 3 == 0
            coding += np.bincount(runs[whole.all(1) & in_frame], minlength=len(coding))
            other += np.bincount(runs[~whole.any(1)], minlength=len(other))
        self.odds = np.log(coding / coding.sum()) - np.log(other / other.sum())
        truth = np.concatenate([np.isin(tags, self.members) for _, tags in sequences(train)])
        tried = []
        for width in WIDTHS:
            scores = np.concatenate([self._scores(inputs, width).max(0) for inputs, _ in sequences(train)])
            tried.append((*best_threshold(scores, truth), width))
        _, self.threshold, self.width = max(tried)
        return self

    def predict(self, evaluation: SequenceDataset) -> np.ndarray:
        """Return a tag for each letter of all records."""
        return np.concatenate([self._tags(inputs) for inputs, _ in sequences(evaluation)])

    def _tags(self, inputs: np.ndarray) -> np.ndarray:
        scores = self._scores(inputs, self.width)
        place = (np.arange(len(inputs)) - scores.argmax(0)) % 3 % len(self.members)
        return np.where(scores.max(0) > self.threshold, np.array(self.members)[place], self.other)

    def _runs(self, inputs: np.ndarray) -> np.ndarray:
        """Return the hexamer that begins at each letter as one number, ``(T - 5,)``."""
        letters = inputs // self.unit % self.size
        return sliding_window_view(letters, RUN) @ self.size ** np.arange(RUN - 1, -1, -1)

    def _scores(self, inputs: np.ndarray, width: int) -> np.ndarray:
        """Return s_f(t), ``(3, T)``."""
        steps = len(inputs)
        odds = np.zeros((3, steps))
        if steps >= RUN:
            found = self.odds[self._runs(inputs)]
            for frame in range(3):
                odds[frame, frame : len(found) : 3] = found[frame::3]
        sums = np.concatenate([np.zeros((3, 1)), odds.cumsum(1)], axis=1)
        # A hexamer counts for its six letters: those of the window begin up to five letters before it.
        low = np.maximum(np.arange(steps) - (width + RUN) // 2, 0)
        high = np.minimum(np.arange(steps) + (width - RUN) // 2 + 1, steps)
        return sums[:, high] - sums[:, low]


def best_threshold(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return the best F1 over all thresholds, and its threshold.

    >>> best_threshold(np.array([0.1, 0.4, 0.6, 0.9]), np.array([False, False, True, True]))
    (1.0, 0.5)
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    right = np.cumsum(truth[order])
    f1 = 2 * right / (np.arange(1, len(order) + 1) + max(1, truth.sum()))
    f1[:-1][ranked[:-1] == ranked[1:]] = 0  # no threshold separates equal scores
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else ranked[best] - 1
    return float(f1[best]), float((ranked[best] + below) / 2)
