"""Plot of forecasts in windows of series."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from seqmodels.tasks.plots.style import BASELINE, MODEL, TRUTH, legend_below, panels, tidy

# Steps of history in the plot: multiple of the horizon, and minimum.
SHOWN_HORIZONS, LEAST_HISTORY = 4, 24


class Window(NamedTuple):
    """History, truth and forecast of a row, optionally with quantiles ``(H, Q)``."""

    history: Tensor
    truth: Tensor
    forecast: Tensor
    baseline: Any = None
    quantiles: Tensor | None = None


def forecast_figure(windows: Sequence[Window], name: str, baseline: str = "", levels: Sequence[float] = ()) -> Figure:
    """Plot history, truth, forecast and a baseline's forecast, one panel per window.

    Args:
        levels: levels of the quantiles; pairs symmetric around 0.5 bound a band.
    """
    margin = 0.6 if len(windows) > 1 or windows[0].quantiles is None else 2.0
    figure, grid = panels(len(windows), 2, (4.6, 2.5), (margin, 0.9))
    for axes, window in zip(grid, windows, strict=True):
        _draw_bands(axes, window, levels)
        _draw_window(axes, window, baseline)
        axes.set(ylabel=name)
    for axes in grid[-2:]:
        axes.set_xlabel("steps from the last known value")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.suptitle(f"{name}: forecast against truth")
    legend_below(figure, handles, labels)
    return figure


def _draw_window(axes: Axes, window: Window, baseline: str) -> None:
    horizon = len(window.truth)
    past = np.asarray(window.history)[-max(SHOWN_HORIZONS * horizon, LEAST_HISTORY) :]
    known = past[-1:]  # start of all forecast lines
    ahead = np.arange(1 - len(known), horizon + 1)
    if len(past):
        axes.plot(np.arange(1 - len(past), 1), past, color="#8a8a8a", linewidth=1.2, label="history")
        axes.axvline(0, color="#8a8a8a", linewidth=0.7, linestyle=":")
    marker = "o" if horizon <= 3 else None
    for values, colour, label, width in (
        (window.baseline, BASELINE, baseline, 1.4),
        (window.truth, TRUTH, "truth", 1.8),
        (window.forecast, MODEL, "model", 1.8),
    ):
        if values is not None:
            line = np.concatenate([known, np.asarray(values)])
            axes.plot(ahead, line, color=colour, linewidth=width, label=label, marker=marker)
    tidy(axes)


def _draw_bands(axes: Axes, window: Window, levels: Sequence[float]) -> None:
    """Draw the quantile bands as a fan, wider bands paler."""
    if window.quantiles is None:
        return
    known = np.asarray(window.history)[-1:]
    ahead = np.arange(1 - len(known), len(window.truth) + 1)
    pairs = [(i, len(levels) - 1 - i) for i in range(len(levels) // 2)]
    shares = ", ".join(f"{levels[high] - levels[low]:.0%}" for low, high in pairs)
    for i, pair in enumerate(pairs):
        low, high = (np.concatenate([known, np.asarray(window.quantiles[:, j])]) for j in pair)
        label = None if i else f"{shares} interval{'s' if len(pairs) > 1 else ''}"
        axes.fill_between(ahead, low, high, color=MODEL, alpha=0.18, linewidth=0, label=label)
