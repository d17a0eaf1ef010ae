"""Missing time stamps: found, named, and dealt with as the user says.

N rows of all series, each series' rows together and in order of time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqmodels.data.columns.clock import Clock
from seqmodels.quoting import shown

GAPS = ("allow", "error", "fill", "split")
# A row is in its place where it lies less than half a step off; a gap is where the next place is empty.
HALF = 0.5
# Rows that filling may add, for each that is there: more is a step that was not meant.
MOST_FILLED = 20


@dataclass(frozen=True)
class Regular:
    """Which rows to keep, and what to put between them.

    Fields:
        keep: int ``(K,)``, rows of the given ones; -1 for a row that is put in.
        series: int ``(K,)``.
        times: ``(K,)``.
        blocks: int ``(K,)``, equal within a stretch that no window may leave.
        notes: what was found and done, in words.
    """

    keep: np.ndarray
    series: np.ndarray
    times: np.ndarray
    blocks: np.ndarray
    notes: tuple[str, ...]


def regular(
    times: np.ndarray, series: np.ndarray, clock: Clock | None, gaps: str, lines: np.ndarray, column: str, path: str
) -> Regular:
    """Deal with the gaps of series.

    >>> clock = Clock("fixed", 10, dated=False)
    >>> filled = regular(np.array([0, 10, 40]), np.zeros(3, int), clock, "fill", np.array([2, 3, 4]), "t", "a.csv")
    >>> filled.keep.tolist(), filled.times.tolist()
    ([0, 1, -1, -1, 2], [0, 10, 20, 30, 40])
    >>> filled.notes[0]
    "1 gap in 't' of 2 steps of 10 in all, the first after line 3 (10): filled"

    Args:
        times, series: ``(N,)`` each.
        clock: the step; None where there is none, and so no gap.
        gaps: "allow" (a gap is a step like any other), "error", "fill" (put in rows without values) or
            "split" (no window reaches over a gap).
        lines: int ``(N,)``, of the file.
        column: of the times.
        path: of the file.

    Raises:
        ValueError: a gap, where they are errors; too many rows to put in.
    """
    everything = Regular(np.arange(len(times)), series, times, series, ())
    if clock is None:
        return everything
    steps = np.where(np.diff(series) == 0, clock.between(times[:-1], times[1:]), 1.0)
    crowded, missing = steps < HALF, np.maximum(np.round(steps) - 1, 0)
    if not crowded.any() and not missing.any():
        return everything
    if gaps == "error":
        _refuse(times, clock, crowded, missing, f"{path}, line", lines, column)
    notes = _notes(times, clock, crowded, missing, lines, column, gaps)
    if gaps == "allow":
        return Regular(everything.keep, series, times, series, notes)
    kept = _uncrowded(times, series, clock)
    times, series = times[kept], series[kept]
    steps = np.where(np.diff(series) == 0, np.round(clock.between(times[:-1], times[1:])), 0).astype(np.int64)
    if gaps == "split":
        blocks = np.concatenate([[0], np.cumsum((steps > 1) | (np.diff(series) != 0))])
        return Regular(kept, series, times, blocks, notes)
    return _fill(kept, times, series, steps, clock, notes)


def _uncrowded(times: np.ndarray, series: np.ndarray, clock: Clock) -> np.ndarray:
    """The rows without those that come less than half a step after the last one kept."""
    keep = [0]
    apart = np.concatenate([[1.0], np.where(np.diff(series) == 0, clock.between(times[:-1], times[1:]), np.inf)])
    since = 0.0
    for row in range(1, len(times)):
        since += apart[row]
        if since >= HALF:
            keep.append(row)
            since = 0.0
    return np.array(keep)


def _fill(
    kept: np.ndarray, times: np.ndarray, series: np.ndarray, steps: np.ndarray, clock: Clock, notes: tuple[str, ...]
) -> Regular:
    added = np.maximum(steps - 1, 0)
    if added.sum() > MOST_FILLED * len(times):
        raise ValueError(
            f"data.gaps=fill would put in {int(added.sum())} rows between {len(times)}, a step being {clock.words}: "
            "say data.gaps=split, or give times that are evenly apart"
        )
    count = np.concatenate([added + 1, [1]])
    keep, filled_times = np.repeat(kept, count), np.repeat(times, count)
    behind = np.arange(len(keep)) - np.repeat(np.cumsum(count) - count, count)
    keep[behind > 0] = -1
    for row in np.flatnonzero(behind > 0):
        filled_times[row] = clock.after(filled_times[row], int(behind[row]))
    series = np.repeat(series, count)
    return Regular(keep, series, filled_times, series, notes)


def _notes(
    times: np.ndarray,
    clock: Clock,
    crowded: np.ndarray,
    missing: np.ndarray,
    lines: np.ndarray,
    column: str,
    gaps: str,
) -> tuple[str, ...]:
    done = {"fill": "filled", "split": "no window reaches over one", "allow": "read as if there were none"}[gaps]
    notes = []
    if missing.any():
        first, count = int(np.argmax(missing > 0)), int((missing > 0).sum())
        notes.append(
            f"{count} gap{'s' if count > 1 else ''} in {shown(column)} of {int(missing.sum())} steps of {clock.words} "
            f"in all, the first after line {lines[first]} ({clock.text(times[first])}): {done}"
        )
    if crowded.any():
        first, count = int(np.argmax(crowded)) + 1, int(crowded.sum())
        what = "kept" if gaps == "allow" else "left out"
        notes.append(
            f"{count} row{'s' if count > 1 else ''} less than half a step of {clock.words} after another, the first "
            f"in line {lines[first]}: {what}"
        )
    return tuple(notes)


def _refuse(
    times: np.ndarray,
    clock: Clock,
    crowded: np.ndarray,
    missing: np.ndarray,
    place: str,
    lines: np.ndarray,
    column: str,
) -> None:
    row = int(np.argmax(crowded | (missing > 0))) + 1
    raise ValueError(
        f"{place} {lines[row]}: expected the time {clock.text(clock.after(times[row - 1], 1))} in {shown(column)}, one "
        f"step of {clock.words} after {clock.text(times[row - 1])}, got {clock.text(times[row])} "
        f"({int((missing > 0).sum())} gaps in all); data.gaps=fill puts in rows without values, data.gaps=split lets "
        "no window reach over a gap, data.gaps=allow reads on as if there were none"
    )
