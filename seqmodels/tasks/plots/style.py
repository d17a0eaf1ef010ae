"""Common style of all plots."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

TRUTH, MODEL, BASELINE, WRONG = "#222222", "#1f6fd6", "#e08a1e", "#d62f3a"
# Width of a legend entry in inches.
ENTRY = 1.7


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, sized in inches, without pyplot's global state."""
    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def panels(
    count: int, columns: int, size: tuple[float, float], margin: tuple[float, float] = (0.0, 0.0)
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels, each of this size in inches, in rows of at most `columns`."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = new_figure(size[0] * columns + margin[0], size[1] * rows + margin[1])
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in grid[count:]:
        axes.set_visible(False)
    return figure, grid[:count]


def plain(figure: Figure) -> Figure:
    """Disable mathtext in all texts of a figure, since names from data may hold ``$``; return the figure."""
    axes = [axis for one in figure.axes for axis in (one.xaxis, one.yaxis)]
    powers = {text for axis in axes if axis.get_scale() != "linear" for text in axis.findobj(Text)}
    for text in {*figure.findobj(Text)} - powers:
        text.set_parse_math(False)
        text.set_usetex(False)
    return figure


def tidy(axes: Axes) -> None:
    """Remove two spines and add a light grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)


def legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Add a legend below all panels, with columns to fit the figure's width."""
    columns = max(1, min(len(labels), int(figure.get_figwidth() // ENTRY)))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
