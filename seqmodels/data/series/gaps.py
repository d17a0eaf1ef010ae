"""Missing time stamps: found, named, and dealt with as the user says.

N rows of all series, each series' rows together and in order of time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from seqmodels.data.columns.grouped import index_type
from seqmodels.data.columns.times.frequency import Frequency
from seqmodels.data.files.arrays import Space, blocks, compress
from seqmodels.quoting import shown

# A row is in its place where it lies less than half a step off; a gap is where the next place is empty.
HALF = 0.5
# Rows that filling may add, for each that is there: more is a step that was not meant.
MOST_FILLED = 20


@dataclass(frozen=True)
class Resampled:
    """Rows to keep, and rows put in between them.

    Fields:
        keep: int ``(K,)``, rows of the given ones; -1 for a row that is put in.
        series: int ``(K,)``.
        times: ``(K,)``.
        blocks: int ``(K,)``, equal within a stretch that no window may leave.
    """

    keep: np.ndarray
    series: np.ndarray
    times: np.ndarray
    blocks: np.ndarray


@dataclass
class Gaps:
    """Missing and surplus time stamps.

    Fields:
        gaps: places where steps are missing.
        steps: that are missing.
        first: row before the first gap; -1 for none.
        crowded: rows less than half a step after another.
        first_crowded: the first of them; -1 for none.
    """

    gaps: int = 0
    steps: int = 0
    first: int = -1
    crowded: int = 0
    first_crowded: int = -1


def find_gaps(times: np.ndarray, series: np.ndarray, clock: Frequency) -> Gaps:
    """Count the gaps of series.

    >>> find_gaps(np.array([0, 10, 40]), np.zeros(3, int), Frequency("fixed", 10, dated=False))
    Gaps(gaps=1, steps=2, first=1, crowded=0, first_crowded=-1)
    """
    found = Gaps()
    for part, steps in _steps(times, series, clock):
        crowded, missing = steps < HALF, np.maximum(np.round(steps) - 1, 0)
        if missing.any():
            found.first = part.start - 1 + int(np.argmax(missing > 0)) if found.first < 0 else found.first
            found.gaps, found.steps = found.gaps + int((missing > 0).sum()), found.steps + int(missing.sum())
        if crowded.any():
            row = part.start + int(np.argmax(crowded))
            found.first_crowded = row if found.first_crowded < 0 else found.first_crowded
            found.crowded += int(crowded.sum())
    return found


def _steps(times: np.ndarray, series: np.ndarray, clock: Frequency) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield how many steps each row lies after the one before it, block by block; 1 for the first of a series."""
    for part in blocks(len(times)):
        low = max(part.start - 1, 0)
        when, own = times[low : part.stop], series[low : part.stop]
        steps = np.where(np.diff(own) == 0, clock.between(when[:-1], when[1:]), 1.0)
        yield part, steps if part.start else np.concatenate([[1.0], steps])


def notes(
    times: np.ndarray, clock: Frequency, found: Gaps, line: Callable[[int], int], column: str, gaps: str
) -> list[str]:
    """Say what was found, and what is done about it.

    >>> times, clock = np.array([0, 10, 40]), Frequency("fixed", 10, dated=False)
    >>> notes(times, clock, find_gaps(times, np.zeros(3, int), clock), [2, 3, 4].__getitem__, "t", "fill")
    ["1 gap in 't' of 2 steps of 10 in all, the first after line 3 (10): filled"]
    """
    done = {"fill": "filled", "split": "no window reaches over one", "allow": "read as if there were none"}[gaps]
    words, count = [], found.gaps
    if count:
        words.append(
            f"{count} gap{'s' if count > 1 else ''} in {shown(column)} of {found.steps} steps of {clock.words} "
            f"in all, the first after line {line(found.first)} ({clock.text(times[found.first])}): {done}"
        )
    if found.crowded:
        count, what = found.crowded, "kept" if gaps == "allow" else "left out"
        words.append(
            f"{count} row{'s' if count > 1 else ''} less than half a step of {clock.words} after another, the first "
            f"in line {line(found.first_crowded)}: {what}"
        )
    return words


def refuse(
    times: np.ndarray, clock: Frequency, found: Gaps, line: Callable[[int], int], column: str, path: str
) -> None:
    """Refuse series with gaps: say what was expected after which time."""
    row = min(place for place in (found.first + 1, found.first_crowded) if place > 0)
    raise ValueError(
        f"{path}, line {line(row)}: expected the time {clock.text(clock.after(times[row - 1], 1))} in "
        f"{shown(column)}, one step of {clock.words} after {clock.text(times[row - 1])}, got "
        f"{clock.text(times[row])} ({found.gaps} gaps in all); data.gaps=fill puts in rows without values, "
        "data.gaps=split lets no window reach over a gap, data.gaps=allow reads on as if there were none"
    )


def resample(times: np.ndarray, series: np.ndarray, clock: Frequency, gaps: str, space: Space) -> Resampled:
    """Fill gaps ("fill") or split the series at them ("split"), leaving out rows too close to others.

    >>> clock = Frequency("fixed", 10, dated=False)
    >>> filled = resample(np.array([0, 10, 40]), np.zeros(3, int), clock, "fill", Space())
    >>> filled.keep.tolist(), filled.times.tolist()
    ([0, 1, -1, -1, 2], [0, 10, 20, 30, 40])

    Raises:
        ValueError: too many rows to put in.
    """
    kept = _uncrowded(times, series, clock, space)
    keep = space.empty(int(np.count_nonzero(kept)), index_type(len(times)))
    done = 0
    for part in blocks(len(kept)):
        own = np.flatnonzero(kept[part]) + part.start
        keep[done : done + len(own)] = own
        done += len(own)
    times, series = compress(times, kept, space), compress(series, kept, space)
    if gaps == "split":
        stretches, last = space.empty(len(times), series.dtype), 0
        for part, steps in _steps(times, series, clock):
            new = (np.round(steps) > 1) | (np.diff(series[part], prepend=series[max(part.start - 1, 0)]) != 0)
            stretches[part] = last + np.cumsum(new)
            last = int(stretches[part.stop - 1])
        return Resampled(keep, series, times, stretches)
    return _fill(keep, times, series, clock, space)


def _uncrowded(times: np.ndarray, series: np.ndarray, clock: Frequency, space: Space) -> np.ndarray:
    """Return a mask of the rows without those that come less than half a step after the last one kept."""
    kept, since = space.empty(len(times), bool), 0.0
    for part, steps in _steps(times, series, clock):
        keep = steps >= HALF
        previous = -1
        for row in np.flatnonzero(~keep).tolist():
            since = steps[row] + (since if row == previous + 1 else 0.0)
            if since >= HALF:
                keep[row], since = True, 0.0
            previous = row
        kept[part] = keep
        since = since if previous == len(steps) - 1 else 0.0
    return kept


def _fill(keep: np.ndarray, times: np.ndarray, series: np.ndarray, clock: Frequency, space: Space) -> Resampled:
    added = sum(int(np.maximum(np.round(steps) - 1, 0).sum()) for _, steps in _steps(times, series, clock))
    if added > MOST_FILLED * len(times):
        raise ValueError(
            f"data.gaps=fill would put in {added} rows between {len(times)}, a step being {clock.words}: "
            "say data.gaps=split, or give times that are evenly apart"
        )
    total, done = len(times) + added, 0
    all_keep, all_series, all_times = (space.empty(total, given.dtype) for given in (keep, series, times))
    for part, steps in _steps(times, series, clock):
        # Rows are put in before each row, after the one before it.
        count = np.maximum(np.round(steps) - 1, 0).astype(np.int64) + 1
        own = np.repeat(np.arange(part.start, part.stop), count)
        behind = np.arange(len(own)) - np.repeat(np.cumsum(count) - count, count) + 1
        put_in = behind < np.repeat(count, count)
        stop = done + len(own)
        all_keep[done:stop] = np.where(put_in, -1, keep[own])
        all_series[done:stop] = series[own]
        all_times[done:stop] = np.where(put_in, 0, times[own])
        places = np.flatnonzero(put_in)
        all_times[done + places] = _after(clock, times[own[places] - 1], behind[places])
        done = stop
    return Resampled(all_keep, all_series, all_times, all_series)


def _after(clock: Frequency, times: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the time stamps some steps after others."""
    if clock.unit == "fixed":
        found: np.ndarray = clock.after(times, counts)  # type: ignore[arg-type,assignment]
        return found
    return np.array([clock.after(time, count) for time, count in zip(times.tolist(), counts.tolist(), strict=True)])
