"""Windows over series that lie in files: scaled values written once, windows found piece by piece.

L steps of history, H steps of horizon, F features.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seqmodels.batch import BatchSpec
from seqmodels.data.numbers import apply_scale, interpolate
from seqmodels.data.series.covariates import Context
from seqmodels.data.series.rows import refuse_short
from seqmodels.data.series.store import Records, StoredRows, as_rows
from seqmodels.data.series.sums import Cuts
from seqmodels.data.series.windows import SeriesStreams, SeriesWindows, window_starts

# Windows of a split from which on only every second one is read, from twice as many on every fourth, and so on.
MOST_WINDOWS = 1 << 20
# Columns from which on fewer rows are handled at a time, such as one for each of many series; and numbers at a time.
WIDE, NUMBERS = 16, 1 << 22
# The one split of a new file.
NEW = "new"


def write_windows(
    folder: Path, stored: StoredRows, context: Context, spec: BatchSpec, history: int, cuts: Cuts | None
) -> dict[str, tuple[int, int]]:
    """Write scaled values, and which rows windows or streams begin at.

    Args:
        folder: to write to.
        stored: the rows.
        context: of the training part.
        spec: with scales.
        history: L.
        cuts: which rows are in which split; None for a new file, of which all are in one.

    Returns:
        Of each split how many windows there are, and of how many one is read.

    Raises:
        ValueError: a split has no window, or a series has a name that training did not have.
    """
    width = stored.about.values.shape[1] + len(context.names)
    with (folder / "values").open("wb") as file:
        for values in _interpolated(stored, context, strict=cuts is None):
            file.write(apply_scale(values, spec.input_shift[:width], spec.input_scale[:width]).tobytes())
    per_step, horizon, longest = spec.target_shape == "step", spec.horizon or 1, dict[str, np.ndarray]()
    steps = 1 if per_step else history
    found: dict[str, _Windows] = {}
    for first, own, rows in stored.pieces(after=steps + horizon - 1):
        masks = {NEW: np.ones(len(rows.values), dtype=bool)} if cuts is None else cuts.masks(rows, first)
        for name, mask in masks.items():
            starts = window_starts(rows.blocks, rows.measured, 0, steps, horizon, mask)
            found.setdefault(name, _Windows(per_step)).add(starts + first, rows.blocks[starts])
            count = np.bincount(rows.series[own][mask[own]], minlength=len(stored.counts))
            longest[name] = longest.get(name, 0) + count
    for name, windows in found.items():
        if not windows.count:
            refuse_short(name, int(longest[name].max()), len(stored.past), history, horizon, per_step)
        windows.save(folder / f"{name}.npy")
    return {name: (windows.count, windows.stride) for name, windows in found.items()}


def opened(folder: Path, name: str, stored: StoredRows, spec: BatchSpec) -> SeriesWindows:
    """The windows or streams of a split, as `write_windows` made them."""
    places, rows = np.load(folder / f"{name}.npy"), stored.about
    width = len(spec.input_shift) - rows.known * (spec.horizon or 1)
    values, history = Records(folder / "values", np.dtype(np.float32), width), (spec.options or {})["history"]
    if spec.target_shape == "step":
        return SeriesStreams(values, places[:, 0], places[:, 1], spec, rows.ahead, stream=name == "train")
    return SeriesWindows(values, places, history, spec, rows.ahead)


class _Windows:
    """Places of windows, thinned when they are too many; of streams the first rows, and those after the last."""

    def __init__(self, per_step: bool) -> None:
        self.per_step, self.count, self.stride = per_step, 0, 1
        self.parts: list[np.ndarray] = []
        self.last, self.block = -2, -1

    def add(self, starts: np.ndarray, blocks: np.ndarray) -> None:
        """More starts, in order, with the stretch that each is in."""
        if self.per_step:
            self._add_streams(starts, blocks)
        else:
            self.parts.append(starts[-self.count % self.stride :: self.stride])
        self.count += len(starts)
        if not self.per_step and self.count > MOST_WINDOWS * self.stride:
            self.parts, self.stride = [np.concatenate(self.parts)[::2]], 2 * self.stride

    def _add_streams(self, starts: np.ndarray, blocks: np.ndarray) -> None:
        if not len(starts):
            return
        new = (np.diff(starts, prepend=self.last) != 1) | (np.diff(blocks, prepend=self.block) != 0)
        begins = np.flatnonzero(new)
        stops = np.append(starts[begins[1:] - 1], starts[-1]) + 1
        if not new[0]:  # goes on from the last piece
            self.parts[-1][-1, 1] = (starts[begins[0] - 1] if len(begins) else starts[-1]) + 1
        if len(begins):
            self.parts.append(np.stack([starts[begins], stops], axis=1))
        self.last, self.block = int(starts[-1]), int(blocks[-1])

    def save(self, path: Path) -> None:
        """As an array."""
        np.save(path, np.concatenate(self.parts))


def _interpolated(stored: StoredRows, context: Context, strict: bool) -> Iterator[np.ndarray]:
    """The values with their context and without gaps, cut where nothing is missing."""
    rest, led, left = stored.past[0:0], 0, len(stored.past)
    width = stored.about.values.shape[1] + len(context.names)
    for piece in stored.past.pieces(max(1, NUMBERS // width) if width > WIDE else None):
        left -= len(piece)
        joined = np.concatenate([rest, piece])
        whole = np.flatnonzero(np.isfinite(joined["values"]).all(axis=1))
        stop = (int(whole[-1]) + 1 if len(whole) else 0) if left else len(joined)
        if stop <= led:
            rest = joined
            continue
        rows = as_rows(joined[:stop], stored.about).within(context, strict)
        yield interpolate(rows.values, rows.blocks)[led:]
        # The last row leads the next, to draw lines and to take changes from.
        rest, led = joined[stop - 1 :], 1
