"""Scatter plot of predicted against true values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from seqmodels.tasks.plots.style import MODEL, TRUTH, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Maximum number of points.
MOST_POINTS = 2000


def scatter_figure(truth: Tensor, predicted: Tensor, names: Sequence[str]) -> Figure:
    """Plot predicted against true values, with the diagonal.

    Args:
        truth, predicted: ``(n, V)`` in original units.
        names: names of the V values.
    """
    shown = min(len(names), 6)
    columns = min(shown, 3)
    rows = -(-shown // columns)
    figure = new_figure(4.4 * columns, 4.2 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    chosen = np.linspace(0, len(truth) - 1, min(len(truth), MOST_POINTS)).round().astype(int)
    for column, axes in enumerate(grid[:shown]):
        x, y = np.asarray(truth[:, column]), np.asarray(predicted[:, column])
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        axes.plot([low, high], [low, high], color=TRUTH, linewidth=1, linestyle="--", label="prediction = truth")
        axes.scatter(x[chosen], y[chosen], s=12, alpha=0.5, color=MODEL, edgecolors="none", label="one target each")
        error = np.sqrt(np.mean((x - y) ** 2))
        axes.set(title=f"{names[column]}, rmse {error:.4g}", xlabel="true", ylabel="predicted")
        tidy(axes)
    grid[0].legend(frameon=False, fontsize=8)
    for axes in grid[shown:]:
        axes.set_visible(False)
    return figure
