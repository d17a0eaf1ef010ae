"""Style of the figures: colours, sizes, titles and reading hints."""

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe & Ito 2008: safe for the colour-blind.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
GREY = "#8A8A8A"
INK = "#222222"


def new_figure(title: str, hint: str, size: tuple[float, float] = (7.2, 4.8)) -> tuple[Figure, Axes]:
    """Create a figure with one pair of axes, a title, and a hint on how to read it.

    Args:
        size: in inches.
    """
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    lines = textwrap.wrap(hint, width=int(size[0] * 12.5))
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", color=INK, pad=14 + 12 * len(lines))
    place: dict[str, Any] = {"xy": (0, 1), "xycoords": "axes fraction", "xytext": (0, 8), "textcoords": "offset points"}
    axes.annotate("\n".join(lines), **place, va="bottom", fontsize=9, color="#555555", linespacing=1.3)
    axes.grid(True, color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors="#444444", labelsize=9)
    return figure, axes


def figure_pixels(figure: Figure) -> np.ndarray:
    """Render the figure to pixels, uint8 ``(height, width, 3)``.

    Uses Agg without pyplot, which keeps figures alive and may open windows.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
