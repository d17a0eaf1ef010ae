"""Scatter plot of predicted against true values."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from seqmodels.tasks.plots.style import MODEL, TRUTH, panels, tidy

# Maximum number of points.
MOST_POINTS = 2000


def scatter_figure(truth: Tensor, predicted: Tensor, names: Sequence[str]) -> Figure:
    """Plot predicted against true values, with the diagonal.

    Args:
        truth, predicted: ``(n, V)`` in original units.
    """
    figure, grid = panels(min(len(names), 6), 3, (4.4, 4.2))
    chosen = np.linspace(0, len(truth) - 1, min(len(truth), MOST_POINTS)).round().astype(int)
    for column, axes in enumerate(grid):
        x, y = np.asarray(truth[:, column]), np.asarray(predicted[:, column])
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        axes.plot([low, high], [low, high], color=TRUTH, linewidth=1, linestyle="--", label="prediction = truth")
        axes.scatter(x[chosen], y[chosen], s=12, alpha=0.5, color=MODEL, edgecolors="none", label="one target each")
        error = np.sqrt(np.mean((x - y) ** 2))
        axes.set(title=f"{names[column]}, rmse {error:.4g}", xlabel="true", ylabel="predicted")
        tidy(axes)
    grid[0].legend(frameon=False, fontsize=8)
    return figure
