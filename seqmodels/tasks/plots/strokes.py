"""Plot of pen strokes."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqmodels.tasks.plots.style import MODEL, TRUTH, new_figure

Strokes = Sequence[Sequence[Sequence[float]]]


def drawings_figure(made: Sequence[Strokes], true: Sequence[Strokes], names: Sequence[str]) -> Figure:
    """Plot generated drawings, and true ones below them, in a grid of squares.

    Args:
        made: generated drawings, each a list of strokes, lists of points [x, y], y downwards.
    """
    columns = min(8, max(1, len(made)))
    blocks = [(made, MODEL, "made")] + ([(true, TRUTH, "true")] if true else [])
    rows = [math.ceil(len(drawings) / columns) for drawings, _, _ in blocks]
    figure = new_figure(1.15 * columns, 1.25 * sum(rows) + 0.5)
    axes = figure.subplots(sum(rows), columns, squeeze=False)
    for row in axes:
        for one in row:
            one.set_axis_off()
    above = 0
    for (drawings, colour, word), count in zip(blocks, rows, strict=True):
        for i, strokes in enumerate(drawings):
            one = axes[above + i // columns][i % columns]
            draw(one, strokes, colour)
            one.set_title(f"{word}: {names[i]}" if i < len(names) and names[i] else word, fontsize=7)
        above += count
    return figure


def draw(axes: Axes, strokes: Strokes, colour: str) -> None:
    """Draw strokes as lines in a square, with y downwards as on screens."""
    for stroke in strokes:
        x, y = zip(*stroke, strict=True)
        axes.plot(x, y, color=colour, linewidth=1.6, solid_capstyle="round", marker="." if len(stroke) == 1 else "")
    points = [point for stroke in strokes for point in stroke] or [[0.0, 0.0]]
    low, high = ([f(point[axis] for point in points) for axis in (0, 1)] for f in (min, max))
    half = max(high[0] - low[0], high[1] - low[1], 1e-6) * 0.55
    middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] + half, middle[1] - half))
    axes.set_aspect("equal")
